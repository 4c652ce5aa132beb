"""The pipeline as data: which stages make a step, what each reads and writes, and how its adjoint is made.

Forward walks a tuple of stages, the adjoint walks it backwards, so no stage can be missing from the gradient.
A kernel's arguments are bound by name: to a field of the work space, an index or constant array of the model, a
parameter, a control, or a scalar.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import mujoco
import warp as wp
from warp._src.codegen import Struct

from genesis.constants import ADHESION, POLYNOMIALS, SURFACE_VELOCITY
from genesis.model import contact
from genesis.model.arrays import Model
from genesis.model.rows import RowKind
from genesis.rigid.kernels import (
    actuation,
    adhesion,
    bias,
    command,
    delay,
    fluid,
    fluid_ellipsoid,
    free_body,
    implicit,
    inertia,
    integrate,
    kinematics,
    muscle,
    observe,
    orientation,
    passive,
    plastic,
    polynomial,
    runge_kutta,
    servo,
    solve,
    spatial_tendon,
    tendon,
    wrapping,
)
from genesis.rigid.kernels.collision import (
    box_box,
    capsule_box,
    convex,
    convex_geometry,
    detect,
    plane,
    plane_mesh,
    poses,
)
from genesis.rigid.kernels.collision import round as rounds
from genesis.rigid.kernels.constraint import (
    contact_rows,
    envelope,
    exact_diagonal,
    force,
    friction_response,
    kinds,
    noslip,
    reference,
    solver,
    surfaces,
)
from genesis.types import mat33, real, vec3, vec4, vec6, vec10


def _ccd_scratch(model: Model) -> int:
    if contact.CONVEX not in model.pair_families:
        return 0
    return convex.scratch_size(int(model.option.ccd_iterations), int(model.mj_model.npolygonmax))


def _slots(model: Model) -> int:
    """Contacts that sweeps against slip keep something of."""
    return model.nconmax if model.noslip_iterations else 0


@dataclass(frozen=True)
class Field:
    """A work array per env: element type and shape, the latter as a function of the model.

    Attributes:
        per_contact: one element of this shape per contact slot; what belongs to a contact lies together
        differentiable: False for scratch space, which has no gradient array
    """

    dtype: type
    shape: Callable[[Model], tuple[int, ...]]
    per_contact: bool = False
    differentiable: bool = True


FIELDS: dict[str, Field] = {
    # kinematics: poses of frames and links, anchors and axes of joints, in the world [m]
    "xpos": Field(vec3, lambda m: (m.nframe,)),
    "xquat": Field(vec4, lambda m: (m.nframe,)),
    "xanchor": Field(vec3, lambda m: (m.njnt,)),
    "xaxis": Field(vec3, lambda m: (m.njnt,)),
    "xref": Field(vec3, lambda m: (m.nbody,)),
    "xipos": Field(vec3, lambda m: (m.nbody,)),
    # spatial quantities about xref, world axes
    "cinert": Field(vec10, lambda m: (m.nbody,)),
    "crb": Field(vec10, lambda m: (m.nbody,)),
    "cdof": Field(vec6, lambda m: (m.nv,)),
    "cvel": Field(vec6, lambda m: (m.nframe,)),
    "cacc_bias": Field(vec6, lambda m: (m.nframe,)),
    "cfrc": Field(vec6, lambda m: (m.nbody,)),
    "cfrc_gravcomp": Field(vec6, lambda m: (m.nbody,)),
    # joint space
    "qM": Field(real, lambda m: (m.nM,)),
    "qfrc_bias": Field(real, lambda m: (m.nv,)),
    "qfrc_gravcomp": Field(real, lambda m: (m.nv,)),
    "qfrc_passive": Field(real, lambda m: (m.nv,)),
    "qfrc_command": Field(real, lambda m: (m.nv,)),
    "qfrc_actuator_raw": Field(real, lambda m: (m.nv,)),
    "qfrc_smooth": Field(real, lambda m: (m.nv,)),
    "qfrc_constraint": Field(real, lambda m: (m.nv,)),
    "qfrc_total": Field(real, lambda m: (m.nv,)),
    "qacc": Field(real, lambda m: (m.nv,)),
    "spring_extension": Field(real, lambda m: (m.nv,)),
    "dof_error": Field(real, lambda m: (m.nv,)),
    "dcommand_dvel": Field(real, lambda m: (m.nv,)),
    # tendons: how they run around shapes; length, its rate, J; dJ/dt qvel; how far beyond the spring's range
    "wrap_root": Field(vec3, lambda m: (m.nwrap,), differentiable=False),
    "ten_bias": Field(real, lambda m: (m.ntendon if m.nspatial else 0,)),
    "ten_length": Field(real, lambda m: (m.ntendon,)),
    "ten_velocity": Field(real, lambda m: (m.ntendon,)),
    "ten_J": Field(real, lambda m: (m.nten_J,)),
    "ten_extension": Field(real, lambda m: (m.ntendon,)),
    "qfrc_tendon": Field(real, lambda m: (m.nv,)),
    "ten_actuator_force": Field(real, lambda m: (m.ntendon,)),
    "ten_length_next": Field(real, lambda m: (m.ntendon if m.plastic_tendons else 0,)),
    # springs that are not linear: extension, or the size of one along three dofs
    "spring_reach": Field(real, lambda m: (m.nv if POLYNOMIALS in m.features else 0,)),
    # what a fluid acts on: boxes (inertia, moments, axes), then ellipsoids; places, wrenches and their slopes
    "fluid_box_inertia": Field(vec6, lambda m: (m.nfluid_box,)),
    "fluid_box_moments": Field(vec3, lambda m: (m.nfluid_box,)),
    "fluid_box_axes": Field(mat33, lambda m: (m.nfluid_box,)),
    "fluid_xpos": Field(vec3, lambda m: (m.nfluid,)),
    "fluid_wrench": Field(vec6, lambda m: (m.nfluid,)),
    "fluid_slope": Field(mat33, lambda m: (m.nfluid, 4)),
    "cfrc_fluid": Field(vec6, lambda m: (m.nbody if m.nfluid else 0,)),
    "cfluid_slope": Field(mat33, lambda m: (m.nbody if m.nfluid else 0, 3)),
    "qfrc_fluid": Field(real, lambda m: (m.nv if m.nfluid else 0,)),
    # actuators
    "muscle_gain": Field(real, lambda m: (m.nmuscle,)),
    "muscle_slope": Field(real, lambda m: (m.nmuscle,)),
    "muscle_bias": Field(real, lambda m: (m.nmuscle,)),
    "muscle_rate": Field(real, lambda m: (m.nmuscle,)),
    "actuator_ctrl": Field(real, lambda m: (m.nu if m.nhistory else 0,)),
    "actuator_force_raw": Field(real, lambda m: (m.nactuator,)),
    "dforce_dvel_raw": Field(real, lambda m: (m.nactuator,)),
    "actuator_length": Field(real, lambda m: (m.nactuator,)),
    "actuator_velocity": Field(real, lambda m: (m.nactuator,)),
    "actuator_moment": Field(real, lambda m: (m.nmoment,)),
    "actuator_force": Field(real, lambda m: (m.nactuator,)),
    "dforce_dvel": Field(real, lambda m: (m.nactuator,)),
    "servo_force": Field(real, lambda m: (m.nservo,)),
    "servo_slope": Field(real, lambda m: (m.nservo,)),
    "servo_load": Field(real, lambda m: (m.nservo,)),
    "servo_load_slope": Field(real, lambda m: (m.nservo,)),
    "so3_velocity": Field(vec3, lambda m: (len(m.indices["so3_actuator"]),)),
    "so3_torque": Field(vec3, lambda m: (len(m.indices["so3_actuator"]),)),
    "act_dot": Field(real, lambda m: (m.nrate,)),
    # the table of constraint rows (genesis.model.rows): J, violation, dJ/dt qvel, inverse inertia, friction loss
    "efc_J": Field(real, lambda m: (m.rows.nJ,)),
    "efc_pos": Field(real, lambda m: (m.rows.nefc,)),
    "efc_bias": Field(real, lambda m: (m.rows.nefc,)),
    "efc_diag": Field(real, lambda m: (m.rows.nefc,)),
    "efc_loss": Field(real, lambda m: (m.rows.nefc,)),
    "efc_aref": Field(real, lambda m: (m.rows.nefc,)),
    "efc_D": Field(real, lambda m: (m.rows.nefc,)),
    "efc_force": Field(real, lambda m: (m.rows.nefc,)),
    # collision, and contacts in their frame: normal, tangents, and rotations about these
    "geom_xpos": Field(vec3, lambda m: (m.ncg,)),
    "geom_xmat": Field(mat33, lambda m: (m.ncg,)),
    "con_dist": Field(real, lambda m: (), per_contact=True),
    "con_pos": Field(vec3, lambda m: (), per_contact=True),
    "con_frame": Field(mat33, lambda m: (), per_contact=True),
    "con_surfacevel": Field(real, lambda m: (3 if SURFACE_VELOCITY in m.features else 0,), per_contact=True),
    "con_adhesion": Field(real, lambda m: (1 if ADHESION in m.features else 0,), per_contact=True),
    "con_J": Field(real, lambda m: (m.maxcondim, m.maxchain), per_contact=True),
    "con_friction": Field(real, lambda m: (5,), per_contact=True),
    "con_aref": Field(real, lambda m: (m.maxcondim,), per_contact=True),
    "con_D": Field(real, lambda m: (m.maxcondim,), per_contact=True),
    "con_force": Field(real, lambda m: (m.maxcondim,), per_contact=True),
    # the solver's own
    "cgeom_radius": Field(real, lambda m: (m.ncg,), differentiable=False),
    "qacc_smooth": Field(real, lambda m: (m.nv,), differentiable=False),
    "qMLD": Field(real, lambda m: (m.nM,), differentiable=False),
    "qMLDiagInv": Field(real, lambda m: (m.nv,), differentiable=False),
    "Ma": Field(real, lambda m: (m.nv,), differentiable=False),
    "Mv": Field(real, lambda m: (m.nv,), differentiable=False),
    "search": Field(real, lambda m: (m.nv,), differentiable=False),
    "efc_y": Field(real, lambda m: (m.rows.nefc,), differentiable=False),
    "efc_v": Field(real, lambda m: (m.rows.nefc,), differentiable=False),
    "con_y": Field(real, lambda m: (m.nconmax, m.maxcondim), differentiable=False),
    "con_v": Field(real, lambda m: (m.nconmax, m.maxcondim), differentiable=False),
    "placed": Field(real, lambda m: (m.nv,), differentiable=False),
    "H": Field(real, lambda m: (m.nv, m.nv) if m.constrained else (0, 0), differentiable=False),
    # the inverse inertia that constraints feel, where it is exact
    "exact_LD": Field(real, lambda m: (m.nM if m.exact_diagonals else 0,), differentiable=False),
    "exact_LDiagInv": Field(real, lambda m: (m.nv if m.exact_diagonals else 0,), differentiable=False),
    "exact_x": Field(real, lambda m: (m.nv if m.exact_diagonals else 0,), differentiable=False),
    # sweeps against slip
    "efc_B": Field(real, lambda m: (m.rows.nefc, m.nv) if m.noslip_iterations else (0, 0)),
    "con_B": Field(real, lambda m: (m.maxcondim - 1, m.nv) if m.noslip_iterations else (0, 0), per_contact=True),
    "slip_LD": Field(real, lambda m: (m.nM if m.noslip_iterations else 0,), differentiable=False),
    "slip_LDiagInv": Field(real, lambda m: (m.nv if m.noslip_iterations else 0,), differentiable=False),
    "slip_improvement": Field(real, lambda m: (m.ntree if m.noslip_iterations else 0,), differentiable=False),
    "slip_inertia": Field(real, lambda m: (m.ntree if m.noslip_iterations else 0,), differentiable=False),
    "slip_acc": Field(real, lambda m: (m.nv if m.noslip_iterations else 0,), differentiable=False),
    "slip_adj_acc": Field(real, lambda m: (m.nv if m.noslip_iterations else 0,), differentiable=False),
    "slip_bound": Field(real, lambda m: (_slots(m), m.maxcondim), differentiable=False),
    "slip_adj_bound": Field(real, lambda m: (_slots(m), m.maxcondim), differentiable=False),
    "slip_efc_before": Field(real, lambda m: (m.noslip_iterations, m.rows.nefc), differentiable=False),
    "slip_con_before": Field(real, lambda m: (m.noslip_iterations, _slots(m), m.maxcondim), differentiable=False),
    # linear systems
    "qH": Field(real, lambda m: (m.nM,)),
    "qLD": Field(real, lambda m: (m.nM,), differentiable=False),
    "qLDiagInv": Field(real, lambda m: (m.nv,), differentiable=False),
    "z": Field(real, lambda m: (m.nv,), differentiable=False),
    "free_matrix": Field(real, lambda m: (36 * len(m.indices["free_dofadr"]),)),
    "free_lu": Field(real, lambda m: (36 * len(m.indices["free_dofadr"]),), differentiable=False),
    # the same under the integrator implicit: turning of axes, slopes of the bias force, both triangles
    "cdof_rate": Field(vec6, lambda m: (m.nv if m.bias_implicit else 0,)),
    "cbias_slope": Field(mat33, lambda m: (m.nbody if m.bias_implicit else 0,)),
    "cmomentum": Field(vec3, lambda m: (m.nbody if m.bias_implicit else 0,)),
    "cfluid_turn": Field(mat33, lambda m: (m.nbody if m.bias_implicit and m.nfluid else 0, 3)),
    "qA_lower": Field(real, lambda m: (m.nM if m.bias_implicit else 0,)),
    "qA_upper": Field(real, lambda m: (m.nM if m.bias_implicit else 0,)),
    "qLU_lower": Field(real, lambda m: (m.nM if m.bias_implicit else 0,), differentiable=False),
    "qLU_upper": Field(real, lambda m: (m.nM if m.bias_implicit else 0,), differentiable=False),
    # observations
    "xvel": Field(vec6, lambda m: (m.nbody,)),
    "xacc": Field(vec6, lambda m: (m.nbody,)),
    "cacc_joint": Field(vec6, lambda m: (m.nframe,)),
    "qM_dense": Field(real, lambda m: (m.nv, m.nv)),
    "xjac": Field(real, lambda m: (6 * m.nbody, m.nv)),
    "body_energy": Field(real, lambda m: (m.nbody, 2)),
    "dof_energy": Field(real, lambda m: (m.nv, 2)),
    "piece_start": Field(vec3, lambda m: (len(m.indices["segment_tendon"]) * spatial_tendon.PIECES,)),
    "piece_end": Field(vec3, lambda m: (len(m.indices["segment_tendon"]) * spatial_tendon.PIECES,)),
    "piece_pull": Field(vec3, lambda m: (len(m.indices["segment_tendon"]) * spatial_tendon.PIECES,)),
    "ten_energy": Field(real, lambda m: (m.ntendon, 2)),
}

# Fields of frames of which the first rows are those of the bodies: an observation holds these only.
OF_BODIES = ("xpos", "xquat")

# Discrete work arrays, without gradient.
INT_FIELDS: dict[str, Callable[[Model], tuple[int, ...]]] = {
    "dof_unsaturated": lambda m: (m.nv,),
    "efc_active": lambda m: (m.rows.nefc,),
    "efc_list": lambda m: (m.rows.nefc,),  # the active rows
    "efc_count": lambda m: (1,),  # and how many they are
    "wrap_state": lambda m: (m.nwrap,),
    "adhesion_count": lambda m: (len(m.indices["adhesion_actuator"]),),
    "sweep_order": lambda m: (m.ncg,),
    "candidate_count": lambda m: (1,),
    "candidate": lambda m: (m.ncpair,),
    "ncon_needed": lambda m: (1,),  # largest of the first since it was last zeroed
    "ncon": lambda m: (2,),  # contacts found, and those among them that have a slot
    "con_pair": lambda m: (m.nconmax,),
    "con_feature": lambda m: (m.nconmax, m.feature_width),
    "found_order": lambda m: (m.nconmax if len(m.pair_families) > 1 else 0,),
    "found_pair": lambda m: (m.nconmax if len(m.pair_families) > 1 else 0,),
    "found_feature": lambda m: (m.nconmax if len(m.pair_families) > 1 else 0, m.feature_width),
    "ccd_scratch": lambda m: (_ccd_scratch(m),),
    "con_dim": lambda m: (m.nconmax,),
    "any_constraint": lambda m: (1,),
    "tree_seen": lambda m: (m.ntree,),
    "tree_queue": lambda m: (m.ntree,),
    "dof_place": lambda m: (m.nv,),
    "row_start": lambda m: (m.nv,),
    "solver_niter": lambda m: (1,),
    "tree_island": lambda m: (m.ntree if m.noslip_iterations else 0,),
    "slip_niter": lambda m: (m.ntree if m.noslip_iterations else 0,),
    "slip_stopped": lambda m: (m.ntree if m.noslip_iterations else 0,),
    "solver_unconverged": lambda m: (1,),
}


@dataclass(frozen=True)
class Stage:
    """One quantity of the step.

    Attributes:
        name: of the quantity
        kernels: launched in order, one thread per env
        outputs: fields it writes
        adjoint: "tape" (generated by Warp from ``kernels``), "by hand" (``adjoint_kernels``; at a solution by the
            implicit function theorem) or "none" (the outputs do not depend on anything, or only discretely)
        adjoint_kernels: for "by hand"; they name the gradient of a field ``adj_<field>``
        needed: whether a model has the stage at all; the outputs of a stage it lacks are zero
        parts: of kernels that not every model with the stage needs: whether a model does
    """

    name: str
    kernels: tuple
    outputs: tuple[str, ...]
    adjoint: str = "tape"
    adjoint_kernels: tuple = ()
    needed: Callable[[Model], bool] = lambda model: True
    parts: tuple[tuple[wp.Kernel, Callable[[Model], bool]], ...] = ()

    def of(self, model: Model) -> "Stage":
        """The stage with the kernels that the model needs."""
        unneeded = [kernel for kernel, needed in self.parts if not needed(model)]
        if not unneeded:
            return self
        return replace(self, kernels=tuple(k for k in self.kernels if k not in unneeded), parts=())

    @property
    def taped_kernels(self) -> tuple:
        """Those whose adjoint Warp has generated."""
        return {"tape": self.kernels, "by hand": (), "none": ()}[self.adjoint]

    def inputs(self) -> set[str]:
        return {name for kernel in self.kernels for name in arguments_of(kernel)} - set(self.outputs)


def arguments_of(kernel: wp.Kernel) -> list[str]:
    """Names of a kernel's arguments, those of a group each by its own."""
    found: list[str] = []
    for arg in kernel.adj.args:
        found += arg.type.vars if isinstance(arg.type, Struct) else [arg.label]
    return found


def _has_actuator_gravcomp(model: Model) -> bool:
    return bool(model.indices["dof_actgravcomp"].any())


def _has_free_blocks(model: Model) -> bool:
    return model.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST and len(model.indices["free_dofadr"]) > 0


def _has_tendons(model: Model) -> bool:
    return model.ntendon > 0


def _has_elastic_joints(model: Model) -> bool:
    return not model.plastic_joints


def _has_plastic_joints(model: Model) -> bool:
    return model.plastic_joints


def _has_elastic_tendons(model: Model) -> bool:
    return not model.plastic_tendons


def _has_plastic_tendons(model: Model) -> bool:
    return model.plastic_tendons


def _has_plastic_springs(model: Model) -> bool:
    return model.nplastic > 0


def _has_fixed_tendons(model: Model) -> bool:
    return model.nspatial < model.ntendon


def _has_spatial_tendons(model: Model) -> bool:
    return model.nspatial > 0


def _has_wraps(model: Model) -> bool:
    return model.nwrap > 0


def _has_muscles(model: Model) -> bool:
    return model.nmuscle > 0


def _has_servos(model: Model) -> bool:
    return model.nservo > 0


def _has_pid_servos(model: Model) -> bool:
    return len(model.indices["pid_servo"]) > 0


def _has_dc_motors(model: Model) -> bool:
    return len(model.indices["dc_servo"]) > 0


def _has_orientation_servos(model: Model) -> bool:
    return len(model.indices["so3_actuator"]) > 0


def _has_stateful_servos(model: Model) -> bool:
    return bool((model.indices["servo_state"] >= 0).any())


def _has_integrated_orientations(model: Model) -> bool:
    return bool((model.indices["so3_actadr"] >= 0).any())


def _has_adhesion(model: Model) -> bool:
    return model.has_contacts and len(model.indices["adhesion_actuator"]) > 0


def _has_implicit_tendons(model: Model) -> bool:
    return model.ntendon > 0 and model.implicit


def _has_polynomials(model: Model) -> bool:
    return POLYNOMIALS in model.features


def _has_tendon_polynomials(model: Model) -> bool:
    return _has_polynomials(model) and _has_tendons(model)


def _has_implicit_polynomials(model: Model) -> bool:
    return _has_polynomials(model) and model.integrator != mujoco.mjtIntegrator.mjINT_RK4


def _has_fluid(model: Model) -> bool:
    return model.nfluid > 0


def _has_fluid_boxes(model: Model) -> bool:
    return model.nfluid_box > 0


def _has_fluid_ellipsoids(model: Model) -> bool:
    return model.nfluid > model.nfluid_box


def _has_implicit_fluid(model: Model) -> bool:
    return _has_fluid(model) and model.implicit


def _has_free_ellipsoids(model: Model) -> bool:
    return _has_free_blocks(model) and _has_fluid_ellipsoids(model)


def _has_implicit_bias(model: Model) -> bool:
    return model.bias_implicit


def _has_implicit_ellipsoids(model: Model) -> bool:
    return model.bias_implicit and _has_fluid_ellipsoids(model)


def _has_actuators(model: Model) -> bool:
    return model.nactuator > 0


def _has_histories(model: Model) -> bool:
    return model.nhistory > 0


def _is_constrained(model: Model) -> bool:
    return model.constrained


def _has_contacts(model: Model) -> bool:
    return model.has_contacts


def _has_running_surfaces(model: Model) -> bool:
    return SURFACE_VELOCITY in model.features


def _has_sticky_surfaces(model: Model) -> bool:
    return ADHESION in model.features


def _has_closed_forms(model: Model) -> bool:
    return bool(model.pair_families - {contact.CONVEX})


def _has_convex_pairs(model: Model) -> bool:
    return contact.CONVEX in model.pair_families


def _without_slip(model: Model) -> bool:
    return model.constrained and model.noslip_iterations > 0


def _has_exact_diagonals(model: Model) -> bool:
    return model.constrained and model.exact_diagonals


def _has_rows(model: Model) -> bool:
    return model.constrained and model.rows.nefc > 0


# Of each family of pairs: what finds its contacts, and what evaluates them.
_FAMILIES = {
    contact.PLANES: plane,
    contact.PLANE_MESHES: plane_mesh,
    contact.ROUNDS: rounds,
    contact.CAPSULE_BOXES: capsule_box,
    contact.BOX_BOXES: box_box,
    contact.CONVEX: convex,
}


def _of_families(kernel: str) -> tuple[tuple[wp.Kernel, Callable[[Model], bool]], ...]:
    """A kernel of each family, and which models need it."""
    return tuple(
        (getattr(file, kernel), lambda model, family=family: family in model.pair_families)
        for family, file in _FAMILIES.items()
        if hasattr(file, kernel)
    )


_NARROW_PHASES, _GEOMETRIES = _of_families("NARROW_PHASE"), _of_families("GEOMETRY")
# The same by family, for who measures other pairs than those that can touch; convex pairs have no GEOMETRY of Warp's.
NARROW_PHASE_OF = {family: file.NARROW_PHASE for family, file in _FAMILIES.items()}
GEOMETRY_OF = {family: file.GEOMETRY for family, file in _FAMILIES.items() if hasattr(file, "GEOMETRY")}

FOUND = (
    *("cgeom_radius", "sweep_order", "candidate_count", "candidate"),
    *("ncon_needed", "ncon", "con_pair", "con_feature", "found_order", "found_pair", "found_feature", "ccd_scratch"),
)
REFERENCES = ("efc_aref", "efc_D", "efc_list", "efc_count")
CONTACT_ROWS = ("con_J", "con_friction", "con_aref", "con_D", "con_dim")
SOLUTION = (
    *("any_constraint", "tree_seen", "tree_queue", "dof_place", "row_start"),
    *("qMLD", "qMLDiagInv", "qacc_smooth", "solver_niter", "solver_unconverged"),
    *("qacc_constrained", "Ma", "search", "Mv", "efc_y", "efc_v", "con_y", "con_v", "placed", "H"),
    *("con_force", "efc_force", "qfrc_constraint"),
)
NO_SLIP = (
    *("tree_island", "slip_niter", "slip_stopped", "slip_improvement", "slip_inertia"),
    *("slip_acc", "slip_adj_acc"),
    *("slip_bound", "slip_adj_bound", "slip_efc_before", "slip_con_before"),
    *("efc_force", "con_force", "qfrc_constraint", "qfrc_total"),
)

# Of each way in which a fluid acts: its kernel, and which models need it.
_FLUID_WRENCHES = (
    (fluid.box_wrenches, _has_fluid_boxes),
    (fluid_ellipsoid.ellipsoid_wrenches, _has_fluid_ellipsoids),
)
_FLUID_SLOPES = (
    (fluid.box_slopes, _has_fluid_boxes),
    (fluid_ellipsoid.ellipsoid_slopes, _has_fluid_ellipsoids),
)

_BEFORE_ROWS: tuple[Stage, ...] = (
    Stage("kinematics", (kinematics.kinematics,), ("xpos", "xquat", "xanchor", "xaxis")),
    Stage("reference point", (kinematics.reference_point,), ("xref",), adjoint="none"),
    Stage("spatial quantities", (inertia.spatial_quantities,), ("xipos", "cinert", "cdof")),
    Stage("mass matrix", (inertia.mass_matrix,), ("crb", "qM")),
    Stage("tendon wraps", (wrapping.choose_wraps,), ("wrap_state", "wrap_root"), adjoint="none", needed=_has_wraps),
    Stage(
        "tendons",
        (tendon.fixed_tendons, spatial_tendon.spatial_tendons, tendon.tendon_velocities),
        ("ten_length", "ten_J", "ten_velocity"),
        needed=_has_tendons,
        parts=(
            (tendon.fixed_tendons, _has_fixed_tendons),
            (spatial_tendon.spatial_tendons, _has_spatial_tendons),
        ),
    ),
    Stage("tendon inertia", (tendon.tendon_inertia,), ("qM",), needed=_has_tendons),
    Stage("velocity", (bias.velocity,), ("cvel", "cacc_bias")),
    Stage("bias force", (bias.bias,), ("cfrc", "qfrc_bias")),
    Stage("tendon bias", (spatial_tendon.tendon_bias,), ("ten_bias", "qfrc_bias"), needed=_has_spatial_tendons),
    Stage(
        "gravity compensation",
        (bias.gravity_compensation,),
        ("cfrc_gravcomp", "qfrc_gravcomp"),
        needed=_has_actuator_gravcomp,
    ),
    Stage(
        "passive force",
        (passive.passive, plastic.plastic_passive),
        ("spring_extension", "qfrc_passive"),
        parts=((passive.passive, _has_elastic_joints), (plastic.plastic_passive, _has_plastic_joints)),
    ),
    Stage(
        "tendon force",
        (tendon.tendon_forces, plastic.plastic_tendon_forces),
        ("ten_extension", "qfrc_tendon"),
        needed=_has_tendons,
        parts=((tendon.tendon_forces, _has_elastic_tendons), (plastic.plastic_tendon_forces, _has_plastic_tendons)),
    ),
    Stage(
        "polynomial springs and dampers",
        (polynomial.joint_polynomials,),
        ("spring_reach", "qfrc_passive"),
        needed=_has_polynomials,
    ),
    Stage("polynomial tendons", (polynomial.tendon_polynomials,), ("qfrc_tendon",), needed=_has_tendon_polynomials),
    Stage("box inertias", (fluid.box_inertias,), ("fluid_box_inertia",), needed=_has_fluid_boxes),
    Stage(
        "principal axes",
        (fluid.principal_axes,),
        ("fluid_box_moments", "fluid_box_axes"),
        adjoint="by hand",
        adjoint_kernels=(fluid.principal_axes_adjoint,),
        needed=_has_fluid_boxes,
    ),
    Stage(
        "fluid wrenches",
        tuple(kernel for kernel, _ in _FLUID_WRENCHES),
        ("fluid_xpos", "fluid_wrench"),
        needed=_has_fluid,
        parts=_FLUID_WRENCHES,
    ),
    Stage("fluid force", (fluid.fluid_forces,), ("cfrc_fluid", "qfrc_fluid", "qfrc_passive"), needed=_has_fluid),
    Stage("position error", (command.position_error,), ("dof_error",)),
    Stage("command", (command.command,), ("qfrc_command", "dcommand_dvel")),
    Stage("geom poses", (poses.geom_poses,), ("geom_xpos", "geom_xmat"), needed=_has_contacts),
    Stage(
        "collision",
        (detect.broad_phase, *(kernel for kernel, _ in _NARROW_PHASES), detect.order_contacts),
        FOUND,
        adjoint="none",
        needed=_has_contacts,
        parts=_NARROW_PHASES,
    ),
    Stage(
        "contact geometry",
        tuple(kernel for kernel, _ in _GEOMETRIES),
        ("con_dist", "con_pos", "con_frame"),
        needed=_has_closed_forms,
        parts=_GEOMETRIES,
    ),
    Stage(
        "convex contact geometry",
        (convex_geometry.convex_geometry,),
        ("con_dist", "con_pos", "con_frame"),
        adjoint="by hand",
        adjoint_kernels=(convex_geometry.convex_geometry_adjoint,),
        needed=_has_convex_pairs,
    ),
    Stage("surface velocity", (surfaces.surface_velocities,), ("con_surfacevel",), needed=_has_running_surfaces),
    Stage(
        "sticky contacts",
        (surfaces.adhesive_forces,),
        ("con_adhesion", "qfrc_passive"),
        needed=_has_sticky_surfaces,
    ),
    Stage(
        "transmission",
        (actuation.transmission, orientation.orientation_moments),
        ("actuator_length", "actuator_moment"),
        needed=_has_actuators,
        parts=((orientation.orientation_moments, _has_orientation_servos),),
    ),
    Stage("sticking bodies", (adhesion.count_touches,), ("adhesion_count",), adjoint="none", needed=_has_adhesion),
    Stage("adhesion", (adhesion.body_moments,), ("actuator_moment",), needed=_has_adhesion),
    Stage("actuator velocity", (actuation.actuator_velocities,), ("actuator_velocity",), needed=_has_actuators),
    Stage("control delay", (delay.delayed_controls,), ("actuator_ctrl",), needed=_has_histories),
    Stage(
        "muscles",
        (muscle.muscles,),
        ("muscle_gain", "muscle_slope", "muscle_bias", "muscle_rate"),
        needed=_has_muscles,
    ),
    Stage(
        "servos",
        (servo.pid_servos, servo.dc_motors, orientation.orientation_servos),
        (
            *("servo_force", "servo_slope", "servo_load", "servo_load_slope", "act_dot"),
            *("so3_velocity", "so3_torque"),
        ),
        needed=_has_servos,
        parts=(
            (servo.pid_servos, _has_pid_servos),
            (servo.dc_motors, _has_dc_motors),
            (orientation.orientation_servos, _has_orientation_servos),
        ),
    ),
    Stage(
        "actuator force",
        (actuation.actuator_forces, orientation.orientation_torques),
        (
            *("act_dot", "actuator_force_raw", "dforce_dvel_raw"),
            *("ten_actuator_force", "actuator_force", "dforce_dvel", "qfrc_actuator_raw"),
        ),
        needed=_has_actuators,
        parts=((orientation.orientation_torques, _has_orientation_servos),),
    ),
    Stage("control history", (delay.next_history,), ("act_dot",), needed=_has_histories),
    Stage("smooth force", (passive.smooth_force,), ("qfrc_smooth", "dof_unsaturated")),
)
_AFTER_ROWS: tuple[Stage, ...] = (
    Stage(
        "exact diagonals",
        (exact_diagonal.exact_diagonals,),
        ("exact_LD", "exact_LDiagInv", "exact_x", "efc_diag"),
        adjoint="by hand",
        adjoint_kernels=(exact_diagonal.exact_diagonals_adjoint,),
        needed=_has_exact_diagonals,
    ),
    Stage(
        "row references",
        (reference.row_references,),
        REFERENCES,
        adjoint="by hand",
        adjoint_kernels=(reference.row_references_adjoint,),
        needed=_has_rows,
    ),
    Stage(
        "contact rows",
        (contact_rows.contact_rows,),
        CONTACT_ROWS,
        adjoint="by hand",
        adjoint_kernels=(contact_rows.contact_rows_adjoint,),
        needed=_has_contacts,
    ),
    Stage(
        "constraint solution",
        (
            envelope.constraint_envelope,
            solver.smooth_acceleration,
            solver.constraint_solve,
            force.constraint_force,
        ),
        SOLUTION,
        adjoint="by hand",
        adjoint_kernels=(force.constraint_adjoint,),
        needed=_is_constrained,
    ),
    Stage("total force", (force.total_force,), ("qfrc_total",)),
    Stage(
        "friction response",
        (friction_response.friction_response,),
        ("slip_LD", "slip_LDiagInv", "efc_B", "con_B"),
        adjoint="by hand",
        adjoint_kernels=(friction_response.friction_response_adjoint,),
        needed=_without_slip,
    ),
    Stage(
        "no slip",
        (noslip.no_slip,),
        NO_SLIP,
        adjoint="by hand",
        adjoint_kernels=(noslip.no_slip_adjoint,),
        needed=_without_slip,
    ),
    Stage("effective mass matrix", (solve.effective_mass_matrix,), ("qH",)),
    Stage("tendon damping", (tendon.tendon_implicit_damping,), ("qH",), needed=_has_implicit_tendons),
    Stage(
        "polynomial damping",
        (polynomial.joint_polynomial_damping, polynomial.tendon_polynomial_damping),
        ("qH",),
        needed=_has_implicit_polynomials,
        parts=((polynomial.tendon_polynomial_damping, _has_implicit_tendons),),
    ),
    Stage(
        "fluid slopes",
        tuple(kernel for kernel, _ in _FLUID_SLOPES),
        ("fluid_slope",),
        needed=_has_implicit_fluid,
        parts=_FLUID_SLOPES,
    ),
    Stage("fluid damping", (fluid.fluid_implicit_damping,), ("cfluid_slope", "qH"), needed=_has_implicit_fluid),
    Stage(
        "acceleration",
        (solve.factor, solve.solve),
        ("qLD", "qLDiagInv", "qacc"),
        adjoint="by hand",
        adjoint_kernels=(solve.solve_adjoint,),
    ),
)


def row_stages(table: Sequence[RowKind]) -> tuple[Stage, ...]:
    """One stage for each kind of constraint rows: it fills the slots of its own."""
    return tuple(
        Stage(
            f"rows: {kind.name.replace('_', ' ')}",
            kind.kernels,
            kinds.OUTPUTS,
            needed=lambda model, name=kind.name: model.constrained and model.rows.count[name] > 0,  # type: ignore[misc]
        )
        for kind in table
    )


def forward(table: Sequence[RowKind]) -> tuple[Stage, ...]:
    """Forward dynamics, (qpos, qvel, act, controls, theta) -> (qacc, act_dot), with these kinds of constraint rows."""
    return (*_BEFORE_ROWS, *row_stages(table), *_AFTER_ROWS)


# Free bodies under implicitfast, and everything under implicit: they write the rows of qacc that "acceleration" leaves
# out.
UNSYMMETRIC: tuple[Stage, ...] = (
    Stage("free body matrix", (free_body.free_body_matrix,), ("free_matrix",), needed=_has_free_blocks),
    Stage("free body fluid", (fluid_ellipsoid.free_body_fluid,), ("free_matrix",), needed=_has_free_ellipsoids),
    Stage(
        "free body acceleration",
        (free_body.free_body_solve,),
        ("free_lu", "qacc"),
        adjoint="by hand",
        adjoint_kernels=(free_body.free_body_solve_adjoint,),
        needed=_has_free_blocks,
    ),
    Stage(
        "implicit matrix",
        (implicit.axis_rates, implicit.bias_slopes, implicit.implicit_matrix),
        ("cdof_rate", "cbias_slope", "cmomentum", "qA_lower", "qA_upper"),
        needed=_has_implicit_bias,
    ),
    Stage(
        "implicit fluid",
        (fluid_ellipsoid.implicit_fluid,),
        ("cfluid_turn", "qA_lower", "qA_upper"),
        needed=_has_implicit_ellipsoids,
    ),
    Stage(
        "implicit acceleration",
        (implicit.implicit_solve,),
        ("qLU_lower", "qLU_upper", "qLDiagInv", "qacc"),
        adjoint="by hand",
        adjoint_kernels=(implicit.implicit_solve_adjoint,),
        needed=_has_implicit_bias,
    ),
)

_OF_SERVOS = (
    (servo.advance_servos, _has_stateful_servos),
    (orientation.advance_orientations, _has_integrated_orientations),
)
ADVANCE = Stage(
    "advance",
    (integrate.advance, *(kernel for kernel, _ in _OF_SERVOS)),
    ("qpos_next", "qvel_next", "act_next"),
    parts=_OF_SERVOS,
)
# After either of the advances.
YIELD = Stage(
    "plastic springs",
    (plastic.yield_joints, plastic.yield_tendons),
    ("ten_length_next", "act_next"),
    needed=_has_plastic_springs,
    parts=((plastic.yield_joints, _has_plastic_joints), (plastic.yield_tendons, _has_plastic_tendons)),
)
RK_STAGE = Stage("RK stage", (runge_kutta.rk_stage,), ("qpos_next", "qvel_next", "act_next", "rk_velocity_next"))
RK_ADVANCE = Stage(
    "RK advance",
    (runge_kutta.rk_advance, *(kernel for kernel, _ in _OF_SERVOS)),
    ("qpos_next", "qvel_next", "act_next"),
    parts=_OF_SERVOS,
)

OBSERVE: tuple[Stage, ...] = (
    Stage("link velocity", (observe.link_velocity,), ("xvel",)),
    Stage("link acceleration", (observe.link_acceleration,), ("cacc_joint", "xacc")),
    Stage("dense mass matrix", (observe.dense_mass_matrix,), ("qM_dense",)),
    Stage("link Jacobian", (observe.link_jacobian,), ("xjac",)),
    Stage("energy", (observe.energy,), ("body_energy", "dof_energy")),
    Stage(
        "tendon pulls",
        (spatial_tendon.tendon_pulls,),
        ("piece_start", "piece_end", "piece_pull"),
        needed=_has_spatial_tendons,
    ),
    Stage("tendon energy", (tendon.tendon_energy,), ("ten_energy",), needed=_has_tendons),
    Stage("polynomial energy", (polynomial.joint_polynomial_energy,), ("dof_energy",), needed=_has_polynomials),
    Stage(
        "polynomial tendon energy",
        (polynomial.tendon_polynomial_energy,),
        ("ten_energy",),
        needed=_has_tendon_polynomials,
    ),
)


def stages_for(names: Iterable[str], model: Model) -> tuple[Stage, ...]:
    """The stages that the fields ``names`` depend on, in order."""
    wanted = set(names)
    chosen = []
    for stage in reversed((*forward(model.kinds), *OBSERVE)):
        if wanted & set(stage.outputs):
            wanted |= stage.inputs()
            if stage.needed(model):
                chosen.append(stage.of(model))
    return tuple(reversed(chosen))


def has_gradient(name: str, model: Model) -> bool:
    """Whether the floating-point array that kernels call so is differentiable: neither constant nor scratch space."""
    return name not in model.constants and (name not in FIELDS or FIELDS[name].differentiable)


# Files that take longest to compile, in this order; each of the others takes a second or two.
_SLOWEST = (
    *(convex.NARROW_PHASE, solver.constraint_solve, convex_geometry.convex_geometry_adjoint),
    *(box_box.GEOMETRY, actuation.actuator_forces, plane.GEOMETRY, rounds.GEOMETRY, capsule_box.GEOMETRY),
    *(contact_rows.contact_rows, fluid_ellipsoid.ellipsoid_slopes, force.constraint_force),
)


def kernels_of(model: Model) -> list[wp.Kernel]:
    """Every kernel that steps of the model launch, or observations; what takes longest to compile comes first."""
    integration = (RK_STAGE, RK_ADVANCE) if model.integrator == mujoco.mjtIntegrator.mjINT_RK4 else (ADVANCE,)
    every = (*forward(model.kinds), *UNSYMMETRIC, *integration, YIELD, *OBSERVE)
    stages = [stage.of(model) for stage in every if stage.needed(model)]
    kernels = [kernel for stage in stages for kernel in (*stage.kernels, *stage.adjoint_kernels)]
    return [*(kernel for kernel in _SLOWEST if kernel in kernels), *kernels]
