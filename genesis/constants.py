"""Named choices: what the user passes to :func:`genesis.init` and to the options. And limits of what is simulated."""

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
