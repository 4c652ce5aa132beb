"""Options of Genesis for what is not rigid bodies: profiling, other solvers and their coupling; and all options as one.

Names and defaults are Genesis's. Those of soft bodies, fluids of particles and tools are kept as they are given: this
engine has no entity that reads them, and refuses the materials that would.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field, StrictBool, model_validator

from genesis.options import Number, Options, PositiveInt, RigidOptions, SimOptions, ViewerOptions, VisOptions
from genesis.renderers import Rasterizer, RendererOptions


class ProfilingOptions(Options):
    """Whether Genesis prints how many steps a second it makes. Steps are not timed by the scene here: no effect.

    Parameters
    ----------
    show_FPS
        Whether to print it.
    FPS_tracker_alpha
        How slowly the mean that is printed follows, from 0 to 1.
    """

    idle: ClassVar[frozenset[str]] = frozenset({"show_FPS", "FPS_tracker_alpha"})

    show_FPS: StrictBool = True
    FPS_tracker_alpha: Number = 0.95


class KinematicOptions(Options):
    """Options of entities that are only shown. In Genesis they size buffers and allow differences between envs: no
    effect here."""

    idle: ClassVar[frozenset[str]] = frozenset(
        {"batch_links_info", "batch_joints_info", "batch_dofs_info", "IK_max_targets"}
    )

    batch_links_info: StrictBool = False
    batch_joints_info: StrictBool = False
    batch_dofs_info: StrictBool = False
    IK_max_targets: PositiveInt = 6


class Kept(Options):
    """Base of options that are kept as they are given: of solvers that are not here.

    `defaults`: every argument that Genesis has, with its default.
    """

    model_config = ConfigDict(extra="allow")

    defaults: ClassVar[dict[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        unknown = [name for name in data if name not in cls.defaults]
        if unknown:
            raise ValueError(f"unknown argument {', '.join(unknown)}; it takes {', '.join(cls.defaults)}")
        return {**cls.defaults, **data}


_TIME = {"dt": None}
_FORCES = {**_TIME, "gravity": None}


class ToolOptions(Kept):
    """Of Genesis's tool solver."""

    defaults: ClassVar[dict[str, Any]] = {**_TIME, "floor_height": None}


class AvatarOptions(Kept):
    """Of the avatar solver of older versions of Genesis."""

    defaults: ClassVar[dict[str, Any]] = {
        **_TIME,
        "enable_collision": False,
        "enable_self_collision": False,
        "enable_adjacent_collision": False,
        "max_collision_pairs": 300,
        "IK_max_targets": 6,
        "max_dynamic_constraints": 8,
    }


class MPMOptions(Kept):
    """Of Genesis's material point method."""

    defaults: ClassVar[dict[str, Any]] = {
        **_FORCES,
        "particle_size": None,
        "grid_density": 64,
        "enable_CPIC": False,
        "lower_bound": (-1.0, -1.0, 0.0),
        "upper_bound": (1.0, 1.0, 1.0),
        "leaf_block_size": 8,
        "use_sparse_grid": False,
    }


_BOUNDS = {
    "lower_bound": (-100.0, -100.0, 0.0),
    "upper_bound": (100.0, 100.0, 100.0),
    "hash_grid_res": None,
    "hash_grid_cell_size": None,
}


class SPHOptions(Kept):
    """Of Genesis's smoothed particle hydrodynamics."""

    defaults: ClassVar[dict[str, Any]] = {
        **_FORCES,
        **_BOUNDS,
        "particle_size": 0.02,
        "pressure_solver": "WCSPH",
        "max_divergence_error": 0.1,
        "max_density_error_percent": 0.05,
        "max_divergence_solver_iterations": 100,
        "max_density_solver_iterations": 100,
    }


class PBDOptions(Kept):
    """Of Genesis's position based dynamics."""

    defaults: ClassVar[dict[str, Any]] = {
        **_FORCES,
        **_BOUNDS,
        "max_stretch_solver_iterations": 4,
        "max_bending_solver_iterations": 1,
        "max_volume_solver_iterations": 1,
        "max_density_solver_iterations": 1,
        "max_viscosity_solver_iterations": 1,
        "particle_size": 0.01,
    }


class FEMOptions(Kept):
    """Of Genesis's finite elements."""

    defaults: ClassVar[dict[str, Any]] = {
        **_FORCES,
        "damping": 0.0,
        "floor_height": None,
        "use_implicit_solver": False,
        "n_newton_iterations": 1,
        "n_pcg_iterations": 500,
        "n_linesearch_iterations": 0,
        "newton_dx_threshold": 1e-6,
        "pcg_threshold": 1e-6,
        "linesearch_c": 1e-4,
        "linesearch_tau": 0.5,
        "damping_alpha": 0.5,
        "damping_beta": 5e-4,
        "enable_vertex_constraints": False,
    }


class SFOptions(Kept):
    """Of Genesis's stable fluids (smoke)."""

    defaults: ClassVar[dict[str, Any]] = {
        **_TIME,
        "res": 128,
        "solver_iters": 500,
        "decay": 0.99,
        "T_low": 1.0,
        "T_high": 0.0,
        "inlet_pos": (0.6, 0.0, 0.1),
        "inlet_vel": (0.0, 0.0, 1.0),
        "inlet_quat": (1.0, 0.0, 0.0, 0.0),
        "inlet_s": 400.0,
    }


class FoamOptions(Kept):
    """Of the foam that Genesis draws on liquids."""

    defaults: ClassVar[dict[str, Any]] = {
        "radius_scale": 0.2,
        "color": (0.7, 0.7, 0.7, 0.7),
        "spray_decay": 2.0,
        "foam_decay": 1.0,
        "bubble_decay": 5.0,
        "k_foam": 1000.0,
    }


class BaseCouplerOptions(Kept):
    """Base of what couples Genesis's solvers; there is one solver here."""


class LegacyCouplerOptions(BaseCouplerOptions):
    """Which solvers of Genesis are coupled."""

    defaults: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("rigid_mpm", "rigid_sph", "rigid_pbd", "rigid_fem", "mpm_sph", "mpm_pbd", "fem_mpm", "fem_sph"), True
    )


CouplerOptions = LegacyCouplerOptions  # its older name

_RIGID_CONTACT = "contact of rigid bodies is MuJoCo's in this engine, which this coupler would replace; leave it out"


class SAPCouplerOptions(BaseCouplerOptions):
    """Refused: Genesis's SAP solver would replace the contact of rigid bodies."""

    def __init__(self, **arguments: Any) -> None:
        raise self.refusal(_RIGID_CONTACT)


class IPCCouplerOptions(BaseCouplerOptions):
    """Refused: incremental potential contact would replace the contact of rigid bodies."""

    def __init__(self, **arguments: Any) -> None:
        raise self.refusal(_RIGID_CONTACT)


class SceneOptions(Options):
    """Every option of a scene as one object: `Scene(options=SceneOptions(rigid=..., sim=...))`."""

    sim: SimOptions = Field(default_factory=SimOptions)
    tool: ToolOptions = Field(default_factory=ToolOptions)
    rigid: RigidOptions = Field(default_factory=RigidOptions)
    kinematic: KinematicOptions = Field(default_factory=KinematicOptions)
    avatar: AvatarOptions = Field(default_factory=AvatarOptions)
    mpm: MPMOptions = Field(default_factory=MPMOptions)
    sph: SPHOptions = Field(default_factory=SPHOptions)
    fem: FEMOptions = Field(default_factory=FEMOptions)
    sf: SFOptions = Field(default_factory=SFOptions)
    pbd: PBDOptions = Field(default_factory=PBDOptions)
    coupler: BaseCouplerOptions = Field(default_factory=LegacyCouplerOptions)
    vis: VisOptions = Field(default_factory=VisOptions)
    viewer: ViewerOptions = Field(default_factory=ViewerOptions)
    profiling: ProfilingOptions = Field(default_factory=ProfilingOptions)
    renderer: RendererOptions = Field(default_factory=Rasterizer)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None}
