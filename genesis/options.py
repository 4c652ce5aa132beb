"""Options of a scene: validated descriptions without behaviour."""

from __future__ import annotations

import difflib
import importlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    field_validator,
    model_validator,
)

from genesis.constants import broadphase_traversal as _broadphase_traversal
from genesis.constants import constraint_solver as _constraint_solver
from genesis.constants import contact_resolution as _contact_resolution
from genesis.constants import friction_cone as _friction_cone
from genesis.constants import integrator as _integrator
from genesis.errors import GenesisException

__path__: list[str] = []  # Genesis has a package here: its modules are looked for in genesis.compat
# Names of Genesis that are not rigid bodies' own, loaded when they are first asked for.
_OTHERS = (
    "AvatarOptions",
    "BaseCouplerOptions",
    "CouplerOptions",
    "FEMOptions",
    "FoamOptions",
    "IPCCouplerOptions",
    "KinematicOptions",
    "LegacyCouplerOptions",
    "MPMOptions",
    "PBDOptions",
    "ProfilingOptions",
    "SAPCouplerOptions",
    "SFOptions",
    "SPHOptions",
    "SceneOptions",
    "ToolOptions",
)
_OTHER_PLACES = ("morphs", "renderers", "sensors", "surfaces", "textures")


def __getattr__(name: str) -> Any:
    if name in _OTHERS:
        return getattr(importlib.import_module("genesis.other_options"), name)
    if name in _OTHER_PLACES:
        return importlib.import_module(f"genesis.{name}")
    return importlib.import_module("genesis.compat.table").attribute_of(__name__, name)


_MAX_SHOWN = 80  # characters of a rejected value that an error message quotes


def plain_numbers(value: Any) -> Any:
    """Arrays and tensors as (nested) tuples of Python numbers; anything else as it is.

    Raises ``ValueError`` for a tensor that requires grad: a description holds numbers, and its gradient would be lost.
    """
    if getattr(value, "requires_grad", False):
        raise ValueError(
            "expected plain numbers, got a tensor that requires grad, whose gradient would end here; "
            "pass .detach() and use the scene's or entity's setter after build()"
        )
    if isinstance(value, (set, frozenset)):
        raise ValueError("expected numbers in an order, got a set")
    return _as_tuple(value.tolist()) if hasattr(value, "tolist") else value


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def no_flag(value: Any) -> Any:
    """Raises ``ValueError`` for True and False, which would count as 1 and 0."""
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool"):
        raise ValueError("expected a number above zero, or None")
    return value


Number = Annotated[float, BeforeValidator(plain_numbers)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(plain_numbers)]
NonNegative = Annotated[float, Field(ge=0), BeforeValidator(plain_numbers)]
Bound = Annotated[Positive, BeforeValidator(no_flag)]  # None or a number, where True looks like "on"
Vec3 = Annotated[tuple[float, float, float], BeforeValidator(plain_numbers)]
UnitInterval = Annotated[float, Field(ge=0, le=1), BeforeValidator(plain_numbers)]
Color = Annotated[tuple[UnitInterval, UnitInterval, UnitInterval], BeforeValidator(plain_numbers)]
PositiveInt = Annotated[int, Field(gt=0, strict=True)]
NonNegativeInt = Annotated[int, Field(ge=0, strict=True)]


class Options(BaseModel):
    """Base of every description: keyword arguments only, immutable, unknown names refused.

    Raises ``GenesisException`` that lists each argument at fault, what was given and what was expected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    # Arguments that Genesis has and this engine has not, each with the reason or the way out.
    refused: ClassVar[dict[str, str]] = {}
    # Arguments that tune algorithms of Genesis's own: accepted, without effect.
    idle: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def refusal(cls, reason: str) -> GenesisException:
        """The error of a description that is refused as a whole."""
        return GenesisException(f"{cls.__name__} is not supported: {reason}.")

    def idle_arguments(self) -> list[str]:
        """The arguments given that have no effect here, by name."""
        idle = frozenset[str]().union(*(vars(kind).get("idle", ()) for kind in type(self).__mro__))
        return sorted(self.model_fields_set & idle)

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            problems = [_explain(type(self), entry) for entry in error.errors()]
            raise GenesisException(f"{type(self).__name__}: " + "; ".join(problems) + ".") from None


def _explain(model: type[Options], entry: Any) -> str:
    """One sentence for one entry of pydantic's error list."""
    where = ".".join(str(part) for part in entry["loc"])
    name = str(entry["loc"][0]) if entry["loc"] else ""
    given = repr(entry["input"])
    given = given if len(given) <= _MAX_SHOWN else given[:_MAX_SHOWN] + "..."
    if entry["type"] == "extra_forbidden":
        reason = next((r[name] for r in (vars(c).get("refused", {}) for c in model.__mro__) if name in r), None)
        if reason is not None:
            return f"{name}={given} is not supported: {reason}"
        known = list(model.model_fields)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? It takes" if close else "it takes"
        return f"unknown argument {name}={given}; {hint} {', '.join(known)}"
    if entry["type"] == "missing":
        return f"{where} is missing" if len(entry["loc"]) == 1 else f"{name}={given}: too few values"
    if entry["type"] == "value_error":
        message = str(entry["ctx"]["error"])
        return f"{where}={given}: {message}" if where else message
    message = entry["msg"].replace("Input should be", "expected", 1)
    for comparison in ("greater", "less"):
        message = message.replace(f"expected {comparison}", f"expected a value {comparison}", 1)
    return f"{where}={given}: {message[0].lower()}{message[1:]}"


class SimOptions(Options):
    """Options of the simulation as a whole.

    Parameters
    ----------
    dt
        Duration of one ``scene.step()`` [s]. Replaces what a model file says.
    substeps
        Number of integration steps per ``scene.step()``, each of ``dt / substeps``.
    gravity
        Acceleration of gravity in the world frame [m/s^2]. Replaces what a model file says.
    floor_height
        Height of the floor of particle solvers in Genesis [m]. Rigid bodies do not know it: no effect.
    requires_grad
        Whether steps record gradients.
    gradient_clip
        Largest norm of an env's gradient of the loss by the state (qpos, qvel, act) that a backward pass carries from a
        step to the one before; a larger one is scaled to it. Over long or chaotic horizons the gradient then keeps its
        recent part instead of overflowing, and is no longer that of the loss. ``None``: exact.
    """

    refused: ClassVar[dict[str, str]] = {"substeps_local": "a step keeps its state only, leave it out"}

    dt: Positive = 0.01
    substeps: PositiveInt = 1
    gravity: Vec3 = (0.0, 0.0, -9.81)
    floor_height: Number = 0.0
    requires_grad: StrictBool = False
    gradient_clip: Bound | None = None


class RigidOptions(Options):
    """Options of the rigid-body solver. ``None`` means what the model file says, else MuJoCo's default.

    Where two model files say different things, the option decides; without it the scene does not build.

    Parameters
    ----------
    enable_collision
        Whether bodies touch (MuJoCo's flag ``contact``).
    enable_joint_limit
        Whether the ranges of joints hold (MuJoCo's flag ``limit``).
    enable_self_collision
        ``False``: no two links of one entity touch, whatever its file says of them; what the file puts into the world
        itself is not the entity's own body. ``scene.mj_model`` excludes them too. ``None`` and ``True``: the links
        touch that the file lets touch.
    enable_neutral_collision
        Whether two links of one entity touch whose shapes overlap in the pose of its file. ``None``: of an MJCF file
        they do, as in MuJoCo; of a URDF file they do not, as in Genesis: its shapes are rough, and would push for
        ever. ``scene.mj_model`` excludes them too, and a warning names them.
    enable_adjacent_collision
        Whether a link and its parent touch. ``False`` is MuJoCo's rule (flag ``filterparent``): they do not, unless the
        parent is the world or fixed to it.
    disable_constraint
        ``True``: no contact, joint limit or friction loss at all (MuJoCo's flag ``constraint``).
    integrator
        A ``gs.integrator``. Two model files that say different things must be overruled here. ``None``: what an MJCF
        file says, else ``Euler``, as in MuJoCo; in a scene without an MJCF file ``implicitfast``, which holds stiff
        position control. ``implicit`` takes Coriolis and centripetal forces implicitly too, which keeps fast chains of
        links stable.
        ``approximate_implicitfast`` runs as ``implicitfast``, which it approximates.
    constraint_solver
        A ``gs.constraint_solver``. Newton's method is the only one here. ``CG``, and a model file's ``CG`` or ``PGS``,
        are accepted and solved by Newton: the problem is convex, so that all have the same solution.
    iterations, tolerance
        Largest number of iterations of the constraint solver, and the improvement below which it stops.
    ls_iterations, ls_tolerance
        The same of its line search.
    friction_cone
        A ``gs.friction_cone``.
    impratio
        Ratio of the frictional to the normal constraint impedance of elliptic cones.
    max_contacts
        Largest number of contacts per environment; more in one step are an error that says how many there were.
        ``None``: as many as the model can make, or, of a scene of many bodies, as many as a dense heap of them makes.
    inverse_weights
        The inverse inertias by which constraints scale their softness: ``"compiled"`` (the default), numbers of the
        build as in MuJoCo (``dof_invweight0``, ...), or ``"follow"``: functions of the masses, inertias, offsets and
        armature in force, as ``mj_setConst`` would compute them, with gradient. For identification in contact and for
        masses that differ between environments.
    unsupported
        What becomes of what a model file asks for and this engine does not simulate (flexes, plugins, contacts of
        signed distance fields, user callbacks, ...): ``"refuse"`` (the default) raises ``GenesisException`` that names
        all of it, ``"warn"`` leaves it out and names it in one warning. The motion is then not MuJoCo's.
    dt
        Duration of a substep [s]: ``SimOptions.dt`` is a whole number of them. Given alone, or equal to it, the
        duration of a step.
    gravity
        Acceleration of gravity [m/s^2], in the place of ``SimOptions.gravity``.
    noslip_iterations, noslip_tolerance
        Largest number of iterations, and the improvement below which they stop, of MuJoCo's pass against slip.
    constraint_timeconst, contact_resolve_time
        Time constant [s] of contacts (``solref``) of shapes of which the file says nothing or MuJoCo's default, twice
        the substep at least. ``None``: MuJoCo's, 0.02 (Genesis's default is 0.01). The second is an older name.
    enable_torsional_friction, enable_rolling_friction
        ``True``: every contact also resists spin (``condim`` 4 at least), and rolling (6). Else as the files say.
    enable_multi_contact
        Whether a pair of convex shapes may have several contacts (``False``: MuJoCo's disable flag ``multiccd``).
    contact_resolution
        A ``gs.contact_resolution``; only ``convex``, which is MuJoCo's.
    enable_mujoco_compatibility
        Contacts and forces are always MuJoCo's: no effect.
    max_dynamic_constraints, max_collision_pairs, multiplier_collision_broad_phase, IK_max_targets
        Sizes of Genesis's buffers. There are no such limits here: no effect.
    batch_links_info, batch_joints_info, batch_dofs_info
        In Genesis, allow parameters that differ between environments. Always allowed here: no effect.
    box_box_detection, use_gjk_collision, enable_contact_patch, contact_pruning_tolerance, broadphase_traversal, \
    sparse_solve, use_contact_island
        Choose between algorithms of Genesis for what one does here: no effect.
    use_hibernation, hibernation_thresh_vel, hibernation_thresh_acc
        Nothing falls asleep here: no effect.
    """

    idle: ClassVar[frozenset[str]] = frozenset(
        {
            "enable_mujoco_compatibility",
            "max_dynamic_constraints",
            "max_collision_pairs",
            "multiplier_collision_broad_phase",
            "IK_max_targets",
            "batch_links_info",
            "batch_joints_info",
            "batch_dofs_info",
            "box_box_detection",
            "use_gjk_collision",
            "enable_contact_patch",
            "contact_pruning_tolerance",
            "broadphase_traversal",
            "sparse_solve",
            "use_contact_island",
            "use_hibernation",
            "hibernation_thresh_vel",
            "hibernation_thresh_acc",
        }
    )

    enable_collision: StrictBool | None = None
    enable_joint_limit: StrictBool | None = None
    enable_self_collision: StrictBool | None = None
    enable_neutral_collision: StrictBool | None = None
    enable_adjacent_collision: StrictBool | None = None
    disable_constraint: StrictBool | None = None
    integrator: _integrator | None = None
    constraint_solver: _constraint_solver | None = None
    iterations: PositiveInt | None = None
    tolerance: NonNegative | None = None
    ls_iterations: PositiveInt | None = None
    ls_tolerance: NonNegative | None = None
    friction_cone: _friction_cone | None = None
    impratio: Positive | None = None
    max_contacts: PositiveInt | None = None
    inverse_weights: Literal["compiled", "follow"] | None = None
    unsupported: Literal["refuse", "warn"] = "refuse"
    dt: Positive | None = None
    gravity: Vec3 | None = None
    noslip_iterations: NonNegativeInt | None = None
    noslip_tolerance: NonNegative | None = None
    constraint_timeconst: Positive | None = None
    contact_resolve_time: Positive | None = None
    enable_torsional_friction: StrictBool | None = None
    enable_rolling_friction: StrictBool | None = None
    enable_multi_contact: StrictBool | None = None
    contact_resolution: _contact_resolution | None = None
    enable_mujoco_compatibility: StrictBool | None = None
    max_dynamic_constraints: NonNegativeInt | None = None
    max_collision_pairs: NonNegativeInt | None = None
    multiplier_collision_broad_phase: PositiveInt | None = None
    IK_max_targets: PositiveInt | None = None
    batch_links_info: StrictBool | None = None
    batch_joints_info: StrictBool | None = None
    batch_dofs_info: StrictBool | None = None
    box_box_detection: StrictBool | None = None
    use_gjk_collision: StrictBool | None = None
    enable_contact_patch: StrictBool | None = None
    contact_pruning_tolerance: NonNegative | None = None
    broadphase_traversal: _broadphase_traversal | None = None
    sparse_solve: StrictBool | None = None
    use_contact_island: StrictBool | None = None
    use_hibernation: StrictBool | None = None
    hibernation_thresh_vel: NonNegative | None = None
    hibernation_thresh_acc: NonNegative | None = None

    @field_validator("contact_resolution")
    @classmethod
    def _convex(cls, value: _contact_resolution | None) -> _contact_resolution | None:
        if value is _contact_resolution.signorini:
            raise ValueError("contact is MuJoCo's, one convex problem; gs.contact_resolution.convex")
        return value

    @model_validator(mode="after")
    def _one_meaning(self) -> RigidOptions:
        older, newer = self.contact_resolve_time, self.constraint_timeconst
        if older is not None and newer is not None and older != newer:
            raise ValueError(f"contact_resolve_time={older:g} is an older name of constraint_timeconst={newer:g}")
        if self.enable_rolling_friction and self.enable_torsional_friction is False:
            raise ValueError("enable_rolling_friction=True takes enable_torsional_friction=True too (condim 6)")
        return self

    @property
    def timeconst(self) -> float | None:
        """``constraint_timeconst`` under either name [s]."""
        return self.constraint_timeconst if self.contact_resolve_time is None else self.contact_resolve_time

    @field_validator("integrator")
    @classmethod
    def _exact_implicitfast(cls, value: _integrator | None) -> _integrator | None:
        return _integrator.implicitfast if value is _integrator.approximate_implicitfast else value


class ViewerOptions(Options):
    """Options of the interactive viewer. Nothing is drawn by this version: kept with the scene, no effect.

    Parameters
    ----------
    res
        Width and height of the window [pixel].
    run_in_thread
        Whether the viewer runs in a thread of its own.
    refresh_rate, max_FPS
        Frames drawn per second; largest number of steps per second (``None``: no limit).
    camera_pos, camera_lookat, camera_up
        Position of the camera and the point it looks at [m], and its upward direction, in the world frame.
    camera_fov
        Vertical field of view [degree].
    realtime_factor
        How much faster than time itself the simulation is shown; ``None``: as fast as it goes.
    enable_help_text, enable_default_keybinds, enable_gui, enable_interaction
        What the window shows and which keys and mouse moves it takes.
    """

    res: Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(plain_numbers)] | None = None
    run_in_thread: StrictBool | None = None
    refresh_rate: PositiveInt = 60
    max_FPS: PositiveInt | None = 60
    camera_pos: Vec3 = (3.5, 0.5, 2.5)
    camera_lookat: Vec3 = (0.0, 0.0, 0.5)
    camera_up: Vec3 = (0.0, 0.0, 1.0)
    camera_fov: Annotated[Number, Field(gt=0, lt=180)] = 40.0
    realtime_factor: Positive | None = 1.0
    enable_help_text: StrictBool = True
    enable_default_keybinds: StrictBool = True
    enable_gui: StrictBool = False
    enable_interaction: StrictBool = False


def _indices(value: Any) -> Any:
    value = plain_numbers(value)
    return tuple(value) if isinstance(value, (list, tuple, range)) else value


class VisOptions(Options):
    """Options of everything that is drawn. Nothing is drawn by this version: kept with the scene, no effect.

    Parameters
    ----------
    show_world_frame, world_frame_size
        Whether to draw the axes of the world frame, and their length [m].
    show_link_frame, link_frame_size
        The same for each link.
    show_cameras
        Whether to draw the cameras of the scene.
    shadow, plane_reflection
        Whether to draw shadows, and reflections on planes.
    background_color, ambient_light
        Red, green, blue, each from 0 to 1.
    contact_force_scale
        Length of the arrow of a contact force [m/N].
    segmentation_level
        What gets a number of its own in a segmentation image.
    rendered_envs_idx, n_rendered_envs
        The environments that are drawn, or how many of the first; ``None``: all.
    split_envs, env_separate_rigid
        Whether a camera shows each environment in an image of its own. The second is an older name.
    lights
        Lights, each a dictionary as in Genesis.
    particle_size_scale, render_particle_as, n_support_neighbors, visualize_mpm_boundary, visualize_sph_boundary, \
    visualize_pbd_boundary
        How Genesis draws particles and soft bodies, which are not here.
    """

    idle: ClassVar[frozenset[str]] = frozenset(
        {
            "particle_size_scale",
            "render_particle_as",
            "n_support_neighbors",
            "visualize_mpm_boundary",
            "visualize_sph_boundary",
            "visualize_pbd_boundary",
        }
    )

    show_world_frame: StrictBool = True
    world_frame_size: Positive = 1.0
    show_link_frame: StrictBool = False
    link_frame_size: Positive = 0.2
    show_cameras: StrictBool = False
    shadow: StrictBool = True
    plane_reflection: StrictBool = False
    background_color: Color = (0.04, 0.08, 0.12)
    ambient_light: Color = (0.1, 0.1, 0.1)
    contact_force_scale: Positive = 0.01
    segmentation_level: Literal["entity", "link", "geom"] = "link"
    rendered_envs_idx: Annotated[tuple[int, ...], BeforeValidator(_indices)] | None = None
    n_rendered_envs: NonNegativeInt | None = None
    split_envs: StrictBool = False
    env_separate_rigid: StrictBool | None = None
    particle_size_scale: Positive = 1.0
    render_particle_as: Literal["sphere", "tet"] = "sphere"
    n_support_neighbors: PositiveInt = 12
    visualize_mpm_boundary: StrictBool = False
    visualize_sph_boundary: StrictBool = False
    visualize_pbd_boundary: StrictBool = False
    lights: tuple[dict[str, Any], ...] = (
        {"type": "directional", "dir": (-1.0, -1.0, -1.0), "color": (1.0, 1.0, 1.0), "intensity": 5.0},
    )

    @model_validator(mode="after")
    def _older_names(self) -> VisOptions:
        # Frozen for its users; what older names say is completed here, before anyone sees it.
        if self.n_rendered_envs is not None:
            if self.rendered_envs_idx is not None:
                raise ValueError("n_rendered_envs is an older name of rendered_envs_idx: give one of them")
            self.__dict__["rendered_envs_idx"] = tuple(range(self.n_rendered_envs))
        if self.env_separate_rigid is not None:
            if "split_envs" in self.model_fields_set:
                raise ValueError("env_separate_rigid is an older name of split_envs: give one of them")
            self.__dict__["split_envs"] = self.env_separate_rigid
        return self


class CoacdOptions(Options):
    """How the package coacd splits meshes into convex parts; names are its own, defaults Genesis's.

    Parameters
    ----------
    threshold
        Concavity that a part may keep: half of it makes about twice as many parts.
    max_convex_hull
        The most parts; -1: any number.
    preprocess_mode, preprocess_resolution
        Whether a mesh is made watertight first, and how finely.
    resolution, mcts_nodes, mcts_iterations, mcts_max_depth, pca, seed
        How hard the search for cuts tries.
    merge, decimate, max_ch_vertex
        Whether parts are merged again where that costs little; whether hulls are thinned out, to how many vertices.
    extrude, extrude_margin
        Whether neighbouring parts overlap, and by how much.
    apx_mode
        "ch": convex hulls; "box": boxes.
    """

    threshold: Annotated[float, Field(ge=0.01, le=1)] = 0.1
    max_convex_hull: Annotated[int, Field(ge=-1, strict=True)] = -1
    preprocess_mode: Literal["on", "off", "auto"] = "auto"
    preprocess_resolution: PositiveInt = 30
    resolution: PositiveInt = 1000
    mcts_nodes: PositiveInt = 20
    mcts_iterations: PositiveInt = 100
    mcts_max_depth: PositiveInt = 3
    pca: StrictBool = False
    merge: StrictBool = True
    decimate: StrictBool = False
    max_ch_vertex: PositiveInt = 256
    extrude: StrictBool = False
    extrude_margin: Number = 0.1
    apx_mode: Literal["ch", "box"] = "ch"
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
