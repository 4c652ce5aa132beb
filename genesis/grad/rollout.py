"""Many steps as one node of the autograd graph, with as much memory as it is allowed.

Kept are the states (and the constraint solver's solutions) after each step; that is all a backward pass needs beside
the controls, which are the caller's. Under a limit that they exceed, only every K-th is kept, with K about the square
root of the number of steps T: the backward pass runs each piece of K steps forward once more before it walks it back.
So a step is computed twice forward, however long the run, and 2 sqrt(T) states are held: for a million steps of an arm
with 7 joints 2000 states, or 200 kB. The binomial schedule of Griewank and Walther (2000, revolve) would hold fewer
states and repeat more steps; as long as two levels fit, nothing is cheaper than repeating each step once.
"""

import contextlib
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.grad import bridge
from genesis.rigid.command import Command
from genesis.rigid.door import refuse_transforms
from genesis.rigid.executors.dynamics import Dynamics

_UNITS = {"": 1} | {
    prefix + i: base ** (k + 1) for k, prefix in enumerate("kmgt") for i, base in (("", 10**3), ("i", 2**10))
}
# Env-steps that one call of the native loop makes at most, some tenths of a second: between calls Ctrl-C takes effect.
_STEPS_PER_CALL = 20_000


def read_memory_limit(value: Any, owner: str) -> int | None:
    """Bytes, from a number of bytes or text as "512MB" or "1 GiB"; None stays None.

    Raises:
        GenesisException: it is neither, or not positive.
    """
    if value is None:
        return None
    limit = 0.0
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]i?)?b?\s*", value.lower())
        if found:
            limit = float(found[1]) * _UNITS[found[2] or ""]
    elif not isinstance(value, bool):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            limit = float(value)
    if not (math.isfinite(limit) and limit >= 1):
        raise GenesisException(
            f'{owner}: `memory_limit` is {repr(value)[:60]}; expected a number of bytes, or text as "512MB" or "2GiB".'
        )
    return int(limit)


@dataclass(frozen=True)
class Plan:
    """How a run of ``n_steps`` is kept: in pieces of ``piece`` steps, of which the first state is; all states if there
    is one piece only. ``first``: number of its first step in the rollout that it belongs to."""

    n_steps: int
    piece: int
    first: int = 0

    @property
    def keeps_all(self) -> bool:
        return self.piece >= self.n_steps

    def starts(self) -> range:
        """First step of each piece."""
        return range(0, self.n_steps, self.piece)


def plan(dynamics: Dynamics, n_steps: int, limit: int | None, owner: str) -> Plan:
    """The pieces with which a run stays within ``limit`` bytes.

    Raises:
        GenesisException: it cannot; the least that is needed is named.
    """
    number = torch.empty(0, dtype=runtime.tc_float, device="cpu").element_size()
    per_state = dynamics.n_worlds * (dynamics.state_size + dynamics.solution_size) * number
    everything = (n_steps + 1) * per_state
    if limit is None and everything > _physical_memory():
        raise GenesisException(
            f"{owner}: the states of {n_steps} steps take {everything} bytes, more than this machine has. Pass "
            "`memory_limit`, with which they are not all kept."
        )
    if limit is None or everything <= limit:
        return Plan(n_steps, n_steps)
    piece = math.isqrt(n_steps - 1) + 1
    needed = (math.ceil(n_steps / piece) + piece + 1) * per_state
    if needed > limit:
        raise GenesisException(
            f"{owner}: `memory_limit` is {limit} bytes; {n_steps} steps of this scene need {needed} at least. "
            "Raise it, or cut the horizon with scene.detach()."
        )
    return Plan(n_steps, piece)


def _physical_memory() -> float:
    """Bytes; infinite where it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


class _Rollout(torch.autograd.Function):
    """(final state, every state from the first on or nothing, final solution)."""

    @staticmethod
    def forward(ctx, dynamics: Dynamics, command: Command, plan: Plan, index: int, guess, state, theta, *blocks):
        with dynamics.lock:
            final, states, solution, kept = _run(dynamics, command, plan, guess, state, theta)
        ctx.plan, ctx.index = plan, index
        ctx.set_materialize_grads(False)
        bridge.save(ctx, dynamics, command, kept[1], kept[0], theta, blocks)
        ctx.mark_non_differentiable(solution)
        return final, states, solution

    @staticmethod
    def backward(ctx, adj_final, adj_states, _adj_solution):
        bridge.refuse_double_backward("scene.rollout()", adj_final, adj_states)
        dynamics, plan = ctx.dynamics, ctx.plan
        command, solutions, states, theta = bridge.load_saved(ctx)
        needs_theta, needs_blocks = ctx.needs_input_grad[6], ctx.needs_input_grad[7:]
        if adj_states is not None and not adj_states.numel():
            adj_states = None
        with dynamics.lock:
            dynamics.follow_model()
            if solutions.shape[-1] != dynamics.solution_size:  # recorded before there were constraints
                solutions = solutions.new_zeros((*solutions.shape[:-1], dynamics.solution_size))
            totals = dynamics.totals(theta, command, needs_theta, needs_blocks, plan.n_steps)
            adj = adj_final
            unconverged: set[int] = set()
            finite = True
            if plan.keeps_all:
                piece_states, piece_solutions = states, solutions
            else:
                piece_states, piece_solutions = _buffers(dynamics, plan.piece)
            for k, first in reversed(list(enumerate(plan.starts()))):
                count = min(plan.piece, plan.n_steps - first)
                if not plan.keeps_all:
                    piece_states[0], piece_solutions[0] = states[k], solutions[k]
                    part = _piece(command, first, count)
                    _advance(dynamics, theta, part, piece_states[: count + 1], piece_solutions[: count + 1])
                for begin, end in reversed(_calls(dynamics, count)):
                    # Steps of the piece; those of the whole rollout come after `first`.
                    seed = None if adj_states is None else adj_states[first + begin + 1 : first + end + 1]
                    part = _piece(command, first + begin, end - begin)
                    steps, after = slice(begin, end), slice(begin + 1, end + 1)
                    later = adj
                    found = dynamics.run_adjoint(
                        theta,
                        part,
                        piece_states[steps],
                        piece_solutions[after],
                        later,
                        seed,
                        needs_theta,
                        needs_blocks,
                        end - begin,
                        totals,
                        first + begin,
                    )
                    adj, finite = found.state, finite and found.finite
                    unconverged |= set(found.unconverged)
                    _look_for_non_finite(
                        found.finite,
                        dynamics,
                        theta,
                        part,
                        piece_states[steps],
                        piece_solutions[after],
                        later,
                        seed,
                        adj,
                        totals.theta,
                        ctx.index + first + begin,
                    )
            if adj_states is not None:
                adj = adj + adj_states[0]
                _look_at_first(dynamics, adj_states[0], ctx.index)
                finite = False  # these have not been looked at
            gradients = dynamics.gradients(adj, totals, theta, command, needs_blocks, sorted(unconverged), finite)
            bridge.warn_of_unconverged_solver(
                dynamics,
                gradients.unconverged,
                f"a rollout from step {ctx.index} to {ctx.index + plan.n_steps - 1}",
            )
            return None, None, None, None, None, *bridge.input_grads(dynamics, gradients, "scene.rollout()")


def _look_at_first(dynamics: Dynamics, seed: torch.Tensor, index: int) -> None:
    """The same of what the loss gives to the first state, which no step has seen."""
    if dynamics.warned_of_gradient or dynamics.device.type != "cpu":
        return
    if rows := bridge.rows_not_finite(seed):
        from genesis.grad import non_finite

        bridge.warn_of_non_finite_gradient(
            dynamics,
            "scene.rollout()",
            rows,
            lambda: non_finite.Origin(rows[0], None, "state", "the first state", index),
        )


def _look_for_non_finite(
    finite: bool,
    dynamics: Dynamics,
    theta: torch.Tensor,
    command: Command,
    states: torch.Tensor,
    solutions: torch.Tensor,
    later: torch.Tensor | None,
    seed: torch.Tensor | None,
    adj: torch.Tensor,
    adj_theta: torch.Tensor | None,
    first: int,
) -> None:
    """Warn, once per scene, of a gradient that these steps have left NaN or infinite, and say in which of them.

    On CUDA this would wait for the device, so it is asked on the CPU only.
    """
    if dynamics.warned_of_gradient or dynamics.device.type != "cpu" or finite:
        return
    from genesis.grad import non_finite

    def origin() -> non_finite.Origin | None:
        return non_finite.in_rollout(
            dynamics, theta, command, states, solutions, later, seed, first, adj_theta is not None
        )

    rows = bridge.rows_not_finite(adj)
    if rows or (adj_theta is not None and bridge.rows_not_finite(adj_theta)):
        bridge.warn_of_non_finite_gradient(dynamics, "scene.rollout()", rows, origin)


def split_off_first_step(
    command: Command, plan: Plan, after_step: Callable[[Command], Command]
) -> list[tuple[Command, Plan]]:
    """The first step; and the others, under what of the command is left `after_step`."""
    rest = after_step(_piece(command, 1, plan.n_steps - 1))
    left = plan.n_steps - 1
    return [
        (_piece(command, 0, 1), Plan(1, 1)),
        (rest, Plan(left, min(plan.piece, left), 1)),
    ]


def split_off_last_steps(command: Command, plan: Plan, count: int) -> list[tuple[Command, Plan]]:
    """The other steps, if there are any; and the last `count`, of which every state is kept."""
    count = min(count, plan.n_steps)
    left = plan.n_steps - count
    last = _piece(command, left, count), Plan(count, count, plan.first + left)
    return [(_piece(command, 0, left), Plan(left, min(plan.piece, left), plan.first)), last] if left else [last]


def command_of_step(command: Command, t: int) -> Command:
    """A copy of the commands of one step."""
    blocks = {key: (block[t] if key in command.sequences else block).clone() for key, block in command.blocks.items()}
    return Command(command.switches, blocks)


def _buffers(dynamics: Dynamics, n_steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    n, dtype, device = dynamics.n_worlds, runtime.tc_float, dynamics.device
    states = torch.empty((n_steps + 1, n, dynamics.state_size), dtype=dtype, device=device)
    return states, torch.empty((n_steps + 1, n, dynamics.solution_size), dtype=dtype, device=device)


def _calls(dynamics: Dynamics, n_steps: int) -> list[tuple[int, int]]:
    """First and end of the steps of each call."""
    size = max(1, _STEPS_PER_CALL // dynamics.n_worlds)
    return [(begin, min(begin + size, n_steps)) for begin in range(0, n_steps, size)]


def _advance(
    dynamics: Dynamics,
    theta: torch.Tensor,
    command: Command,
    states: torch.Tensor,
    solutions: torch.Tensor,
    first: int = 0,
) -> None:
    """From the first row of both to all others."""
    for begin, end in _calls(dynamics, states.shape[0] - 1):
        part = _piece(command, begin, end - begin)
        at, after = slice(begin, end), slice(begin + 1, end + 1)
        outcome = dynamics.run(theta, part, states[at], states[after], solutions[begin], solutions[after], end - begin)
        if not outcome.well:
            bridge.require_slots(dynamics, outcome.crowded, "The state before the rollout is kept. ")
            good = min(outcome.diverged.values())
            rows = [row for row, count in outcome.diverged.items() if count == good]
            raise bridge.diverged(rows, f"step {first + begin + good + 1} of the rollout")


def _piece(command: Command, first: int, count: int) -> Command:
    """The commands of some of the steps."""
    if not command.sequences:
        return command
    blocks = {
        key: block[first : first + count] if key in command.sequences else block
        for key, block in command.blocks.items()
    }
    return Command(command.switches, blocks, command.sequences)


def _run(dynamics: Dynamics, command: Command, plan: Plan, guess, state, theta):
    """Final state, all states (or none), final solution, and (states, solutions) at the start of each piece, or all."""
    guess = bridge.fitting(dynamics, guess)
    if plan.keeps_all:
        states, solutions = _buffers(dynamics, plan.n_steps)
        states[0], solutions[0] = state, guess
        _advance(dynamics, theta, command, states, solutions, plan.first)
        return states[-1].clone(), states, solutions[-1].clone(), (states, solutions)
    n_pieces = len(plan.starts())
    kept_states, kept_solutions = _buffers(dynamics, n_pieces - 1)
    states, solutions = _buffers(dynamics, plan.piece)
    states[0], solutions[0] = state, guess
    for k, first in enumerate(plan.starts()):
        count = min(plan.piece, plan.n_steps - first)
        kept_states[k], kept_solutions[k] = states[0], solutions[0]
        part = _piece(command, first, count)
        _advance(dynamics, theta, part, states[: count + 1], solutions[: count + 1], plan.first + first)
        states[0], solutions[0] = states[count].clone(), solutions[count].clone()
    return states[0].clone(), states.new_empty(0), solutions[0].clone(), (kept_states, kept_solutions)


def rollout(
    dynamics: Dynamics,
    state: torch.Tensor,
    theta: torch.Tensor,
    command: Command,
    guess: torch.Tensor | None,
    plan: Plan,
    record: bool,
    index: int = 0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The state after ``plan.n_steps`` steps, all states from the first on, and the solver's last solution.

    Args:
        state: (N, nq + nv + na)
        theta: packed parameters, (1, ntheta) or (N, ntheta)
        command: controls in force; those of ``command.sequences`` are (T, n) or (T, N, n)
        guess: (N, solution_size) or None
        record: whether to record a node of the autograd graph
        index: of the first step, for messages

    Returns:
        (N, nq + nv + na); (T + 1, N, nq + nv + na), or nothing, (0,), if the plan does not keep them all;
        (N, solution_size)

    Raises:
        GenesisException: a state is not finite, or an env has more contacts than slots (CPU only)
    """
    refuse_transforms("a rollout")
    if record and torch.is_grad_enabled():
        return _Rollout.apply(dynamics, command, plan, index, guess, state, theta, *command.blocks.values())
    with torch.no_grad(), dynamics.lock:
        return _run(dynamics, command, plan, guess, state, theta)[:3]
