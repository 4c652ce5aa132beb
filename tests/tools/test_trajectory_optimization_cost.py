"""Quadratic expansions of costs against central differences in the tangent space, and what costs are refused."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.system import System
from genesis.tools.trajectory_optimization.cost import evaluate

N_STEPS = 4
# A free body with an arm on it, and a hinge of its own: quaternions and scalars side by side.
ROBOT = """<mujoco><option timestep="0.01" gravity="0 0 -9.81"/><worldbody>
<body name="base" pos="0 0 1"><freejoint/><geom type="box" size=".2 .1 .05" mass="2" contype="0" conaffinity="0"/>
<body name="arm" pos=".2 0 0"><joint name="shoulder" type="hinge" axis="0 1 0"/>
<geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" mass=".5" contype="0" conaffinity="0"/></body></body>
</worldbody></mujoco>"""


class World:
    def __init__(self, path):
        self.scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01))
        self.robot = self.scene.add_entity(gs.morphs.MJCF(file=path))
        self.scene.build()
        self.systems = {}
        system = self.rows_of(1)
        generator = torch.Generator().manual_seed(0)
        self.u = torch.randn((N_STEPS, system.nu), generator=generator)
        x0 = system.state()[0].detach()
        x0 = system.integrate(x0, 0.3 * torch.randn(system.ndx, generator=generator))
        self.x = system.rollout(x0, self.u)[:, 0].detach()

    def rows_of(self, n):
        if n not in self.systems:
            self.systems[n] = System(self.scene, n)
        return self.systems[n]

    def costs(self, cost, directions):
        """Cost at points moved by each direction (N, (T + 1) ndx + T nu)."""
        system = self.rows_of(len(directions))
        split = (N_STEPS + 1) * system.ndx
        dx = torch.as_tensor(directions[:, :split]).reshape(-1, N_STEPS + 1, system.ndx).transpose(0, 1)
        du = torch.as_tensor(directions[:, split:]).reshape(-1, N_STEPS, system.nu).transpose(0, 1)
        x = system.integrate(self.x.unsqueeze(1).expand(-1, len(directions), -1), dx)
        return evaluate(cost, system, x, self.u.unsqueeze(1) + du).numpy()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("cost") / "robot.xml"
    path.write_text(ROBOT)
    return World(path)


def flat_gradient(expansion):
    ndx = len(expansion.final_gradient)
    of_x = np.concatenate([expansion.gradient[:, :ndx], expansion.final_gradient[None]])
    return np.concatenate([of_x.ravel(), expansion.gradient[:, ndx:].ravel()])


def flat_hessian(expansion):
    ndx, n_steps = len(expansion.final_gradient), len(expansion.gradient)
    nu = expansion.gradient.shape[1] - ndx
    size = (n_steps + 1) * ndx + n_steps * nu
    H = np.zeros((size, size))
    for t in range(n_steps):
        place = [*range(t * ndx, (t + 1) * ndx), *((n_steps + 1) * ndx + t * nu + np.arange(nu))]
        H[np.ix_(place, place)] = expansion.hessian[t]
    H[n_steps * ndx : (n_steps + 1) * ndx, n_steps * ndx : (n_steps + 1) * ndx] = expansion.final_hessian
    return H


def differences(world, cost, h=1e-5):
    """Central differences of the cost: gradient."""
    size = len(flat_gradient(cost.expand(world.rows_of, world.x, world.u)))
    step = h * np.eye(size)
    return (world.costs(cost, step) - world.costs(cost, -step)) / (2.0 * h)


def second_differences(world, cost, h=1e-4):
    size = len(flat_gradient(cost.expand(world.rows_of, world.x, world.u)))
    H = np.zeros((size, size))
    step = h * np.eye(size)
    for i in range(size):
        quads = [world.costs(cost, a * step[i] + b * step) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
        H[i] = (quads[0] - quads[1] - quads[2] + quads[3]) / (4.0 * h * h)
    return H


def make_residual_cost(robot):
    reference = torch.linspace(0.0, 1.0, N_STEPS).view(-1, 1, 1)

    def stage(trajectory, controls):
        q, v = trajectory.qpos(robot)[:-1], trajectory.dofs_velocity(robot)[:-1]
        tip = trajectory.links_pos(robot)[:-1, ..., -1, :]
        return torch.cat([q - reference, 0.1 * v, 3.0 * tip, controls * v, q[..., 3:5].square()], -1)

    def terminal(trajectory):
        pose = torch.cat(
            [trajectory.links_quat(robot)[-1, ..., -1, :], trajectory.links_vel(robot)[-1, ..., -1, :]], -1
        )
        return torch.cat([5.0 * pose, trajectory.qpos(robot)[-1]], -1)

    return gs.tools.ResidualCost(stage=stage, terminal=terminal)


def test_residual_cost_has_the_gradient_of_central_differences(world):
    cost = make_residual_cost(world.robot)
    cost.check(world.rows_of, world.x, world.u)
    gradient = flat_gradient(cost.expand(world.rows_of, world.x, world.u))
    expected = differences(world, cost)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


def test_residual_cost_has_the_hessian_of_its_jacobian(world):
    """J^T J, with J from the gradients of the residuals one by one, each a cost of its own."""
    cost = make_residual_cost(world.robot)
    expansion = cost.expand(world.rows_of, world.x, world.u)
    system = world.rows_of(1)
    stage, terminal = cost._values(system.trajectory(world.x[:, None], world.u[:, None]), world.u[:, None])
    expected = np.zeros_like(flat_hessian(expansion))
    for k in range(stage.shape[-1]):
        for t in range(N_STEPS):

            def one(trajectory, controls, k=k, t=t):
                chosen = torch.zeros(N_STEPS, 1)
                chosen[t] = 1.0
                return cost.stage(trajectory, controls)[..., k] * chosen

            row = flat_gradient(gs.tools.Cost(stage=one).expand(world.rows_of, world.x, world.u))
            expected += np.outer(row, row)
    for k in range(terminal.shape[-1]):
        last = gs.tools.Cost(terminal=lambda trajectory, k=k: cost.terminal(trajectory)[..., k])
        row = flat_gradient(last.expand(world.rows_of, world.x, world.u))
        expected += np.outer(row, row)
    np.testing.assert_allclose(flat_hessian(expansion), expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())


def test_cost_of_states_and_controls_has_its_exact_hessian(world):
    """Curvature of quaternions and cross terms of states and controls included; convex, so that nothing is cut off."""
    robot = world.robot
    goal = torch.tensor([0.9, 0.3, -0.2, 0.1])
    goal = goal / goal.norm()

    def stage(trajectory, controls):
        q, v = trajectory.qpos(robot)[:-1], trajectory.dofs_velocity(robot)[:-1]
        turned = 3.0 * (1.0 - (q[..., 3:7] * goal).sum(-1).square())
        return q[..., :3].square().sum(-1) + turned + (controls + 0.3 * v).square().sum(-1) + v.square().sum(-1).exp()

    def terminal(trajectory):
        q = trajectory.qpos(robot)[-1]
        return (1.0 - (q[..., 3:7] * goal).sum(-1)) + q[..., 7].cosh()

    cost = gs.tools.Cost(stage=stage, terminal=terminal)
    cost.check(world.rows_of, world.x, world.u)
    expansion = cost.expand(world.rows_of, world.x, world.u)
    expected = differences(world, cost)
    np.testing.assert_allclose(flat_gradient(expansion), expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
    expected = second_differences(world, cost)
    # Second differences with a step of 1e-4 are good to about 1e-16 / 1e-8, times the cost.
    np.testing.assert_allclose(flat_hessian(expansion), expected, atol=1e-5 * np.abs(expected).max())


def test_cost_of_poses_has_the_generalised_gauss_newton_hessian(world):
    """Half the square of a distance: the same as the residual cost of the distance."""
    robot = world.robot

    def tip(trajectory):
        return 2.0 * (trajectory.links_pos(robot)[-1, ..., -1, :] - torch.tensor([0.1, 0.2, 0.3]))

    one = gs.tools.Cost(terminal=lambda trajectory: 0.5 * tip(trajectory).square().sum(-1))
    other = gs.tools.ResidualCost(terminal=tip)
    for a, b in zip(
        vars(one.expand(world.rows_of, world.x, world.u)).values(),
        vars(other.expand(world.rows_of, world.x, world.u)).values(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert np.abs(one.expand(world.rows_of, world.x, world.u).final_hessian).max() > 1.0


def test_an_indefinite_hessian_is_made_semidefinite(world):
    cost = gs.tools.Cost(stage=lambda trajectory, controls: (3.0 * controls).cos().sum(-1))
    expansion = cost.expand(world.rows_of, world.x, world.u)
    assert np.linalg.eigvalsh(expansion.hessian).min() > -1e-12
    expected = np.maximum(-9.0 * np.cos(3.0 * world.u.numpy()), 0.0)
    ndx = world.rows_of(1).ndx
    np.testing.assert_allclose(np.einsum("tii->ti", expansion.hessian)[:, ndx:], expected, atol=1e-10)


def test_a_cost_is_the_sum_of_its_parts(world):
    cost = make_residual_cost(world.robot)
    system = world.rows_of(1)
    trajectory = system.trajectory(world.x[:, None], world.u[:, None])
    stage, terminal = cost._values(trajectory, world.u[:, None])
    total = 0.5 * float(stage.square().sum() + terminal.square().sum())
    assert float(cost(trajectory, world.u[:, None])) == pytest.approx(total, rel=1e-12)


REFUSED = {
    "`stage` of one step depends on the state of another": dict(
        stage=lambda trajectory, controls: (trajectory.qpos()[:-1] - trajectory.qpos()[0]).square().sum(-1)
    ),
    "`stage` of one step depends on the controls of another": dict(
        stage=lambda trajectory, controls: (controls - controls.roll(1, 0)).square().sum(-1)
    ),
    "reads the last state": dict(stage=lambda trajectory, controls: trajectory.qpos()[1:].square().sum(-1)),
    "`terminal` reads other states": dict(terminal=lambda trajectory: trajectory.qpos().square().sum((0, 2))),
    r"`stage` returned shape \(5, 1\); expected \(T, N\) with T, N = 4, 1": dict(
        stage=lambda trajectory, controls: trajectory.qpos().square().sum(-1)
    ),
    r"`terminal` returned shape \(\); expected \(N,\)": dict(terminal=lambda trajectory: trajectory.qpos()[-1].sum()),
    "`stage` returned 3; expected a tensor": dict(stage=lambda trajectory, controls: 3),
    "`stage` is .*nan.* at step 2": dict(
        stage=lambda trajectory, controls: (
            (controls[..., 0] - controls[2, :, 0]) / (controls[..., 0] - controls[2, :, 0])
        )
    ),
    "`terminal` is .*inf.* at the last state": dict(
        terminal=lambda trajectory: 1.0 / (0.0 * trajectory.qpos()[-1, :, 0])
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_costs_that_are_no_sum_over_steps_are_refused(world, message):
    with pytest.raises(gs.GenesisException, match=message):
        gs.tools.Cost(**REFUSED[message]).check(world.rows_of, world.x, world.u)


@pytest.mark.parametrize("kind", [gs.tools.Cost, gs.tools.ResidualCost])
def test_a_cost_needs_functions(kind):
    with pytest.raises(gs.GenesisException, match="neither `stage` nor `terminal`"):
        kind()
    with pytest.raises(gs.GenesisException, match="`terminal` is 3; expected a function"):
        kind(terminal=3)
