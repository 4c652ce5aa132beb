"""Options of a scene: validated descriptions without behaviour."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError, field_validator

from genesis.constants import constraint_solver as _constraint_solver
from genesis.constants import friction_cone as _friction_cone
from genesis.constants import integrator as _integrator
from genesis.errors import GenesisException

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


class Options(BaseModel):
    """Base of every description: keyword arguments only, immutable, unknown names refused.

    Raises ``GenesisException`` that lists each argument at fault, what was given and what was expected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    # Arguments that Genesis has and this engine has not, each with the reason or the way out.
    refused: ClassVar[dict[str, str]] = {}

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
    max_dynamic_constraints
        In Genesis, the most welds at once that are made at run time. There is no such limit here: no effect.
    max_collision_pairs
        Genesis's name for the same limit before contacts are found. No effect.
    batch_links_info, batch_joints_info, batch_dofs_info
        In Genesis, allow parameters that differ between environments. Always allowed here: no effect.
    """

    refused: ClassVar[dict[str, str]] = {
        "dt": "one step for all solvers, set SimOptions(dt=...)",
        "gravity": "one gravity for all solvers, set SimOptions(gravity=...)",
    }

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
    max_dynamic_constraints: PositiveInt | None = None
    max_collision_pairs: PositiveInt | None = None
    batch_links_info: StrictBool | None = None
    batch_joints_info: StrictBool | None = None
    batch_dofs_info: StrictBool | None = None

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
    """

    res: tuple[PositiveInt, PositiveInt] | None = None
    run_in_thread: StrictBool | None = None
    refresh_rate: PositiveInt = 60
    max_FPS: PositiveInt | None = 60
    camera_pos: Vec3 = (3.5, 0.5, 2.5)
    camera_lookat: Vec3 = (0.0, 0.0, 0.5)
    camera_up: Vec3 = (0.0, 0.0, 1.0)
    camera_fov: Annotated[Number, Field(gt=0, lt=180)] = 40.0


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
    rendered_envs_idx
        The environments that are drawn; ``None``: all.
    lights
        Lights, each a dictionary as in Genesis.
    """

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
    rendered_envs_idx: Annotated[tuple[int, ...], BeforeValidator(plain_numbers)] | None = None
    lights: tuple[dict[str, Any], ...] = (
        {"type": "directional", "dir": (-1.0, -1.0, -1.0), "color": (1.0, 1.0, 1.0), "intensity": 5.0},
    )


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
