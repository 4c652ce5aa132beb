"""Materials: density, friction and what else belongs to the stuff an entity is made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from genesis.options import NonNegative, Number, Options, Positive, UnitInterval

__path__: list[str] = []  # names of Genesis that are not here are explained by genesis.compat


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("FEM", "Hybrid", "MPM", "PBD", "SF", "SPH", "Tool"):
        return getattr(importlib.import_module("genesis.soft_materials"), name)
    return importlib.import_module("genesis.compat.table").attribute_of(__name__, name)


def _names(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Resolution = Annotated[int, Field(ge=16, strict=True)]


class Material(Options):
    """Base of all materials; not used by itself.

    Parameters
    ----------
    use_visual_raycasting
        Whether rays of sensors meet what is drawn of an entity instead of what collides.
    """

    use_visual_raycasting: StrictBool = False


class Kinematic(Material):
    """Of an entity that is moved and seen, as a ghost that shows a reference motion: no physics, nothing touches it.

    Parameters
    ----------
    use_visual_raycasting
        Whether rays see it. Only False: rays meet what collides.
    """

    @field_validator("use_visual_raycasting")
    @classmethod
    def _unseen(cls, value: bool) -> bool:
        if value:
            raise ValueError("rays of sensors meet what is simulated, and no kinematic entity; leave it out")
        return value


class Rigid(Material):
    """A rigid material. ``None`` means what the model file says, else the default.

    Parameters
    ----------
    rho
        Density [kg/m^3]. Default 1000 (MuJoCo's). Given together with a robot file, it overrides the file's masses and
        inertias: those that follow from the geometry and this density are used.
    friction
        Coefficient of sliding friction. Default 1.0.
    friction_torsional, friction_rolling
        Coefficients of torsional and rolling friction [m]. They count in contacts that resist spin and rolling, see
        ``RigidOptions(enable_torsional_friction=..., enable_rolling_friction=...)``. Default 0.005 and 0.0001.
    coup_restitution
        Bounce, 0 to 1, under Genesis's name: the part of the speed of approach at which bodies part again. 0 (the
        default): contact as the model file or MuJoCo has it, which hardly bounces. Otherwise the shapes' softness of
        contact (``sol_params``) is a spring and a damper that last about eight steps, so that a smaller ``dt`` makes a
        harder contact; less than exp(-2), about 0.14, counts as that. Of two bodies with a bounce the smaller one
        counts, of one with and one without that of the first.
    gravity_compensation
        Part of each link's weight that is balanced by an upward force at its centre of mass; 1 cancels gravity.
    needs_coup, coup_friction, coup_softness, coup_type, coup_links, enable_coup_collision, coup_collision_links, \
    contact_resistance
        How Genesis couples the entity with soft bodies and fluids of particles. There are none here: no effect.
    sdf_cell_size, sdf_min_res, sdf_max_res
        Resolution of Genesis's signed distance fields, which serve its soft bodies. No effect.
    """

    idle: ClassVar[frozenset[str]] = frozenset(
        {
            "needs_coup",
            "coup_friction",
            "coup_softness",
            "coup_type",
            "coup_links",
            "enable_coup_collision",
            "coup_collision_links",
            "contact_resistance",
            "sdf_cell_size",
            "sdf_min_res",
            "sdf_max_res",
        }
    )
    refused: ClassVar[dict[str, str]] = {
        "density": "Genesis's name is rho",
        "color": "colours belong to the surface: gs.surfaces.Default(color=...)",
    }

    rho: Positive | None = None
    friction: NonNegative | None = None
    friction_torsional: NonNegative | None = None
    friction_rolling: NonNegative | None = None
    coup_restitution: UnitInterval = 0.0
    gravity_compensation: Number = 0.0
    needs_coup: StrictBool = True
    coup_friction: NonNegative = 0.1
    coup_softness: NonNegative = 0.002
    coup_type: Literal["two_way_soft_constraint", "external_articulation"] | None = None
    coup_links: Names | None = None
    enable_coup_collision: StrictBool = True
    coup_collision_links: Names | None = None
    contact_resistance: Positive | None = None
    sdf_cell_size: Positive = 0.005
    sdf_min_res: Resolution = 32
    sdf_max_res: Resolution = 128

    @model_validator(mode="before")
    @classmethod
    def _own_motion(cls, data: Any) -> Any:
        if data.get("coup_type") == "ipc_only":
            raise ValueError("coup_type='ipc_only': an entity moves by this engine's physics; leave it out")
        return data

    @model_validator(mode="after")
    def _resolutions(self) -> Rigid:
        if self.sdf_min_res > self.sdf_max_res:
            raise ValueError(f"sdf_min_res={self.sdf_min_res} is above sdf_max_res={self.sdf_max_res}")
        return self
