"""The two autograd functions through which torch and a step's kernels meet: a step, and an observation of a state.

Each saves its inputs only. Its backward pass loads them again, recomputes, and walks the stages in reverse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.errors import GenesisException
from genesis.rigid.command import Command
from genesis.rigid.door import has_tangent, is_wrapped, refuse_transforms
from genesis.rigid.executors.dynamics import Dynamics, Gradients

if TYPE_CHECKING:
    from genesis.grad.non_finite import Origin

# Names under which an observation is asked for, where they differ from the field of the work space.
_FIELD_OF = {"qM": "qM_dense"}


def refuse_double_backward(what: str, *grads: torch.Tensor | None) -> None:
    """Raise GenesisException for gradients that are to be differentiated themselves, or come in batches."""
    for grad in grads:
        if grad is None:
            continue
        if is_wrapped(grad):
            raise GenesisException(
                f"a batch of gradients (is_grads_batched=True, torch.func) cannot go through {what}: call "
                "autograd.grad for one after the other, or use torch.autograd.functional.jacobian."
            )
        if has_tangent(grad):
            raise GenesisException(
                f"a gradient with a tangent (forward-mode differentiation of a backward pass) cannot go through {what}."
            )
    if torch.is_grad_enabled():
        raise GenesisException(
            f"double backward through {what} is not supported: its gradient cannot be differentiated again. "
            "Call backward() or autograd.grad() with create_graph=False."
        )


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dynamics: Dynamics, command: Command, index: int, guess, state, theta, *blocks):
        new_state, solution = _run_step(dynamics, command, guess, state, theta, index)
        # Backward starts its constraint solver from the solution.
        save(ctx, dynamics, command, solution, state, theta, blocks)
        ctx.index = index
        if solution is None:
            return new_state
        ctx.mark_non_differentiable(solution)
        return new_state, solution

    @staticmethod
    def backward(ctx, adj_state, _adj_solution=None):
        refuse_double_backward("scene.step()", adj_state)
        dynamics = ctx.dynamics
        command, solution, state, theta = load_saved(ctx)
        with dynamics.lock:
            needs = ctx.needs_input_grad
            solution = fitting(dynamics, solution)
            gradients = dynamics.run_adjoint(theta, command, state, solution, adj_state, None, needs[5], needs[6:])
            warn_of_unconverged_solver(dynamics, gradients.unconverged, f"step {ctx.index}")

            def origin() -> Origin | None:
                from genesis.grad import non_finite

                envs = rows_not_finite(adj_state) or rows_not_finite(gradients.state) or [*range(dynamics.n_worlds)]
                return non_finite.in_step(dynamics, theta, command, state, solution, adj_state, envs, ctx.index)

            return None, None, None, None, *input_grads(dynamics, gradients, "scene.step()", origin)


class _Observe(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dynamics: Dynamics, names: tuple[str, ...], command: Command, spent, guess, state, theta, *blocks):
        ctx.names, ctx.spent = names, spent
        ctx.set_materialize_grads(False)
        save(ctx, dynamics, command, guess, state, theta, blocks)
        values = _run_observation(dynamics, names, command, guess, state, theta)
        discrete = [value for value in values if value.dtype is torch.int32]
        if discrete:
            ctx.mark_non_differentiable(*discrete)
        return values

    @staticmethod
    def backward(ctx, *grads):
        refuse_double_backward("a state getter", *grads)
        if ctx.spent is not None:
            ctx.spent()
        dynamics = ctx.dynamics
        command, guess, state, theta = load_saved(ctx)
        with dynamics.lock:
            needs = ctx.needs_input_grad
            guess = fitting(dynamics, guess)
            grads = tuple(_of_all_rows(dynamics, name, grad) for name, grad in zip(ctx.names, grads, strict=True))
            gradients = dynamics.observe_adjoint(ctx.names, theta, command, state, guess, grads, needs[6], needs[7:])
            warn_of_unconverged_solver(dynamics, gradients.unconverged, "a state getter")

            def origin() -> Origin | None:
                from genesis.grad import non_finite

                return non_finite.in_observation(ctx.names, grads, state.dim() == 3)

            return None, None, None, None, None, *input_grads(dynamics, gradients, "a state getter", origin)


def _of_all_rows(dynamics: Dynamics, name: str, grad: torch.Tensor | None) -> torch.Tensor | None:
    """The gradient of a field, zero for rows that the table of constraints had not yet when it was observed."""
    rows = dynamics.model.rows
    width = {"efc_force": rows.nefc, "efc_pos": rows.nefc, "efc_J": rows.nJ}.get(name)
    return grad if grad is None or width is None else torch.nn.functional.pad(grad, (0, width - grad.shape[-1]))


def fitting(dynamics: Dynamics, guess: torch.Tensor | None) -> torch.Tensor:
    """A guess of the solver's; none where it was recorded before ``require_constraints()``.

    To be asked for before every run, with the lock: whoever shares the model may have added constraints since the last.
    """
    dynamics.follow_model()
    if guess is None or guess.shape[-1] != dynamics.solution_size:
        return dynamics.no_solution()
    return guess


def _run_step(
    dynamics: Dynamics, command: Command, guess, state, theta, index: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    with dynamics.lock:
        guess = fitting(dynamics, guess)
        after = torch.empty_like(state)
        solution = torch.empty_like(guess) if dynamics.model.constrained else None
        outcome = dynamics.run(theta, command, state, after, guess, solution)
        if not outcome.well:
            require_slots(dynamics, outcome.crowded, "The state before is kept. ")
            raise diverged(list(outcome.diverged), "this step")
    return after, solution


def _run_observation(dynamics: Dynamics, names, command: Command, guess, state, theta) -> tuple[torch.Tensor, ...]:
    with dynamics.lock:
        values, outcome = dynamics.observe(names, theta, command, state, fitting(dynamics, guess))
        require_slots(dynamics, outcome.crowded)
    return tuple(values)


def require_slots(dynamics: Dynamics, crowded: dict[int, int], consequence: str = "") -> None:
    """Raise if an env found more contacts than it has slots for; see `Outcome`."""
    if not crowded:
        return
    env, needed = next(iter(crowded.items()))
    raise GenesisException(
        f"env {env} has {needed} contacts at once and room for {dynamics.model.nconmax}. {consequence}"
        f"Set RigidOptions(max_contacts={2 * needed}) or so when the scene is made."
    )


def require_slots_of_cuda(dynamics: Dynamics) -> None:
    """Raise if contacts were lost since this was last asked; it waits for the device. On the CPU they never are."""
    if dynamics.device.type == "cuda":
        require_slots(dynamics, dynamics.lost_contacts(), "The state since then is wrong: reset the scene. ")


def save(ctx, dynamics: Dynamics, command: Command, guess, state, theta, blocks) -> None:
    """Keep the inputs: tensors through autograd, which frees them with the graph, the command's structure directly."""
    ctx.dynamics = dynamics
    ctx.switches = command.switches
    ctx.block_keys, ctx.sequences = tuple(command.blocks), command.sequences
    ctx.save_for_backward(guess, state, theta, *blocks)


def load_saved(ctx) -> tuple[Command, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The command, guess, state and parameters that were saved."""
    try:
        guess, state, theta, *blocks = ctx.saved_tensors
    except RuntimeError as error:
        if "a second time" not in str(error):  # torch's own words for what an earlier backward pass has freed
            raise
        raise GenesisException(
            "backward reached a step or getter whose graph an earlier backward pass has freed. The present state "
            "still hangs on it: call scene.reset() or scene.detach() after each backward pass, or the earlier "
            f"backward() with retain_graph=True. (Torch: {error})"
        ) from None
    blocks = dict(zip(ctx.block_keys, blocks, strict=True))
    return Command(ctx.switches, blocks, ctx.sequences), guess, state, theta


def input_grads(
    dynamics: Dynamics, gradients: Gradients, what: str, origin: Callable[[], Origin | None] | None = None
) -> tuple:
    """Gradients of (state, theta, *blocks). ``origin`` finds out, slowly, where one stopped being finite."""
    if dynamics.device.type == "cpu":
        _warn_of_non_finite_gradient(dynamics, gradients, what, origin)
    return gradients.state, gradients.theta, *gradients.blocks


def rows_not_finite(values: torch.Tensor) -> list[int]:
    """Envs whose row holds NaN or infinity. On CUDA this would wait for the device, so it is asked on the CPU only."""
    if math.isfinite(values.sum().item()):
        return []
    finite = torch.isfinite(values).all(-1)
    return torch.nonzero(~(finite.all(0) if finite.dim() == 2 else finite)).flatten().tolist()


def _warn_of_non_finite_gradient(
    dynamics: Dynamics, gradients: Gradients, what: str, origin: Callable[[], Origin | None] | None
) -> None:
    if dynamics.warned_of_gradient or gradients.finite:
        return
    rows = rows_not_finite(gradients.state)
    if not rows and (gradients.theta is None or not rows_not_finite(gradients.theta)):
        return
    warn_of_non_finite_gradient(dynamics, what, rows, origin)


def warn_of_non_finite_gradient(
    dynamics: Dynamics, what: str, envs: list[int], origin: Callable[[], Origin | None] | None
) -> None:
    """Say once per scene that a gradient is NaN or infinite, and where it became so.

    Such a gradient is passed on: what it is summed into becomes NaN as well, so that nobody takes the rest for the
    whole. Envs do not share anything in the step itself, so the others' gradients are not touched.
    """
    dynamics.warned_of_gradient = True  # before the diagnosis, which runs adjoints itself
    found = None
    if origin is not None:
        try:
            found = origin()
        except Exception as error:  # a diagnosis that fails must not end the backward pass that it is about
            runtime.logger.debug("the origin of a gradient that is not finite could not be found: %r", error)
    place = f"{found}" if found is not None else f"the state's, in env(s) {envs[:8]}" if envs else "the parameters'"
    runtime.logger.warning(
        f"a gradient is NaN or infinite in the backward pass of {what} ({place}). It is passed on. Either the loss has "
        "such a gradient itself, or the horizon is too long for it: shorten it, or cut the graph with scene.detach(). "
        "gs.grad.check(loss, inputs) says more. This is said once per scene."
    )


def warn_of_unconverged_solver(dynamics: Dynamics, envs: list[int], what: str) -> None:
    """Say once per scene that a gradient was taken at a point that is not the constraint solver's solution."""
    if dynamics.warned_of_solver or not envs:
        return
    dynamics.warned_of_solver = True
    runtime.logger.warning(
        f"the constraint solver did not converge in the backward pass of {what}, env(s) {envs[:8]}: the gradient there "
        "is approximate. Raise RigidOptions(iterations=...), or soften the contacts (solref). This is said once per "
        "scene."
    )


def diverged(rows: list[int], when: str) -> GenesisException:
    return GenesisException(
        f"the simulation diverged: after {when} the state of env(s) {rows[:8]} holds NaN or infinite values, or "
        f"positions, velocities or accelerations beyond {LARGEST_STATE:g}. "
        "The state before is kept; scene.reset(envs_idx=...) starts these envs anew. Use a smaller dt (when "
        "the scene was built, the log said which one its model files were made for) or more substeps, smaller forces "
        "or gains, or the implicitfast integrator; a joint that moves neither mass, "
        "nor inertia, nor armature diverges at once."
    )


def _require_finite_acceleration(qacc: torch.Tensor) -> None:
    if rows := rows_not_finite(qacc.detach()):
        raise GenesisException(
            f"forces and accelerations of env(s) {rows[:8]} are NaN or infinite at the present state: a joint moves "
            "neither mass, nor inertia, nor armature, or the state or a force is beyond what numbers can hold."
        )


def step(
    dynamics: Dynamics,
    state: torch.Tensor,
    theta: torch.Tensor,
    command: Command,
    guess: torch.Tensor | None,
    record: bool,
    index: int = 0,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """State after one step, and the constraint solver's solution, which the next step may be given as its guess
    (None: there are no constraints).

    Args:
        guess: (N, evaluations * nv) or None; it saves the solver iterations and has no gradient
        state: (N, nq + nv + na)
        theta: packed parameters, (1, ntheta) or (N, ntheta)
        command: controls in force during the step
        record: whether to record a node of the autograd graph
        index: of the step, for messages

    Raises:
        GenesisException: the new state is not finite, or an env has more contacts than slots (CPU only: on CUDA this
            would wait for the device); in backward, if the gradient itself is asked to be differentiable.
    """
    refuse_transforms("scene.step()")
    if record and torch.is_grad_enabled():
        result = _Step.apply(dynamics, command, index, guess, state, theta, *command.blocks.values())
        return result if isinstance(result, tuple) else (result, None)
    with torch.no_grad():
        return _run_step(dynamics, command, guess, state, theta, index)


def observe(
    dynamics: Dynamics,
    names: tuple[str, ...],
    state: torch.Tensor,
    theta: torch.Tensor,
    command: Command,
    guess: torch.Tensor | None,
    record: bool,
    spent: Callable[[], None] | None = None,
) -> tuple[torch.Tensor, ...]:
    """Quantities of a state, as one node of the graph.

    ``state``: (N, nq + nv + na), or several of each env, (T, N, ...); then each quantity has that axis too.
    ``names``: any of xpos (N, nbody, 3), xquat (N, nbody, 4), xipos (N, nbody, 3), xvel (N, nbody, 6), xacc
    (N, nbody, 6), qM (N, nv, nv), xjac (N, nbody, 6, nv), body_energy (N, nbody, 2), dof_energy (N, nv, 2),
    qfrc_command, qfrc_smooth, qfrc_total, qacc (N, nv), con_dist (N, nconmax), con_pos (N, nconmax, 3), con_frame
    (N, nconmax, 9), con_force (N, nconmax, maxcondim), con_adhesion (N, nconmax, 1 or 0), and without gradient ncon
    (N,), con_pair (N, nconmax); see :mod:`genesis.rigid.pipeline.step` for what each is, and for those of tendons,
    actuators and rows of constraints.
    ``spent`` is called when a backward pass goes through the node, which frees what the node has saved.
    """
    refuse_transforms("a state getter")
    fields = tuple(_FIELD_OF.get(name, name) for name in names)
    if record and torch.is_grad_enabled():
        outputs = _Observe.apply(dynamics, fields, command, spent, guess, state, theta, *command.blocks.values())
    else:
        with torch.no_grad():
            outputs = _run_observation(dynamics, fields, command, guess, state, theta)
    if "qacc" in names and dynamics.device.type == "cpu":
        _require_finite_acceleration(outputs[names.index("qacc")])
    return tuple(_shape(dynamics, name, value) for name, value in zip(names, outputs, strict=True))


def _shape(dynamics: Dynamics, name: str, value: torch.Tensor) -> torch.Tensor:
    if name == "ncon":
        return value[..., 1]
    if name == "xjac":
        return value.unflatten(-2, (dynamics.nbody, 6))
    return value
