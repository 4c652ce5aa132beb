"""From recorded motion to parameters.

The windows of the recording are shot from initial states that are free (`shooting`), and Levenberg-Marquardt looks for
the parameters and states with which they fit best (`least_squares`). It begins with short windows, in which a bad
start cannot do much harm, and makes them longer as far as the motion's sensitivity allows: a long window tells more.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import torch

from genesis import runtime
from genesis.entities.place import world_of
from genesis.errors import GenesisException
from genesis.tools.identification.estimation import Coordinates, theta_kept
from genesis.tools.identification.first_states import Channels
from genesis.tools.identification.fitting import Fit, Settings
from genesis.tools.identification.least_squares import Iteration, Watch
from genesis.tools.identification.log_checks import UNIT_NORM
from genesis.tools.identification.logs import Log
from genesis.tools.identification.selection import Magnitudes, Parameter, select_unknowns
from genesis.tools.identification.shooting import lay_on_grid, require_one_row

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.identification.recording import Recording
    from genesis.tools.identification.result import Identification

_LARGEST = 1e100  # no sensible number is larger; what is computed with it is finite
METHODS = ("lm", "gauss-newton", "adam", "lbfgs")


def identify(
    scene: Scene,
    log: Log,
    parameters: Sequence[Parameter | str] | Parameter | str,
    *,
    window: float | None = None,
    method: str = "lm",
    priors: Mapping[str, tuple[Any, Any]] | None = None,
    initial_state: Any = None,
    initial_state_std: Any = None,
    outputs: Mapping[str, Callable[..., torch.Tensor]] | None = None,
    max_iterations: int | None = None,
    tolerance: float = 1e-6,
    learning_rate: float | None = None,
    callback: Callable[[Iteration], Any] | None = None,
    progress: bool = False,
) -> Identification:
    """Find parameters of a scene with which it moves as a log says.

    Args:
        scene: built with SimOptions(requires_grad=True); its parameters in force are the start, and are as before
            afterwards (`result.apply(scene)` puts what was found in force)
        log: what was measured, and under which controls
        parameters: names, as "arm.links_mass[hand]", "arm.dofs_damping", "arm.links_inertial[link3]" (mass, centre of
            mass and inertia together), "arm.friction", "gravity"; or `gs.tools.Parameter`s of one's own, whose modules
            hold the estimate afterwards
        window: length [s] of the pieces that are simulated, each from a free initial state. None: up to 1 s the whole
            recording; else grown as long as its sensitivity allows
        method: "lm" (Levenberg-Marquardt), "gauss-newton"; "adam", "lbfgs" for very many parameters
        priors: name -> (mean, standard deviation) in the unit of the value
        initial_state: (nx,) or (recordings, nx), state (qpos, qvel, act) at the beginning, where the log does not tell
            it (None: the scene's present one)
        initial_state_std: how well it is known, a number or (ndx,) [m, rad, m/s, rad/s]; None: not at all
        outputs: name -> function of the trajectory, for measurements of one's own
        max_iterations: in all (None: 200; 1000 for "adam" and "lbfgs")
        tolerance: relative decrease of the sum of squares at which it ends
        learning_rate: of "adam" (None: 0.03)
        callback: called with an `Iteration` after each; returns True to stop
        progress: whether each iteration is written to the engine's log

    Returns:
        estimates with standard errors, what the data do not determine, and how each channel was fitted

    Raises GenesisException, and changes nothing, for arguments and logs that do not fit, and if the motion diverges
    however short the windows are.
    """
    settings = _checked(scene, log, window, method, max_iterations, tolerance, learning_rate)
    if not (callback is None or callable(callback)):
        raise GenesisException(f"identify: `callback` is {callback!r:.80}; expected a function of an Iteration.")
    recording = log.bind(scene, outputs)
    pieces = lay_on_grid(recording, scene.dt)
    magnitudes = _magnitudes(recording)
    with torch.inference_mode(False), torch.enable_grad(), theta_kept(scene):
        chosen = select_unknowns(scene, parameters, priors, magnitudes)
        require_one_row(scene.world.theta.packed())
        coordinates = Coordinates(scene, chosen)
        starts, deviation = _starts(scene, len(pieces), initial_state, initial_state_std)
        watch = Watch(settings.max_iterations, _teller(callback, progress))
        fit = Fit(recording, pieces, coordinates, starts, deviation, settings, watch)
        try:
            fit.run(None if window is None else float(window))
            result = fit.result()
        except BaseException:
            coordinates.put_back()
            raise
    result.notes += magnitudes.noted
    for note in result.notes:
        runtime.logger.warning("identify: %s", note)
    return result


# -- arguments --------------------------------------------------------------------------------------------------------


def _checked(
    scene: Any, log: Any, window: Any, method: Any, max_iterations: Any, tolerance: Any, learning_rate: Any
) -> Settings:
    from genesis.scene import Scene

    if not isinstance(scene, Scene):
        raise GenesisException(f"identify: `scene` is {scene!r:.80}; expected a built gs.Scene.")
    world_of(scene, "identify")
    if not scene.requires_grad:
        raise GenesisException(
            "identify: the scene records no gradients; build it with gs.options.SimOptions(requires_grad=True)."
        )
    if not isinstance(log, Log):
        raise GenesisException(f"identify: `log` is {log!r:.80}; expected a gs.tools.Log, as gs.tools.Log.read(path).")
    if method not in METHODS:
        raise GenesisException(f"identify: `method` is {method!r}; expected one of {', '.join(map(repr, METHODS))}.")
    if window is not None:
        _positive_number("window", window, "a length in seconds")
        if window < scene.dt:
            raise GenesisException(
                f"identify: `window` is {window:g} s, less than a step of the scene ({scene.dt:g} s)."
            )
    _positive_number("tolerance", tolerance, "a number")
    if learning_rate is not None:
        _positive_number("learning_rate", learning_rate, "a number")
    if max_iterations is None:
        max_iterations = 200 if method in ("lm", "gauss-newton") else 1000
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, numbers.Integral) or max_iterations < 1:
        raise GenesisException(f"identify: `max_iterations` is {max_iterations!r}; expected a whole number from 1 on.")
    rate = None if learning_rate is None else float(learning_rate)
    return Settings(method, int(max_iterations), float(tolerance), rate)


def _positive_number(name: str, value: Any, expected: str) -> None:
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        good = good and 0.0 < float(value) < _LARGEST
    except OverflowError:
        good = False
    if not good:
        raise GenesisException(f"identify: `{name}` is {value!r:.60}; expected {expected} above zero.")


def _starts(scene: Scene, n_segments: int, state: Any, deviation: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(segments, nx), and (ndx,) or None."""
    world = scene.world
    nx, ndx = world.nq + world.nv + world.model.na, 2 * world.nv + world.model.na
    if state is None:
        found = world.read_state().detach()[:1]
    else:
        found = _tensor("initial_state", state)
        if found.ndim not in (1, 2) or found.shape[-1] != nx or (found.ndim == 2 and len(found) not in (1, n_segments)):
            raise GenesisException(
                f"identify: `initial_state` has shape {tuple(found.shape)}; expected ({nx},) or ({n_segments}, {nx}): "
                "(qpos, qvel, act), one row per recording."
            )
        _check_quaternions(scene, found)
    starts = found.as_subclass(torch.Tensor).to(runtime.tc_float).expand(n_segments, nx)
    if deviation is None:
        return starts, None
    deviations = _tensor("initial_state_std", deviation, infinite=True).double()
    if deviations.ndim > 1 or deviations.numel() not in (1, ndx) or not bool((deviations > 0).all()):
        raise GenesisException(
            f"identify: `initial_state_std` is {deviation!r:.80}; expected a number above zero, or {ndx}: of "
            "positions, rotations, velocities and activations."
        )
    return starts, deviations.expand(ndx)


def _check_quaternions(scene: Scene, states: torch.Tensor) -> None:
    """Of free and ball joints, in states ([segments,] nx)."""
    model = scene.mj_model
    for joint in range(model.njnt):
        kind = mujoco.mjtJoint(int(model.jnt_type[joint]))
        if kind not in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL):
            continue
        first = int(model.jnt_qposadr[joint]) + (3 if kind == mujoco.mjtJoint.mjJNT_FREE else 0)
        norms = torch.linalg.vector_norm(states[..., first : first + 4], dim=-1).reshape(-1)
        bad = norms[(norms - 1.0).abs() > UNIT_NORM]
        if len(bad):
            raise GenesisException(
                f"identify: `initial_state` holds a quaternion (numbers {first} to {first + 3}: w, x, y, z) of norm "
                f"{float(bad[0]):.4g}; expected 1, as (1, 0, 0, 0) of a body that is not turned."
            )


def _tensor(name: str, value: Any, infinite: bool = False) -> torch.Tensor:
    try:
        found = torch.as_tensor(value, dtype=torch.float64, device=runtime.device).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise GenesisException(f"identify: `{name}` is no array of numbers: {error}.") from None
    bad = torch.isnan(found) if infinite else ~torch.isfinite(found)
    if bool(bad.any()):
        raise GenesisException(f"identify: `{name}` holds NaN or infinite numbers; expected finite ones.")
    return found


def _magnitudes(recording: Recording) -> Magnitudes:
    """Of controls and joint velocities, dof by dof."""
    force, velocity = np.zeros(recording.scene.world.nv), np.zeros(recording.scene.world.nv)
    if recording.control == "force":
        place = 0
        for entity in recording.entities:
            size = np.sqrt(np.mean(recording.controls[:, place : place + entity.n_dofs] ** 2, 0))
            force[entity.dof_start : entity.dof_end] = size
            place += entity.n_dofs
    channels = Channels(recording)
    for dof, (k, column) in channels.v.items():
        velocity[dof] = np.sqrt(np.nanmean(recording.measured[k][:, column] ** 2))
    return Magnitudes(force.tolist(), velocity.tolist())


def _teller(callback: Callable[[Iteration], Any] | None, progress: bool) -> Callable[[Iteration], Any] | None:
    if not progress:
        return callback

    def tell(iteration: Iteration) -> Any:
        runtime.logger.info(
            "identify: iteration %d, windows of %.3g s: cost %.6g, largest step %.2g",
            iteration.number,
            iteration.stage,
            iteration.cost,
            iteration.step,
        )
        return None if callback is None else callback(iteration)

    return tell
