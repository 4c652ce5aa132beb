"""The table of kinds of attached sensors: which class measures what is described."""

from __future__ import annotations

from genesis.errors import GenesisException
from genesis.sensors.attached.contacts import ContactForceSensor, ContactSensor
from genesis.sensors.attached.imu import IMUSensor
from genesis.sensors.attached.joint_torque import JointTorqueSensor
from genesis.sensors.attached.options import contacts, imu, joints, probes, rays, temperature
from genesis.sensors.attached.options.base import SensorOptions
from genesis.sensors.attached.probes import (
    ContactDepthSensor,
    ContactProbeSensor,
    KinematicContactSensor,
    KinematicTaxelSensor,
    SurfaceDistanceSensor,
)
from genesis.sensors.attached.raycaster import DepthCameraSensor, RaycasterSensor
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.temperature import TemperatureGridSensor

KINDS: dict[type[SensorOptions], type[Sensor]] = {
    imu.IMU: IMUSensor,
    contacts.Contact: ContactSensor,
    contacts.ContactForce: ContactForceSensor,
    joints.JointTorque: JointTorqueSensor,
    rays.Raycaster: RaycasterSensor,
    rays.DepthCamera: DepthCameraSensor,
    probes.SurfaceDistanceProbe: SurfaceDistanceSensor,
    probes.Proximity: SurfaceDistanceSensor,
    probes.ContactDepthProbe: ContactDepthSensor,
    probes.ContactProbe: ContactProbeSensor,
    probes.KinematicTaxel: KinematicTaxelSensor,
    probes.KinematicContactProbe: KinematicContactSensor,
    temperature.TemperatureGrid: TemperatureGridSensor,
}


def kind_of(options: SensorOptions) -> type[Sensor]:
    """The class of the sensor; raises GenesisException for a description that no class measures."""
    for one in type(options).__mro__:
        if one in KINDS:
            return KINDS[one]
    known = ", ".join(kind.__name__ for kind in KINDS)
    raise GenesisException(f"add_sensor: {type(options).__name__} is no kind of sensor; there are {known}.")
