"""An entity with the parameters in force as a URDF, as far as URDF can say it.

The frame of a URDF's link lies on the axis of its joint: of a MuJoCo body whose joint turns about another point than
the body's origin, the link's frame is moved there. A joint reads 0 where the body's joint does, whatever its `ref`.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np

from genesis.model.arrays import Model
from genesis.model.compose import SEPARATOR, EntityRange
from genesis.model.robot_files import WORLD_LINK, unused_name

_FREE, _BALL, _SLIDE, _HINGE = (
    int(getattr(mujoco.mjtJoint, f"mjJNT_{name}")) for name in ("FREE", "BALL", "SLIDE", "HINGE")
)
_PLANE, _HFIELD, _SPHERE, _CAPSULE, _ELLIPSOID, _CYLINDER, _BOX, _MESH, _SDF = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}"))
    for name in ("PLANE", "HFIELD", "SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX", "MESH", "SDF")
)
# Shapes that URDF has no word for.
_UNSAID_SHAPES = {_PLANE: "plane", _HFIELD: "height field", _ELLIPSOID: "ellipsoid", _SDF: "signed distance field"}
# URDF requires the greatest velocity of a joint, of which a scene knows nothing and which is without effect here.
_VELOCITY = "100"
_SIX = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def to_urdf(
    model: Model,
    ranges: EntityRange,
    values: Mapping[str, np.ndarray],
    pose: tuple[np.ndarray, np.ndarray],
    mesh_folder: str,
) -> tuple[str, dict[str, str], list[str]]:
    """The text, the meshes that it names (OBJ, by name within ``mesh_folder``), and what it leaves out, in words.

    Args:
        ranges: of the entity in the compiled model
        values: parameters in force, by field of theta
        pose: position [m] and orientation of the entity in the world
    """
    export = _Export(model, ranges, values, pose, mesh_folder)
    return export.text(), export.meshes, export.left_out


class _Export:
    def __init__(
        self,
        model: Model,
        ranges: EntityRange,
        values: Mapping[str, np.ndarray],
        pose: tuple[np.ndarray, np.ndarray],
        mesh_folder: str,
    ) -> None:
        self.m, self.model, self.ranges, self.values = model.mj_model, model, ranges, values
        self.pose, self.mesh_folder = pose, mesh_folder
        self.meshes: dict[str, str] = {}
        self.left_out: list[str] = []
        self.mesh_of: dict[int, str] = {}
        self.links = range(ranges.link_start, ranges.link_end)
        self.joints = range(ranges.joint_start, ranges.joint_end)
        self.names = {self._name(self.m.joint(j)) for j in self.joints}
        # Hinges and slides that a link hangs on: those that URDF has.
        self._kept = {self._joint_of(b) for b in self.links if self._type(b) in (_HINGE, _SLIDE)}

    def text(self) -> str:
        m = self.m
        self._list_other_parts()
        robot = Element("robot", name=self.ranges.name)
        roots = [b for b in self.links if int(m.body_parentid[b]) == 0]
        # One free link is the root; whatever else hangs on the world hangs on the link of its name.
        alone = len(roots) == 1 and self._joint_of(roots[0]) is not None and self._type(roots[0]) == _FREE
        if not alone:
            SubElement(robot, "link", name=WORLD_LINK)
        for body in self.links:
            self._add_link(robot, body)
        for body in self.links:
            if not (alone and body in roots):
                self._add_joint(robot, body)
        ElementTree.indent(robot)
        return ElementTree.tostring(robot, encoding="unicode") + "\n"

    # -- what URDF cannot say -----------------------------------------------------------------------------------------

    def _name(self, part: Any) -> str:
        return str(part.name).removeprefix(self.ranges.name + SEPARATOR)

    def _value(self, field: str, row: int) -> np.ndarray:
        """A parameter of constraints: where none are simulated, it is the file's."""
        values = self.values[field]
        return values[row] if len(values) else getattr(self.m, field)[row]

    def _leave_out(self, what: str, parts: list[str]) -> None:
        if parts:
            self.left_out.append(f"{what}: {', '.join(dict.fromkeys(parts))}")

    def _list_other_parts(self) -> None:
        m, values, r = self.m, self.values, self.ranges
        joints, links = {j: self._name(m.joint(j)) for j in self.joints}, {b: self._name(m.body(b)) for b in self.links}
        single = [j for j in self.joints if m.jnt_type[j] in (_HINGE, _SLIDE)]
        dof = {j: int(m.jnt_dofadr[j]) for j in self.joints}
        self._leave_out("ball joints", [joints[j] for j in self.joints if m.jnt_type[j] == _BALL])
        self._leave_out("links with several joints", [links[b] for b in self.links if m.body_jntnum[b] > 1])
        lost = [joints[j] for j in self.joints if j != self._joint_of(int(m.jnt_bodyid[j]))]
        self._leave_out("all joints of a link but its last", lost)
        for what, fields in (
            ("springs of joints", ("dof_stiffness", "dof_stiffnesspoly")),
            ("armature of joints", ("dof_armature",)),
            ("damping of joints that is not linear", ("dof_dampingpoly",)),
        ):
            self._leave_out(what, [joints[j] for j in self.joints if any(np.any(values[f][dof[j]]) for f in fields)])
        resisting = [
            j
            for j in self.joints
            if m.jnt_type[j] == _FREE
            and any(self._value(f, dof[j] + k) for f in ("dof_damping", "dof_frictionloss") for k in range(6))
        ]
        self._leave_out("damping and friction of free joints", [joints[j] for j in resisting])
        low, high = values["dof_force_range"].T
        lopsided = [joints[j] for j in single if low[dof[j]] != -high[dof[j]]]
        self._leave_out("force ranges that are not symmetric", lopsided)
        bounded = [j for j in single if m.jnt_type[j] == _SLIDE and not m.jnt_limited[j] and high[dof[j]] < np.inf]
        self._leave_out("force ranges of slides without limits", [joints[j] for j in bounded])
        self._leave_out("gravity compensation", [links[b] for b in self.links if values["body_gravcomp"][b]])
        self._leave_out("mocap links", [links[b] for b in self.links if m.body_mocapid[b] >= 0])
        self._leave_out("actuators", list(r.actuator_names))
        self._leave_out("tendons", list(r.tendon_names))
        equalities = range(r.equality_start, r.equality_end)
        self._leave_out(
            "equality constraints other than <mimic>",
            [self._name(m.equality(e)) for e in equalities if not self._is_mimic(e)],
        )
        self._leave_out(
            "<mimic> of or by joints that are left out",
            [self._name(m.equality(e)) for e in equalities if self._is_mimic(e) and not self._is_kept(e)],
        )
        pairs = [m.pair(p) for p in range(m.npair)]
        self._leave_out("contact pairs", [self._name(p) for p in pairs if p.name.startswith(r.name + SEPARATOR)])
        geoms = [(g, self._name(m.geom(g))) for g in range(r.geom_start, r.geom_end)]
        for kind, what in _UNSAID_SHAPES.items():
            self._leave_out(f"{what}s", [name for g, name in geoms if m.geom_type[g] == kind])
        self._leave_out("contact parameters of geoms", [name for g, name in geoms if self._has_own_contact(g)])
        self._leave_out("shapes in a fluid", [name for g, name in geoms if m.geom_fluid[g, 0] > 0])

    def _is_mimic(self, equality: int) -> bool:
        """Whether one joint follows another in proportion, from the start on."""
        m, data = self.m, self._value("eq_data", equality)
        joint = m.eq_type[equality] == int(mujoco.mjtEq.mjEQ_JOINT)
        return bool(joint and m.eq_obj2id[equality] >= 0 and not np.any(data[2:5]) and m.eq_active0[equality])

    def _is_kept(self, mimic: int) -> bool:
        """Whether URDF has both of its joints."""
        return {int(self.m.eq_obj1id[mimic]), int(self.m.eq_obj2id[mimic])} <= self._kept

    def _has_own_contact(self, geom: int) -> bool:
        """Whether a geom that may touch something does so otherwise than one of which a file says nothing."""
        m = self.m
        if not (m.geom_contype[geom] or m.geom_conaffinity[geom]):
            return False
        plain = _PLAIN.geom_friction[0], _PLAIN.geom_solref[0], _PLAIN.geom_solimp[0]
        row = int(self.model.cgeom_of_geom[geom])
        fields = "geom_friction", "geom_solref", "geom_solimp"
        found = [self.values[f][row] if row >= 0 else getattr(m, f)[geom] for f in fields]
        own = any(not np.array_equal(one, other) for one, other in zip(found, plain, strict=True))
        numbers = ("contype", "conaffinity", "condim", "priority", "solmix", "margin", "gap")
        return own or any(getattr(m, f"geom_{n}")[geom] != getattr(_PLAIN, f"geom_{n}")[0] for n in numbers)

    # -- frames -------------------------------------------------------------------------------------------------------

    def _joint_of(self, body: int) -> int | None:
        """The joint that a link hangs on: the last of several, which is left out where URDF has none of its kind."""
        n = int(self.m.body_jntnum[body])
        return int(self.m.body_jntadr[body]) + n - 1 if n else None

    def _type(self, body: int) -> int:
        joint = self._joint_of(body)
        return -1 if joint is None else int(self.m.jnt_type[joint])

    def _anchor(self, body: int) -> np.ndarray:
        """Where the link's frame lies in the body's [m]: on the joint's axis."""
        joint = self._joint_of(body) if self._type(body) in (_HINGE, _SLIDE) else None
        return np.zeros(3) if joint is None else self.values["jnt_pos"][joint]

    def _origin(self, body: int) -> tuple[np.ndarray, np.ndarray]:
        """Pose of the link in its parent's frame with its joint at 0."""
        m, parent, joint = self.m, int(self.m.body_parentid[body]), self._joint_of(body)
        pos, quat = np.array(self.values["body_pos"][body]), np.array(self.values["body_quat"][body])
        if self._type(body) == _FREE and joint is not None:
            start = int(m.jnt_qposadr[joint])
            pos, quat = np.array(m.qpos0[start : start + 3]), np.array(m.qpos0[start + 3 : start + 7])
        if parent == 0:
            back, turned_back, there, turned = np.zeros(3), np.zeros(4), np.zeros(3), np.zeros(4)
            mujoco.mju_negPose(back, turned_back, *self.pose)
            mujoco.mju_mulPose(there, turned, back, turned_back, pos, quat)
            pos, quat = there, turned
        else:
            pos = pos - self._anchor(parent)
        pos = pos + _rotated(self._anchor(body), quat)
        if joint is not None and self._type(body) in (_HINGE, _SLIDE):
            ref, axis = float(m.qpos0[m.jnt_qposadr[joint]]), self.values["jnt_axis"][joint]
            if self._type(body) == _SLIDE:
                pos = pos - ref * _rotated(axis, quat)
            elif ref:
                turn, turned = np.zeros(4), np.zeros(4)
                mujoco.mju_axisAngle2Quat(turn, axis, -ref)
                mujoco.mju_mulQuat(turned, quat, turn)
                quat = turned
        return pos, quat

    # -- elements -----------------------------------------------------------------------------------------------------

    def _add_link(self, robot: Element, body: int) -> None:
        m, values = self.m, self.values
        link, anchor = SubElement(robot, "link", name=self._name(m.body(body))), self._anchor(body)
        shapes = [int(m.body_geomadr[body]) + k for k in range(int(m.body_geomnum[body]))]
        shapes = [g for g in shapes if int(m.geom_type[g]) not in _UNSAID_SHAPES]
        mass = float(values["body_mass"][body])
        if mass or shapes:  # shapes of a link without <inertial> would give it their mass
            inertial = SubElement(link, "inertial")
            _add_origin(inertial, values["body_ipos"][body] - anchor, _IDENTITY)
            SubElement(inertial, "mass", value=_text(mass))
            moments = values["body_inertia"][body] if mass else np.zeros(6)
            SubElement(inertial, "inertia", {name: _text(x) for name, x in zip(_SIX, moments, strict=True)})
        for geom in shapes:
            drawn = not (m.geom_contype[geom] or m.geom_conaffinity[geom])
            shape = SubElement(link, "visual" if drawn else "collision", name=self._name(m.geom(geom)))
            row = int(self.model.row_of_geom[geom])
            pos, quat, size = (
                values[f"geom_{f}"][row] if row >= 0 else getattr(m, f"geom_{f}")[geom] for f in ("pos", "quat", "size")
            )
            _add_origin(shape, pos - anchor, quat)
            self._add_geometry(SubElement(shape, "geometry"), geom, size)
            if drawn:
                material = SubElement(shape, "material", name=f"color of {self._name(m.geom(geom))}")
                SubElement(material, "color", rgba=_text(*self._color(geom)))

    def _color(self, geom: int) -> np.ndarray:
        material = int(self.m.geom_matid[geom])
        return self.m.mat_rgba[material] if material >= 0 else self.m.geom_rgba[geom]

    def _add_geometry(self, geometry: Element, geom: int, size: np.ndarray) -> None:
        kind = int(self.m.geom_type[geom])
        if kind == _BOX:
            SubElement(geometry, "box", size=_text(*(2 * size)))
        elif kind == _SPHERE:
            SubElement(geometry, "sphere", radius=_text(size[0]))
        elif kind in (_CYLINDER, _CAPSULE):
            name = "cylinder" if kind == _CYLINDER else "capsule"
            SubElement(geometry, name, radius=_text(size[0]), length=_text(2 * size[1]))
        else:
            mesh = SubElement(
                geometry, "mesh", filename=f"{self.mesh_folder}/{self._mesh(int(self.m.geom_dataid[geom]))}"
            )
            scale = size / self.m.geom_size[geom]
            if np.any(scale != 1.0):
                mesh.set("scale", _text(*scale))

    def _mesh(self, number: int) -> str:
        """Name of the file of a mesh, in the frame that MuJoCo gives it."""
        m = self.m
        if number not in self.mesh_of:
            name = unused_name(self._name(m.mesh(number)).replace("/", "_") or "mesh", set(self.mesh_of.values()))
            first, n = int(m.mesh_vertadr[number]), int(m.mesh_vertnum[number])
            faces = m.mesh_face[m.mesh_faceadr[number] : m.mesh_faceadr[number] + m.mesh_facenum[number]] + 1
            lines = [f"v {_text(*vertex)}" for vertex in m.mesh_vert[first : first + n]]
            lines += [f"f {' '.join(map(str, face))}" for face in faces.tolist()]
            self.mesh_of[number] = name
            self.meshes[f"{name}.obj"] = "\n".join(lines) + "\n"
        return f"{self.mesh_of[number]}.obj"

    def _add_joint(self, robot: Element, body: int) -> None:
        m, kind, joint = self.m, self._type(body), self._joint_of(body)
        link, parent = self._name(m.body(body)), int(m.body_parentid[body])
        if joint is not None:
            name = self._name(m.joint(joint))
        else:
            name = unused_name(f"{link}_fixed", self.names)
            self.names.add(name)
        limited = kind in (_HINGE, _SLIDE) and bool(m.jnt_limited[joint])
        called = {_SLIDE: "prismatic", _HINGE: "revolute" if limited else "continuous", _FREE: "floating"}
        element = SubElement(robot, "joint", name=name, type=called.get(kind, "fixed"))
        _add_origin(element, *self._origin(body))
        SubElement(element, "parent", link=self._name(m.body(parent)) if parent else WORLD_LINK)
        SubElement(element, "child", link=link)
        if joint is None or kind not in (_HINGE, _SLIDE):
            return
        dof = int(m.jnt_dofadr[joint])
        SubElement(element, "axis", xyz=_text(*self.values["jnt_axis"][joint]))
        force = float(self.values["dof_force_range"][dof][1])
        effort = {"effort": _text(force) if math.isfinite(force) else "0", "velocity": _VELOCITY}
        if limited:
            lower, upper = self._value("jnt_range", joint)
            SubElement(element, "limit", {"lower": _text(lower), "upper": _text(upper), **effort})
        elif kind == _HINGE:
            SubElement(element, "limit", effort)
        damping, friction = (float(self._value(f"dof_{f}", dof)) for f in ("damping", "frictionloss"))
        if damping or friction:
            SubElement(element, "dynamics", damping=_text(damping), friction=_text(friction))
        self._add_mimic(element, joint)

    def _add_mimic(self, element: Element, joint: int) -> None:
        m = self.m
        for e in range(self.ranges.equality_start, self.ranges.equality_end):
            if not (self._is_mimic(e) and self._is_kept(e)) or m.eq_obj1id[e] != joint:
                continue
            other = int(m.eq_obj2id[e])
            own_ref, ref = (float(m.qpos0[m.jnt_qposadr[j]]) for j in (joint, other))
            offset, multiplier = self._value("eq_data", e)[:2]
            offset += own_ref - multiplier * ref
            SubElement(
                element, "mimic", joint=self._name(m.joint(other)), multiplier=_text(multiplier), offset=_text(offset)
            )


# What MuJoCo makes of a geom of which a file says nothing.
_PLAIN = mujoco.MjModel.from_xml_string('<mujoco><worldbody><body><geom size="1"/></body></worldbody></mujoco>')


def _text(*numbers: float) -> str:
    return " ".join(repr(float(x)) for x in numbers)


def _rotated(vector: np.ndarray, quat: np.ndarray) -> np.ndarray:
    result = np.zeros(3)
    mujoco.mju_rotVecQuat(result, vector, quat)
    return result


def _add_origin(element: Element, pos: np.ndarray, quat: np.ndarray) -> None:
    SubElement(element, "origin", xyz=_text(*pos), rpy=_text(*_angles(quat)))


def _angles(quat: np.ndarray) -> tuple[float, float, float]:
    """Roll, pitch, yaw [rad] with R = Rz(yaw) Ry(pitch) Rx(roll), exact also where roll and yaw turn about one axis."""
    flat = np.zeros(9)
    mujoco.mju_quat2Mat(flat, np.asarray(quat, dtype=float) / np.linalg.norm(quat))
    R = flat.reshape(3, 3)
    roll = math.atan2(R[2, 1], R[2, 2])
    c, s = math.cos(roll), math.sin(roll)
    return (
        roll,
        math.atan2(-R[2, 0], math.hypot(R[2, 1], R[2, 2])),
        math.atan2(s * R[0, 2] - c * R[0, 1], c * R[1, 1] - s * R[1, 2]),
    )
