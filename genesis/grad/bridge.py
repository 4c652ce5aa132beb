"""The two autograd functions through which torch and the kernels meet: a step, and an observation of a state.

Each saves its inputs only. Its backward pass loads them again, recomputes, and walks the stages in reverse.
"""

import torch

from genesis.errors import GenesisException
from genesis.rigid.command import Command
from genesis.rigid.dynamics import Dynamics

# Names under which an observation is asked for, where they differ from the field of the work space.
_FIELD_OF = {"qM": "qM_dense"}


def _refuse_double_backward(what: str) -> None:
    if torch.is_grad_enabled():
        raise GenesisException(
            f"double backward through {what} is not supported: its gradient cannot be differentiated again. "
            "Call backward() or autograd.grad() with create_graph=False."
        )


def _reduce(grad: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """Gradient of a control block: summed over envs where the block was shared by all of them."""
    return grad.sum(0) if block.dim() == 1 else grad.clone()


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dynamics: Dynamics, command: Command, state, theta, *blocks):
        dynamics.load(state, theta, command, blocks)
        dynamics.run_step()
        ctx.dynamics = dynamics
        ctx.command = _without_tensors(command)
        ctx.save_for_backward(state, theta, *blocks)
        return dynamics.state_out.clone()

    @staticmethod
    def backward(ctx, adj_state):
        _refuse_double_backward("scene.step()")
        state, theta, *blocks = ctx.saved_tensors
        ctx.dynamics.load(state, theta, ctx.command, blocks)
        ctx.dynamics.run_step_adjoint(adj_state)
        return _input_grads(ctx, blocks)


class _Observe(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dynamics: Dynamics, names: tuple[str, ...], command: Command, state, theta, *blocks):
        dynamics.load(state, theta, command, blocks)
        outputs = tuple(view.clone() for view in dynamics.run_observation(names))
        ctx.dynamics = dynamics
        ctx.names = names
        ctx.command = _without_tensors(command)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(state, theta, *blocks)
        return outputs

    @staticmethod
    def backward(ctx, *grads):
        _refuse_double_backward("a state getter")
        state, theta, *blocks = ctx.saved_tensors
        ctx.dynamics.load(state, theta, ctx.command, blocks)
        ctx.dynamics.run_observation_adjoint(ctx.names, grads)
        return None, *_input_grads(ctx, blocks)


def _without_tensors(command: Command) -> Command:
    """The command's structure; its tensors are saved by autograd, which frees them with the graph."""
    return Command(command.mode, command.actuators_on, dict.fromkeys(command.blocks))


def _input_grads(ctx, blocks):
    dynamics = ctx.dynamics
    needs = ctx.needs_input_grad[-2 - len(blocks) :]
    state = dynamics.state_in_grad.clone() if needs[0] else None
    theta = dynamics.theta_grad.clone() if needs[1] else None
    controls = [
        _reduce(grad, block) if need else None
        for grad, block, need in zip(dynamics.control_grads(ctx.command, blocks), blocks, needs[2:], strict=True)
    ]
    return None, None, state, theta, *controls


def step(dynamics: Dynamics, state: torch.Tensor, theta: torch.Tensor, command: Command, record: bool) -> torch.Tensor:
    """State after one step.

    Args:
        state: (N, nq + nv + na)
        theta: packed parameters, (1, ntheta) or (N, ntheta)
        command: controls in force during the step
        record: whether to record a node of the autograd graph

    Raises:
        GenesisException: in backward, if the gradient itself is asked to be differentiable.
    """
    blocks = tuple(command.blocks.values())
    if record and torch.is_grad_enabled():
        return _Step.apply(dynamics, command, state, theta, *blocks)
    with torch.no_grad():
        dynamics.load(state, theta, command, blocks)
        dynamics.run_step()
        return dynamics.state_out.clone()


def observe(
    dynamics: Dynamics,
    names: tuple[str, ...],
    state: torch.Tensor,
    theta: torch.Tensor,
    command: Command,
    record: bool,
) -> tuple[torch.Tensor, ...]:
    """Quantities of a state, as one node of the graph.

    ``names``: any of xpos (N, nbody, 3), xquat (N, nbody, 4), xipos (N, nbody, 3), xvel (N, nbody, 6), xacc
    (N, nbody, 6), qM (N, nv, nv), xjac (N, nbody, 6, nv), body_energy (N, nbody, 2), dof_energy (N, nv, 2),
    qfrc_command, qfrc_smooth, qacc (N, nv); see :mod:`genesis.rigid.observe` for what each is.
    """
    fields = tuple(_FIELD_OF.get(name, name) for name in names)
    blocks = tuple(command.blocks.values())
    if record and torch.is_grad_enabled():
        outputs = _Observe.apply(dynamics, fields, command, state, theta, *blocks)
    else:
        with torch.no_grad():
            dynamics.load(state, theta, command, blocks)
            outputs = tuple(view.clone() for view in dynamics.run_observation(fields))
    return tuple(_shape(dynamics, name, value) for name, value in zip(names, outputs, strict=True))


def _shape(dynamics: Dynamics, name: str, value: torch.Tensor) -> torch.Tensor:
    if name in ("xpos", "xquat"):
        return value[:, : dynamics.nbody]
    if name == "xjac":
        return value.unflatten(1, (dynamics.nbody, 6))
    return value
