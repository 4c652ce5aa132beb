"""What `entity.attach` is given, checked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from genesis.errors import GenesisException
from genesis.options import plain_numbers

if TYPE_CHECKING:
    from genesis.entities import RigidEntity
    from genesis.model.attachments import Attachment


def attachment_of(
    child: RigidEntity, parent: Any, link: Any, pos: Any, quat: Any, base_link_name: Any = None
) -> Attachment:
    """The attachment of one entity to another; raises GenesisException for what cannot be one."""
    from genesis.model.attachments import Attachment  # MuJoCo comes along

    owner = f"{child.name}.attach"
    if child.is_built:
        raise GenesisException(
            f"{owner}: the scene is built already; attach before build(), or weld links with "
            "scene.rigid_solver.add_weld_constraint()."
        )
    if child.variants or getattr(parent, "variants", ()):
        raise GenesisException(f"{owner}: entities of several variants cannot be attached, nor attached to.")
    if child.attachment is not None:
        raise GenesisException(f"{owner}: it is attached to {child.attachment.entity!r} already.")
    if not any(parent is one for one in child.scene.entities):
        raise GenesisException(f"{owner}: `parent_entity` is {parent!r}; expected a rigid entity of this scene.")
    if parent is child:
        raise GenesisException(f"{owner}: an entity cannot be attached to itself.")
    if parent.idx > child.idx:
        raise GenesisException(
            f"{owner}: {parent.name!r} was added after {child.name!r}; add first what carries the other."
        )
    for argument, name in (("parent_link_name", link), ("base_link_name", base_link_name)):
        if name is not None and not isinstance(name, str):
            raise GenesisException(f"{owner}: `{argument}` is {name!r}; expected the name of a link, or None.")
    place = _numbers(owner, "pos", pos, 3), _numbers(owner, "quat", quat, 4)
    if place[1] is not None and math.hypot(*place[1]) == 0:
        raise GenesisException(f"{owner}: `quat` has length zero; the identity is (1, 0, 0, 0).")
    return Attachment(parent.name, link, *place, base_link_name)


def _numbers(owner: str, argument: str, value: Any, count: int) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(float(number) for number in plain_numbers(value))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise GenesisException(f"{owner}: `{argument}` is {value!r}; expected {count} finite numbers.")
    return numbers
