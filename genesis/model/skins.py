"""Files of skins (.skn), read here: MuJoCo reads them when it compiles, and looks the links that they name up in the
scene, where each has its entity's name before it."""

from __future__ import annotations

import struct
from collections.abc import Container
from pathlib import Path

import mujoco
import numpy as np

from genesis.errors import GenesisException

_HEADER = struct.Struct("<4i")  # vertices, texture coordinates, faces, bones
_NAME = 40  # bytes of a bone's link


def fill_skin(skin: mujoco.MjsSkin, path: Path, links: Container[str]) -> None:
    """Puts what a file says into the skin itself.

    Raises `GenesisException`, and changes nothing, for a file that is none and for a bone of a link that is not there.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size:
        raise GenesisException("it is no skin: it has no header")
    n_vert, n_texcoord, n_face, n_bone = _HEADER.unpack_from(data)
    at = _HEADER.size

    def take(dtype: str, count: int) -> np.ndarray:
        nonlocal at
        if count < 0 or at + 4 * count > len(data):
            raise GenesisException("it is no skin, or cut short")
        found = np.frombuffer(data, dtype, count, at)
        at += 4 * count
        return found

    vert, texcoord, face = take("<f4", 3 * n_vert), take("<f4", 2 * n_texcoord), take("<i4", 3 * n_face)
    names, pos, quat, ids, weights = [], [], [], [], []
    for _ in range(n_bone):
        name = take("<i4", _NAME // 4).tobytes().partition(b"\0")[0].decode("utf-8", "replace")
        if name not in links:
            raise GenesisException(f"it hangs on the link {name!r}, which is not there")
        names.append(name)
        pos.append(take("<f4", 3))
        quat.append(take("<f4", 4))
        n = int(take("<i4", 1)[0])
        ids.append(take("<i4", n))
        weights.append(take("<f4", n))
        if not n or ids[-1].min() < 0 or ids[-1].max() >= n_vert:
            raise GenesisException("it is no skin: a bone holds vertices that are not there")
    if not n_bone or not n_vert:
        raise GenesisException("it is no skin: it has no bones or no vertices")
    skin.file = ""
    skin.vert, skin.texcoord, skin.face = vert, texcoord, face
    skin.bodyname = names
    skin.bindpos, skin.bindquat = np.concatenate(pos), np.concatenate(quat)
    skin.vertid, skin.vertweight = [one.tolist() for one in ids], [one.tolist() for one in weights]
