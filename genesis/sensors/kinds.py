"""The table of types of sensors: how each is measured, or why it is not.

A new type is a function beside its neighbours, from a `Group` to a `Measure`, and an entry.
"""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np

from genesis.model import late_sensors
from genesis.sensors import distances, frames, mechanism, rays, tactile, touch
from genesis.sensors.group import Group, Measure

KINDS: dict[str, Callable[[Group], Measure]] = {
    "accelerometer": frames.accelerometer,
    "velocimeter": frames.velocimeter,
    "gyro": frames.gyro,
    "force": frames.force,
    "torque": frames.torque,
    "magnetometer": frames.magnetometer,
    "camprojection": frames.camprojection,
    "framepos": frames.framepos,
    "framequat": frames.framequat,
    "framexaxis": frames.frame_axis(0),
    "frameyaxis": frames.frame_axis(1),
    "framezaxis": frames.frame_axis(2),
    "framelinvel": frames.framelinvel,
    "frameangvel": frames.frameangvel,
    "framelinacc": frames.framelinacc,
    "frameangacc": frames.frameangacc,
    "subtreecom": frames.subtreecom,
    "subtreelinvel": frames.subtreelinvel,
    "subtreeangmom": frames.subtreeangmom,
    "jointpos": mechanism.jointpos,
    "jointvel": mechanism.jointvel,
    "ballquat": mechanism.ballquat,
    "ballangvel": mechanism.ballangvel,
    "tendonpos": mechanism.observed("ten_length"),
    "tendonvel": mechanism.observed("ten_velocity"),
    "actuatorpos": mechanism.observed("actuator_length"),
    "actuatorvel": mechanism.observed("actuator_velocity"),
    "actuatorfrc": mechanism.observed("actuator_force"),
    "jointactuatorfrc": mechanism.jointactuatorfrc,
    "tendonactuatorfrc": mechanism.tendonactuatorfrc,
    "jointlimitpos": mechanism.limit("joint_limit", "pos"),
    "jointlimitvel": mechanism.limit("joint_limit", "vel"),
    "jointlimitfrc": mechanism.limit("joint_limit", "frc"),
    "tendonlimitpos": mechanism.limit("tendon_limit", "pos"),
    "tendonlimitvel": mechanism.limit("tendon_limit", "vel"),
    "tendonlimitfrc": mechanism.limit("tendon_limit", "frc"),
    "touch": touch.touch,
    "contact": touch.contact,
    "insidesite": touch.insidesite,
    "tactile": tactile.tactile,
    "rangefinder": rays.rangefinder,
    "distance": distances.distance,
    "normal": distances.normal,
    "fromto": distances.fromto,
    "e_potential": mechanism.e_potential,
    "e_kinetic": mechanism.e_kinetic,
    "clock": mechanism.clock,
}
REFUSED = {
    "plugin": "plugins are not run",
    "user": "it is for a callback of MuJoCo's, which is not called here",
}
# What MuJoCo's enum calls a type, where an MJCF has another word for it.
_ELEMENTS = {
    "jointactfrc": "jointactuatorfrc",
    "tendonactfrc": "tendonactuatorfrc",
    "geomdist": "distance",
    "geomnormal": "normal",
    "geomfromto": "fromto",
}


def kind_of(m: mujoco.MjModel, number: int) -> str:
    """The type of a sensor, as an MJCF calls it."""
    name = mujoco.mjtSensor(int(m.sensor_type[number])).name.removeprefix("mjSENS_").lower()
    return _ELEMENTS.get(name, name)


def refusal(m: mujoco.MjModel, number: int, substeps: int) -> str | None:
    """Why a sensor is not measured in a scene with so many substeps; None: it is."""
    kind = kind_of(m, number)
    if kind not in KINDS:
        return REFUSED.get(kind, "this type is not known")
    if substeps > 1 and number in late_sensors.numbers(m):
        return "it has a delay or an interval, and what is between substeps is not kept: build with substeps=1"
    if kind in ("actuatorpos", "actuatorvel", "actuatorfrc") and m.sensor_dim[number] != 1:
        return "it is of an orientation servo, whose three numbers are not measured yet"
    if kind == "torque" and m.site_bodyid[m.sensor_objid[number]] == 0:
        return "its site sits on the world itself, for which MuJoCo adds torques about different points"
    if kind == "tactile" and np.any(m.mesh_octadr >= 0):
        return "a mesh of the scene is a distance field, which is not simulated"
    if kind == "rangefinder" and np.any(m.geom_type[rays.can_be_met(m)] == int(mujoco.mjtGeom.mjGEOM_SDF)):
        return "a ray may meet a signed distance field, which is not simulated"
    return None
