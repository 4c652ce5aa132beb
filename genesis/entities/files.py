"""Files that entities write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.files import write_atomically

if TYPE_CHECKING:
    from genesis.entities.place import Place


def write_urdf(place: Place, morph: Any, path: str | os.PathLike[str], env: int | None, lossy: bool) -> None:
    """What `entity.to_urdf` does."""
    from genesis.model.urdf_export import to_urdf

    owner = place.owner("to_urdf")
    if not isinstance(path, (str, os.PathLike)):
        raise GenesisException(f"{owner}: `path` is {path!r:.80}; expected the path of a file.")
    target, world = Path(path), place.world
    values = world.theta.values_of_env(env, owner)
    if values is None:
        values = {name: field.default for name, field in world.model.theta_fields.items()}
    folder = f"{target.stem}_meshes"
    pose = np.array(morph.pos, dtype=float), np.array(morph.orientation, dtype=float)
    text, meshes, left_out = to_urdf(world.model, place.ranges, values, pose, folder)
    if left_out:
        listed = "".join(f"\n- {one}" for one in left_out)
        if not lossy:
            raise GenesisException(f"{owner}: URDF cannot say (lossy=True leaves it out):{listed}")
        runtime.logger.warning("%s leaves out what URDF cannot say:%s", owner, listed)
    try:
        if meshes:
            (target.parent / folder).mkdir(exist_ok=True)
        for name, mesh in meshes.items():
            write_atomically(target.parent / folder / name, mesh.encode())
        write_atomically(target, text.encode())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise GenesisException(f"{owner}: '{target}' cannot be written: {why}.") from None
