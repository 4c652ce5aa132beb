"""Inputs whose gradient is not what differences say: where it goes wrong, and whether a graph is missing there."""

from __future__ import annotations

import torch

from genesis.doctor import graph as check_graph
from genesis.doctor import report as report
from genesis.doctor.context import Context, listed
from genesis.doctor.places import Boundary, Locator
from genesis.doctor.report import Finding, InputCheck


def disagreements(context: Context, explained: set[str]) -> list[Finding]:
    """Of inputs that are wrong, or without any effect unless they are among those that are ``explained`` already."""
    wrong = {name: check for name, check in context.checks.items() if check.wrong}
    found: list[Finding] = []
    for name, check in context.checks.items():
        flat = not check.gradient.any() and all(c.verdict == report.OK for c in check.comparisons)
        if flat and name not in explained and name not in wrong:
            why = "no graph leads to it" if not check.reached else "its gradient is zero"
            found.append(
                Finding(
                    report.NO_EFFECT,
                    f"{name}: {why}, and the loss does not change with it.",
                    "Check that the loss reads it, and that it acts: a gain matters under position control only, an "
                    "actuator after control_actuators, a force within its range.",
                    fault=False,
                    inputs=(name,),
                )
            )
    unreached = {name for name, check in wrong.items() if not check.reached}
    found += [_unreached(context, name, wrong[name]) for name in sorted(unreached)]
    rest = tuple(name for name in wrong if name not in unreached)
    if rest:
        found.append(_located(context, rest))
    return found


def _worst(context: Context, names: tuple[str, ...]) -> str:
    worst = max(
        ((name, c) for name in names for c in context.checks[name].wrong),
        key=lambda pair: abs(pair[1].gradient - pair[1].difference),
    )
    name, c = worst
    ratio = f", {c.gradient / c.difference:.4g} times" if c.difference else ""
    return f"{name} {c.place}: gradient {c.gradient:.6g}, difference {c.difference:.6g} +- {c.error:.1g}{ratio}"


def _unreached(context: Context, name: str, check: InputCheck) -> Finding:
    """The loss changes with it, and no graph leads to it."""
    leaf = id(context.inputs[name])
    steps = context.motion.steps
    reaching = [
        k for k, s in enumerate(steps) if leaf in check_graph.leaves_of(s.state, s.theta, *s.command.blocks.values())
    ]
    if not reaching:
        text = "it is read as numbers before it reaches the scene"
        step = None
        advice = (
            "Somewhere between the input and the setter or control call stands detach(), .data, .item(), float(), "
            "numpy, "
            "torch.tensor(...) of it, or torch.no_grad(); or the loss is computed with one of them. Hand the tensor "
            "itself on."
        )
    else:
        last = reaching[-1]
        # Its graph goes through step after step until one begins anew from numbers.
        text = f"its graph is cut after step {last}" if last < len(steps) - 1 else "its graph ends with the last step"
        step = last
        advice = (
            "Look for scene.detach(), reset(state.detach()), a setter that was given numbers, or torch.no_grad() there."
            if last < len(steps) - 1
            else "The loss reads the state as numbers: detach(), .data, .item(), float(), numpy or torch.no_grad()."
        )
    return Finding(
        report.DETACHED,
        f"the loss changes with {name} (by {check.wrong[0].difference:.4g} per unit of {check.wrong[0].place}), and "
        "no "
        f"graph leads to it: {text}.",
        advice,
        inputs=(name,),
        step=step,
    )


def _cuts(context: Context) -> list[int]:
    """Steps that begin, as numbers, from what the step before has left with a graph."""
    found = []
    steps = context.motion.steps
    for k in range(1, len(steps)):
        before, step = steps[k - 1], steps[k]
        if (
            before.after.requires_grad
            and not step.had_graph
            and torch.equal(before.after.detach(), step.state.detach())
        ):
            found.append(k)
    return found


def _located(context: Context, names: tuple[str, ...]) -> Finding:
    text = f"{', '.join(names)} disagree{'s' * (len(names) == 1)} with differences ({_worst(context, names)})."
    cuts = _cuts(context)
    if cuts:
        return Finding(
            report.DETACHED,
            f"{text} The graph is cut before step {listed(cuts)}: the state there is that of the step before, "
            "without its "
            "graph.",
            "scene.detach(), reset(state.detach()) or a setter that is given numbers does that. If it is meant "
            "(truncated "
            "backpropagation), the gradient is that of the steps after it only.",
            inputs=names,
            step=cuts[-1],
        )
    steps = context.motion.steps
    if not steps:
        return Finding(
            report.WRONG,
            text,
            "The loss makes no step: look at the operations between the input and the loss.",
            inputs=names,
        )
    locator = Locator(context.evaluator, context.scene, steps, context.motion.gradients, context.noise, context.rtol)
    boundary = locator.find()
    kind, place, advice, step = _explained(context, locator, boundary)
    detached = _detached_parts(context, names)
    if detached:
        kind = report.DETACHED
        where = "; ".join(detached)
        place += f" With the graph that is left out at {where} the gradient agrees with differences."
        advice = (
            "A part of the loss has no graph there: hand the tensor itself on. If that is meant (a baseline, a target "
            "that is to stay), the gradient is that of the rest, and differences see all of it."
        )
    return Finding(kind, f"{text} {place}", advice, inputs=names, step=step)


def _detached_parts(context: Context, names: tuple[str, ...]) -> list[str]:
    """Where the program calls detach() or .data, if the gradients of these inputs are right without; else none."""
    wrong = [(name, c) for name in names for c in context.checks[name].wrong if c.index is not None]
    if not wrong:
        return []
    tensors = {name: context.inputs[name] for name in names}
    try:
        with check_graph.Released() as released:
            value = context.evaluator.with_graph()
        if not released.sources or not value.requires_grad:
            return []
        found = torch.autograd.grad(value, list(tensors.values()), allow_unused=True)
    except RuntimeError:  # the program cannot do without: it writes into the tensor, say
        return []
    gradients = dict(zip(tensors, found, strict=True))
    for name, c in wrong:
        gradient = gradients[name]
        slope = 0.0 if gradient is None else float(gradient[c.index])
        if abs(slope - c.difference) > 2.0 * c.error + context.rtol * abs(c.difference):
            return []
    return released.sources


_READS_NUMBERS = (
    "The program computes it from the state through detach(), .data, .item(), numpy, a comparison, or under "
    "torch.no_grad(). Hand the tensor itself on, if the gradient is to see it."
)


def _explained(context: Context, locator: Locator, boundary: Boundary) -> tuple[str, str, str, int | None]:
    """(kind, where, advice, step) of a boundary."""
    wrong, right, n = boundary.wrong, boundary.right, len(context.motion.steps)
    values = f"(gradient {boundary.gradient:.6g}, difference {boundary.difference:.6g})"
    if wrong is None:
        return (
            report.WRONG,
            "The gradients with respect to the states are right at every step, from the first on: the fault is "
            "between the "
            "input and the scene.",
            "Look at what is computed from the input before it is handed to the scene (an autograd.Function of your "
            "own, "
            "detach() in a part of it). If there is nothing, it is this engine's: please report it.",
            None,
        )
    if right is None:
        if boundary.gradient == 0.0:
            return (
                report.DETACHED,
                f"The loss reads the state after the last step, {n - 1}, as numbers {values}.",
                "Look for detach(), .data, .item(), float(), numpy or torch.no_grad() in what the loss computes from "
                "it.",
                n - 1,
            )
        return (
            report.WRONG,
            f"The gradient is wrong already with respect to the state after the last step, {n - 1} {values}: the "
            "fault is "
            "in what the loss computes from the states, not in the simulation.",
            "Check the derivative of each operation there, above all of an autograd.Function of your own "
            "(torch.autograd.gradcheck).",
            n - 1,
        )
    if wrong.entering:
        return (
            report.WRONG,
            f"It is right with respect to the result of step {wrong.step} and wrong with respect to its state "
            f"{values}: "
            "the fault is in the gradient of that step.",
            "If a warning says that the constraint solver did not converge, raise RigidOptions(iterations=...). Else "
            "it is "
            "this engine's fault: please report it with the scene.",
            wrong.step,
        )
    changed = locator.numbers_that_change(boundary)
    if changed is not None:
        return (
            report.DETACHED,
            f"Since step {wrong.step}: {changed} follows the state after step {wrong.step}, and no graph says so "
            f"{values}.",
            _READS_NUMBERS,
            wrong.step,
        )
    if boundary.gradient == 0.0:
        return (
            report.DETACHED,
            f"Since step {wrong.step}: what the program computes from the state after it has no graph to it {values}.",
            _READS_NUMBERS,
            wrong.step,
        )
    return (
        report.WRONG,
        f"It is right from step {wrong.step + 1} on and wrong with respect to the state after step {wrong.step} "
        f"{values}: "
        "the fault is in what the program computes from that state.",
        "Check the derivative of each operation there, above all of an autograd.Function of your own, and whether a "
        "part "
        "of it is detached.",
        wrong.step,
    )
