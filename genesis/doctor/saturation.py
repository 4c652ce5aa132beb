"""Where a gradient ends because a function is flat: operations of the program, and forces beyond their range."""

from __future__ import annotations

import torch

from genesis.doctor import report as report
from genesis.doctor.context import Context
from genesis.doctor.report import Finding
from genesis.grad import bridge, names

_MANY = 0.5  # share of elements without gradient from which on an operation is mentioned


def saturated(context: Context) -> list[Finding]:
    """Operations that let no gradient through: a fault if an input has none at all."""
    without = tuple(n for n, c in context.checks.items() if c.reached and not c.gradient.any())
    groups: dict[tuple[str, str], list[int]] = {}
    for flat in context.motion.flat:
        totals = groups.setdefault((flat.what, flat.source), [0, 0])
        totals[0] += flat.dead
        totals[1] += flat.total
    found = _beyond_range(context, without)
    for (what, source), (dead, total) in groups.items():
        if dead < _MANY * total:
            continue
        all_dead = dead == total
        where = f" ({source})" if source else ""
        counted = f"in all {total} elements" if all_dead else f"in {dead} of {total} elements"
        fault = all_dead and bool(without)
        found.append(
            Finding(
                report.SATURATED,
                f"{what}{where} lets no gradient through {counted} that one came to."
                + (f" The gradient of {', '.join(without)} is exactly zero." if fault else ""),
                "Its derivative is zero there: the argument is beyond its bounds, or it is a step. Widen the bounds, "
                "or use "
                "a function that saturates smoothly (tanh, softplus), or a penalty on what is beyond.",
                fault=fault,
                inputs=without if fault else (),
            )
        )
    return found


def _beyond_range(context: Context, without: tuple[str, ...]) -> list[Finding]:
    """Dofs whose commanded force is at the end of its range in every step, where an input has no gradient at all."""
    steps = context.motion.steps
    if not without or not steps:
        return []
    dynamics = context.scene.world.dynamics
    model = dynamics.model
    spec = model.theta_fields["dof_force_range"]
    clipped = None
    for step in steps:
        theta = step.theta.detach()
        bounds = theta[:, spec.offset : spec.offset + spec.size].reshape(-1, model.nv, 2)
        with torch.no_grad(), dynamics.lock:
            guess = bridge.fitting(dynamics, step.guess)
            (force,), _ = dynamics.observe(("qfrc_command",), theta, step.command, step.entered.detach(), guess)
        here = ((force <= bounds[..., 0]) | (force >= bounds[..., 1])) & (step.command.switches.mode != 0)
        clipped = here if clipped is None else clipped & here
        if not bool(clipped.any()):
            return []
    assert clipped is not None
    dofs = torch.nonzero(clipped.all(0)).flatten().tolist()
    if not dofs:
        return []
    listed = ", ".join(names.dof(model, dof) for dof in dofs)
    return [
        Finding(
            report.SATURATED,
            f"the commanded force of {listed} is at the end of its range in every step: nothing flows back to the "
            f"command. The gradient of {', '.join(without)} is exactly zero.",
            "Widen the range (set_dofs_force_range), lower the gains, or begin with smaller commands.",
            inputs=without,
        )
    ]
