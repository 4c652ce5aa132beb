"""Sensors: those that model files define, and `gs.sensors`, what `scene.add_sensor` takes.

The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genesis.errors import UnknownNameError

if TYPE_CHECKING:
    from genesis.sensors.attached.options import patterns as raycaster
    from genesis.sensors.attached.options.base import AttachedOptions, NoisyOptions, SensorOptions
    from genesis.sensors.attached.options.contacts import Contact, ContactForce
    from genesis.sensors.attached.options.imu import IMU
    from genesis.sensors.attached.options.joints import JointTorque
    from genesis.sensors.attached.options.patterns import (
        DepthCameraPattern,
        GridPattern,
        RaycastPattern,
        SphericalPattern,
    )
    from genesis.sensors.attached.options.probes import (
        ContactDepthProbe,
        ContactProbe,
        KinematicContactProbe,
        KinematicTaxel,
        Proximity,
        SurfaceDistanceProbe,
    )
    from genesis.sensors.attached.options.rays import DepthCamera, Raycaster
    from genesis.sensors.attached.options.rays import Raycaster as Lidar
    from genesis.sensors.attached.options.temperature import TemperatureGrid, TemperatureProperties
    from genesis.sensors.attached.types import types

_OPTIONS = "genesis.sensors.attached.options"
_HOME = {
    "base": ("SensorOptions", "AttachedOptions", "NoisyOptions", "ContactFilterOptions"),
    "imu": ("IMU",),
    "contacts": ("Contact", "ContactForce"),
    "joints": ("JointTorque",),
    "patterns": ("RaycastPattern", "GridPattern", "SphericalPattern", "DepthCameraPattern"),
    "probes": (
        "SurfaceDistanceProbe",
        "Proximity",
        "ContactProbe",
        "ContactDepthProbe",
        "KinematicTaxel",
        "KinematicContactProbe",
    ),
    "rays": ("Raycaster", "DepthCamera"),
    "temperature": ("TemperatureGrid", "TemperatureProperties"),
}
_OF = {name: module for module, names in _HOME.items() for name in names}
# Genesis's names of the same.
_ALIASES = {
    "Lidar": "Raycaster",
    "KinematicSensorOptionsMixin": "AttachedOptions",
    "RigidSensorOptionsMixin": "AttachedOptions",
    "SimpleSensorOptions": "NoisyOptions",
    "NoisySensorOptionsMixin": "NoisyOptions",
    "ContactFilterOptionsMixin": "ContactFilterOptions",
}
_SOFT = "it measures a soft skin by a cloud of points on it, and this engine simulates rigid bodies only"
_DRAWN = "nothing is drawn by this version"
REFUSED = {
    "ElastomerTaxel": _SOFT,
    "ElastomerDisplacement": _SOFT,
    "ProximityTaxel": _SOFT,
    "PointCloudTactileSensorMixin": _SOFT,
    **dict.fromkeys(("RasterizerCameraOptions", "RaytracerCameraOptions", "BatchRendererCameraOptions"), _DRAWN),
    "BaseCameraOptions": _DRAWN,
}

__all__ = [
    "IMU",
    "AttachedOptions",
    "Contact",
    "ContactDepthProbe",
    "ContactForce",
    "ContactProbe",
    "DepthCamera",
    "DepthCameraPattern",
    "GridPattern",
    "JointTorque",
    "KinematicContactProbe",
    "KinematicTaxel",
    "Lidar",
    "NoisyOptions",
    "Proximity",
    "RaycastPattern",
    "Raycaster",
    "SensorOptions",
    "SphericalPattern",
    "SurfaceDistanceProbe",
    "TemperatureGrid",
    "TemperatureProperties",
    "raycaster",
    "types",
]


def __getattr__(name: str) -> Any:
    known = _ALIASES.get(name, name)
    if known in _OF:
        value = getattr(importlib.import_module(f"{_OPTIONS}.{_OF[known]}"), known)
    elif name == "raycaster":
        value = importlib.import_module(f"{_OPTIONS}.patterns")
    elif name == "options":
        value = importlib.import_module(_OPTIONS)
    elif name == "types":
        value = importlib.import_module("genesis.sensors.attached.types").types
    elif name in REFUSED:
        raise UnknownNameError(f"gs.sensors.{name}, which Genesis has, is not here: {REFUSED[name]}.")
    else:
        return importlib.import_module("genesis.compat.table").attribute_of(__name__, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
