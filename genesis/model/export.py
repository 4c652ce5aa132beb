"""A scene with other parameters than those of its build, as MJCF.

The text of the build is read again, the numbers that changed are written into its elements, and the outcome is compiled
and compared: what cannot be said, or comes out otherwise, is an error and not another model. Some numbers are written
for themselves because the compiler would derive them anew from the changed ones (the velocity gain of a `dampratio`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import mujoco
import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import diagnostics
from genesis.model.arrays import Model, principal_to_full

# What a parameter is called in the elements of a spec, by its field of theta. Of dofs: of their joint.
_JOINT = {
    "jnt_range": "range",
    "jnt_solref": "solref_limit",
    "jnt_solimp": "solimp_limit",
    "jnt_springyield": "springyield",
}
_DOF = {
    "dof_stiffness": "stiffness",
    "dof_damping": "damping",
    "dof_armature": "armature",
    "dof_frictionloss": "frictionloss",
    "dof_solref": "solref_friction",
    "dof_solimp": "solimp_friction",
}
_TENDON = {
    "tendon_stiffness": "stiffness",
    "tendon_damping": "damping",
    "tendon_armature": "armature",
    "tendon_lengthspring": "springlength",
    "tendon_frictionloss": "frictionloss",
    "tendon_solref_fri": "solref_friction",
    "tendon_solimp_fri": "solimp_friction",
    "tendon_solref_lim": "solref_limit",
    "tendon_solimp_lim": "solimp_limit",
    "tendon_range": "range",
    "tendon_springyield": "springyield",
}
# The coefficients behind the first, of springs and dampers that are not linear.
_DOF_POLYNOMIALS = {"dof_stiffnesspoly": "stiffness", "dof_dampingpoly": "damping"}
_TENDON_POLYNOMIALS = {"tendon_stiffnesspoly": "stiffness", "tendon_dampingpoly": "damping"}
_ACTUATOR = {
    f"actuator_{name}": name for name in ("gainprm", "biasprm", "gear", "dynprm", "lengthrange", "cranklength", "delay")
}
_OF_OUTPUTS = ("actuator_gear", "actuator_lengthrange")  # in MjModel one row for each force of an actuator
_PAIR = {f"pair_{name}": name for name in ("friction", "solref", "solreffriction", "solimp", "adhesion")}
_GEOM = {f"geom_{name}": name for name in ("friction", "solref", "solimp", "surfacevel", "adhesion", "size")}
_INERTIAL = ("body_mass", "body_ipos", "body_inertia")
_TURNING = (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL)
# No number of an MJCF: gains of commands, welds made at run time. The inverse weights are the compiler's own.
_UNSAID = ("dof_kp", "dof_kv", "dof_force_range", "weld_solref", "weld_solimp")
_OPTIONS = ("gravity", "density", "viscosity", "wind")
_FLUID_COEFFICIENTS = slice(1, 6)  # of a row of geom_fluid; what follows is of the shape
_DERIVED = ("body_invweight0", "dof_invweight0", "tendon_invweight0")
_WELD = int(mujoco.mjtEq.mjEQ_WELD)
_BETWEEN_BODIES = (int(mujoco.mjtEq.mjEQ_CONNECT), _WELD)
_PEAK_FORCE, _SCALE = 2, 3  # of a muscle's gainprm and biasprm; a negative force: scale over acceleration
_OF_QPOS0 = -1.0  # springlength of a tendon whose spring is slack at the start
_UNIT = 1e-6  # how far a quaternion may be from length 1: rounding in 32 bits
_NO_WEIGHT = 1e-15  # mjMINVAL: to constraints an inverse inertia below is none
# What is compiled from a number written with all its digits, relative to the largest of the element.
_EXACT = 1e-12


class _Written(NamedTuple):
    """An attribute of an element that was set, the field and row (of a site its name) of the model that it becomes,
    what these shall be, and the first of the attribute's numbers that is meant."""

    element: Any
    attribute: str
    field: str
    row: int | str
    target: np.ndarray
    start: int = 0


def with_parameters(text: str, model: Model, values: Mapping[str, np.ndarray]) -> str:
    """The MJCF of a build, `text`, with these parameters, by field of theta, as they lie in it.

    Raises `GenesisException` for what MJCF cannot say, naming the element.
    """
    changed = {
        name: (values[name] != field.default).any(axis=tuple(range(1, field.default.ndim)))
        for name, field in model.theta_fields.items()
        if name not in (*_UNSAID, *_OPTIONS)
    }
    spec = mujoco.MjSpec.from_string(text)
    for name in _OPTIONS:
        if np.any(values[name] != model.theta_fields[name].default):
            setattr(spec.option, name, np.squeeze(values[name]))
    export = _Export(spec, model, values, changed)
    export.write()
    compiled = export.compiled()
    export.correct(compiled)
    compiled = export.compiled()
    export.check(compiled)
    spec.compiler.savecompiled = False
    spec.compiler.savecanonical = True
    return str(spec.to_xml())


class _Export:
    def __init__(
        self, spec: mujoco.MjSpec, model: Model, values: Mapping[str, np.ndarray], changed: Mapping[str, np.ndarray]
    ) -> None:
        self.spec, self.model, self.m, self.changed = spec, model, model.mj_model, changed
        self.values = {**values, **_forces_of_muscles(model, values)}
        self.written: list[_Written] = []
        placed = np.flatnonzero(model.row_of_geom >= 0)
        self.numbers = placed[np.argsort(model.row_of_geom[placed])]  # of the geoms that have rows among the parameters

    def compiled(self) -> mujoco.MjModel:
        with diagnostics.log_mujoco_warnings("the scene with its parameters in force"):
            try:
                return self.spec.compile()
            except ValueError as error:
                raise GenesisException(
                    f"the parameters in force cannot be written as MJCF: {diagnostics.first_line(error)}."
                ) from None

    def _rows(self, *names: str) -> list[int]:
        """Rows of which any of the fields has changed."""
        return np.flatnonzero(np.logical_or.reduce([self.changed[name] for name in names])).tolist()

    def _set(
        self, element: Any, attribute: str, field: str, row: int | str, target: np.ndarray, start: int = 0
    ) -> None:
        """Set numbers of an attribute, from `start` on."""
        present = getattr(element, attribute)
        if np.ndim(present) == 0:
            setattr(element, attribute, float(target))
        else:
            present[start : start + np.size(target)] = target
        self.written.append(_Written(element, attribute, field, row, np.asarray(target, dtype=float), start))

    # -- what is written ----------------------------------------------------------------------------------------------

    def write(self) -> None:
        m, spec = self.m, self.spec
        self._keep_derived()
        free = np.flatnonzero(m.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE)).tolist()
        self._placed({"jnt_pos": "pos", "jnt_axis": "axis"}, m.joint, spec.joints, without=free)
        self._plain(_JOINT, m.joint, spec.joints, without=free)
        joints = _by_name(spec.joints)
        for field, attribute in (_DOF | _DOF_POLYNOMIALS).items():
            for joint in dict.fromkeys(m.dof_jntid[self._rows(field)].tolist()):
                first, name = int(m.jnt_dofadr[joint]), m.joint(joint).name
                of_joint = self.values[field][first : first + int(self.model.indices["jnt_dofnum"][joint])]
                if np.any(of_joint != of_joint[0]):
                    raise GenesisException(
                        f"joint {name!r} has a {attribute} of its own for each of its dofs "
                        f"({of_joint.tolist()}); MJCF has one for all of them."
                    )
                if (
                    joint in free
                ):  # aligned or not, as the option of the whole model says, is all that there is room for
                    joints[name].align = mujoco.mjtAlignFree.mjALIGNFREE_AUTO
                compiled, row = (field, first)
                if field.startswith("dof_stiffness"):
                    compiled, row = field.replace("dof_", "jnt_"), joint
                self._set(joints[name], attribute, compiled, row, of_joint[0], int(field in _DOF_POLYNOMIALS))
        self._plain(_TENDON, m.tendon, spec.tendons)
        self._plain(_TENDON_POLYNOMIALS, m.tendon, spec.tendons, start=1)
        self._plain(_ACTUATOR, m.actuator, spec.actuators)
        self._plain(_PAIR, m.pair, spec.pairs)
        self._plain({"eq_solref": "solref"}, m.equality, spec.equalities)
        self._plain({"eq_solimp": "solimp"}, m.equality, spec.equalities, without=self._equality_rows())
        self._equality_data()
        self._geoms()
        self._plain({"body_gravcomp": "gravcomp"}, m.body, spec.bodies)
        # of a free body the pose at the start is its qpos0, of a mocap body what is commanded
        without = [*m.jnt_bodyid[free], *self.model.mocap_bodies]
        self._placed({"body_pos": "pos", "body_quat": "quat"}, m.body, spec.bodies, without)
        self._placed({"site_pos": "pos", "site_quat": "quat"}, m.site, spec.sites, without=())
        self._inertials()

    def _plain(
        self, fields: Mapping[str, str], accessor: Callable, elements: Any, without: Any = (), start: int = 0
    ) -> None:
        named = _by_name(elements)
        for field, attribute in fields.items():
            for row in self._rows(field):
                if row not in without:
                    self._set(named[accessor(row).name], attribute, field, row, self.values[field][row], start)

    def _placed(self, fields: Mapping[str, str], accessor: Callable, elements: Any, without: Any) -> None:
        """The same of what says where something is, which frames turn, move and scale."""
        named = _by_name(elements)
        for field, attribute in fields.items():
            for row in self._rows(field):
                if row not in without:
                    present = getattr(self.m, field)[row]
                    _place(named[accessor(row).name], attribute, present, self.values[field][row])

    def _keep_derived(self) -> None:
        """What the compiler would derive anew from changed numbers."""
        m = self.m
        actuators, joints = _by_name(self.spec.actuators), _by_name(self.spec.joints)
        tendons = _by_name(self.spec.tendons)
        for u in range(m.nactuator):
            element = actuators[m.actuator(u).name]
            if element.biastype == mujoco.mjtBias.mjBIAS_AFFINE:
                element.biasprm[:3] = m.actuator_biasprm[u, :3]
            lengths = m.actuator_lengthrange[m.actuator_outadr[u]]
            if np.any(lengths) and not self.changed["actuator_lengthrange"][u]:
                self._set(element, "lengthrange", "actuator_lengthrange", u, lengths)
            if self.model.indices["actuator_muscle"][u] >= 0:
                element.gainprm[_PEAK_FORCE] = self.values["actuator_gainprm"][u, _PEAK_FORCE]
                element.biasprm[_PEAK_FORCE] = self.values["actuator_biasprm"][u, _PEAK_FORCE]
            if element.inheritrange:
                first = int(m.actuator_ctrladr[u])
                element.ctrlrange, element.actrange = m.actuator_ctrlrange[first], m.actuator_actrange[u]
                element.inheritrange = 0
        for j in range(m.njnt):
            element = joints[m.joint(j).name]
            if np.any(element.springdamper):
                element.springdamper = [0, 0]
                element.stiffness[0], element.damping[0] = m.jnt_stiffness[j], m.dof_damping[m.jnt_dofadr[j]]
        for t in range(m.ntendon):
            element = tendons[m.tendon(t).name]
            if np.all(element.springlength == _OF_QPOS0) and not self.changed["tendon_lengthspring"][t]:
                self._set(element, "springlength", "tendon_lengthspring", t, m.tendon_lengthspring[t])

    def _geoms(self) -> None:
        m, geoms = self.m, _by_name(self.spec.geoms)
        for field, attribute in _GEOM.items():
            for row in self._rows(field):
                number = int(self.numbers[row])
                self._set(geoms[m.geom(number).name], attribute, field, number, self.values[field][row])
        for row in self._rows("geom_fluid"):
            target = self.values["geom_fluid"][row][_FLUID_COEFFICIENTS]
            geoms[m.geom(int(self.numbers[row])).name].fluid_coefs = target
        for row in self._rows("geom_pos", "geom_quat"):
            number = int(self.numbers[row])
            before = self._origin(number, m.geom_pos[number], m.geom_quat[number])
            after = self._origin(number, self.values["geom_pos"][row], self.values["geom_quat"][row])
            for attribute, present, target in zip(("pos", "quat"), before, after, strict=True):
                _place(geoms[m.geom(number).name], attribute, present, target)

    def _origin(self, number: int, pos: np.ndarray, quat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the element of a geom is: the frame of a mesh is at its centre of mass, and not there."""
        mesh = int(self.m.geom_dataid[number])
        if self.m.geom_type[number] != mujoco.mjtGeom.mjGEOM_MESH:
            return pos, quat
        back, turned_back, moved, turned = np.zeros(3), np.zeros(4), np.zeros(3), np.zeros(4)
        mujoco.mju_negPose(back, turned_back, self.m.mesh_pos[mesh], self.m.mesh_quat[mesh])
        mujoco.mju_mulPose(moved, turned, pos, quat, back, turned_back)
        return moved, turned

    def _inertials(self) -> None:
        """Of bodies whose own changed, and of those whose geoms did, which masses do not follow."""
        m, bodies = self.m, _by_name(self.spec.bodies)
        geoms = self.numbers[self._rows("geom_size", "geom_pos", "geom_quat")]
        moved = m.geom_bodyid[geoms].tolist()
        for body in sorted({*self._rows(*_INERTIAL), *moved} - {0}):
            element = bodies[m.body(body).name]
            moments, quat = np.array(m.body_inertia[body]), np.array(m.body_iquat[body])
            if self.changed["body_inertia"][body]:
                xx, yy, zz, xy, xz, yz = self.values["body_inertia"][body]
                full = np.array([xx, xy, xz, xy, yy, yz, xz, yz, zz])
                mujoco.mju_eig3(moments, np.zeros(9), quat, full)
            element.explicitinertial = True
            element.ialt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
            element.fullinertia = np.full(6, np.nan)
            element.iquat = quat
            for field, attribute, target in (
                ("body_mass", "mass", self.values["body_mass"][body]),
                ("body_ipos", "ipos", self.values["body_ipos"][body]),
                ("body_inertia", "inertia", moments),
            ):
                self._set(element, attribute, field, body, target)

    def _equality_rows(self) -> list[int]:
        """Equality constraints whose data are to be written: they have changed, or the compiler would derive another
        anchor or relative pose from bodies or sites that sit elsewhere."""
        m = self.m
        sites = m.eq_objtype == int(mujoco.mjtObj.mjOBJ_SITE)
        of_moved_sites = sites & np.isin([m.eq_obj1id, m.eq_obj2id], self._rows("site_pos", "site_quat")).any(axis=0)
        between_bodies = np.isin(m.eq_type, _BETWEEN_BODIES) & (m.eq_objtype == int(mujoco.mjtObj.mjOBJ_BODY))
        moved = bool(self._rows("body_pos", "body_quat") or self._rows("jnt_pos", "jnt_axis"))
        return np.flatnonzero(self.changed["eq_data"] | (between_bodies & moved) | of_moved_sites).tolist()

    def _equality_data(self) -> None:
        m, equalities = self.m, _by_name(self.spec.equalities)
        for row in self._equality_rows():
            element, data = equalities[m.equality(row).name], self.values["eq_data"][row]
            if m.eq_type[row] in _BETWEEN_BODIES:
                self._as_sites(element, row, data, m.eq_type[row] == _WELD)
            else:
                self._set(element, "data", "eq_data", row, data[:5])
            # a width is scaled as what it is of
            self._set(element, "solimp", "eq_solimp", row, self.values["eq_solimp"][row])

    def _as_sites(self, element: Any, row: int, data: np.ndarray, weld: bool) -> None:
        """A connect or weld whose anchors were set: MJCF says one of them only, and both where they are sites."""
        m, bodies = self.m, _by_name(self.spec.bodies)
        sites = m.eq_objtype[row] == int(mujoco.mjtObj.mjOBJ_SITE)
        ends = [int(m.eq_obj1id[row]), int(m.eq_obj2id[row])]
        quats = [np.array([1.0, 0, 0, 0]), m.site_quat[ends[1]] if sites else np.array([1.0, 0, 0, 0])]
        places = [data[3:6], data[:3]] if weld else [data[:3], data[3:6]]
        if weld:
            if abs(np.linalg.norm(data[6:10]) - 1.0) > _UNIT:
                raise GenesisException(
                    f"the relative orientation of {m.equality(row).name!r}, {data[6:10].tolist()}, has not length 1: "
                    "MJCF normalises it, which makes another constraint."
                )
            quats[0] = data[6:10]
            if m.eq_data[row, 10]:  # a length, which may be scaled
                element.data[10] *= data[10] / m.eq_data[row, 10]
        taken = {site.name for site in self.spec.sites}
        for k, (end, attribute) in enumerate(zip(ends, ("name1", "name2"), strict=True)):
            body = int(m.site_bodyid[end]) if sites else end
            owner = bodies[m.body(body).name] if body else self.spec.worldbody
            name = next(n for i in range(len(taken) + 1) if (n := f"{m.equality(row).name}_end{k}_{i}") not in taken)
            taken.add(name)
            site = owner.add_site(name=name, quat=quats[k])
            self._set(site, "pos", "site_pos", name, places[k])
            setattr(element, attribute, name)
        element.objtype = mujoco.mjtObj.mjOBJ_SITE

    # -- what comes out -----------------------------------------------------------------------------------------------

    def correct(self, compiled: mujoco.MjModel) -> None:
        """Numbers that the scale of an entity multiplies are divided by it."""
        for one in self.written:
            found = np.atleast_1d(self._found(compiled, one))
            target = np.atleast_1d(one.target)
            ratio = np.where(found != 0, target / np.where(found != 0, found, 1.0), 1.0)
            if np.all(np.abs(ratio - 1.0) < _EXACT):
                continue
            present = getattr(one.element, one.attribute)
            if np.ndim(present) == 0:
                setattr(one.element, one.attribute, float(present * ratio[0]))
            else:
                chosen = slice(one.start, one.start + len(ratio))
                present[chosen] = present[chosen] * ratio

    @staticmethod
    def _found(compiled: mujoco.MjModel, one: _Written) -> np.ndarray:
        row = compiled.site(one.row).id if isinstance(one.row, str) else one.row
        if one.field in _OF_OUTPUTS:
            row = int(compiled.actuator_outadr[row])
        found = np.atleast_1d(getattr(compiled, one.field)[row])
        return np.array(found[: np.size(one.target)], dtype=float)

    def check(self, compiled: mujoco.MjModel) -> None:
        """Every parameter of the compiled model is the one in force."""
        m = self.m
        free, ball = (m.jnt_type == int(kind) for kind in _TURNING)
        not_placed = np.isin(np.arange(m.nbody), [*m.jnt_bodyid[free], *self.model.mocap_bodies])
        weightless = self.values["body_mass"] == 0
        idle = {
            "body_pos": not_placed,
            "body_quat": not_placed,
            "body_ipos": weightless,
            "body_inertia": weightless,
            **dict.fromkeys(("jnt_pos", *_JOINT), free),
            "jnt_axis": free | ball,
        }
        for name, expected in self.values.items():
            if not len(expected) or name in (*_UNSAID, *_DERIVED, *_OPTIONS, "eq_data"):
                continue
            found = self._parameter(compiled, name)
            for row in np.flatnonzero(~idle[name] if name in idle else np.ones(len(expected), dtype=bool)):
                wanted = np.atleast_1d(expected[row])
                there = np.atleast_1d(found[row])[: len(wanted)]
                if not np.allclose(there, wanted, rtol=0, atol=_EXACT * max(1.0, float(np.abs(wanted).max()))):
                    raise GenesisException(
                        f"the parameter {name} of number {row}, {wanted.tolist()}, cannot be written as MJCF: it would "
                        f"be compiled to {there.tolist()}."
                    )
        self._check_lengths(compiled)
        self._tell_of_weights(compiled)

    def _check_lengths(self, compiled: mujoco.MjModel) -> None:
        """The lengths at qpos0 from which equality constraints of tendons count."""
        m = self.m
        of_tendons = m.eq_type == int(mujoco.mjtEq.mjEQ_TENDON)
        for t in {*m.eq_obj1id[of_tendons].tolist(), *m.eq_obj2id[of_tendons].tolist()} - {-1}:
            found, expected = float(compiled.tendon_length0[t]), float(m.tendon_length0[t])
            if abs(found - expected) > _EXACT * max(1.0, abs(expected)):
                raise GenesisException(
                    f"the length {expected:g} m of tendon {m.tendon(t).name!r} at the start, from which its equality "
                    f"counts, cannot be written as MJCF: with the parameters in force it would be {found:g} m."
                )

    def _parameter(self, compiled: mujoco.MjModel, name: str) -> np.ndarray:
        """A field of theta, as the compiled model has it."""
        if name in ("dof_stiffness", "dof_stiffnesspoly"):
            return getattr(compiled, name.replace("dof_", "jnt_"))[compiled.dof_jntid]
        if name == "body_inertia":
            pairs = zip(compiled.body_inertia, compiled.body_iquat, strict=True)
            return np.stack([principal_to_full(*pair) for pair in pairs])
        values = getattr(compiled, name)
        if name in _OF_OUTPUTS:
            return values[compiled.actuator_outadr]
        if name.startswith("site_"):  # those that stand for anchors may lie between
            return values[[compiled.site(self.m.site(k).name).id for k in range(self.m.nsite)]]
        return values[self.numbers] if name.startswith("geom_") else values

    def _tell_of_weights(self, compiled: mujoco.MjModel) -> None:
        if not self.model.constrained:
            return
        for name in _DERIVED:
            found, expected = getattr(compiled, name), self.values[name]
            if not np.allclose(found, expected, rtol=1e-6, atol=_NO_WEIGHT):
                runtime.logger.warning(
                    "to_mjcf: MuJoCo derives the inverse inertias that scale the softness of constraints (%s) from the "
                    "masses that it compiles; those of the scene are others. With "
                    'RigidOptions(inverse_weights="follow") they are the same.',
                    name,
                )
                return


def _forces_of_muscles(model: Model, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gains and biases of which peak forces are numbers, where the compiler would derive them anew: a muscle's scale
    over the acceleration that a unit of its force gives."""
    m, found = model.mj_model, {}
    muscles, acc0 = model.indices["muscle_actuator"], np.maximum(model.constants["muscle_acc0"], mujoco.mjMINVAL)
    for field, of_muscle in (
        ("actuator_gainprm", m.actuator_gaintype == int(mujoco.mjtGain.mjGAIN_MUSCLE)),
        ("actuator_biasprm", m.actuator_biastype == int(mujoco.mjtBias.mjBIAS_MUSCLE)),
    ):
        own = np.array(values[field])
        prm = own[muscles]
        scaled = of_muscle[muscles] & (prm[:, _PEAK_FORCE] < 0)
        own[muscles, _PEAK_FORCE] = np.where(scaled, prm[:, _SCALE] / acc0, prm[:, _PEAK_FORCE])
        found[field] = own
    return found


def _by_name(elements: Any) -> dict[str, Any]:
    return {element.name: element for element in elements}


def _place(element: Any, attribute: str, present: np.ndarray, target: np.ndarray) -> None:
    """Set the "pos", "quat" or "axis" of an element, `present` in the model, so that it becomes `target` there."""
    turn, scale = _around(element)
    back = np.zeros(4)
    mujoco.mju_negQuat(back, turn)
    if attribute == "quat":
        turned = np.zeros(4)
        mujoco.mju_mulQuat(turned, back, target)
        element.quat = turned
        return
    turned = np.zeros(3)
    mujoco.mju_rotVecQuat(turned, (target - present) / scale if attribute == "pos" else target, back)
    setattr(element, attribute, element.pos + turned if attribute == "pos" else turned)


def _around(element: Any) -> tuple[np.ndarray, float]:
    """How the frames around an element turn it on its body (of a body: on its parent), and by how much all frames up to
    the world scale it."""
    turn, scale, own = np.array([1.0, 0.0, 0.0, 0.0]), 1.0, True
    while True:
        frame = element.frame
        while frame is not None:
            if own:
                turned = np.zeros(4)
                mujoco.mju_mulQuat(turned, frame.quat, turn)
                turn = turned / np.linalg.norm(turned)
            scale *= float(np.mean(frame.scale))
            frame = frame.frame
        element, own = element.parent, False
        if element.name == "world":
            return turn, scale
