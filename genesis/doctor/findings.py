"""From what a check has seen to what is said about it: faults by name, each with what to do."""

from __future__ import annotations

import math

import numpy as np
import torch

from genesis import runtime
from genesis.doctor import contacts as check_contacts
from genesis.doctor import graph as check_graph
from genesis.doctor import growth as check_growth
from genesis.doctor import report as report
from genesis.doctor.context import Context
from genesis.doctor.disagreements import disagreements
from genesis.doctor.places import Place
from genesis.doctor.report import Comparison, Finding
from genesis.doctor.saturation import saturated
from genesis.grad import bridge, non_finite

# Growth of a small change over the motion from which on the horizon is called too long: a gradient in 32 bits keeps not
# one digit (rounding of 1.2e-7 has grown to 0.1), and one in 64 bits holds within a millionth of the state's size only.
CHAOTIC = 1.0e6
_SENSITIVE = 1.0e3  # growth that is mentioned
# Relative, that two calls of the loss may differ: what the constraint solver leaves.
_REPEATS = {"64": 1.0e-12, "32": 1.0e-4}


def findings(
    context: Context,
    switched: dict[str, list[check_contacts.Switch]],
    bends: dict[str, tuple[Comparison, list[check_contacts.Switch]]],
    jumps: dict[str, tuple[Comparison, list[check_contacts.Switch]]],
) -> list[Finding]:
    """All of them, in no order."""
    found = [*_not_reproducible(context), *_not_finite(context)]
    if not math.isfinite(context.loss):
        return found
    found += _chaos(context)
    found += _switches(context, switched, bends)
    found += _jumps(context, jumps)
    flat = saturated(context)
    found += flat
    found += disagreements(context, {name for finding in flat if finding.fault for name in finding.inputs})
    if not context.motion.steps:
        context.remarks.append(
            "the loss makes no step of this scene, so its simulation was not checked; if the loss steps another scene, "
            "pass that one as `scene=`"
        )
    for name, check in context.checks.items():
        if check.undecided and name not in jumps and not check.at_kink:
            context.remarks.append(f"no difference of {name} was accurate enough to judge its gradient")
    return found


# -- each kind --------------------------------------------------------------------------------------------------------


def _not_reproducible(context: Context) -> list[Finding]:
    if not math.isfinite(context.loss) or context.again == context.loss:
        return []
    if abs(context.again - context.loss) <= _REPEATS[runtime.precision] * max(abs(context.loss), 1.0):
        return []
    return [
        Finding(
            report.RANDOM,
            f"two calls of the loss with the same inputs and random numbers give {context.loss:.9g} and "
            f"{context.again:.9g}: differences mean nothing.",
            "Reset the scene at the beginning of the loss, and change nothing outside of it that it reads.",
        )
    ]


def _not_finite(context: Context) -> list[Finding]:
    if not math.isfinite(context.loss):
        return [
            Finding(
                report.NAN,
                f"the loss itself is {context.loss}.",
                "Look at what it computes from the state: a division by zero, the logarithm or root of a negative "
                "number.",
            )
        ]
    seen = context.motion.non_finite
    bad = tuple(name for name, check in context.checks.items() if not np.isfinite(check.gradient).all())
    if seen is None and not bad:
        return []
    if seen is None:
        return [
            Finding(
                report.NAN,
                "the gradient is NaN or infinite, and arrives so from the loss.",
                "Look at what the loss computes from the state.",
                inputs=bad,
            )
        ]
    for k, step in enumerate(context.motion.steps):
        if step.after.grad_fn is seen.node and seen.node is not None:
            return [_not_finite_in_step(context, k, seen, bad)]
    envs = seen.rows if seen.shape and seen.shape[0] == context.n_envs else ()
    if not envs:
        envs = tuple(_envs_at_places(context))
    getter = "Observe" in seen.name
    name = "a state getter" if getter else f"the operation {seen.name}"
    where = f" ({seen.source})" if seen.source else ""
    last = _step_of_source(context)
    return [
        Finding(
            report.NAN,
            f"{context.env_text(envs)}{name}{where} makes the gradient NaN or infinite"
            + (f", on the way back first seen in the state after step {last}." if last is not None else "."),
            "Its derivative is not finite there: the square root or norm of zero, a division by zero, an angle from "
            "acos(1), or a torch.where whose other branch is not finite. Keep the argument away from that point, as "
            "(x + eps).sqrt(), or choose it before the operation.",
            inputs=bad,
            envs=envs,
            step=last,
        )
    ]


def _envs_at_places(context: Context) -> list[int]:
    envs: set[int] = set()
    for gradient in context.motion.gradients.values():
        if gradient is not None:
            envs |= set(non_finite.envs_not_finite(gradient))
    return sorted(envs)


def _step_of_source(context: Context) -> int | None:
    """The last step whose result has a gradient that is not finite."""
    bad = [
        place.step
        for place, gradient in context.motion.gradients.items()
        if gradient is not None and not place.entering and not bool(torch.isfinite(gradient).all())
    ]
    return max(bad, default=None)


def _not_finite_in_step(context: Context, k: int, seen: check_graph.NonFinite, bad: tuple[str, ...]) -> Finding:
    step = context.motion.steps[k]
    envs = seen.rows if seen.shape and seen.shape[0] == context.n_envs else tuple(range(context.n_envs))
    came = context.motion.gradients.get(Place(k, False))
    dynamics = context.scene.world.dynamics
    origin = None
    if came is not None:
        with torch.no_grad(), dynamics.lock:
            solution = bridge.fitting(dynamics, step.solution)
            state, theta = step.entered.detach(), step.theta.detach()
            origin = non_finite.in_step(dynamics, theta, step.command, state, solution, came, list(envs), k)
    where = "" if origin is None else f" The adjoint of the stage {origin.stage!r} makes it so, in {origin.field!r}"
    where += f" of {origin.place}." if origin is not None and origin.place else "." if origin is not None else ""
    return Finding(
        report.NAN,
        f"{context.env_text(envs)}the gradient becomes NaN or infinite in the backward pass of step {k}.{where}",
        "Either it has grown beyond what numbers hold (see the growth below: shorten the horizon, scene.detach(), "
        "SimOptions(gradient_clip=...)), or the state there is degenerate.",
        inputs=bad,
        step=k,
        envs=envs,
    )


def _chaos(context: Context) -> list[Finding]:
    growth = context.growth
    if not check_growth.is_chaotic(growth, _SENSITIVE):
        return []
    assert growth is not None
    envs = (growth.env,) if context.n_envs > 1 else ()
    return [
        Finding(
            report.CHAOS,
            f"{context.env_text(envs)}small changes double every {growth.doubling_time:.3g} s (Lyapunov exponent "
            f"{growth.exponent:.3g} 1/s) and grow by {growth.factor:.1e} over {growth.horizon:.3g} s. The gradient is "
            "that of this motion, and says nothing about one that differs by more than the inverse of that; in 32 bits "
            f"nothing is left of it beyond {growth.horizon_of_32_bits:.3g} s.",
            "The horizon is too long for gradients: use a shorter one, several short motions from known states "
            "(multiple shooting), scene.detach() now and then, SimOptions(gradient_clip=...), or damping or feedback "
            "in the loop.",
            fault=growth.factor > CHAOTIC,
            envs=envs,
        )
    ]


def _switches(
    context: Context,
    switched: dict[str, list[check_contacts.Switch]],
    bends: dict[str, tuple[Comparison, list[check_contacts.Switch]]],
) -> list[Finding]:
    found = []
    several = context.n_envs > 1
    kinks: dict[tuple[int, str], list[str]] = {}  # the first switch -> inputs
    for name, events in switched.items():
        if any(c.verdict == report.KINK for c in context.checks[name].comparisons):
            kinks.setdefault((events[0].step, events[0].what), []).append(name)
    for names in kinks.values():
        events = switched[names[0]]
        moved = next(c for c in context.checks[names[0]].comparisons if c.verdict == report.KINK)
        listed = "; ".join(event.text(several) for event in events)
        found.append(
            Finding(
                report.SWITCH,
                f"{', '.join(names)}: a kink within the difference. However little is moved ({moved.place}), something "
                f"switches between the two sides: {listed}. The gradient is that of one side.",
                "Differences mean nothing here, and the gradient is not wrong. It knows nothing of a contact or limit "
                "that is not reached yet: begin with some distance from it or beyond it, soften it (sol_params), or "
                "smooth over several envs (gs.grad.smooth).",
                fault=False,
                inputs=tuple(names),
                step=events[0].step,
                envs=(events[0].env,) if several else (),
            )
        )
    for name, (comparison, events) in bends.items():
        listed = "; ".join(event.text(several) for event in events[:4])
        found.append(
            Finding(
                report.SWITCH,
                f"{name} {comparison.place}: the gradient {comparison.gradient:.3g} is right, and good for less than "
                "a "
                f"move of {comparison.coarse_step:.2g}, over which the loss changes by {comparison.coarse:.3g} per "
                "unit: "
                f"{listed}.",
                "Take smaller steps, or soften the contact (set_sol_params), or smooth over several envs "
                "(gs.grad.smooth).",
                fault=False,
                inputs=(name,),
                step=events[0].step,
                envs=(events[0].env,) if several else (),
            )
        )
    return found


def _jumps(context: Context, jumps: dict[str, tuple[Comparison, list[check_contacts.Switch]]]) -> list[Finding]:
    """Of losses that differ between the two sides of this very point: one for all inputs with the same cause."""
    several = context.n_envs > 1
    causes: dict[tuple[int, str] | None, list[str]] = {}
    for name, (_, events) in jumps.items():
        causes.setdefault((events[0].step, events[0].what) if events else None, []).append(name)
    found = []
    for names in causes.values():
        comparison, events = jumps[names[0]]
        if events:
            why = f"Between the two sides switches: {'; '.join(event.text(several) for event in events)}."
            advice = (
                "Begin with some distance or penetration, soften the contact (set_sol_params), or smooth over several "
                "envs (gs.grad.smooth), which sees jumps."
            )
        else:
            why = "No contact, limit or friction loss switches: the program computes the loss so."
            advice = (
                "Look for a comparison, round, sign, argmax or an if on a number of the state, and replace it with "
                "something smooth (a sigmoid), or smooth over several envs (gs.grad.smooth), which sees jumps."
            )
        found.append(
            Finding(
                report.JUMP,
                f"{', '.join(names)}: the loss jumps at this very point, by {comparison.jump:.3g} from one side to the "
                f"other however little is moved ({comparison.place}). {why} Differences do not converge there and "
                "decide nothing; the gradient is that of one side and knows nothing of the jump.",
                advice,
                fault=False,
                inputs=tuple(names),
                step=events[0].step if events else None,
                envs=(events[0].env,) if several and events else (),
            )
        )
    return found
