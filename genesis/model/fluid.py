"""Which bodies and shapes a fluid acts on, and how (MuJoCo: mj_fluid).

A body with a shape of ``fluidshape="ellipsoid"`` feels the fluid through these shapes, each as an ellipsoid of its own;
any other body as the box that has its mass and inertia. Bodies that nothing moves feel it without effect.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

# How the semi-axes of a shape's ellipsoid follow from its size (MuJoCo: mju_geomSemiAxes).
AXES_OF_SIZE, AXES_OF_SPHERE, AXES_OF_CAPSULE, AXES_OF_CYLINDER = range(4)
_AXES = {
    int(mujoco.mjtGeom.mjGEOM_SPHERE): AXES_OF_SPHERE,
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): AXES_OF_CAPSULE,
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): AXES_OF_CYLINDER,
}


def is_off(m: mujoco.MjModel) -> bool:
    """Whether the model has no passive forces but springs and dampers of constraints: neither fluid nor gravity
    compensation, with springs and dampers both disabled (MuJoCo: mj_passive)."""
    both = int(mujoco.mjtDisableBit.mjDSBL_SPRING) | int(mujoco.mjtDisableBit.mjDSBL_DAMPER)
    return m.opt.disableflags & both == both


def ellipsoids(m: mujoco.MjModel) -> np.ndarray:
    """Numbers of the shapes that the fluid acts on, ascending."""
    return np.flatnonzero((m.geom_fluid[:, 0] > 0) & (np.asarray(m.geom_bodyid) > 0))


def describe(
    m: mujoco.MjModel, body_dofs: Sequence[Sequence[int]], row_of_geom: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(indices, constants) of the model; ``body_dofs``: those that move each body.

    fluid_box_body (n,): bodies that are boxes; fluid_box_quat (n, 4): their principal axes in the link's frame, of the
    file; fluid_geom, fluid_geom_axes (k,): rows of the shapes in ``geom_fluid``, and of `AXES_OF_SIZE`, ...;
    fluid_body (n + k,): of each of these, boxes first, its body.
    """
    shapes = [geom for geom in ellipsoids(m).tolist() if body_dofs[m.geom_bodyid[geom]]]
    bodies = np.asarray(m.geom_bodyid)[shapes]
    boxes = [body for body in range(1, m.nbody) if body_dofs[body] and body not in set(bodies.tolist())]
    indices = {
        "fluid_box_body": boxes,
        "fluid_geom": row_of_geom[shapes],
        "fluid_geom_axes": [_AXES.get(int(m.geom_type[geom]), AXES_OF_SIZE) for geom in shapes],
        "fluid_body": [*boxes, *bodies.tolist()],
    }
    constants = {"fluid_box_quat": np.asarray(m.body_iquat)[boxes].reshape(-1, 4)}
    return {name: np.array(values, dtype=np.int32) for name, values in indices.items()}, constants
