"""The gradient doctor: `gs.grad.check` compares the gradients of a loss with differences, and says what is wrong."""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.doctor import contacts as check_contacts
from genesis.doctor import differences as check_differences
from genesis.doctor import findings as check_findings
from genesis.doctor import graph as check_graph
from genesis.doctor import growth as check_growth
from genesis.doctor import inputs as check_inputs
from genesis.doctor import process as check_process
from genesis.doctor import report as report
from genesis.doctor.context import Context, Motion
from genesis.doctor.places import Place
from genesis.doctor.recording import Evaluator, Recorder
from genesis.doctor.report import Comparison, InputCheck, Report
from genesis.errors import GenesisException
from genesis.rigid.tangent import Tangent

if TYPE_CHECKING:
    from genesis.scene import Scene

# Relative difference up to which a gradient counts as right, by bits. In 64 bits a gradient is exact to some 1e-9 where
# there are no contacts; the constraint solver's tolerance leaves some 1e-7. In 32 bits the difference is what is rough.
_RTOL = {"64": 1.0e-5, "32": 2.0e-2}
_FIRST_STEP = {"64": 1.0e-3, "32": 3.0e-2}  # of a difference, over the size of the input
# Distance between the points from which the noise is estimated, over the size of the input: the loss bends by nothing.
_NOISE_STEP = {"64": 1.0e-11, "32": 1.0e-6}
_UNRESOLVED = 0.1  # error of a difference over the derivative, from which on it says nothing
# Change of the loss, over the loss, by a move as large as the input, below which a derivative is none.
_LITTLE = 1.0e-6
_BENT = 0.2  # relative change of the coarse difference, from which on what switched is told
_RETRIES = 4  # with smaller steps, where something switched within a difference
_SHRINK = 32.0
# Scenes that are being checked: a second recorder on one of them would take the place of the first.
_under_way: set[int] = set()
_under_way_lock = threading.Lock()


def check(
    loss: Callable[[], torch.Tensor],
    inputs: Any,
    scene: Scene | None = None,
    *,
    coordinates: int = 6,
    directions: int = 2,
    rtol: float | None = None,
    rerun: bool = True,
) -> Report:
    """Compare the gradients of a loss with central differences, and find out what is wrong with them.

    Args:
        loss: resets the scene, applies the inputs, steps, and returns one number. It is called some hundred times, each
            time with the same random numbers.
        inputs: name -> leaf tensor that requires a gradient and is read by the loss at each call; or a torch module
        scene: that the loss steps; None: the one that it refers to
        coordinates: how many numbers of an input are moved one by one: all of a small input, else those with the
            largest gradient and others by chance
        directions: how many random directions an input that is larger is moved along as a whole
        rtol: relative difference up to which a gradient counts as right; None: 1e-5, in 32 bits 0.02
        rerun: in 32 bits, run the program again in 64 bits, in a process of its own, up to this call, when the loss is
            defined in the program's main file; else differences are taken in 32 bits, and the report says so

    Afterwards the inputs are as before, and the scene is as a call of the loss leaves it. `torch.no_grad()` and
    `torch.inference_mode()` around the call are left for its duration, and a remark says so; those within the loss act.

    Raises GenesisException for arguments that do not fit, for a scene that is being checked already (by the loss, or by
    another thread), and what the loss raises.
    """
    mode = _mode_without_gradients()
    with torch.inference_mode(False), torch.enable_grad():
        result = _checked(loss, inputs, scene, coordinates, directions, rtol, rerun)
    if mode is not None:
        result.remarks.append(
            f"called under {mode}, which was left for the check; your own program gets no gradient there"
        )
    return result


def _checked(
    loss: Callable[[], torch.Tensor],
    inputs: Any,
    scene: Scene | None,
    coordinates: int,
    directions: int,
    rtol: float | None,
    rerun: bool,
) -> Report:
    """As `check`, where gradients are recorded."""
    tensors = check_inputs.read_inputs(inputs)
    check_inputs.read_count("coordinates", coordinates, 1)
    check_inputs.read_count("directions", directions, 0)
    if not isinstance(rerun, bool):
        raise GenesisException(f"{check_inputs.OWNER}: `rerun` is {rerun!r:.60}; expected True or False.")
    tolerance = _RTOL[runtime.precision] if rtol is None else check_inputs.read_tolerance(rtol)
    found = check_inputs.find_scene(loss, scene)
    ticket = check_process.next_call()

    def here() -> Report:
        with _alone(found):
            return _Check(loss, tensors, found, coordinates, directions, tolerance).run()

    if runtime.precision == "64":
        result = here()
        check_process.hand_over(ticket, result)
        return result
    if rerun and check_process.can_run_again(loss):
        exact = check_process.run_again(ticket)
        if exact is not None:
            with _alone(found):
                return check_process.compared(exact, _gradients(loss, tensors, found))
    result = here()
    result.remarks.append(
        "differences in 32 bits are rough: what is right to two digits counts as right. For an exact check use "
        "gs.init(precision='64'), or `genesis check-grad`"
    )
    return result


def _mode_without_gradients() -> str | None:
    """The mode of torch in which nothing has a gradient, if it is on."""
    if torch.is_inference_mode_enabled():
        return "torch.inference_mode()"
    return None if torch.is_grad_enabled() else "torch.no_grad()"


@contextlib.contextmanager
def _alone(scene: Scene) -> Iterator[None]:
    """Meanwhile no other check of the scene begins; raises GenesisException if there is one."""
    with _under_way_lock:
        if id(scene) in _under_way:
            raise GenesisException(
                f"{check_inputs.OWNER}: this scene is being checked already, by a check whose loss calls this one or "
                "by another thread; make one check after the other, or build a scene for each."
            )
        _under_way.add(id(scene))
    try:
        yield
    finally:
        with _under_way_lock:
            _under_way.discard(id(scene))


def _gradients(
    loss: Callable[[], torch.Tensor], tensors: dict[str, torch.Tensor], scene: Scene
) -> dict[str, np.ndarray]:
    """In the precision of this process."""
    value = Evaluator(loss, scene).with_graph()
    if not value.requires_grad:
        return {name: np.zeros(tuple(x.shape)) for name, x in tensors.items()}
    grads = torch.autograd.grad(value, list(tensors.values()), allow_unused=True)
    return {name: _numbers(g, x) for (name, x), g in zip(tensors.items(), grads, strict=True)}


def _numbers(gradient: torch.Tensor | None, like: torch.Tensor) -> np.ndarray:
    if gradient is None:
        return np.zeros(tuple(like.shape))
    return gradient.detach().as_subclass(torch.Tensor).double().cpu().numpy().copy()


class _Check:
    """One run of the doctor."""

    def __init__(
        self,
        loss: Callable[[], torch.Tensor],
        inputs: dict[str, torch.Tensor],
        scene: Scene,
        coordinates: int,
        directions: int,
        rtol: float,
    ) -> None:
        self._inputs, self._scene, self._rtol = inputs, scene, rtol
        self._coordinates, self._directions = coordinates, directions
        self._evaluator = Evaluator(loss, scene)
        self._bits = runtime.precision
        self._clip: float | None = getattr(scene.world.dynamics, "gradient_clip", None)  # off while it runs
        self._generator = torch.Generator(device="cpu").manual_seed(0)
        self._switches: dict[str, list[check_contacts.Switch]] = {}  # within the differences of an input
        self._bends: dict[str, tuple[Comparison, list[check_contacts.Switch]]] = {}
        self._jumps: dict[str, tuple[Comparison, list[check_contacts.Switch]]] = {}
        self._noise = self._loss = 0.0
        self._reach: frozenset[int] = frozenset()  # leaves that the loss's graph leads to

    def run(self) -> Report:
        """The report."""
        with _exact_solver(self._scene):
            try:
                return self._run()
            finally:
                with contextlib.suppress(RuntimeError):
                    self._evaluator.value()  # the parameters in force are the inputs' again

    def _run(self) -> Report:
        value = self._evaluator.with_graph()
        names, tensors = list(self._inputs), list(self._inputs.values())
        self._reach = frozenset(check_graph.leaves_of(value))
        grads: tuple[torch.Tensor | None, ...] = (None,) * len(tensors)
        n_nodes = len(check_graph.nodes_of(value.grad_fn))
        if value.requires_grad:
            grads = torch.autograd.grad(value, tensors, allow_unused=True)
        loss = self._loss = float(value.detach())
        del value
        again = self._evaluator.value()
        checks = {
            name: InputCheck(name, _numbers(g, x), id(x) in self._reach)
            for name, x, g in zip(names, tensors, grads, strict=True)
        }
        motion = self._watched(n_nodes)
        growth = None
        if motion.steps:
            after = [motion.gradients.get(Place(k, False)) for k in range(len(motion.steps))]
            tangent = Tangent(self._scene.mj_model)
            growth = check_growth.growth(self._scene.world.dynamics, motion.steps, after, self._scene.dt, tangent)
        if math.isfinite(loss):
            # A jump near the point spoils the estimate along an input; the noise is that of all.
            self._noise = statistics.median_low([self._noise_along(x) for x in tensors])
            for name, x in self._inputs.items():
                self._compare(checks[name], x)
        context = Context(
            self._scene, self._inputs, self._evaluator, checks, motion, growth, loss, again, self._noise, self._rtol
        )
        if self._clip is not None:
            context.remarks.append(f"checked without gradient_clip={self._clip:g}; your own gradient is clipped")
        findings = check_findings.findings(context, self._switches, self._bends, self._jumps)
        return Report(
            loss, checks, report.ordered(findings), growth, self._bits, self._noise, len(motion.steps), context.remarks
        )

    def _watched(self, n_nodes: int) -> Motion:
        """The loss once more, with every step, place and node of its graph looked at."""
        recorder = Recorder(self._scene, plant=True)
        with check_graph.sources_recorded(n_nodes <= check_graph.MOST_TRACED):
            value = self._evaluator.with_graph(recorder)
        steps = recorder.steps
        places: dict[Place, torch.Tensor] = {}
        for k, step in enumerate(steps):
            for entering, state in ((True, step.entered), (False, step.after)):
                if state.requires_grad:
                    places[Place(k, entering)] = state
        motion = Motion(steps, {}, [], None, value)
        if not value.requires_grad or not (places or self._inputs):
            return motion
        watch = check_graph.Watch(value.grad_fn)
        tensors = [*self._inputs.values(), *places.values()]
        found = torch.autograd.grad(value, tensors, allow_unused=True, retain_graph=True)
        watch.remove()
        motion.gradients.update(zip(places, found[len(self._inputs) :], strict=True))
        motion.flat, motion.non_finite = watch.flat, watch.non_finite
        return motion

    # -- differences --------------------------------------------------------------------------------------------------

    def _compare(self, check: InputCheck, x: torch.Tensor) -> None:
        base = x.detach().clone()
        tolerance = self._rtol if x.dtype == runtime.tc_float else max(self._rtol, 1.0e-3)
        floor = 1.0e-9 * float(np.max(np.abs(check.gradient), initial=0.0, where=np.isfinite(check.gradient)))
        for index, direction, size in self._moves(check, base):
            slope = _along(check.gradient, index, direction)
            if not math.isfinite(slope):
                check.comparisons.append(
                    Comparison(index, slope, math.nan, math.inf, math.nan, verdict=report.NOT_FINITE)
                )
                continue
            comparison = self._compared(check.name, x, base, index, direction, size, slope, floor, tolerance)
            check.comparisons.append(comparison)

    def _compared(
        self,
        name: str,
        x: torch.Tensor,
        base: torch.Tensor,
        index: tuple[int, ...] | None,
        direction: torch.Tensor,
        size: float,
        slope: float,
        floor: float,
        tolerance: float,
    ) -> Comparison:
        def loss(s: float) -> float:
            return self._loss_at(x, base, base + s * direction)

        step = _FIRST_STEP[self._bits] * size
        found = check_differences.derivative(loss, step, self._noise, max(abs(slope), floor))
        little = _LITTLE * abs(self._loss) / size
        result = _judged(index, slope, found, floor, tolerance, little)
        if result.verdict != report.OK:
            h = found.step
            for _ in range(_RETRIES):
                switched = self._switched(x, base, h * direction)
                if not switched:
                    break
                self._switches.setdefault(name, switched)
                h /= _SHRINK
                if self._noise / h > max(abs(slope), abs(found.value)):
                    break
            else:
                switched = self._switched(x, base, h * direction)
            if switched:
                result.verdict = report.KINK
            elif h < found.step:
                smaller = check_differences.derivative(loss, h, self._noise, max(abs(slope), floor))
                result = _judged(index, slope, smaller, floor, tolerance, little)
                result.coarse, result.coarse_step = found.coarse, found.coarse_step
        if result.verdict in (report.KINK, report.UNRESOLVED):
            result.jump = check_differences.jump(loss, step, self._noise)
            if result.jump:
                result.verdict = report.JUMPS
                self._jumps.setdefault(name, (result, self._switched(x, base, step / _SHRINK**2 * direction)))
        bent = abs(result.coarse - slope) > _BENT * max(abs(result.coarse), abs(slope), floor)
        if result.verdict == report.OK and bent and name not in self._bends:
            switched = self._switched(x, base, result.coarse_step * direction)
            if switched:
                self._bends[name] = result, switched
        return result

    def _moves(
        self, check: InputCheck, base: torch.Tensor
    ) -> Iterator[tuple[tuple[int, ...] | None, torch.Tensor, float]]:
        """(index or None, direction, size of the input along it)."""
        typical = float(base.square().mean().sqrt()) or 1.0
        count = base.numel()
        chosen = list(range(count))
        if count > self._coordinates:
            flat = np.nan_to_num(np.abs(check.gradient).ravel(), nan=math.inf)
            largest = np.argsort(-flat, kind="stable")[: (self._coordinates + 1) // 2].tolist()
            others = torch.randperm(count, generator=self._generator, device="cpu").tolist()
            chosen = [*largest, *(i for i in others if i not in largest)][: self._coordinates]
        for i in chosen:
            index = tuple(int(k) for k in np.unravel_index(i, tuple(base.shape)))
            direction = torch.zeros_like(base)
            direction[index] = 1.0
            yield index, direction, abs(float(base[index])) or typical
        if count > self._coordinates:
            for _ in range(self._directions):
                random = torch.randn(tuple(base.shape), generator=self._generator, device="cpu").to(base)
                random = torch.where(torch.as_tensor(np.isfinite(check.gradient)).to(base.device), random, 0.0)
                if bool(random.any()):
                    yield None, random / random.norm(), typical * math.sqrt(count)

    def _loss_at(self, x: torch.Tensor, base: torch.Tensor, value: torch.Tensor) -> float:
        """NaN where the motion does not survive it."""
        try:
            x.data.copy_(value)  # not through torch: nothing that is kept of x counts as changed
            return self._evaluator.value()
        except RuntimeError:
            return math.nan
        finally:
            x.data.copy_(base)

    def _noise_along(self, x: torch.Tensor) -> float:
        base = x.detach().clone()
        random = torch.randn(tuple(base.shape), generator=self._generator, device="cpu").to(base)
        size = float(base.square().mean().sqrt()) or 1.0
        shift = _NOISE_STEP[self._bits] * size * random
        points = range(check_differences.NOISE_POINTS)
        values = [self._loss_at(x, base, base + k * shift) for k in points]
        noise = check_differences.noise_of(values)
        eps = runtime.EPS
        return max(noise, eps * abs(values[0])) if math.isfinite(noise) else eps

    def _switched(self, x: torch.Tensor, base: torch.Tensor, shift: torch.Tensor) -> list[check_contacts.Switch]:
        """What is active in the motion at the one end of a difference, and not at the other."""
        model = self._scene.world.model
        if not model.constrained:
            return []
        found: list[list[check_contacts.Activity]] = []
        for sign in (-1.0, 1.0):
            recorder = Recorder(self._scene, watch=True, keep=False)
            try:
                x.data.copy_(base + sign * shift)
                self._evaluator.value(recorder)
            except RuntimeError:
                return []
            finally:
                x.data.copy_(base)
            found.append(recorder.activities)
        return check_contacts.switches(model, found[0], found[1])


def _along(gradient: np.ndarray, index: tuple[int, ...] | None, direction: torch.Tensor) -> float:
    """The derivative that the gradient has for a move of one number, or along a direction."""
    if index is not None:
        return float(gradient[index])
    return float(np.nansum(gradient * direction.double().cpu().numpy()))


def _judged(
    index: tuple[int, ...] | None,
    slope: float,
    found: check_differences.Derivative,
    floor: float,
    tolerance: float,
    little: float,
) -> Comparison:
    """``floor``: a derivative that does not matter beside the input's others; ``little``: nor beside the loss."""
    result = Comparison(
        index, slope, found.value, found.error, found.step, coarse=found.coarse, coarse_step=found.coarse_step
    )
    largest = max(abs(slope), abs(found.value)) if math.isfinite(found.value) else abs(slope)
    if not math.isfinite(found.value):
        result.verdict = report.STUCK
    elif abs(slope - found.value) > tolerance * largest + 2.0 * found.error + floor:
        result.verdict = report.WRONG
    elif found.error > max(_UNRESOLVED * largest, little) + floor:
        result.verdict = report.UNRESOLVED
    return result


@contextlib.contextmanager
def _exact_solver(scene: Scene) -> Iterator[None]:
    """Meanwhile the constraint solver of the scene goes on until rounding stops it: what it leaves is noise."""
    dynamics, option = scene.world.dynamics, scene.world.model.mj_model.opt
    tolerance, clip = float(option.tolerance), getattr(dynamics, "gradient_clip", None)
    warned = dynamics.warned_of_gradient
    dynamics.warned_of_gradient = True  # the report says it

    def put(value: float, gradient_clip: float | None) -> None:
        option.tolerance = value
        dynamics.gradient_clip = gradient_clip
        with dynamics.lock:
            dynamics._forget_programs()

    put(0.0 if runtime.precision == "64" else tolerance, None)
    try:
        yield
    finally:
        put(tolerance, clip)
        dynamics.warned_of_gradient = warned
