"""Named choices: what the user passes to :func:`genesis.init` and to the options. And limits of what is simulated."""

from __future__ import annotations

import enum

# Of positions, velocities and accelerations. MuJoCo takes one beyond it for a simulation that has diverged (mjMAXVAL,
# in mj_checkPos, mj_checkVel and mj_checkAcc): in SI units nothing that is simulated is there.
LARGEST_STATE = 1e10
# How many numbers place a mocap body: position and quaternion; and a weld that is made at run time: anchors on its
# second and its first body, relative orientation.
MOCAP_WIDTH, WELD_WIDTH = 7, 10


class Backend(enum.Enum):
    """Where the simulation runs, as chosen in :func:`genesis.init`."""

    cpu = "cpu"  # the host's processor
    gpu = "gpu"  # a CUDA GPU if there is one, otherwise the CPU with a warning
    cuda = "cuda"  # an NVIDIA GPU; an error if there is none
    # Genesis's other ones. There are no kernels for them here: the CPU with a warning, as gs.gpu without a GPU.
    amdgpu = "amdgpu"
    metal = "metal"
    vulkan = "vulkan"

    def __repr__(self) -> str:
        return f"gs.{self.name}"

    __str__ = __repr__


class integrator(enum.Enum):
    """Time integration of the rigid bodies; names and equations are MuJoCo's (``mjtIntegrator``)."""

    Euler = "Euler"  # semi-implicit Euler, implicit in the joint damping
    implicitfast = "implicitfast"  # implicit in every velocity-dependent force but the Coriolis and centripetal ones
    implicit = "implicit"  # implicit in every velocity-dependent force; an unsymmetric system
    approximate_implicitfast = "approximate_implicitfast"  # Genesis's shortcut of implicitfast; runs as implicitfast
    RK4 = "RK4"  # classical fourth-order Runge-Kutta

    def __repr__(self) -> str:
        return f"gs.integrator.{self.name}"

    __str__ = __repr__


class constraint_solver(enum.Enum):
    """Algorithm that solves for the constraint forces (``mjtSolver``)."""

    CG = "CG"  # preconditioned conjugate gradient
    Newton = "Newton"  # Newton's method with the exact Hessian

    def __repr__(self) -> str:
        return f"gs.constraint_solver.{self.name}"

    __str__ = __repr__


class friction_cone(enum.Enum):
    """Shape of the contact friction cone (``mjtCone``)."""

    pyramidal = "pyramidal"  # the cone replaced by a pyramid
    elliptic = "elliptic"  # the exact cone

    def __repr__(self) -> str:
        return f"gs.friction_cone.{self.name}"

    __str__ = __repr__


# What a model may have, at the start or once it is set.
FLUID, POLYNOMIALS = "fluid", "polynomials"
SURFACE_VELOCITY, ADHESION = "surface velocity", "adhesion"
# Parameters that say whether it has: all of them zero, it has not.
OF_FEATURES = {
    FLUID: ("density", "viscosity"),
    POLYNOMIALS: ("dof_stiffnesspoly", "dof_dampingpoly", "tendon_stiffnesspoly", "tendon_dampingpoly"),
    SURFACE_VELOCITY: ("geom_surfacevel",),
    ADHESION: ("geom_adhesion", "pair_adhesion"),
}


# -- Genesis's other names -------------------------------------------------------------------------------------------

backend = Backend
"""Genesis's name of it."""


class IntEnum(enum.IntEnum):
    """Base of Genesis's numbered choices."""

    def __repr__(self) -> str:
        return f"gs.{type(self).__name__}.{self.name}"

    __str__ = __repr__


class _Kind(IntEnum):
    """A choice that equals its number in Genesis, and MuJoCo's name of it, which handles of this engine say."""

    mujoco: str

    def __new__(cls, value: int, name: str) -> _Kind:
        member = int.__new__(cls, value)
        member._value_ = value
        member.mujoco = name
        return member

    def __eq__(self, other: object) -> bool:
        return self.mujoco == other if isinstance(other, str) else int.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


class JOINT_TYPE(_Kind):
    """What a joint moves by: `joint.type == gs.JOINT_TYPE.REVOLUTE` where `joint.type` is "hinge"."""

    FIXED = 0, "fixed"
    REVOLUTE = 1, "hinge"
    PRISMATIC = 2, "slide"
    SPHERICAL = 3, "ball"
    FREE = 4, "free"


class GEOM_TYPE(_Kind):
    """Shape of a geom: `geom.type == gs.GEOM_TYPE.TERRAIN` where `geom.type` is "hfield"."""

    PLANE = 0, "plane"
    SPHERE = 1, "sphere"
    ELLIPSOID = 2, "ellipsoid"
    CYLINDER = 3, "cylinder"
    CAPSULE = 4, "capsule"
    BOX = 5, "box"
    MESH = 6, "mesh"
    TERRAIN = 7, "hfield"


class EQUALITY_TYPE(_Kind):
    """What an equality constraint holds together (``mjtEq``); SCREW is no constraint of MuJoCo."""

    CONNECT = 0, "connect"
    WELD = 1, "weld"
    JOINT = 2, "joint"
    SCREW = 3, "screw"


class CTRL_MODE(IntEnum):
    """What a dof is commanded."""

    POSITION = 0
    VELOCITY = 1
    FORCE = 2


class contact_resolution(IntEnum):
    """How a contact's normal and friction forces are solved for. Only MuJoCo's is here: one convex problem."""

    convex = 0
    signorini = 1


class broadphase_traversal(IntEnum):
    """How Genesis looks for bodies that are near each other. Chosen by the engine here: no effect."""

    SAP = 0
    ALL_VS_ALL = 1


class link_ref_frame(IntEnum):
    """Where a quantity of a link is expressed: its tree's centre of mass, its own, or its origin."""

    root_COM = 0
    link_COM = 1
    link_origin = 2


class IMAGE_TYPE(IntEnum):
    """What a camera sees."""

    RGB = 0
    DEPTH = 1
    SEGMENTATION = 2
    NORMAL = 3


class PARA_LEVEL(IntEnum):
    """How far Genesis spreads a loop over threads. Decided by the engine here: no effect."""

    NEVER = 0
    PARTIAL = 1
    ALL = 2


INACTIVE, ACTIVE = 0, 1
URDF_FORMAT, XACRO_FORMAT, MJCF_FORMAT = ".urdf", ".xacro", ".xml"
GLTF_FORMATS = (".glb", ".gltf")
MESH_FORMATS = (".obj", ".stl", ".dae", *GLTF_FORMATS)
USD_FORMATS = (".usd", ".usda", ".usdc", ".usdz")
