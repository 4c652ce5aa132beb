"""What `gs.grad.check` hands back: comparisons, findings, growth, as text and as a figure."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genesis.errors import GenesisException

# Kinds of findings. What each means and what to do about it is in docs/gradient_doctor.md.
WRONG = "wrong"
DETACHED = "detached"
SATURATED = "saturated"
NAN = "nan"
SWITCH = "contact switch"
JUMP = "jump"
CHAOS = "chaos"
PRECISION = "precision"
NO_EFFECT = "no effect"
RANDOM = "not reproducible"
KINDS = (WRONG, DETACHED, SATURATED, NAN, SWITCH, JUMP, CHAOS, PRECISION, NO_EFFECT, RANDOM)

# Verdicts of a comparison.
OK = "ok"
KINK = "kink within the difference"
JUMPS = "the loss jumps here"
UNRESOLVED = "difference too noisy"
STUCK = "cannot be moved both ways"  # the loss raises, or is not finite, on one side: a mass of zero
NOT_FINITE = "not finite"

_SAYS_NOTHING = (JUMPS, UNRESOLVED, STUCK)

# Relative rounding of a number of 32 bits.
EPS_32 = float(np.finfo(np.float32).eps)
_SHOWN = 4  # comparisons of an input that are printed, worst first


@dataclass
class Finding:
    """One thing that was noticed.

    Attributes:
        kind: one of "wrong", "detached", "saturated", "nan", "contact switch", "jump", "chaos", "precision",
            "no effect", "not reproducible"
        text: what was seen
        advice: what to do
        fault: whether the gradient should not be used as it is; False for a remark
        inputs: names of the inputs that it is about; empty for all
        step: number of the step, counted from the first one that the loss makes; None if it belongs to none
        envs: the envs; empty for all
    """

    kind: str
    text: str
    advice: str
    fault: bool = True
    inputs: tuple[str, ...] = ()
    step: int | None = None
    envs: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{'FAULT' if self.fault else 'note'} [{self.kind}] {self.text}\n    -> {self.advice}"


@dataclass
class Comparison:
    """A derivative of the loss, from the graph and from differences.

    Attributes:
        index: of the number that is moved; None: all numbers move along a random direction of unit length
        gradient: from the graph
        difference: from central differences
        error: estimated error of `difference`
        step: distance by which the numbers were moved, the largest of those that `difference` is made from
        verdict: "ok", "wrong", "kink within the difference", "the loss jumps here", "difference too noisy", "cannot be
            moved both ways" or "not finite"
        coarse: central difference with the largest step, `coarse_step`
        jump: by how much the loss differs between the two sides, however small the move
    """

    index: tuple[int, ...] | None
    gradient: float
    difference: float
    error: float
    step: float
    verdict: str = OK
    coarse: float = math.nan
    coarse_step: float = math.nan
    jump: float = 0.0

    @property
    def place(self) -> str:
        """Which number was moved, in words."""
        if self.index is None:
            return "a random direction"
        return f"[{', '.join(map(str, self.index))}]" if self.index else "its value"

    def __str__(self) -> str:
        return (
            f"{self.place}: gradient {self.gradient:.9g}, difference {self.difference:.9g} +- {self.error:.1g} "
            f"(step {self.step:.1g}): {self.verdict}"
        )


@dataclass
class InputCheck:
    """All that is known about one input.

    Attributes:
        name: as given
        gradient: of the loss, in the input's shape; zeros where no graph leads to it
        reached: whether a graph leads from the loss to it
        comparisons: with differences
    """

    name: str
    gradient: np.ndarray
    reached: bool
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no comparison found it wrong or not finite."""
        return not any(c.verdict in (WRONG, NOT_FINITE) for c in self.comparisons)

    @property
    def at_kink(self) -> bool:
        """Whether something switches at this very point, so that the gradient is that of one side."""
        return any(c.verdict == KINK for c in self.comparisons)

    @property
    def undecided(self) -> bool:
        """Whether differences cannot judge it: none of them converges, or the loss has a jump or a kink at this very
        point."""
        verdicts = [c.verdict for c in self.comparisons]
        return (
            JUMPS in verdicts
            or self.at_kink
            or (bool(verdicts) and all(verdict in _SAYS_NOTHING for verdict in verdicts))
        )

    @property
    def wrong(self) -> list[Comparison]:
        """The comparisons that disagree."""
        return [c for c in self.comparisons if c.verdict == WRONG]

    @property
    def largest_error(self) -> float:
        """Largest difference between gradient and differences, relative to the larger of the two; NaN for a gradient
        that is not finite."""
        errors = [
            abs(c.gradient - c.difference) / max(abs(c.gradient), abs(c.difference), 1e-300)
            for c in self.comparisons
            if c.verdict in (OK, WRONG) and abs(c.gradient - c.difference) > c.error
        ]
        return math.nan if any(c.verdict == NOT_FINITE for c in self.comparisons) else max(errors, default=0.0)


@dataclass
class Growth:
    """How the gradient with respect to the state grows from the end of the motion back to its beginning.

    Attributes:
        time: of each state [s], (T,), from the first step's on
        norm: of dL/dx_t in the tangent space, (T, N)
        exponents: largest finite-time Lyapunov exponents of the motion [1/s], largest first, of the env with the
            largest (products of the steps' Jacobians, orthonormalised on the way: Benettin et al. 1980)
        factor: by which a small change grows over the motion in that env
        env: that env
        dt: duration of a step [s]
    """

    time: np.ndarray
    norm: np.ndarray
    exponents: np.ndarray
    factor: float
    env: int
    dt: float

    @property
    def horizon(self) -> float:
        """Duration of the motion [s]."""
        return len(self.time) * self.dt

    @property
    def exponent(self) -> float:
        """The largest Lyapunov exponent [1/s]; NaN for a motion that is too short."""
        return float(self.exponents[0]) if len(self.exponents) else math.nan

    @property
    def gradient_exponent(self) -> float:
        """Rate at which the norm of dL/dx_t grows backwards [1/s], by least squares, of the env with the largest."""
        rates = [
            _slope(self.time, -np.log(self.norm[:, e])) for e in range(self.norm.shape[1]) if _usable(self.norm, e)
        ]
        return max(rates, default=math.nan)

    @property
    def doubling_time(self) -> float:
        """Time in which a small change doubles [s]; infinite where none grows."""
        return math.log(2.0) / self.exponent if self.exponent > 0.0 else math.inf

    @property
    def horizon_of_32_bits(self) -> float:
        """Duration beyond which rounding in 32 bits has grown to the size of the state itself [s]."""
        return math.log(1.0 / EPS_32) / self.exponent if self.exponent > 0.0 else math.inf

    def __str__(self) -> str:
        first, last = self.norm[0].max(), self.norm[-1].max()
        lines = [f"norm of dL/dx: {last:.3g} after the last step, {first:.3g} after the first ({self.horizon:.3g} s)"]
        if len(self.exponents):
            spectrum = ", ".join(f"{e:.3g}" for e in self.exponents)
            lines.append(f"Lyapunov exponents [1/s]: {spectrum}" + (f" (env {self.env})" * (self.norm.shape[1] > 1)))
        if self.exponent > 0.0 and self.factor > 10.0:
            lines.append(
                f"a small change doubles every {self.doubling_time:.3g} s and grows by {self.factor:.2g} in all; "
                f"in 32 bits nothing is left of a gradient after {self.horizon_of_32_bits:.3g} s"
            )
        return "\n".join(lines)


def _usable(norm: np.ndarray, env: int) -> bool:
    values = norm[:, env]
    return len(values) > 2 and bool(np.all(np.isfinite(values) & (values > 0.0)))


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


@dataclass
class Report:
    """What `gs.grad.check` found; `print(report)` shows it.

    Attributes:
        loss: its value
        inputs: name -> :class:`InputCheck`
        findings: faults first
        growth: :class:`Growth`, or None for a loss without steps, or whose gradient does not reach the states
        precision: bits in which the differences were taken
        noise: rounding noise of the loss
        n_steps: steps that the loss makes
        remarks: what limits this report
    """

    loss: float
    inputs: dict[str, InputCheck]
    findings: list[Finding]
    growth: Growth | None
    precision: str
    noise: float
    n_steps: int
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no fault, and differences could judge every input."""
        return not self._faulty and not self.undecided

    @property
    def undecided(self) -> list[str]:
        """Names of the inputs that differences cannot judge."""
        return [name for name, check in self.inputs.items() if check.undecided]

    @property
    def _faulty(self) -> bool:
        return any(finding.fault for finding in self.findings)

    @property
    def _headline(self) -> str:
        if self._faulty:
            return "FAULTS FOUND"
        return f"undecided for {', '.join(self.undecided)}" if self.undecided else "ok"

    def kinds(self, *, faults_only: bool = False) -> set[str]:
        """The kinds of what was found."""
        return {finding.kind for finding in self.findings if finding.fault or not faults_only}

    def __str__(self) -> str:
        head = (
            f"Gradient check: {self._headline}. Loss {self.loss:.9g} (noise {self.noise:.1g}), {self.n_steps} steps, "
            f"differences in {self.precision} bits."
        )
        lines = [head, "", f"{'input':<24}{'shape':<16}{'|gradient|':<14}{'largest error':<16}verdict"]
        for check in self.inputs.values():
            with np.errstate(over="ignore", invalid="ignore"):
                norm = float(np.linalg.norm(check.gradient))
            shape = str(tuple(check.gradient.shape))
            lines.append(f"{check.name:<24}{shape:<16}{norm:<14.6g}{check.largest_error:<16.2g}{self._verdict(check)}")
            shown = [c for c in check.comparisons if c.verdict != OK]
            shown.sort(key=lambda c: (c.verdict != WRONG, -_magnitude(c)))
            lines += [f"    {c}" for c in shown[:_SHOWN]]
            if len(shown) > _SHOWN:
                lines.append(f"    and {len(shown) - _SHOWN} more")
        if self.growth is not None:
            lines += ["", *str(self.growth).splitlines()]
        if self.findings:
            lines += ["", *(str(finding) for finding in self.findings)]
        lines += [f"({remark})" for remark in self.remarks]
        return "\n".join(lines)

    __repr__ = __str__

    def _verdict(self, check: InputCheck) -> str:
        found = {c.verdict for c in check.comparisons}
        for verdict in (NOT_FINITE, WRONG, KINK, JUMPS, UNRESOLVED, STUCK):
            if verdict in found:
                return verdict
        return OK if check.reached else "ok (no graph leads to it, and the loss does not depend on it)"

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Write a figure: gradients beside differences, and the norm of dL/dx_t over time.

        Raises GenesisException without matplotlib, and when the file cannot be written.
        """
        figure = _figure("report.plot")
        left, right = figure.subplots(1, 2)
        self._plot_comparisons(left)
        self._plot_growth(right)
        try:
            figure.savefig(os.fspath(path))
        except (OSError, ValueError, TypeError) as error:
            raise GenesisException(f"report.plot: cannot write {path!r}: {error}.") from None

    def _plot_comparisons(self, axes) -> None:
        values: list[float] = []
        for check in self.inputs.values():
            shown = [c for c in check.comparisons if _magnitude(c) > 0.0 and math.isfinite(c.error)]
            pairs = [(abs(c.difference), abs(c.gradient)) for c in shown]
            if pairs:
                x, y = np.array(pairs).T
                axes.plot(x, y, "o", markersize=4, label=check.name)
                values += [v for v in (*x, *y) if v > 0.0 and math.isfinite(v)]
        if values:
            axes.plot([min(values), max(values)], [min(values), max(values)], color="0.6", linewidth=0.8)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.legend(fontsize="small")
        axes.set_xlabel("|derivative| by central differences")
        axes.set_ylabel("|derivative| from the graph")

    def _plot_growth(self, axes) -> None:
        axes.set_xlabel("time [s]")
        axes.set_ylabel("norm of dL/dx at that time")
        if self.growth is None:
            return
        norm = np.where(self.growth.norm > 0.0, self.growth.norm, np.nan)
        axes.plot(self.growth.time, norm, linewidth=0.8)
        if self.growth.exponent > 0.0:
            middle = np.nanmean(np.log(norm)) if np.any(np.isfinite(norm)) else 0.0
            line = np.exp(middle - self.growth.exponent * (self.growth.time - self.growth.time.mean()))
            axes.plot(
                self.growth.time, line, "--", color="0.4", label=f"Lyapunov exponent {self.growth.exponent:.3g} 1/s"
            )
            axes.legend(fontsize="small")
        if np.any(np.isfinite(norm)):
            axes.set_yscale("log")


def require_plot(path: str | os.PathLike[str], owner: str) -> None:
    """Raise GenesisException where `Report.plot(path)` could not write: known before a check that takes minutes."""
    kinds = _figure(owner).canvas.get_supported_filetypes()
    file = Path(path)
    if file.is_dir():
        problem = "it is a folder; expected a file name"
    elif not file.parent.is_dir():
        problem = f"there is no folder {str(file.parent)!r}; make it first"
    elif file.suffix and file.suffix[1:].lower() not in kinds:  # without one, matplotlib writes a png
        problem = f"a figure cannot end in {file.suffix!r}; expected one of {', '.join(sorted(kinds))}"
    else:
        return
    raise GenesisException(f"{owner}: cannot write {str(file)!r}: {problem}.")


def _figure(owner: str):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise GenesisException(f"{owner} needs matplotlib: pip install matplotlib.") from None
    return Figure(figsize=(11, 4.5), layout="constrained")


def _magnitude(comparison: Comparison) -> float:
    size = max(abs(comparison.gradient), abs(comparison.difference))
    return size if math.isfinite(size) else 0.0


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Faults first, kinds in the order of KINDS."""
    return sorted(findings, key=lambda f: (not f.fault, KINDS.index(f.kind)))
