"""Entities that hang on a link of another entity, and are one tree with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import diagnostics


@dataclass(frozen=True)
class Attachment:
    """Where an entity's base link is mounted.

    Attributes:
        entity: name of the entity that carries it
        link: name of that entity's link; None: its last
        pos, quat: of the base link in that link's frame; both None: where morph and file place it in the world
        base: the base link's name, where the caller said it
    """

    entity: str
    link: str | None = None
    pos: tuple[float, ...] | None = None
    quat: tuple[float, ...] | None = None
    base: str | None = None

    @property
    def is_mounted(self) -> bool:
        return self.pos is not None or self.quat is not None


def check_order(names: Sequence[str], attachments: Sequence[Attachment | None]) -> None:
    """Raises GenesisException for an entity that is not attached to the ones directly before it."""
    root: dict[str, str] = {}
    for k, (name, attachment) in enumerate(zip(names, attachments, strict=True)):
        root[name] = name if attachment is None else root[attachment.entity]
        if attachment is None:
            continue
        first = names.index(attachment.entity)
        between = [other for other in names[first + 1 : k] if root[other] != root[name]]
        if between:
            raise GenesisException(
                f"entity '{name}' is attached to '{attachment.entity}', and {_listed(between)} was added between them: "
                "MuJoCo numbers the links of a tree in a row. Add attached entities directly after what carries them."
            )


def release_base(name: str, spec: mujoco.MjSpec, attachment: Attachment) -> None:
    """Takes away what lets an entity's base move, and its pose if it is mounted elsewhere; raises GenesisException for
    an entity that is not one tree."""
    bases = list(spec.worldbody.bodies)
    if len(bases) != 1:
        raise GenesisException(
            f"entity '{name}' cannot be attached: it is {len(bases)} trees ({_listed(body.name for body in bases)}). "
            "Attach one base link with all that hangs on it."
        )
    (base,) = bases
    if attachment.base is not None and base.name != attachment.base:
        raise GenesisException(
            f"entity '{name}' cannot be attached by its link '{attachment.base}': an entity hangs on its base link, "
            f"'{base.name}'."
        )
    if base.mocap:
        raise GenesisException(f"entity '{name}' cannot be attached: its base '{base.name}' is a mocap body.")
    for joint in list(base.joints):
        spec.delete(joint)
    if spec.keys:
        runtime.logger.warning(
            "entity '%s' is attached, its base cannot move: the keyframes of its file are left out.", name
        )
        for key in list(spec.keys):
            spec.delete(key)
    if attachment.is_mounted:
        base.pos, base.quat = (0, 0, 0), (1, 0, 0, 0)
        base.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT


def frame_of(parent: mujoco.MjSpec, name: str, attachment: Attachment, morph: Any, separator: str) -> mujoco.MjsFrame:
    """The frame in which an entity hangs on its carrier, which is in the scene already.

    Raises GenesisException for a link that is not there, and for one after which other branches of the tree come.
    """
    prefix = attachment.entity + separator
    links = [body.name.removeprefix(prefix) for body in parent.bodies if body.name.startswith(prefix)]
    link = links[-1] if attachment.link is None else attachment.link
    if link not in links:
        raise GenesisException(
            f"entity '{name}' cannot be attached: '{attachment.entity}' has no link '{link}'. "
            f"{diagnostics.closest(link, links)}"
        )
    body = parent.body(prefix + link)
    behind = _behind(body)
    if behind:
        raise GenesisException(
            f"entity '{name}' cannot be attached to link '{link}' of '{attachment.entity}': the branch of "
            f"'{behind[0].name.removeprefix(prefix)}' comes after it, and MuJoCo numbers a tree branch by branch, so "
            "that the links of that entity would not be in a row. Attach to its last branch, put both into one file, "
            "or weld them after build(): scene.rigid_solver.add_weld_constraint()."
        )
    if attachment.is_mounted:
        return body.add_frame(pos=attachment.pos or (0, 0, 0), quat=attachment.quat or (1, 0, 0, 0))
    return body.add_frame(pos=morph.pos, quat=morph.orientation)


def _behind(body: mujoco.MjsBody) -> list[mujoco.MjsBody]:
    """Bodies of the tree that are numbered after all that hangs on this one."""
    while body.parent is not None and body.parent.name != "world":
        siblings = list(body.parent.bodies)
        place = next(k for k, one in enumerate(siblings) if one.name == body.name)
        if siblings[place + 1 :]:
            return siblings[place + 1 :]
        body = body.parent
    return []


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)
