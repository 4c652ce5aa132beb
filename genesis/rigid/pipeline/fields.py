"""The work arrays of the pipeline: what each holds, its element type, and its shape as a function of the model."""

from collections.abc import Callable
from dataclasses import dataclass

from genesis.constants import ADHESION, POLYNOMIALS, SURFACE_VELOCITY
from genesis.model import contact
from genesis.model.arrays import Model
from genesis.rigid.kernels import spatial_tendon
from genesis.rigid.kernels.collision import convex
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
