"""Sensors that look from points of a link for the nearest surface: of given links, or of what the link touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from genesis.options import NonNegative, Number, Positive, UnitInterval, plain_numbers
from genesis.sensors.attached.options.base import (
    AttachedOptions,
    Color3,
    Color4,
    ContactFilterOptions,
    Indices,
    NoisyOptions,
    NonNegativeNumber,
    SensorOptions,
    count_of,
)

_Point = tuple[float, float, float]
Points = Annotated[
    tuple[_Point, ...] | tuple[tuple[_Point, ...], ...], Field(min_length=1), BeforeValidator(plain_numbers)
]
Radii = Annotated[
    NonNegativeNumber | tuple[NonNegativeNumber, ...] | tuple[tuple[NonNegativeNumber, ...], ...],
    BeforeValidator(plain_numbers),
]
Normals = Annotated[_Point | tuple[_Point, ...] | tuple[tuple[_Point, ...], ...], BeforeValidator(plain_numbers)]
_NO_ELASTOMER = "it models the soft skin of a tactile sensor, and that of rigid bodies only is simulated; leave it out"


class ProbeOptions(SensorOptions):
    """A sensor with n points on its link.

    Parameters
    ----------
    probe_local_pos
        Where they are in the link's frame [m]: a list (n, 3), or a grid (rows, columns, 3), which readings then have
        too.
    probe_radius
        How far each feels [m]: a number, or one for each.
    debug_probe_color, debug_probe_center_radius, debug_probe_sphere_opacity
        How they are drawn. Nothing is drawn by this version.
    """

    refused: ClassVar[dict[str, str]] = {
        "probe_radius_noise": "radii are exact here; use `noise`, or draw `probe_radius` for each run"
    }

    probe_local_pos: Points = ((0.0, 0.0, 0.0),)
    probe_radius: Radii = 0.01
    debug_probe_color: Color3 = (0.2, 0.4, 1.0)
    debug_probe_center_radius: Positive = 0.0008
    debug_probe_sphere_opacity: UnitInterval = 0.3

    @field_validator("probe_local_pos")
    @classmethod
    def _is_a_rectangle(cls, value: Any) -> Any:
        if isinstance(value[0][0], Sequence) and len({len(row) for row in value}) > 1:
            raise ValueError("the rows of a grid of points have the same length")
        return value

    @model_validator(mode="after")
    def _radii_fit(self) -> ProbeOptions:
        radii = self.radii
        if len(radii) not in (1, count_of(self.probe_local_pos)):
            raise ValueError(f"probe_radius has {len(radii)} numbers for {count_of(self.probe_local_pos)} points")
        if not any(radii):
            raise ValueError("probe_radius is zero throughout: nothing would be felt")
        return self

    @property
    def radii(self) -> tuple[float, ...]:
        """One for all points, or one for each."""
        return _flat(self.probe_radius)


def _flat(value: Any) -> tuple[float, ...]:
    return tuple(x for part in value for x in _flat(part)) if isinstance(value, Sequence) else (value,)


class SurfaceDistanceProbe(AttachedOptions, NoisyOptions, ProbeOptions):
    """How far the nearest surface of given links is from points of a link [m]: `read()` returns ([n_envs,] n).

    Also inside of a shape it is the distance to its surface, and positive. Where none is within a point's radius, it
    is the radius, and the nearest point is the point itself. `sensor.nearest_points` and `nearest_points_ground_truth`
    are ([n_envs,] n, 3) [m], world frame.

    Parameters
    ----------
    track_link_idx
        Numbers in the scene (`link.idx`) of the links whose collision geometry is looked for.
    """

    probe_radius: Radii = 0.5
    track_link_idx: Indices = ()


class Proximity(AttachedOptions, NoisyOptions):
    """`SurfaceDistanceProbe` under its older name: `read()` returns ([n_envs,] n) [m].

    Parameters
    ----------
    probe_local_pos
        Points in the link's frame [m].
    track_link_idx
        Numbers in the scene of the links whose collision geometry is looked for.
    max_range
        How far it is felt [m].
    debug_sphere_radius, debug_color
        How it is drawn. Nothing is drawn by this version.
    """

    probe_local_pos: Points = ((0.0, 0.0, 0.0),)
    track_link_idx: Indices = ()
    max_range: Positive = 10.0
    debug_sphere_radius: Positive = 0.008
    debug_color: Color4 = (0.2, 0.6, 1.0, 0.6)


class TouchingProbeOptions(ContactFilterOptions, ProbeOptions):
    """A sensor that feels, at its points, the shapes that touch its link.

    What touches is decided by the contacts of the simulation, how deep a point's sphere is in it by the shapes.

    Parameters
    ----------
    probe_gain
        By which depths are multiplied when they are measured: a number, or one for each point. Not the ground truth.
    contact_depth_query
        In Genesis, how depths are computed. They are exact here: no effect.
    """

    refused: ClassVar[dict[str, str]] = {
        "probe_gain_resample_range": "gains are not drawn anew; call sensor.set_probe_gain(...) after each reset",
        "dead_taxel_probability": "no point fails by itself; set its gain to zero with sensor.set_probe_gain(...)",
        "dead_taxel_value_range": "no point fails by itself; set its gain to zero with sensor.set_probe_gain(...)",
        **dict.fromkeys(("hysteresis_strength", "hysteresis_tau"), _NO_ELASTOMER),
        **dict.fromkeys(("crosstalk_strength", "crosstalk_sigma", "crosstalk_kernel"), _NO_ELASTOMER),
    }

    probe_gain: Radii = 1.0
    contact_depth_query: Literal["sdf", "raycast"] | None = None
    debug_contact_color: Color3 = (1.0, 0.2, 0.0)

    @model_validator(mode="after")
    def _gains_fit(self) -> TouchingProbeOptions:
        if len(self.gains) not in (1, count_of(self.probe_local_pos)):
            raise ValueError(f"probe_gain has {len(self.gains)} numbers for {count_of(self.probe_local_pos)} points")
        return self

    @property
    def gains(self) -> tuple[float, ...]:
        """One for all points, or one for each."""
        return _flat(self.probe_gain)


class ContactDepthProbe(TouchingProbeOptions, NoisyOptions):
    """How deep the sphere around each point is in a shape that touches the link [m]: `read()` returns ([n_envs,] n)."""


class ContactProbe(TouchingProbeOptions):
    """Whether the sphere around each point is in a shape that touches the link: `read()` returns ([n_envs,] n) bool.

    Parameters
    ----------
    contact_threshold
        Depth from which on it says yes [m].
    release_threshold
        Depth down to which it then still says yes [m]; None: the same. As a depth is never negative, one below zero
        would never let go, and counts as zero.
    """

    refused: ClassVar[dict[str, str]] = dict.fromkeys(
        ("resolution", "bias", "noise", "random_walk"), "it says yes or no; gs.sensors.ContactDepthProbe has noise"
    )

    contact_threshold: NonNegative = 0.0001
    release_threshold: Number | None = None

    @model_validator(mode="after")
    def _thresholds_fit(self) -> ContactProbe:
        if self.release_threshold is not None and self.release_threshold > self.contact_threshold:
            raise ValueError("release_threshold is above contact_threshold")
        return self


class KinematicTaxel(TouchingProbeOptions, NoisyOptions):
    """A spring and a damper at each point: `read()` returns a named tuple `(force, torque)`, ([n_envs,] n, 3) each, in
    the link's frame, the torque about its origin.

    With d the depth, n the normal of the surface, v and w the velocity and angular velocity of what touches, as the
    link sees it, s = d^exponent, v_n = v . n:

        force = n (stiffness s + damping s v_n) - shear (v - v_n n),   torque = x cross force - n (twist w . n)

    Parameters
    ----------
    normal_stiffness, normal_damping, normal_exponent, shear_scalar, twist_scalar
        stiffness [N/m^exponent], damping, exponent, shear [N s/m] and twist [N m s].
    """

    normal_stiffness: NonNegative = 1000.0
    normal_damping: NonNegative = 1.0
    normal_exponent: NonNegative = 1.0
    shear_scalar: NonNegative = 1.0
    twist_scalar: NonNegative = 1.0


class KinematicContactProbe(ContactFilterOptions, NoisyOptions):
    """A spring along the normal of each point: `read()` returns a named tuple `(penetration, force)`, ([n_envs,] n)
    [m] and ([n_envs,] n, 3) [N] in the link's frame: `force = -stiffness * penetration * normal`.

    The penetration is how deep the sphere around the point is in a shape that touches the link.

    Parameters
    ----------
    probe_local_pos, probe_local_normal, probe_radius
        Points [m], outward normals (one for all, or one for each), and radii [m] (the same), in the link's frame.
    stiffness
        [N/m].
    debug_sphere_color, debug_contact_color
        How it is drawn. Nothing is drawn by this version.
    """

    probe_local_pos: Points = ((0.0, 0.0, 0.0),)
    probe_local_normal: Normals = (0.0, 0.0, 1.0)
    probe_radius: Radii = 0.005
    stiffness: NonNegative = 1000.0
    debug_sphere_color: Color4 = (1.0, 0.5, 0.0, 0.4)
    debug_contact_color: Color4 = (1.0, 0.2, 0.0, 0.8)

    @model_validator(mode="after")
    def _shapes_fit(self) -> KinematicContactProbe:
        n = count_of(self.probe_local_pos)
        if len(self.radii) not in (1, n):
            raise ValueError(f"probe_radius has {len(self.radii)} numbers for {n} points")
        normals = _flat(self.probe_local_normal)
        if len(normals) not in (3, 3 * n):
            raise ValueError(f"probe_local_normal has {len(normals) // 3} normals for {n} points")
        if any(not any(normals[k : k + 3]) for k in range(0, len(normals), 3)):
            raise ValueError("a probe_local_normal is zero")
        return self

    @property
    def radii(self) -> tuple[float, ...]:
        """One for all points, or one for each."""
        return _flat(self.probe_radius)
