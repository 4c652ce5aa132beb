"""From ``mujoco.MjModel`` to the arrays that the kernels read.

A compiled model is split in three:

- ``theta``: every number that a gradient may reach, packed row-major into one vector (:class:`ThetaField`);
- ``constants``: floating-point numbers without gradient (ranges, reference positions);
- ``indices``: the model's structure, as precomputed lists, because a kernel with an adjoint may not chase pointers.

Names, shapes and units are MuJoCo's unless said otherwise. Nothing here depends on the chosen precision.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from genesis.constants import FLUID, OF_FEATURES
from genesis.model import contact, fluid, histories, plastic, servos, tendons
from genesis.model.rows import RowKind, RowTable

JNT_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
JNT_BALL = int(mujoco.mjtJoint.mjJNT_BALL)
JNT_SLIDE = int(mujoco.mjtJoint.mjJNT_SLIDE)
JNT_HINGE = int(mujoco.mjtJoint.mjJNT_HINGE)

# Gains of a joint, other than a free one, that no actuator of the model file speaks of, as in Genesis.
DEFAULT_KP = 100.0  # [N m / rad] or [N / m]
DEFAULT_KV = 10.0  # [N m s / rad] or [N s / m]

# Transmission kinds of the actuation kernel.
(
    TRN_JOINT,
    TRN_BALL,
    TRN_BALL_IN_PARENT,
    TRN_FREE,
    TRN_FREE_IN_PARENT,
    TRN_SITE,
    TRN_TENDON,
    TRN_SLIDERCRANK,
    TRN_BODY,
    TRN_ORIENTATION,
) = range(10)

# Servos whose setpoint is an angle: of a ball joint, or of a site against another.
TURNS_NOT, TURNS_BALL, TURNS_SITE = range(3)

# How many of MuJoCo's gainprm, biasprm and dynprm there are: as many as a muscle or a DC motor has.
FORCE_PARAMETERS, DYNAMICS_PARAMETERS = 9, 9

# ``actuator_enabled`` of an actuator without controls, which nothing has to switch on.
ALWAYS = 2

# How gravity compensation reaches a dof: as a passive force, as an actuator force, or not at all.
GRAVCOMP_PASSIVE, GRAVCOMP_BY_ACTUATOR, GRAVCOMP_OFF = range(3)


@dataclass(frozen=True)
class ThetaField:
    """One parameter in the packed vector: columns ``[offset, offset + size)`` hold ``shape`` row-major."""

    offset: int
    shape: tuple[int, ...]
    default: np.ndarray = field(repr=False)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def principal_to_full(inertia: np.ndarray, quat: np.ndarray) -> np.ndarray:
    """Inertia (xx, yy, zz, xy, xz, yz) in the link's axes, from principal moments and the quaternion of their frame."""
    mat = np.zeros(9)
    mujoco.mju_quat2Mat(mat, quat)
    rot = mat.reshape(3, 3)
    full = rot @ np.diag(inertia) @ rot.T
    return full[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


def in_disabled_group(m: mujoco.MjModel) -> np.ndarray:
    """(nactuator,) bool: actuators that option actuatorgroupdisable switches off."""
    # Groups beyond 30 cannot be disabled (mjOption.disableactuator).
    group = m.actuator_group
    return (group >= 0) & (group <= 30) & ((m.opt.disableactuator >> np.clip(group, 0, 30)) & 1).astype(bool)


class Model:
    """What the kernels know of a compiled ``MjModel``: structure, constants and the layout of ``theta``.

    Attributes:
        weld_pairs: bodies of welds made at run time
        revision: grows when constraints are added; what was made for an earlier one is out of date
        nmocap, mocap_bodies, mocap_start: mocap bodies, their numbers, and their poses in the file, (nmocap, 7)
        nq, nv, nactuator, nu, nbody, njnt, ntendon, nM: sizes, as in MuJoCo (``nu``: controls, of which an actuator may
            have none, one or several)
        na: activations, then the nhistory past controls (see ``genesis.model.histories``), and then the nplastic
            numbers of plastic springs (see ``genesis.model.plastic``)
        plastic_joints, plastic_tendons: whether there are such springs
        indices: name -> int32 array
        constants: name -> float64 array
        theta_fields: name -> :class:`ThetaField`
        theta_views: name -> several fields that lie one after the other, as one
        ntheta: length of the packed parameter vector
        nservo: PID servos, DC motors and orientation servos (see ``genesis.model.servos``)
        nrate: rates of activations, and the velocities of servos whose bristles follow from them
        option: the numbers of `mujoco.MjOption` that the model was built with
        integrator: ``mujoco.mjtIntegrator``
        implicit: whether it is implicit in velocity-dependent forces (``implicitfast``, ``implicit``); bias_implicit:
            whether also in the bias force (``implicit``)
        timestep: of one substep [s]
        noslip_iterations: most sweeps against slip that follow the constraint solver
        exact_diagonals: whether rows of constraints feel the inertia as it is now (flag diagexact)
        constrained: whether there is anything for the constraint solver: a pair that can touch, or a row of the table
        kinds: of constraint rows
        rows: `genesis.model.rows.RowTable`: the slots of these rows
        ncg, ncpair: geoms that can touch, and pairs of them (see ``genesis.model.contact``)
        has_contacts: whether there is any pair; pair_families: of ``genesis.model.contact``, those of its pairs
        feature_width: integers that tell the features of a contact
        cgeom_of_geom: (ngeom,) int32, -1 for a geom that touches nothing
        row_of_geom: (ngeom,) int32, the row of its place and size among the parameters, or -1: of a geom that can touch
            something, its cgeom; then those that only a fluid or a tendon feels
        ellipsoid_geoms: geoms on which a fluid acts as on ellipsoids; wrapped_geoms: those that tendons may run around
        features: those of ``genesis.constants.OF_FEATURES`` that the model has
        nfluid, nfluid_box: what the fluid acts on, and how many of it are boxes (see ``genesis.model.fluid``)
        nconmax: contact slots per environment
        maxchain: dofs that move the bodies of a pair against each other, of the pair with the most; at least 1
        maxcondim: largest condim of a pair; at least 1
        elliptic: elliptic friction cones; else pyramidal ones

    Of contacts there are in ``indices``:
        cgeom_id, cgeom_type, cgeom_bodyid (ncg,): MuJoCo's geom, its mjtGeom and body
        cgeom_vertadr, cgeom_vertnum (ncg,): rows of ``mesh_vert`` of a mesh; cgeom_polyadr: first row of
            ``mesh_polynormal``; cgeom_hulladr: first entry of its table in ``mesh_hull``. Of a height field: first
            entry of ``hfield_data``, number of heights, and how many there are in a row. Else 0
        cgeom_plane, cgeom_bounded: the cgeoms that are planes, and the others
        cpair_geom (ncpair, 2): cgeoms, that of the lower mjtGeom first; cpair_body (ncpair, 2)
        cpair_kind, cpair_family (ncpair,): of ``genesis.model.contact``: PLANE_SPHERE, ... and PLANES, ...
        cpair_most (ncpair,): contacts that a pair can make; cpair_dim (ncpair,): condim
        cpair_params (ncpair,): of ``genesis.model.contact``: PARAMS_MIXED, ...; cpair_explicit (ncpair,): row of the
            ``pair_`` parameters, or 0
        cpair_of (ncg, ncg): first cpair of two cgeoms, or -1; cpair_next (ncpair,): the next of the same two, or -1
        cpair_chain (ncpair,): row of the ragged lists chain_dof, chain_sign: dofs (ascending) that move only the body
            of the second geom (+1) or only that of the first (-1)
    and in ``constants``:
        cpair_margin, cpair_gap (ncpair,) [m]: MuJoCo tests up to margin + gap, and lets margin act
        cpair_mix (ncpair,): weight of the first geom's solref and solimp
        cgeom_rbound (ncg,): radius of the bounding sphere of a mesh or height field about the geom's origin [m]; 0 for
            other shapes; cgeom_size0 (ncg, 3): the size that it was compiled with [m]; 1 for other shapes
        cgeom_box (ncg, 6): middle and half sides of the box around a mesh or height field, along the geom's axes and in
            units of its size; 0 for other shapes
        mesh_vert (n, 3): vertices of convex hulls in the geom's frame, in units of its size; mesh_polynormal (n, 3):
            normals of their polygons, times cgeom_size0; at least one row
        hfield_data: of each height field how far the ground goes down, then its heights, row by row, in units of its
            size along z
    What there is of constraint rows is described in `RowTable` and beside their kinds.
    """

    def __init__(self, mj_model: mujoco.MjModel, kinds: Sequence[RowKind], max_contacts: int | None = None):
        m = mj_model
        self.kinds = tuple(kinds)
        self.mj_model = m
        self.nq, self.nv, self.nactuator, self.nu = int(m.nq), int(m.nv), int(m.nactuator), int(m.nu)
        self.nhistory, self.nplastic = histories.size(m), plastic.size(m)
        self.na = plastic.end(m)
        self.weld_pairs: list[tuple[int, int]] = []
        self.revision = 0
        self.nbody, self.njnt, self.ntree = int(m.nbody), int(m.njnt), int(m.ntree)
        self.integrator = mujoco.mjtIntegrator(m.opt.integrator)
        self.bias_implicit = self.integrator == mujoco.mjtIntegrator.mjINT_IMPLICIT
        self.implicit = self.bias_implicit or self.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        self.timestep = float(m.opt.timestep)
        self.elliptic = bool(m.opt.cone == int(mujoco.mjtCone.mjCONE_ELLIPTIC))
        self.disableflags = int(m.opt.disableflags)
        self.option = copy.copy(m.opt)  # work space is made for these numbers, whatever becomes of mj_model later
        self.noslip_iterations = max(0, int(m.opt.noslip_iterations))
        self.exact_diagonals = bool(m.opt.enableflags & int(mujoco.mjtEnableBit.mjENBL_DIAGEXACT))

        self.indices: dict[str, np.ndarray] = {}
        self.constants: dict[str, np.ndarray] = {}
        self._add_frames()
        self._add_mass_matrix_structure()
        self._add_joints_and_dofs()
        self._add_tendons()
        self._add_contacts(max_contacts)
        self._add_actuators()
        self.theta_fields = self._theta_layout()
        self.features = frozenset(name for name in OF_FEATURES if self._has(name))
        self.theta_views = {
            "efc_solref": self._theta_view(self.rows.solrefs, 2),
            "efc_solimp": self._theta_view(self.rows.solimps, 5),
        }

    # -- queries ------------------------------------------------------------------------------------------------------

    def disabled(self, bit: mujoco.mjtDisableBit) -> bool:
        return bool(self.disableflags & int(bit))

    def theta_default(self) -> np.ndarray:
        """The compiled model's parameters, packed: (ntheta,) float64."""
        return np.concatenate([f.default.ravel() for f in self.theta_fields.values()])

    def dof_chain(self, body: int) -> list[int]:
        """Dofs that move ``body``, from the root outwards."""
        m = self.mj_model
        while body > 0 and m.body_dofnum[body] == 0:
            body = m.body_parentid[body]
        if body == 0:
            return []
        chain = []
        dof = int(m.body_dofadr[body] + m.body_dofnum[body] - 1)
        while dof >= 0:
            chain.append(dof)
            dof = int(m.dof_parentid[dof])
        return chain[::-1]

    # -- structure ----------------------------------------------------------------------------------------------------

    def _index(self, name: str, values) -> None:
        self.indices[name] = np.ascontiguousarray(values, dtype=np.int32)

    def _ragged(self, name: str, rows: list[list[int]]) -> None:
        """Rows of different lengths: ``name`` holds them one after the other, ``name_adr`` the n + 1 bounds."""
        self._index(name, [x for row in rows for x in row])
        self._index(f"{name}_adr", np.concatenate([[0], np.cumsum([len(row) for row in rows])]))

    def _add_frames(self) -> None:
        """Frames: one per body, and one more for each joint of a body but its last.

        A body with several joints passes through an intermediate frame per joint. Frames ``< nbody`` are the bodies'
        final ones, so that ``xpos[b]`` is both frame and body; the intermediate ones follow. Each is written once.
        """
        m = self.mj_model
        order, parent, body, joint, first = [], [0], [0], [-1], [0]
        extra_parent, extra_body, extra_joint, extra_first = [], [], [], []
        for b in range(1, m.nbody):
            previous = int(m.body_parentid[b])
            joints = list(range(m.body_jntadr[b], m.body_jntadr[b] + m.body_jntnum[b])) if m.body_jntnum[b] else [-1]
            for k, j in enumerate(joints[:-1]):
                extra_parent.append(previous)
                extra_body.append(b)
                extra_joint.append(j)
                extra_first.append(int(k == 0))
                previous = m.nbody + len(extra_parent) - 1
                order.append(previous)
            parent.append(previous)
            body.append(b)
            joint.append(joints[-1])
            first.append(int(len(joints) == 1))
            order.append(b)
        self.nframe = m.nbody + len(extra_parent)
        self._index("frame_order", order)
        self._index("frame_parent", parent + extra_parent)
        self._index("frame_body", body + extra_body)
        self._index("frame_jnt", joint + extra_joint)
        self._index("frame_first", first + extra_first)
        jnt_frame = np.zeros(m.njnt, dtype=np.int32)
        for f, j in enumerate(joint + extra_joint):
            if j >= 0:
                jnt_frame[j] = f
        self._index("jnt_frame", jnt_frame)
        self._index("body_parentid", m.body_parentid)
        self._index("body_mocapid", m.body_mocapid)
        self.nmocap = int(m.nmocap)
        self.mocap_bodies = np.argsort(m.body_mocapid)[m.nbody - m.nmocap :]
        # position and quaternion of each mocap body, (nmocap, 7), as the file has them
        self.mocap_start = np.concatenate([m.body_pos[self.mocap_bodies], m.body_quat[self.mocap_bodies]], 1)
        self._index("body_rootid", m.body_rootid)

    def _add_mass_matrix_structure(self) -> None:
        """Lower triangle of M by rows: the ancestors of a dof in ascending order, itself last (MuJoCo's CSR M)."""
        m = self.mj_model
        rows: list[list[int]] = []
        for i in range(m.nv):
            p = int(m.dof_parentid[i])
            rows.append((rows[p] if p >= 0 else []) + [i])
        self._M_rows = rows
        self._ragged("M_colind", rows)
        self.nM = sum(len(r) for r in rows)
        self._ragged("body_dofs", [self.dof_chain(b) for b in range(m.nbody)])

    def _entry_of_M(self, i: int, j: int) -> int | None:
        """Where the entry of two dofs is in M, i the later one."""
        row = self._M_rows[i]
        return int(self.indices["M_colind_adr"][i]) + row.index(j) if j in row else None

    def _entry_of_slope(self, i: int, j: int) -> int | None:
        """The same of what damps, in the integrator's matrix: ``implicit`` leaves nothing out (MuJoCo's D); with
        ``implicitfast`` there are the block of a free body that is alone, and else the entries of MuJoCo's M, which is
        a diagonal of a body that is alone and turns about its mass centre (mjModel.body_simple)."""
        m, in_block = self.mj_model, self.indices["dof_in_free_block"]
        start = int(m.M_rowadr[i])
        everywhere = self.bias_implicit or in_block[i]
        if not everywhere and j not in m.M_colind[start : start + int(m.M_rownnz[i])]:
            return None
        return self._entry_of_M(i, j)

    def _pairs(self, dofs: list[int], adr: int, entry_of: Callable[[int, int], int | None]) -> list[list[int]]:
        """Two entries of a row over these dofs, from ``adr`` on, and the entry of M that they belong to."""
        return [
            [adr + a, adr + b, entry]
            for a, i in enumerate(dofs)
            for b, j in enumerate(dofs)
            if (entry := entry_of(i, j)) is not None
        ]

    def _add_joints_and_dofs(self) -> None:
        m = self.mj_model
        for name in ("jnt_type", "jnt_qposadr", "jnt_dofadr", "dof_bodyid", "dof_jntid", "dof_treeid"):
            self._index(name, getattr(m, name))
        for name in ("tree_dofadr", "tree_dofnum"):
            self._index(name, getattr(m, name))
        hinge_or_slide = np.isin(m.jnt_type, (JNT_HINGE, JNT_SLIDE))
        limited = np.zeros(m.nv, dtype=np.int32)
        limits = np.zeros((m.nv, 2))
        for j in np.flatnonzero(hinge_or_slide & m.jnt_actfrclimited.astype(bool)):
            limited[m.jnt_dofadr[j]] = 1
            limits[m.jnt_dofadr[j]] = m.jnt_actfrcrange[j]
        self._index("dof_actfrclimited", limited)
        self.constants["dof_actfrcrange"] = limits
        by_actuator = m.jnt_actgravcomp[m.dof_jntid].astype(int) if m.nv else np.zeros(0, dtype=int)
        if self.disabled(mujoco.mjtDisableBit.mjDSBL_ACTUATION) or not m.nactuator:  # as in MuJoCo
            by_actuator = by_actuator * GRAVCOMP_OFF
        self._index("dof_actgravcomp", by_actuator)
        self._index("jnt_dofnum", np.array([6, 3, 1, 1])[m.jnt_type] if m.njnt else [])
        self.constants["qpos0"] = np.array(m.qpos0)
        self.constants["qpos_spring"] = np.array(m.qpos_spring)

        of_joints, of_tendons = plastic.addresses(m)
        self.plastic_joints, self.plastic_tendons = bool((of_joints >= 0).any()), bool((of_tendons >= 0).any())
        self._index("jnt_plasticadr", of_joints)
        self._index("tendon_plasticadr", of_tendons)

        # Free bodies without jointed descendants: implicitfast solves their 6 x 6 block with its gyroscopic terms.
        standalone = []
        for j in np.flatnonzero(m.jnt_type == JNT_FREE):
            tree = m.dof_treeid[m.jnt_dofadr[j]]
            if np.count_nonzero(m.dof_treeid == tree) == 6:
                standalone.append(int(m.jnt_dofadr[j]))
        self._index("free_dofadr", standalone)
        in_block = np.zeros(m.nv, dtype=np.int32)
        for adr in standalone:
            in_block[adr : adr + 6] = 1
        self._index("dof_in_free_block", in_block)
        entries = [self._entry_of_slope(i, j) for i, row in enumerate(self._M_rows) for j in row]
        self._index("M_implicit", [entry is not None for entry in entries])

    def _add_tendons(self) -> None:
        """What `tendons` describes; and tendon_pairs (n, 4), and tendon_slope_pairs of what damps: tendon, two entries
        of its J, and the entry of M that they belong to."""
        m = self.mj_model
        self.ntendon = int(m.ntendon)
        found = self._tendons = tendons.describe(m, self.dof_chain)
        self._ragged("ten_dof", found.dofs)
        for name, values in found.indices.items():
            self._index(name, values)
        self.constants |= found.constants
        self.nten_J = len(found.constants["ten_coef"])
        self.nspatial, self.nwrap = len(self.indices["spatial_tendon"]), found.nwrap
        adr = self.indices["ten_dof_adr"]
        for name, entry_of in (("tendon_pairs", self._entry_of_M), ("tendon_slope_pairs", self._entry_of_slope)):
            pairs = [[t, *pair] for t, dofs in enumerate(found.dofs) for pair in self._pairs(dofs, adr[t], entry_of)]
            self._index(name, np.reshape(pairs, (-1, 4)))

    def tendon_dofs(self, tendon: int) -> list[int]:
        """Dofs that change a tendon's length, ascending."""
        return self._tendons.dofs[tendon]

    def _add_actuators(self) -> None:
        m = self.mj_model
        trn = mujoco.mjtTrn
        kinds, dofs, sources, coefs, targets = [], [], [], [], []
        for u in range(m.nactuator):
            target, other = (int(x) for x in m.actuator_trnid[u])
            kind, rows = self._transmission(trn(m.actuator_trntype[u]), target, other)
            kinds.append(kind)
            dofs.append([r[0] for r in rows])
            sources.append([r[1] for r in rows])
            coefs.append([r[2] for r in rows])
            targets.append([target, other])
        self._index("actuator_trnkind", kinds)
        on_joint = np.isin(m.actuator_trntype, [int(trn.mjTRN_JOINT), int(trn.mjTRN_JOINTINPARENT)])
        self._index("actuator_joint_dof", [row[0] if j else -1 for row, j in zip(dofs, on_joint, strict=True)])
        self._ragged("moment_dof", dofs)
        self._index("moment_source", [source for row in sources for source in row])
        self.constants["moment_coef"] = np.array([c for row in coefs for c in row], dtype=float)
        self.nmoment = len(self.constants["moment_coef"])
        tendons = [int(m.actuator_trnid[u, 0]) if m.actuator_trntype[u] == int(trn.mjTRN_TENDON) else -1
                   for u in range(m.nactuator)]  # fmt: skip
        self._index("actuator_limited_tendon", [t if t >= 0 and m.tendon_actfrclimited[t] else -1 for t in tendons])
        self.constants["tendon_actfrcrange"] = np.array(m.tendon_actfrcrange).reshape(-1, 2)
        self._index("actuator_trnid", np.reshape(targets, (-1, 2)))
        self._index("site_bodyid", m.site_bodyid)
        self._index("actuator_turns", self._servos_that_turn())
        for name, values in histories.describe(m).items():
            self._index(name, values)
        self._add_adhesion()
        self._add_muscles()

        actuation_off = self.disabled(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
        clamp_off = self.disabled(mujoco.mjtDisableBit.mjDSBL_CLAMPCTRL)
        enabled = ~in_disabled_group(m) & (not actuation_off)
        self._index("actuator_enabled", np.where(enabled & (m.actuator_ctrlnum == 0), ALWAYS, enabled))
        self._index("actuator_ctrllimited", np.zeros(m.nu) if clamp_off else m.actuator_ctrllimited)
        for name in ("actuator_dyntype", "actuator_gaintype", "actuator_biastype", "actuator_actearly"):
            self._index(name, getattr(m, name))
        # Nothing clips what does not move, not even a state that was put beyond its range.
        self._index("actuator_actlimited", np.zeros(m.nactuator) if actuation_off else m.actuator_actlimited)
        turns = self.indices["actuator_trnkind"] == TRN_ORIENTATION  # whose range bounds the length of a torque
        self._index("actuator_forcelimited", np.where(turns, 0, m.actuator_forcelimited))
        is_servo = servos.of(m)
        for name in ("actuator_actadr", "actuator_ctrladr"):
            self._index(name, np.where(is_servo, -1, getattr(m, name)))
        for name, values in servos.describe(m, moves=not actuation_off, behind=self.na).items():
            self._index(name, values)
        self.nservo = len(self.indices["servo_actuator"])
        self.nrate = self.na + int((self.indices["servo_velocity"] >= 0).sum())
        for name in ("actuator_ctrlrange", "actuator_actrange", "actuator_forcerange"):
            self.constants[name] = np.array(getattr(m, name)).reshape(-1, 2)

        # Velocity derivatives of actuator forces enter the implicit matrix only where M has an entry.
        adr = self.indices["moment_dof_adr"]
        of_each = [self.indices["moment_dof"][adr[u] : adr[u + 1]].tolist() for u in range(m.nactuator)]
        pairs = [
            [u, *pair]
            for u, row in enumerate(of_each)
            for pair in self._pairs(row, adr[u], self._entry_of_slope)
            if self._are_of_one_force(u, *pair[:2])
        ]
        self._index("derivative_pairs", np.reshape(pairs, (-1, 4)))

    def _are_of_one_force(self, actuator: int, a: int, b: int) -> bool:
        """Whether two entries of an actuator's moment are of one of its forces: an orientation servo has three."""
        source = self.indices["moment_source"]
        return self.indices["actuator_trnkind"][actuator] != TRN_ORIENTATION or source[a] == source[b]

    def _servos_that_turn(self) -> np.ndarray:
        """(nactuator,): TURNS_BALL or TURNS_SITE for an actuator that may be such a servo (MuJoCo: wrapPeriod).

        Whether it is depends on its gains and gear, which are parameters.
        """
        m, kind = self.mj_model, self.indices["actuator_trnkind"]
        affine = (
            (m.actuator_gaintype == int(mujoco.mjtGain.mjGAIN_FIXED))
            & (m.actuator_biastype == int(mujoco.mjtBias.mjBIAS_AFFINE))
            & np.isin(m.actuator_dyntype, [int(mujoco.mjtDyn.mjDYN_NONE), int(mujoco.mjtDyn.mjDYN_INTEGRATOR)])
        )
        servo = affine | (m.actuator_gaintype == int(mujoco.mjtGain.mjGAIN_PID))
        ball = np.isin(kind, [TRN_BALL, TRN_BALL_IN_PARENT])
        site = (kind == TRN_SITE) & (m.actuator_trnid[:, 1] >= 0)
        return np.where(servo & ball, TURNS_BALL, np.where(servo & site, TURNS_SITE, TURNS_NOT))

    def _add_adhesion(self) -> None:
        """Actuators on a body's contacts: adhesion_actuator, adhesion_body (n,), and adhesion_place (n, entries of
        chain_dof): where in the actuator's moment each entry of its contacts' chains is, or -1."""
        m = self.mj_model
        chosen = np.flatnonzero(self.indices["actuator_trnkind"] == TRN_BODY)
        place = np.full((len(chosen), len(self.indices["chain_dof"])), -1)
        for n, u in enumerate(chosen):
            start, end = self.indices["moment_dof_adr"][u : u + 2]
            entry_of = {int(dof): start + e for e, dof in enumerate(self.indices["moment_dof"][start:end])}
            for e in self._chain_entries(int(m.actuator_trnid[u, 0])):
                place[n, e] = entry_of[int(self.indices["chain_dof"][e])]
        self._index("adhesion_actuator", chosen)
        self._index("adhesion_body", m.actuator_trnid[chosen, 0])
        self._index("adhesion_place", place)

    def _chain_entries(self, body: int) -> list[int]:
        """Entries of chain_dof of the pairs of shapes of which one is the body's."""
        of_body = (self.indices["cpair_body"].reshape(-1, 2) == body).any(axis=1)
        chains = set(self.indices["cpair_chain"][of_body].tolist())
        bounds = self.indices["chain_dof_adr"]
        return [e for chain in sorted(chains) for e in range(bounds[chain], bounds[chain + 1])]

    def _add_muscles(self) -> None:
        """Actuators that are muscles in any of gain, bias and dynamics: muscle_actuator (n,), actuator_muscle
        (nactuator,),
        its inverse, and in the constants muscle_acc0 (n,), the accelerations that a unit of force gives at qpos0."""
        m = self.mj_model
        muscle = (
            (m.actuator_gaintype == int(mujoco.mjtGain.mjGAIN_MUSCLE))
            | (m.actuator_biastype == int(mujoco.mjtBias.mjBIAS_MUSCLE))
            | (m.actuator_dyntype == int(mujoco.mjtDyn.mjDYN_MUSCLE))
        )
        chosen = np.flatnonzero(muscle)
        number = np.full(m.nactuator, -1)
        number[chosen] = np.arange(len(chosen))
        self.nmuscle = len(chosen)
        self._index("muscle_actuator", chosen)
        self._index("actuator_muscle", number)
        self.constants["muscle_acc0"] = np.array(m.actuator_acc0[m.actuator_outadr[chosen]])

    def _transmission(self, trn, target: int, other: int) -> tuple[int, list[tuple[int, int, float]]]:
        """Kind, and rows of (dof, source, coefficient) that the actuator's moment has; see `Transmissions`."""
        m = self.mj_model
        if trn in (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT):
            in_parent = trn == mujoco.mjtTrn.mjTRN_JOINTINPARENT
            dof, q = int(m.jnt_dofadr[target]), int(m.jnt_qposadr[target])
            if m.jnt_type[target] == JNT_BALL:
                return TRN_BALL_IN_PARENT if in_parent else TRN_BALL, [(dof + k, q, 1.0) for k in range(3)]
            if m.jnt_type[target] == JNT_FREE:
                return TRN_FREE_IN_PARENT if in_parent else TRN_FREE, [(dof + k, q, 1.0) for k in range(6)]
            return TRN_JOINT, [(dof, q, 1.0)]
        if trn == mujoco.mjtTrn.mjTRN_TENDON:
            start = int(self.indices["ten_dof_adr"][target])
            return TRN_TENDON, [(dof, start + e, 1.0) for e, dof in enumerate(self.tendon_dofs(target))]
        if trn == mujoco.mjtTrn.mjTRN_SO3 and other < 0:
            return TRN_ORIENTATION, [(int(m.jnt_dofadr[target]) + k, k, 1.0) for k in range(3)]
        if trn == mujoco.mjtTrn.mjTRN_BODY:
            dofs = {int(self.indices["chain_dof"][e]) for e in self._chain_entries(target)}
            return TRN_BODY, [(dof, 0, 1.0) for dof in sorted(dofs)]
        # Two sites that are pushed apart: dofs that move both cancel and are left out.
        plus = set(self.dof_chain(int(m.site_bodyid[target])))
        minus = set(self.dof_chain(int(m.site_bodyid[other]))) if other >= 0 else set()
        if trn == mujoco.mjtTrn.mjTRN_SO3:
            return TRN_ORIENTATION, [(d, k, 1.0 if d in plus else -1.0) for k in range(3) for d in sorted(plus ^ minus)]
        kind = TRN_SLIDERCRANK if trn == mujoco.mjtTrn.mjTRN_SLIDERCRANK else TRN_SITE
        return kind, [(d, 0, 1.0 if d in plus else -1.0) for d in sorted(plus ^ minus)]

    def _add_contacts(self, max_contacts: int | None) -> None:
        m = self.mj_model
        body_dofs = [self.dof_chain(b) for b in range(m.nbody)]
        self.ellipsoid_geoms, self.wrapped_geoms = fluid.ellipsoids(m), np.unique(self._tendons.wrapped)
        shapes = [*self.ellipsoid_geoms.tolist(), *self.wrapped_geoms.tolist()]
        contacts = contact.describe(m, body_dofs, max_contacts, shapes)
        self.ncg, self.ncpair, self.nconmax = contacts.ncg, contacts.ncpair, contacts.nconmax
        self.maxchain, self.maxcondim = contacts.maxchain, contacts.maxcondim
        self.cgeom_of_geom, self.row_of_geom = contacts.cgeom_of_geom, contacts.row_of_geom
        self._index("wrap_geom", self.row_of_geom[self._tendons.wrapped])
        self.has_contacts = contacts.ncpair > 0
        self.pair_families = frozenset(contacts.indices["cpair_family"].tolist())
        self.feature_width = contact.CONVEX_WIDTH if contact.CONVEX in self.pair_families else contact.WIDTH
        self.indices |= contacts.indices
        self.constants |= contacts.constants
        self._add_rows()
        self.constrained = self.has_contacts or self.rows.present
        in_fluid, axes = fluid.describe(m, body_dofs, self.row_of_geom)
        for name, values in in_fluid.items():
            self._index(name, values)
        self.constants |= axes
        placed = np.flatnonzero(self.row_of_geom >= 0) if len(self.ellipsoid_geoms) else np.zeros(0, dtype=int)
        self._geom_fluid = m.geom_fluid[placed[np.argsort(self.row_of_geom[placed])]]
        self._constraint_parameters = {
            "body_invweight0": m.body_invweight0,
            "dof_invweight0": m.dof_invweight0,
            "tendon_invweight0": m.tendon_invweight0,
            **contacts.theta,
            **self.rows.theta,
        }

    def _add_rows(self) -> None:
        rows = self.rows = RowTable(self, self.kinds)
        self.indices |= {name: np.ascontiguousarray(values, dtype=np.int32) for name, values in rows.indices.items()}
        self.constants |= rows.constants

    @property
    def nfluid(self) -> int:
        return len(self.indices["fluid_body"]) if FLUID in self.features else 0

    @property
    def nfluid_box(self) -> int:
        return len(self.indices["fluid_box_body"]) if FLUID in self.features else 0

    @property
    def nweld(self) -> int:
        """Pairs of bodies that welds made at run time may hold."""
        return len(self.weld_pairs)

    @property
    def neq(self) -> int:
        """Equality constraints: those of the model file, then those made at run time."""
        return int(self.mj_model.neq) + self.nweld

    def weld_number(self, one: int, two: int) -> int:
        """Which weld made at run time is that of two bodies; -1 if there is none yet."""
        return self.weld_pairs.index((one, two)) if (one, two) in self.weld_pairs else -1

    def _has(self, feature: str) -> bool:
        """Whether the parameters of the file say that there is one."""
        return any(self.theta_fields[name].default.any() for name in OF_FEATURES[feature])

    # -- what grows ---------------------------------------------------------------------------------------------------

    def add_constraints(self) -> None:
        """From now on there may be constraints, where there were none at the start."""
        if not self.constrained:
            self.constrained = True
            self.revision += 1

    def add_feature(self, name: str) -> None:
        """From now on there may be what a feature says, where there was none."""
        if name not in self.features:
            self.features |= {name}
            self.revision += 1

    def add_weld(self, one: int, two: int) -> int:
        """Make room for a weld of two bodies, at least one of which can move; returns its number.

        The table of rows is made anew, the parameters stay where they are.
        """
        self.weld_pairs.append((one, two))
        self._add_rows()
        self.constrained = True
        self.revision += 1
        return self.nweld - 1

    # -- parameters ---------------------------------------------------------------------------------------------------

    def _theta_layout(self) -> dict[str, ThetaField]:
        m = self.mj_model
        bit = mujoco.mjtDisableBit
        nv = self.nv
        stiffness = np.zeros(nv) if self.disabled(bit.mjDSBL_SPRING) else m.jnt_stiffness[m.dof_jntid]
        damping = np.zeros(nv) if self.disabled(bit.mjDSBL_DAMPER) else m.dof_damping
        gravity = np.zeros(3) if self.disabled(bit.mjDSBL_GRAVITY) else m.opt.gravity
        still = fluid.is_off(m)
        gravcomp = np.zeros(m.nbody) if self.disabled(bit.mjDSBL_GRAVITY) or still else m.body_gravcomp
        springs, dampers = (0.0 if self.disabled(b) else 1.0 for b in (bit.mjDSBL_SPRING, bit.mjDSBL_DAMPER))
        kp, kv, force_range = self._command_defaults()
        values = {
            "gravity": gravity,
            "density": np.array([0.0 if still else m.opt.density]),
            "viscosity": np.array([0.0 if still else m.opt.viscosity]),
            "wind": m.opt.wind,
            "body_mass": m.body_mass,
            "body_ipos": m.body_ipos,
            "body_inertia": np.stack([principal_to_full(m.body_inertia[b], m.body_iquat[b]) for b in range(m.nbody)]),
            "body_pos": m.body_pos,
            "body_quat": m.body_quat,
            "body_gravcomp": gravcomp,
            "jnt_axis": m.jnt_axis,
            "jnt_pos": m.jnt_pos,
            "dof_stiffness": stiffness,
            "dof_damping": damping,
            "dof_stiffnesspoly": springs * m.jnt_stiffnesspoly[m.dof_jntid].reshape(nv, m.jnt_stiffnesspoly.shape[1]),
            "dof_dampingpoly": dampers * m.dof_dampingpoly,
            "dof_armature": m.dof_armature,
            "tendon_stiffness": np.zeros(m.ntendon) if self.disabled(bit.mjDSBL_SPRING) else m.tendon_stiffness,
            "tendon_damping": np.zeros(m.ntendon) if self.disabled(bit.mjDSBL_DAMPER) else m.tendon_damping,
            "tendon_stiffnesspoly": springs * m.tendon_stiffnesspoly,
            "tendon_dampingpoly": dampers * m.tendon_dampingpoly,
            "tendon_armature": m.tendon_armature,
            "tendon_lengthspring": m.tendon_lengthspring,
            "jnt_springyield": m.jnt_springyield,
            "tendon_springyield": m.tendon_springyield,
            "dof_kp": kp,
            "dof_kv": kv,
            "dof_force_range": force_range,
            "geom_fluid": self._geom_fluid,
            "actuator_gainprm": m.actuator_gainprm[:, :FORCE_PARAMETERS],
            "actuator_biasprm": m.actuator_biasprm[:, :FORCE_PARAMETERS],
            "actuator_gear": m.actuator_gear[m.actuator_outadr],
            "actuator_dynprm": m.actuator_dynprm[:, :DYNAMICS_PARAMETERS],
            "actuator_lengthrange": m.actuator_lengthrange[m.actuator_outadr],
            "actuator_cranklength": m.actuator_cranklength,
            "actuator_delay": m.actuator_delay,
            "site_pos": m.site_pos,
            "site_quat": m.site_quat,
            **self._constraint_parameters,
        }
        fields, offset = {}, 0
        for name, value in values.items():
            default = np.array(value, dtype=np.float64)
            fields[name] = ThetaField(offset, default.shape, default)
            offset += default.size
        self.ntheta = offset
        return fields

    def _theta_view(self, names: tuple[str, ...], width: int) -> ThetaField:
        """Fields that lie one after the other, as one of (n, width)."""
        fields = [self.theta_fields[name] for name in names]
        default = np.concatenate([f.default.reshape(-1, width) for f in fields] or [np.zeros((0, width))])
        offset = fields[0].offset if fields else 0
        assert not fields or fields[-1].offset + fields[-1].size == offset + default.size
        return ThetaField(offset, default.shape, default)

    def _command_defaults(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """PD gains and force range of each dof: kp (nv,), kv (nv,), force range (nv, 2).

        An actuator on a joint with affine bias b0 + b1 * length + b2 * velocity and gear g pulls the joint like
        kp = -b1 g^2, kv = -b2 g^2. Nothing holds a free joint. The force range is the narrowest of the joint's and its
        actuators' own.
        """
        m = self.mj_model
        free = m.jnt_type[m.dof_jntid] == JNT_FREE
        kp, kv = np.where(free, 0.0, DEFAULT_KP), np.where(free, 0.0, DEFAULT_KV)
        force_range = np.tile([-np.inf, np.inf], (self.nv, 1))
        limited = self.indices["dof_actfrclimited"].astype(bool)
        force_range[limited] = self.constants["dof_actfrcrange"][limited]
        spoken_for: set[int] = set()
        for u in range(m.nactuator):
            dof = int(self.indices["actuator_joint_dof"][u])
            if dof < 0 or m.jnt_type[m.actuator_trnid[u, 0]] not in (JNT_HINGE, JNT_SLIDE):
                continue
            gear = m.actuator_gear[m.actuator_outadr[u], 0]
            if m.actuator_biastype[u] == int(mujoco.mjtBias.mjBIAS_AFFINE):
                if dof not in spoken_for:
                    kp[dof] = kv[dof] = 0.0
                    spoken_for.add(dof)
                kp[dof] -= m.actuator_biasprm[u, 1] * gear**2
                kv[dof] -= m.actuator_biasprm[u, 2] * gear**2
            if m.actuator_forcelimited[u]:
                low, high = np.sort(m.actuator_forcerange[u] * gear)
                force_range[dof] = max(force_range[dof, 0], low), min(force_range[dof, 1], high)
        return kp, kv, force_range
