"""What MuJoCo says that each field of the work space is: field -> function of a `StageRun` after its stage, which
returns pairs of (ours, theirs). A field that MuJoCo has not is among ``INTERNAL``, with what it is for."""

import copy

import mujoco
import numpy as np

from genesis.rigid.kernels.constraint.kinds import KINDS
from tests.histories import control_history, set_control_history

# Fields without a counterpart in MuJoCo; all but scratch must hold numbers where they are read.
INTERNAL = {
    "crb": "inertias of subtrees, about another point: qM is made of them",
    "cfrc": "forces on links, about another point: qfrc_bias is made of them",
    "cfrc_gravcomp": "the same of gravity compensation",
    "spring_extension": "qfrc_passive is made of it",
    "ten_extension": "qfrc_tendon is made of it",
    "piece_start": "sensors of force feel it (tests/sensors/test_pulls.py)",
    "piece_end": "the same",
    "piece_pull": "the same",
    "wrap_state": "ten_length is made of it",
    "wrap_root": "the same",
    "ten_bias": "qfrc_bias is made of it",
    "muscle_gain": "actuator_force is made of it",
    "muscle_slope": "enters qH",
    "muscle_bias": "actuator_force is made of it",
    "muscle_rate": "act_dot is made of it",
    "servo_force": "actuator_force is made of it",
    "servo_slope": "enters qH",
    "servo_load": "actuator_force is made of it",
    "servo_load_slope": "enters qH",
    "so3_velocity": "so3_torque is made of it",
    "so3_torque": "qfrc_actuator_raw is made of it",
    "adhesion_count": "actuator_moment is made of it",
    "spring_reach": "qfrc_passive is made of it",
    "fluid_box_inertia": "a parameter",
    "fluid_box_moments": "principal moments, in the order of the file's axes: qfrc_fluid is made of them",
    "fluid_box_axes": "the same",
    "fluid_wrench": "forces of a fluid, about another point: qfrc_fluid is made of them",
    "fluid_slope": "their derivative by the velocity: qH and free_matrix are made of it",
    "cfrc_fluid": "their sums over subtrees: qfrc_fluid is made of them",
    "cfluid_slope": "the same of the derivatives: qH is made of it",
    "dof_error": "of Genesis's position control, which MuJoCo has not",
    "dcommand_dvel": "the same",
    "dforce_dvel": "enters qH",
    "actuator_force_raw": "of actuators on tendons with a force range only: actuator_force is made of it",
    "dforce_dvel_raw": "the same",
    "ten_actuator_force": "the same",
    "qLD": "factors of qH: qacc is made of them",
    "qLDiagInv": "the same",
    "free_matrix": "the block of a free body: qacc is made of it",
    "free_lu": "the same",
    "ten_length_next": "act_next is made of it",
    "cdof_rate": "how axes turn, about another point: qA_lower and qA_upper are made of it",
    "cbias_slope": "derivatives of forces on links, about another point: the same",
    "cmomentum": "the same",
    "cfluid_turn": "the same",
    "qLU_lower": "factors of both: qacc is made of them",
    "qLU_upper": "the same",
    "cacc_joint": "xacc is made of it",
    "con_y": "residuals: con_force is made of them",
    "efc_y": "residuals: efc_force is made of them",
    "con_friction": "con_D is made of it",
    "xref": "a point of our own choice",
    "rk_velocity_next": "velocities of a stage of RK4, corrected for rotations",
}
SCRATCH = {
    "qA_upper",  # that of qA_lower looks at both
    *("cgeom_radius", "sweep_order", "candidate_count", "candidate", "con_feature", "ncon_needed"),
    *("found_order", "found_pair", "found_feature", "ccd_scratch"),
    *("any_constraint", "tree_seen", "tree_queue", "dof_place", "row_start", "solver_niter", "solver_unconverged"),
    *("qMLD", "qMLDiagInv", "qacc_smooth", "Ma", "search", "Mv", "efc_v", "con_v", "placed", "H"),
    *("slip_LD", "slip_LDiagInv", "tree_island", "slip_niter", "slip_stopped", "slip_improvement", "slip_inertia"),
    *("exact_LD", "exact_LDiagInv", "exact_x"),
    *("slip_acc", "slip_adj_acc", "slip_bound", "slip_adj_bound", "slip_efc_before", "slip_con_before"),
}


def bodies(run, label):
    return run.view(label).numpy()[: run.model.nbody]


def shifted(run, motion, bodies_of):
    """Spatial motions of MuJoCo's, which are about the tree's centre of mass, about our reference point."""
    root = run.m.body_rootid[bodies_of]
    arm = run.view("xref").numpy()[bodies_of] - run.data.subtree_com[root]
    moved = np.array(motion)
    moved[:, 3:] += np.cross(moved[:, :3], arm)
    return moved


def orientations(run):
    ours, theirs = bodies(run, "xquat"), run.data.xquat
    return [(np.abs(np.sum(ours * theirs, axis=1)), np.ones(len(theirs)))]


def inertias(run):
    m, d = run.m, run.data
    expected = []
    for b in range(1, m.nbody):
        rot, arm = d.ximat[b].reshape(3, 3), d.xipos[b] - run.view("xref").numpy()[b]
        full = rot @ np.diag(m.body_inertia[b]) @ rot.T + m.body_mass[b] * (arm @ arm * np.eye(3) - np.outer(arm, arm))
        expected.append([*full[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]], *(m.body_mass[b] * arm), m.body_mass[b]])
    return [(run.view("cinert").numpy()[1:], expected)]


def on_pattern(run, full):
    adr, columns = run.model.indices["M_colind_adr"], run.model.indices["M_colind"]
    rows = np.repeat(np.arange(run.model.nv), np.diff(adr))
    return full[rows, columns]


def mass_matrix(run):
    m, d = run.m, run.data
    full = np.zeros((m.nv, m.nv))
    mujoco.mj_fullM(m, d, full)
    if run.stage.name == "mass matrix":  # armature of tendons comes after
        J = tendon_jacobian(run)
        full -= J.T @ np.diag(m.tendon_armature) @ J
    return [(run.view("qM").numpy(), on_pattern(run, full))]


def tendon_jacobian(run):
    m, d = run.m, run.data
    J = np.zeros((m.ntendon, m.nv))
    if m.ntendon:
        mujoco.mju_sparse2dense(J, d.ten_J, m.ten_J_rownnz, m.ten_J_rowadr, m.ten_J_colind)
    return J


def ragged(run, values, dofs, adr, width):
    dense = np.zeros((len(adr) - 1, width))
    for row in range(len(adr) - 1):
        dense[row, run.model.indices[dofs][adr[row] : adr[row + 1]]] = values[adr[row] : adr[row + 1]]
    return dense


def bias_acceleration(run):
    """Accelerations at zero joint acceleration, from MuJoCo's recursion without gravity."""
    m, d = run.m, run.data
    at_rest = mujoco.MjData(m)
    at_rest.qpos[:], at_rest.qvel[:] = d.qpos, d.qvel
    gravity, m.opt.gravity[:] = m.opt.gravity.copy(), 0.0
    mujoco.mj_fwdPosition(m, at_rest)
    mujoco.mj_fwdVelocity(m, at_rest)
    at_rest.qacc[:] = 0.0
    mujoco.mj_rnePostConstraint(m, at_rest)
    m.opt.gravity[:] = gravity
    return [(bodies(run, "cacc_bias"), shifted(run, at_rest.cacc, np.arange(m.nbody)))]


def projected_wrenches(m, data):
    """J' xfrc_applied, which is part of our bias force and not of MuJoCo's."""
    total = np.zeros(m.nv)
    for b in range(1, m.nbody):
        mujoco.mj_applyFT(m, data, data.xfrc_applied[b, :3], data.xfrc_applied[b, 3:], data.xipos[b], b, total)
    return total


def springs_and_dampers(run, of, before):
    """Forces of the springs and dampers of "joints" or of "tendons" alone; without polynomials in the stage ``before`` the
    one that adds them."""
    m = copy.deepcopy(run.m)
    joints = (m.jnt_stiffness, m.jnt_stiffnesspoly, m.dof_damping, m.dof_dampingpoly)
    tendons = (m.tendon_stiffness, m.tendon_stiffnesspoly, m.tendon_damping, m.tendon_dampingpoly)
    left_out = list(tendons if of == "joints" else joints)
    if run.stage.name == before:
        left_out += [m.jnt_stiffnesspoly, m.dof_dampingpoly, m.tendon_stiffnesspoly, m.tendon_dampingpoly]
    for numbers in left_out:
        numbers[:] = 0.0
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:] = run.data.qpos, run.data.qvel
    mujoco.mj_forward(m, data)
    return data.qfrc_spring + data.qfrc_damper


def passive(run):
    fluid = run.data.qfrc_fluid if run.stage.name == "fluid force" else 0.0
    adhesion = run.data.qfrc_adhesion if run.stage.name == "sticky contacts" else 0.0
    expected = springs_and_dampers(run, "joints", "passive force") + fluid + adhesion
    return [(run.view("qfrc_passive").numpy(), expected)]


def tendon_forces(run):
    return [(run.view("qfrc_tendon").numpy(), springs_and_dampers(run, "tendons", "tendon force"))]


def fluid_places(run):
    """Centres of mass of boxes, then places of shapes."""
    m, d, indices = run.m, run.data, run.model.indices
    shapes = [geom for geom in np.flatnonzero(m.geom_fluid[:, 0] > 0) if run.model.dof_chain(m.geom_bodyid[geom])]
    return [(run.view("fluid_xpos").numpy(), np.concatenate([d.xipos[indices["fluid_box_body"]], d.geom_xpos[shapes]]))]


def moments(run):
    m, d = run.m, run.data
    theirs = np.zeros((m.nout, m.nv))
    mujoco.mju_sparse2dense(theirs, d.actuator_moment, d.moment_rownnz, d.moment_rowadr, d.moment_colind)
    adr = run.model.indices["moment_dof_adr"]
    return [(ragged(run, run.view("actuator_moment").numpy(), "moment_dof", adr, m.nv), theirs)]


def raw_actuator_forces(run):
    m, d = run.m, run.data
    theirs = np.zeros((m.nout, m.nv))
    mujoco.mju_sparse2dense(theirs, d.actuator_moment, d.moment_rownnz, d.moment_rowadr, d.moment_colind)
    return [(run.view("qfrc_actuator_raw").numpy(), theirs.T @ d.actuator_force)]


def rates_of_activations(run):
    """Of those that are not switched off: theirs stand still, and MuJoCo leaves out the rate only as it integrates."""
    m, on = run.m, run.model.indices["actuator_enabled"].astype(bool)
    if run.stage.name == "control history":
        return [(run.view("act_dot").numpy()[m.na :], control_history(m, after(run)))]
    if run.stage.name == "servos":
        on &= run.model.indices["actuator_servo"] >= 0
    chosen = [adr for u in np.flatnonzero(on) for adr in m.actuator_actadr[u] + np.arange(m.actuator_actnum[u])]
    return [(run.view("act_dot").numpy()[chosen], run.data.act_dot[chosen])]


def delayed_controls(run):
    m, d = run.m, run.data
    expected = np.array(d.ctrl)
    for u in np.flatnonzero(m.actuator_delay):
        count = int(m.actuator_ctrlnum[u])
        first = int(m.actuator_ctrladr[u])
        expected[first : first + count] = np.ravel(mujoco.mj_readCtrl(m, d, u, d.time, np.zeros((count, 1)), -1))
    return [(run.view("actuator_ctrl").numpy(), expected)]


# -- rows of the table of constraints ---------------------------------------------------------------------------------

TYPES = {
    "made_weld": "EQUALITY",
    "body_equality": "EQUALITY",
    "joint_equality": "EQUALITY",
    "tendon_equality": "EQUALITY",
    "friction_loss": "FRICTION_DOF",
    "tendon_friction": "FRICTION_TENDON",
    "joint_limit": "LIMIT_JOINT",
    "tendon_limit": "LIMIT_TENDON",
}


def row_names(model) -> list[tuple[int, int]]:
    """Of each row of the table MuJoCo's (efc_type, efc_id)."""
    kinds = [kind.name for kind in KINDS for _ in range(model.rows.count[kind.name])]
    types = [int(getattr(mujoco.mjtConstraint, f"mjCNSTR_{TYPES[kind]}")) for kind in kinds]
    return list(zip(types, (owner[2] for owner in model.rows.owners), strict=True))


def active_rows(run):
    """Numbers of our active rows, those of the stage's kind if it is one of a kind, and of MuJoCo's same rows."""
    names, active = row_names(run.model), run.view("efc_active").numpy() == 1
    own = [k for k in range(len(names)) if active[k]]
    kind = next((kind for kind in KINDS if run.stage.name == f"rows: {kind.name.replace('_', ' ')}"), None)
    if kind is not None:
        first = run.model.rows.first[kind.name]
        own = [k for k in own if first <= k < first + run.model.rows.count[kind.name]]
    theirs: dict = {}
    for i in range(run.data.nefc):
        theirs.setdefault((int(run.data.efc_type[i]), int(run.data.efc_id[i])), []).append(i)
    rows = []
    for k in own:
        rows.append(theirs[names[k]].pop(0))
    wanted = {names[k] for k in own}
    assert not any(theirs[name] for name in wanted), "a row of MuJoCo's is missing"
    if kind is None:
        contact = int(mujoco.mjtConstraint.mjCNSTR_CONTACT_FRICTIONLESS)
        assert not any(left for name, left in theirs.items() if name[0] < contact), "a row of MuJoCo's is missing"
    return own, rows


def row(field, theirs):
    def compare(run):
        own, rows = active_rows(run)
        return [(run.view(field).numpy()[own], theirs(run.data)[rows])]

    return compare


def row_jacobian(run):
    own, rows = active_rows(run)
    adr = run.model.indices["efc_dof_adr"]
    dense = ragged(run, run.view("efc_J").numpy(), "efc_dof", adr, run.model.nv)
    return [(dense[own], run.data.efc_J.reshape(-1, run.model.nv)[rows])]


def row_bias(run):
    d = run.data
    own, rows = active_rows(run)
    equality = [(k, i) for k, i in zip(own, rows, strict=True) if d.efc_type[i] == 0]
    K, B, imp, _ = d.efc_KBIP.reshape(-1, 4).T
    bias = -B * d.efc_vel - K * imp * (d.efc_pos - d.efc_margin) - d.efc_aref
    return [(run.view("efc_bias").numpy()[[k for k, _ in equality]], bias[[i for _, i in equality]])]


def row_loss(run):
    own, rows = active_rows(run)
    lossy = [(k, i) for k, i in zip(own, rows, strict=True) if run.data.efc_frictionloss[i] > 0]
    return [(run.view("efc_loss").numpy()[[k for k, _ in lossy]], run.data.efc_frictionloss[[i for _, i in lossy]])]


def row_list(run):
    count = int(run.view("efc_count")[0])
    active = np.flatnonzero(run.view("efc_active").numpy() == 1)
    return [(run.view("efc_list").numpy()[:count], active)]


# -- contacts ---------------------------------------------------------------------------------------------------------


def contact(field, theirs):
    def compare(run):
        n = run.data.ncon
        assert int(run.view("ncon")[1]) == n
        return [(run.view(field).numpy()[:n].reshape(n, -1), np.array(theirs(run.data.contact)).reshape(n, -1))]

    return compare


def contact_pairs(run):
    n = run.data.ncon
    cgeoms = run.model.indices["cpair_geom"][run.view("con_pair").numpy()[:n]]
    return [(run.model.indices["cgeom_id"][cgeoms].reshape(n, 2), run.data.contact.geom.reshape(n, 2))]


def contact_rows(field, theirs):
    """Of an elliptic cone, whose rows are MuJoCo's."""

    def compare(run):
        found = []
        for c in range(run.data.ncon):
            address, dim = int(run.data.contact.efc_address[c]), int(run.data.contact.dim[c])
            if address >= 0:
                found.append((run.view(field).numpy()[c, :dim], theirs(run.data)[address : address + dim]))
        return found

    return compare


def contact_jacobian(run):
    found, indices, d = [], run.model.indices, run.data
    for c in range(d.ncon):
        address, dim = int(d.contact.efc_address[c]), int(d.contact.dim[c])
        chain = int(indices["cpair_chain"][run.view("con_pair")[c]])
        dofs = indices["chain_dof"][indices["chain_dof_adr"][chain] : indices["chain_dof_adr"][chain + 1]]
        dense = np.zeros((dim, run.model.nv))
        dense[:, dofs] = run.view("con_J").numpy()[c, :dim, : len(dofs)]
        if address >= 0:
            found.append((dense, d.efc_J.reshape(-1, run.model.nv)[address : address + dim]))
    return found


def contact_forces(run):
    found = []
    for c in range(run.data.ncon):
        force, dim = np.zeros(6), int(run.data.contact.dim[c])
        mujoco.mj_contactForce(run.m, run.data, c, force)
        if run.data.contact.efc_address[c] >= 0:
            force[0] += run.data.contact.adhesion[c]  # ours is the solver's
        found.append((run.view("con_force").numpy()[c, :dim], force[:dim]))
    return found


def friction_responses(run):
    """M^-1 J' of friction losses and of the friction of contacts."""
    full = np.zeros((run.m.nv, run.m.nv))
    mujoco.mj_fullM(run.m, run.data, full)
    own, rows = active_rows(run)
    lossy = [(k, i) for k, i in zip(own, rows, strict=True) if run.data.efc_frictionloss[i] > 0]
    J = run.data.efc_J.reshape(-1, run.m.nv)[[i for _, i in lossy]]
    return [(run.view("efc_B").numpy()[[k for k, _ in lossy]], np.linalg.solve(full, J.T).T)]


def contact_responses(run):
    full = np.zeros((run.m.nv, run.m.nv))
    mujoco.mj_fullM(run.m, run.data, full)
    responses = run.view("con_B").numpy()
    found, indices = [], run.model.indices
    for c in range(run.data.ncon):
        dim, chain = int(run.data.contact.dim[c]), int(indices["cpair_chain"][run.view("con_pair")[c]])
        dofs = indices["chain_dof"][indices["chain_dof_adr"][chain] : indices["chain_dof_adr"][chain + 1]]
        J = np.zeros((dim - 1, run.m.nv))
        J[:, dofs] = run.view("con_J").numpy()[c, 1:dim, : len(dofs)]
        found.append((responses[c, : dim - 1], np.linalg.solve(full, J.T).T))
    return found


def cgeoms(field, theirs):
    def compare(run):
        ids = run.model.indices["cgeom_id"]
        return [(run.view(field).numpy().reshape(len(ids), -1), theirs(run.data)[ids].reshape(len(ids), -1))]

    return compare


# -- linear systems and integration ------------------------------------------------------------------------------------


def after(run, m=None):
    """MuJoCo's data after one step of the integrator, of the run's own model or of ``m``."""
    m = run.m if m is None else m
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:], data.act[:] = run.data.qpos, run.data.qvel, run.data.act
    data.ctrl[:], data.qfrc_applied[:] = run.data.ctrl, run.data.qfrc_applied
    data.xfrc_applied[:], data.plastic[:] = run.data.xfrc_applied, run.data.plastic
    set_control_history(m, data, control_history(run.m, run.data))
    mujoco.mj_step(m, data)
    return data


# Stages that write H, in order.
ADDED_TO_H = ("effective mass matrix", "tendon damping", "polynomial damping", "fluid damping")


def effective_mass(run):
    m, d = run.m, run.data
    full = np.zeros((m.nv, m.nv))
    mujoco.mj_fullM(m, d, full)
    h = m.opt.timestep
    m, later = copy.deepcopy(m), ADDED_TO_H[ADDED_TO_H.index(run.stage.name) + 1 :]
    if "tendon damping" in later:
        m.tendon_damping[:] = 0.0
    if "polynomial damping" in later:
        m.dof_dampingpoly[:], m.tendon_dampingpoly[:] = 0.0, 0.0
    if "fluid damping" in later:
        m.opt.density = m.opt.viscosity = 0.0
    if run.model.implicit:
        m.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # what implicit adds to it is not in H
        stepped = after(run, m)
        derivative = np.zeros((m.nv, m.nv))
        mujoco.mju_sparse2dense(derivative, stepped.qDeriv, m.D_rownnz, m.D_rowadr, m.D_colind)
        full -= h * 0.5 * (derivative + derivative.T)
    elif m.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER:
        speed = np.abs(d.qvel)
        full += h * np.diag(
            m.dof_damping + 2 * m.dof_dampingpoly[:, 0] * speed + 3 * m.dof_dampingpoly[:, 1] * speed**2
        )
    if free := np.flatnonzero(run.model.indices["dof_in_free_block"]).tolist():
        if run.m.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST:
            full[np.ix_(free, free)] = np.nan  # a block of its own
    ours, theirs = run.view("qH").numpy(), on_pattern(run, full)
    return [(ours[~np.isnan(theirs)], theirs[~np.isnan(theirs)])]


def implicit_matrix(run):
    """Both triangles; the diagonal of the upper one is not read."""
    m, d = run.m, run.data
    full, derivative = np.zeros((m.nv, m.nv)), np.zeros((m.nv, m.nv))
    mujoco.mj_fullM(m, d, full)
    mujoco.mju_sparse2dense(derivative, after(run).qDeriv, m.D_rownnz, m.D_rowadr, m.D_colind)
    full -= m.opt.timestep * derivative
    return [
        (run.view("qA_lower").numpy(), on_pattern(run, full)),
        (run.view("qA_upper").numpy(), on_pattern(run, full.T)),
    ]


def acceleration(run):
    m, d = run.m, run.data
    if m.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
        expected = d.qacc
    else:
        expected = (after(run).qvel - d.qvel) / m.opt.timestep
    skipped = run.model.indices["dof_in_free_block"].astype(bool)
    if m.opt.integrator != mujoco.mjtIntegrator.mjINT_IMPLICITFAST:
        skipped[:] = m.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICIT
    chosen = ~skipped if run.stage.name == "acceleration" else skipped
    return [(run.view("qacc").numpy()[chosen], expected[chosen])]


def next_position(run):
    if run.stage.name == "RK stage":
        expected = np.array(run.data.qpos)
        mujoco.mj_integratePos(run.m, expected, run.data.qvel, 0.5 * run.m.opt.timestep)
        return [(run.view("qpos_next").numpy(), expected)]
    return [(run.view("qpos_next").numpy(), after(run).qpos)]


def next_velocity(run):
    d = run.data
    expected = d.qvel + 0.5 * run.m.opt.timestep * d.qacc if run.stage.name == "RK stage" else after(run).qvel
    return [(run.view("qvel_next").numpy(), expected)]


def next_activation(run):
    if run.stage.name == "RK stage":
        return []
    stepped = after(run)
    expected = np.concatenate([stepped.act, control_history(run.m, stepped)])
    found = run.view("act_next").numpy()
    n = len(expected)
    return [(found[n:], stepped.plastic)] if run.stage.name == "plastic springs" else [(found[:n], expected)]


def object_motion(run, function):
    m, d = run.m, run.data
    found = []
    for b in range(m.nbody):
        result = np.zeros(6)
        function(m, d, mujoco.mjtObj.mjOBJ_XBODY, b, result, 0)
        found.append(np.concatenate([result[3:], result[:3]]))
    return np.array(found)


def link_acceleration(run):
    mujoco.mj_rnePostConstraint(run.m, run.data)
    expected = object_motion(run, mujoco.mj_objectAcceleration)
    expected[:, :3] += run.m.opt.gravity
    return [(run.view("xacc").numpy()[1:], expected[1:])]


def link_jacobian(run):
    m = run.m
    jacobian = np.zeros((6 * m.nbody, m.nv))
    for b in range(m.nbody):
        mujoco.mj_jacBody(m, run.data, jacobian[6 * b : 6 * b + 3], jacobian[6 * b + 3 : 6 * b + 6], b)
    return [(run.view("xjac").numpy(), jacobian)]


def dense_mass(run):
    full = np.zeros((run.m.nv, run.m.nv))
    mujoco.mj_fullM(run.m, run.data, full)
    return [(run.view("qM_dense").numpy(), full)]


def energy(m, d) -> np.ndarray:
    """Potential and kinetic energy."""
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:] = d.qpos, d.qvel
    mujoco.mj_forward(m, data)
    mujoco.mj_energyPos(m, data)
    mujoco.mj_energyVel(m, data)
    return np.array(data.energy)


def without_tendons(m) -> mujoco.MjModel:
    found = copy.deepcopy(m)
    found.tendon_stiffness[:], found.tendon_stiffnesspoly[:], found.tendon_armature[:] = 0.0, 0.0, 0.0
    return found


def linear(run) -> mujoco.MjModel:
    """The model, without polynomial springs where the stage does not add them."""
    found = copy.deepcopy(run.m)
    if not run.stage.name.startswith("polynomial"):
        found.jnt_stiffnesspoly[:], found.tendon_stiffnesspoly[:] = 0.0, 0.0
    return found


def energies(run):
    total = run.view("body_energy").numpy().sum(0) + run.view("dof_energy").numpy().sum(0)
    return [(total, energy(without_tendons(linear(run)), run.data))]


def tendon_energies(run):
    m = linear(run)
    expected = energy(m, run.data) - energy(without_tendons(m), run.data)
    return [(run.view("ten_energy").numpy().sum(0), expected)]


def total_force(run):
    return [(run.view("qfrc_total").numpy(), run.data.qfrc_smooth + run.data.qfrc_constraint)]


def plain(label, theirs):
    return lambda run: [(run.view(label).numpy(), theirs(run))]


ORACLES = {
    "xpos": lambda run: [(bodies(run, "xpos"), run.data.xpos)],
    "xquat": orientations,
    "xanchor": plain("xanchor", lambda run: run.data.xanchor),
    "xaxis": lambda run: [
        (run.view("xaxis").numpy()[run.m.jnt_type >= 2], run.data.xaxis[run.m.jnt_type >= 2])
    ],  # MuJoCo leaves the axis of free and ball joints undefined
    "xipos": plain("xipos", lambda run: run.data.xipos),
    "cinert": inertias,
    "cdof": lambda run: [(run.view("cdof").numpy(), shifted(run, run.data.cdof, run.m.dof_bodyid))],
    "qM": mass_matrix,
    "ten_length": plain("ten_length", lambda run: run.data.ten_length),
    "ten_velocity": plain("ten_velocity", lambda run: run.data.ten_velocity),
    "ten_J": lambda run: [
        (
            ragged(run, run.view("ten_J").numpy(), "ten_dof", run.model.indices["ten_dof_adr"], run.m.nv),
            tendon_jacobian(run),
        )
    ],
    "cvel": lambda run: [(bodies(run, "cvel"), shifted(run, run.data.cvel, np.arange(run.m.nbody)))],
    "cacc_bias": bias_acceleration,
    "qfrc_bias": lambda run: [
        (
            run.view("qfrc_bias").numpy(),
            run.data.qfrc_bias - run.data.qfrc_gravcomp - projected_wrenches(run.m, run.data),
        )
    ],
    "qfrc_gravcomp": plain("qfrc_gravcomp", lambda run: run.data.qfrc_gravcomp),
    "qfrc_passive": passive,
    "qfrc_tendon": tendon_forces,
    "fluid_xpos": fluid_places,
    "qfrc_fluid": plain("qfrc_fluid", lambda run: run.data.qfrc_fluid),
    "qfrc_command": plain("qfrc_command", lambda run: run.data.qfrc_applied),
    "actuator_length": plain("actuator_length", lambda run: run.data.actuator_length),
    "actuator_velocity": plain("actuator_velocity", lambda run: run.data.actuator_velocity),
    "actuator_moment": moments,
    "actuator_force": plain("actuator_force", lambda run: run.data.actuator_force),
    "qfrc_actuator_raw": raw_actuator_forces,
    "actuator_ctrl": delayed_controls,
    "act_dot": rates_of_activations,
    "qfrc_smooth": plain("qfrc_smooth", lambda run: run.data.qfrc_smooth),
    "dof_unsaturated": lambda run: [
        (np.isin(run.view("dof_unsaturated").numpy(), (0, 1)), np.ones(run.m.nv, dtype=bool))
    ],
    "efc_J": row_jacobian,
    "efc_pos": row("efc_pos", lambda d: d.efc_pos - d.efc_margin),
    "efc_bias": row_bias,
    "efc_diag": row("efc_diag", lambda d: d.efc_diagA),
    "efc_loss": row_loss,
    "efc_active": lambda run: [(np.array(active_rows(run)[0]) >= 0, np.ones(len(active_rows(run)[0]), dtype=bool))],
    "efc_aref": row("efc_aref", lambda d: d.efc_aref),
    "efc_D": row("efc_D", lambda d: d.efc_D),
    "efc_list": row_list,
    "efc_count": lambda run: [(run.view("efc_count").numpy(), [len(active_rows(run)[0])])],
    "efc_force": row("efc_force", lambda d: d.efc_force),
    "geom_xpos": cgeoms("geom_xpos", lambda d: d.geom_xpos),
    "geom_xmat": cgeoms("geom_xmat", lambda d: d.geom_xmat),
    "ncon": lambda run: [(run.view("ncon").numpy(), [run.data.ncon] * 2)],
    "con_pair": contact_pairs,
    "con_dist": contact("con_dist", lambda c: c.dist),
    "con_pos": contact("con_pos", lambda c: c.pos),
    "con_frame": contact("con_frame", lambda c: c.frame),
    "con_dim": lambda run: [
        (
            run.view("con_dim").numpy()[: run.data.ncon],
            np.where(run.data.contact.efc_address >= 0, run.data.contact.dim, 0),
        )
    ],
    "con_surfacevel": contact("con_surfacevel", lambda c: c.surfacevel),
    "con_adhesion": contact("con_adhesion", lambda c: c.adhesion),
    "con_J": contact_jacobian,
    "con_aref": contact_rows("con_aref", lambda d: d.efc_aref),
    "con_D": contact_rows("con_D", lambda d: d.efc_D),
    "con_force": contact_forces,
    "efc_B": friction_responses,
    "con_B": contact_responses,
    "qacc_constrained": plain("qacc_constrained", lambda run: run.data.qacc),
    "qfrc_constraint": plain("qfrc_constraint", lambda run: run.data.qfrc_constraint),
    "qfrc_total": total_force,
    "qH": effective_mass,
    "qA_lower": implicit_matrix,
    "qacc": acceleration,
    "qpos_next": next_position,
    "qvel_next": next_velocity,
    "act_next": next_activation,
    "xvel": lambda run: [(run.view("xvel").numpy(), object_motion(run, mujoco.mj_objectVelocity))],
    "xacc": link_acceleration,
    "qM_dense": dense_mass,
    "xjac": link_jacobian,
    "body_energy": energies,
    "dof_energy": energies,
    "ten_energy": tendon_energies,
}
