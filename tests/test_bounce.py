"""Bounce: `coup_restitution` of a material, the figures of docs/contact.md, and its gradient."""

import pytest
import torch

import genesis as gs
from genesis.model import restitution
from tests.helpers import check_gradient

# The phase of the step at the first touch moves the rebound by so much: the table in docs/contact.md.
PHASE = {0.25: 0.1, 0.5: 0.06, 0.75: 0.045, 0.9: 0.025, 1.0: 0.005}


def rebound(material, floor=None, dt=0.005, substeps=1):
    """Speed after the bounce over that before it, (n_envs,), of a ball that falls from sixteen heights."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=dt, substeps=substeps))
    scene.add_entity(gs.morphs.Plane(), floor)
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.05), material)
    scene.build(n_envs=16)
    ball.set_pos(torch.stack([torch.zeros(16), torch.zeros(16), 0.55 + 0.01 * torch.arange(16)], -1))
    velocity = scene.rollout(n_steps=round(0.6 / dt)).dofs_velocity(ball)[..., 2]
    fall, turn = velocity.min(0)
    after = [velocity[int(k) :, env].max() for env, k in enumerate(turn)]
    return torch.stack(after) / -fall


@pytest.mark.parametrize("wanted", PHASE)
@pytest.mark.parametrize(("dt", "substeps"), [(0.01, 1), (0.002, 1), (0.002, 2)])
def test_a_ball_reaches_the_figures_of_the_table(wanted, dt, substeps):
    found = rebound(gs.materials.Rigid(coup_restitution=wanted), dt=dt, substeps=substeps)
    assert (found - wanted).abs().max() < PHASE[wanted]


def test_of_two_bodies():
    bouncy, dull = gs.materials.Rigid(coup_restitution=0.9), gs.materials.Rigid(coup_restitution=0.25)
    assert (rebound(dull, floor=bouncy) - 0.25).abs().max() < PHASE[0.25]
    assert (rebound(None, floor=bouncy) - 0.9).abs().max() < PHASE[0.9]
    assert rebound(None).max() < 0.2  # MuJoCo's default, critically damped
    assert rebound(gs.materials.Rigid(coup_restitution=0.0)).max() < 0.2


def test_the_softness_that_it_is():
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.004))
    plane = scene.add_entity(gs.morphs.Plane())
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.05), gs.materials.Rigid(coup_restitution=0.5, friction=0.3))
    scene.build()
    assert ball.get_sol_params()[0, :2].tolist() == pytest.approx(restitution.solref(0.5, 0.004))
    assert ball.get_friction().tolist() == [0.3] and plane.get_friction().tolist() == [1.0]
    assert restitution.solref(1.0, 0.004)[1] == pytest.approx(0.0, abs=1e-9)
    for wrong in (-0.1, 1.5, "much"):
        with pytest.raises(gs.GenesisException, match=r"Rigid: coup_restitution="):
            gs.materials.Rigid(coup_restitution=wrong)


def test_gradient_through_a_bounce():
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.002, requires_grad=True),
        rigid_options=gs.options.RigidOptions(tolerance=0, iterations=100, ls_iterations=100),
    )
    scene.add_entity(gs.morphs.Plane())
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.05, pos=(0, 0, 0.0485)), gs.materials.Rigid(coup_restitution=0.8))
    scene.build()
    start = scene.get_state().detach()

    def run(speed, softness):  # in contact from the first step to the last: whence it comes is no kink
        scene.reset(start)
        ball.set_sol_params(softness[None])
        ball.set_dofs_velocity(torch.cat([torch.tensor([0.3, 0.0]), speed, torch.tensor([0.0, 2.0, 0.0])]))
        for _ in range(4):
            scene.step()
        return ball.get_qpos(), ball.get_dofs_velocity()

    check_gradient(run, torch.tensor([-1.0]), ball.get_sol_params()[0].detach().as_subclass(torch.Tensor), eps=1e-3)
