"""Materials: density, friction and what else belongs to the stuff an entity is made of."""

from __future__ import annotations

from typing import ClassVar

from pydantic import StrictBool, field_validator

from genesis.options import NonNegative, Number, Options, Positive, UnitInterval

_NO_COUPLING = "there is no other solver to couple with"
_NO_SDF = "collision shapes are convex, there is no signed distance field"


class Kinematic(Options):
    """Of an entity that is moved and seen, as a ghost that shows a reference motion: no physics, nothing touches it.

    Parameters
    ----------
    use_visual_raycasting
        Whether rays see it. Only False: rays meet what collides.
    """

    use_visual_raycasting: StrictBool = False

    @field_validator("use_visual_raycasting")
    @classmethod
    def _unseen(cls, value: bool) -> bool:
        if value:
            raise ValueError("rays of sensors meet what is simulated, and no kinematic entity; leave it out")
        return value


class Rigid(Options):
    """A rigid material. ``None`` means what the model file says, else the default.

    Parameters
    ----------
    rho
        Density [kg/m^3]. Default 1000 (MuJoCo's). Given together with a robot file, it overrides the file's masses and
        inertias: those that follow from the geometry and this density are used.
    friction
        Coefficient of sliding friction. Default 1.0.
    coup_restitution
        Bounce, 0 to 1, under Genesis's name: the part of the speed of approach at which bodies part again. 0 (the
        default): contact as the model file or MuJoCo has it, which hardly bounces. Otherwise the shapes' softness of
        contact (``sol_params``) is a spring and a damper that last about eight steps, so that a smaller ``dt`` makes a
        harder contact; less than exp(-2), about 0.14, counts as that. Of two bodies with a bounce the smaller one
        counts, of one with and one without that of the first.
    gravity_compensation
        Part of each link's weight that is balanced by an upward force at its centre of mass; 1 cancels gravity.
    """

    refused: ClassVar[dict[str, str]] = {
        "needs_coup": _NO_COUPLING,
        "coup_friction": _NO_COUPLING,
        "coup_softness": _NO_COUPLING,
        "sdf_cell_size": _NO_SDF,
        "sdf_min_res": _NO_SDF,
        "sdf_max_res": _NO_SDF,
        "density": "Genesis's name is rho",
        "color": "colours belong to the surface: gs.surfaces.Default(color=...)",
    }

    rho: Positive | None = None
    friction: NonNegative | None = None
    coup_restitution: UnitInterval = 0.0
    gravity_compensation: Number = 0.0
