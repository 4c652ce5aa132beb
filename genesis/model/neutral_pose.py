"""Links of one robot whose shapes overlap in the pose of its file.

The collision shapes of a URDF are hulls and cylinders that reach into each other around joints. MuJoCo takes a link and
its parent out of contact, but not a link and the base that is fixed to the world, nor a thigh and the trunk. Such
shapes would push each other apart for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from genesis import runtime
from genesis.model import diagnostics

_SHOWN = 3  # pairs that a warning names


def overlapping(m: mujoco.MjModel, owner: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """Pairs of bodies of one entity that overlap at qpos0, by the entity.

    `owner`: the entity of each body, (nbody,); -1 for bodies that may overlap. Explicit pairs are left alone.
    """
    if m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT) or not (owner >= 0).any():
        return {}
    data = mujoco.MjData(m)
    with diagnostics.log_mujoco_warnings("the scene"):
        mujoco.mj_kinematics(m, data)
        mujoco.mj_comPos(m, data)
        mujoco.mj_collision(m, data)
    explicit = set(zip(m.pair_geom1.tolist(), m.pair_geom2.tolist(), strict=True))
    found: dict[int, dict[tuple[int, int], None]] = {}
    for contact in data.contact:
        one, two = (int(geom) for geom in contact.geom)
        bodies = sorted(int(m.geom_bodyid[geom]) for geom in (one, two))
        entity = int(owner[bodies[0]])
        if contact.dist < 0 and entity >= 0 and entity == owner[bodies[1]] and not {(one, two), (two, one)} & explicit:
            found.setdefault(entity, {})[bodies[0], bodies[1]] = None
    return {entity: list(pairs) for entity, pairs in found.items()}


def exclude(
    spec: mujoco.MjSpec, m: mujoco.MjModel, names: Sequence[str], found: dict[int, list[tuple[int, int]]]
) -> None:
    """Takes these pairs of bodies out of contact, and says so once for each entity."""
    for entity, pairs in found.items():
        for one, two in pairs:
            spec.add_exclude(bodyname1=m.body(one).name, bodyname2=m.body(two).name)
        own = [[m.body(body).name.partition("/")[2] for body in pair] for pair in pairs]
        shown = ", ".join(f"'{one}' and '{two}'" for one, two in own[:_SHOWN])
        more = f" and {len(own) - _SHOWN} more pairs" if len(own) > _SHOWN else ""
        runtime.logger.warning(
            "'%s': links that overlap in the pose of the file do not touch each other: %s%s. "
            "RigidOptions(enable_neutral_collision=True) lets them.",
            names[entity],
            shown,
            more,
        )
