"""`SimOptions(gradient_clip=...)`: the gradient that goes from a step to the one before has at most this norm."""

import math

import pytest
import torch

import genesis as gs
from genesis.errors import GenesisException
from genesis.rigid.executors.graph import GraphDynamics
from genesis.system import System
from tests import models

T = 12
CLIP = 0.5


def ant_scene(n_envs: int, clip: float | None, integrator: str = "Euler"):
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True, gradient_clip=clip),
        rigid_options=gs.options.RigidOptions(integrator=getattr(gs.integrator, integrator)),
    )
    ant = scene.add_entity(gs.morphs.MJCF(file=models.gymnasium_asset("ant.xml"), pos=(0, 0, -0.2)))
    scene.build(n_envs=n_envs)
    return scene, ant


def controls(n_envs: int) -> torch.Tensor:
    shape = (T, n_envs, 8) if n_envs else (T, 8)
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def gradient(scene, ant, u: torch.Tensor, loop: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """By the controls and by the first velocity."""
    leaf = u.clone().requires_grad_()
    velocity = torch.zeros(*u.shape[1:-1], ant.n_dofs, requires_grad=True)
    scene.reset()
    ant.set_dofs_velocity(velocity)
    if loop:
        for row in leaf:
            ant.control_actuators(row)
            scene.step()
    else:
        scene.rollout(leaf, control="actuators")
    (ant.get_links_pos() ** 2).sum().backward()
    return leaf.grad, velocity.grad


@pytest.mark.parametrize("integrator", ["Euler", "RK4"])
@pytest.mark.parametrize("n_envs", [0, 3])
def test_the_clipped_gradient_is_that_of_clipping_between_exact_adjoints(n_envs, integrator):
    scene, ant = ant_scene(n_envs, CLIP, integrator)
    u = controls(n_envs)
    of_u, of_velocity = gradient(scene, ant, u, loop=False)

    # The same by hand, with exact steps of a system, which never clips.
    system = System(scene, max(n_envs, 1), "actuators")
    scene.reset()
    states = system.rollout(system.state(), u.reshape(T, -1, 8)).detach()
    last = states[-1].clone().requires_grad_()
    adjoint = torch.autograd.grad((system.trajectory(last[None].expand(2, -1, -1)).links_pos(ant)[0] ** 2).sum(), last)[
        0
    ]
    expected, clipped = [], 0
    for t in reversed(range(T)):
        x, row = states[t].clone().requires_grad_(), u[t].reshape(1, -1, 8).clone().requires_grad_()
        adjoint, of_row = torch.autograd.grad((system.rollout(x, row)[-1] * adjoint).sum(), (x, row))
        norm = torch.linalg.vector_norm(adjoint, dim=1, keepdim=True)
        clipped += int((norm > CLIP).sum())
        adjoint = adjoint * (CLIP / norm).clamp(max=1.0)
        expected.insert(0, of_row[0])
    assert clipped >= T  # it was at work
    torch.testing.assert_close(of_u, torch.stack(expected).reshape(u.shape), rtol=1e-9, atol=1e-12)
    of_first = adjoint[:, system.nq : system.nq + system.nv].reshape(of_velocity.shape)
    torch.testing.assert_close(of_velocity, of_first, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_envs", [0, 3])
def test_loop_and_rollout_clip_alike_bit_by_bit(n_envs):
    scene, ant = ant_scene(n_envs, CLIP)
    for one, other in zip(*(gradient(scene, ant, controls(n_envs), loop) for loop in (True, False)), strict=True):
        assert torch.equal(one, other)


def test_a_bound_that_is_never_reached_changes_no_bit():
    wide, exact = (gradient(*ant_scene(2, clip), controls(2), loop=False) for clip in (1e9, None))
    for one, other in zip(wide, exact, strict=True):
        assert torch.equal(one, other)


def test_a_gradient_that_would_overflow_stays_finite():
    """A double pendulum upright and fast, whose gradient grows by orders of magnitude within the horizon."""
    ends = {}
    for clip in (None, 10.0):
        scene = gs.Scene(
            sim_options=gs.options.SimOptions(dt=0.01, requires_grad=True, gradient_clip=clip),
            rigid_options=gs.options.RigidOptions(disable_constraint=True),
        )
        arm = scene.add_entity(gs.morphs.MJCF(file=models.gymnasium_asset("inverted_double_pendulum.xml")))
        scene.build()
        velocity = torch.tensor([0.0, 9.0, -14.0], requires_grad=True)
        arm.set_dofs_velocity(velocity)
        scene.rollout(n_steps=3000)
        arm.get_links_pos().sum().backward()
        ends[clip] = float(velocity.grad.norm())
    assert ends[10.0] <= 10.0
    assert ends[None] > 1e3 * ends[10.0]


def test_the_executor_of_gpus_clips_alike():
    scene, _ = ant_scene(3, CLIP)
    model = scene.world.model
    graphs = GraphDynamics(model, 3, torch.device("cpu"), gradient_clip=CLIP)
    rows = torch.randn(3, 29, dtype=torch.float64)
    rows[1] *= 1e-3
    rows[2] = 1.5e308  # its norm overflows, though every number is finite
    norms = torch.linalg.vector_norm(graphs._clipped(rows), dim=1)
    torch.testing.assert_close(norms[[0, 2]], torch.full((2,), CLIP, dtype=torch.float64))
    assert torch.equal(graphs._clipped(rows)[1], rows[1])


@pytest.mark.parametrize("n_envs", [0, 2])
def test_a_gradient_whose_norm_overflows_is_clipped_and_not_lost(n_envs):
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True, gradient_clip=CLIP))
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
    scene.build(n_envs=n_envs)
    velocity = torch.zeros(*([n_envs] if n_envs else []), 6, requires_grad=True)
    box.set_dofs_velocity(velocity)
    scene.rollout(n_steps=1)
    (1.5e308 * box.get_qpos()[..., :3]).sum().backward()
    assert velocity.grad[..., :3].norm(dim=-1).min() > 1e-3 * CLIP
    assert velocity.grad.norm(dim=-1).max() <= CLIP


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "wide", True, torch.tensor(True)])
def test_values_that_are_no_bound_are_refused(value):
    with pytest.raises(GenesisException, match="gradient_clip"):
        gs.options.SimOptions(gradient_clip=value)
