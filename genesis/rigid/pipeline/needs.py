"""Which parts a model has: stages and kernels that it does not need are left out."""

import mujoco

from genesis.constants import ADHESION, POLYNOMIALS, SURFACE_VELOCITY
from genesis.model import contact
from genesis.model.arrays import Model


def has_actuator_gravcomp(model: Model) -> bool:
    return bool(model.indices["dof_actgravcomp"].any())


def has_free_blocks(model: Model) -> bool:
    return model.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST and len(model.indices["free_dofadr"]) > 0


def has_tendons(model: Model) -> bool:
    return model.ntendon > 0


def has_elastic_joints(model: Model) -> bool:
    return not model.plastic_joints


def has_plastic_joints(model: Model) -> bool:
    return model.plastic_joints


def has_elastic_tendons(model: Model) -> bool:
    return not model.plastic_tendons


def has_plastic_tendons(model: Model) -> bool:
    return model.plastic_tendons


def has_plastic_springs(model: Model) -> bool:
    return model.nplastic > 0


def has_fixed_tendons(model: Model) -> bool:
    return model.nspatial < model.ntendon


def has_spatial_tendons(model: Model) -> bool:
    return model.nspatial > 0


def has_wraps(model: Model) -> bool:
    return model.nwrap > 0


def has_muscles(model: Model) -> bool:
    return model.nmuscle > 0


def has_servos(model: Model) -> bool:
    return model.nservo > 0


def has_pid_servos(model: Model) -> bool:
    return len(model.indices["pid_servo"]) > 0


def has_dc_motors(model: Model) -> bool:
    return len(model.indices["dc_servo"]) > 0


def has_orientation_servos(model: Model) -> bool:
    return len(model.indices["so3_actuator"]) > 0


def has_stateful_servos(model: Model) -> bool:
    return bool((model.indices["servo_state"] >= 0).any())


def has_integrated_orientations(model: Model) -> bool:
    return bool((model.indices["so3_actadr"] >= 0).any())


def has_adhesion(model: Model) -> bool:
    return model.has_contacts and len(model.indices["adhesion_actuator"]) > 0


def has_implicit_tendons(model: Model) -> bool:
    return model.ntendon > 0 and model.implicit


def has_polynomials(model: Model) -> bool:
    return POLYNOMIALS in model.features


def has_tendon_polynomials(model: Model) -> bool:
    return has_polynomials(model) and has_tendons(model)


def has_implicit_polynomials(model: Model) -> bool:
    return has_polynomials(model) and model.integrator != mujoco.mjtIntegrator.mjINT_RK4


def has_fluid(model: Model) -> bool:
    return model.nfluid > 0


def has_fluid_boxes(model: Model) -> bool:
    return model.nfluid_box > 0


def has_fluid_ellipsoids(model: Model) -> bool:
    return model.nfluid > model.nfluid_box


def has_implicit_fluid(model: Model) -> bool:
    return has_fluid(model) and model.implicit


def has_free_ellipsoids(model: Model) -> bool:
    return has_free_blocks(model) and has_fluid_ellipsoids(model)


def has_implicit_bias(model: Model) -> bool:
    return model.bias_implicit


def has_implicit_ellipsoids(model: Model) -> bool:
    return model.bias_implicit and has_fluid_ellipsoids(model)


def has_actuators(model: Model) -> bool:
    return model.nactuator > 0


def has_histories(model: Model) -> bool:
    return model.nhistory > 0


def is_constrained(model: Model) -> bool:
    return model.constrained


def has_contacts(model: Model) -> bool:
    return model.has_contacts


def has_running_surfaces(model: Model) -> bool:
    return SURFACE_VELOCITY in model.features


def has_sticky_surfaces(model: Model) -> bool:
    return ADHESION in model.features


def has_closed_forms(model: Model) -> bool:
    return bool(model.pair_families - {contact.CONVEX})


def has_convex_pairs(model: Model) -> bool:
    return contact.CONVEX in model.pair_families


def without_slip(model: Model) -> bool:
    return model.constrained and model.noslip_iterations > 0


def has_exact_diagonals(model: Model) -> bool:
    return model.constrained and model.exact_diagonals


def has_rows(model: Model) -> bool:
    return model.constrained and model.rows.nefc > 0
