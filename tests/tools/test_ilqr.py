"""The parts of iLQR (quadratic program with bounds, backward pass) against dense solutions, and the whole on a cart-pole."""

import itertools

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.tools.trajectory_optimization.box_qp import _projected_newton, solve_box_qp
from genesis.tools.trajectory_optimization.cost import Expansion
from genesis.tools.trajectory_optimization.direct import value_and_gradient
from genesis.tools.trajectory_optimization.problem import Problem
from genesis.tools.trajectory_optimization.riccati import backward_pass

CART_POLE = """<mujoco><option timestep="0.02" integrator="implicitfast"/><worldbody>
<body name="cart"><joint name="slide" type="slide" axis="1 0 0" damping="0.1"/>
<geom type="box" size=".1 .05 .05" mass="1" contype="0" conaffinity="0"/>
<body name="pole"><joint name="hinge" type="hinge" axis="0 1 0" damping="0.002"/>
<geom type="capsule" fromto="0 0 0 0 0 -.5" size=".02" mass=".1" contype="0" conaffinity="0"/></body></body>
</worldbody><actuator><motor joint="slide" ctrllimited="true" ctrlrange="-20 20"/></actuator></mujoco>"""


def random_box_qp(rng, n):
    root = rng.normal(size=(n, n))
    width = rng.uniform(0.05, 1.0, n)
    center = 0.5 * rng.normal(size=n)
    return root @ root.T + 0.1 * np.eye(n), rng.normal(size=n), center - width, center + width


@pytest.mark.parametrize("solve", [solve_box_qp, _projected_newton])
def test_box_qp_meets_the_optimality_conditions(solve):
    """Convex: the conditions of Karush, Kuhn and Tucker hold at the minimum and nowhere else."""
    rng = np.random.default_rng(0)
    n_clamped = 0
    for trial in range(200):
        hessian, gradient, lower, upper = random_box_qp(rng, 1 + trial % 8)
        x, free = solve(hessian, gradient, lower, upper)
        slope = gradient + hessian @ x
        assert (x >= lower).all()
        assert (x <= upper).all()
        assert np.abs(slope[free]).max(initial=0.0) < 1e-8 * np.abs(gradient).max()
        for i in np.flatnonzero(~free):
            n_clamped += 1
            assert (x[i] == lower[i] and slope[i] >= 0.0) or (x[i] == upper[i] and slope[i] <= 0.0)
    assert n_clamped > 100


def test_box_qp_without_bounds_is_a_linear_system():
    rng = np.random.default_rng(1)
    hessian, gradient, _, _ = random_box_qp(rng, 5)
    x, free = solve_box_qp(hessian, gradient, np.full(5, -np.inf), np.full(5, np.inf))
    assert free.all()
    np.testing.assert_allclose(x, -np.linalg.solve(hessian, gradient), rtol=1e-12)


def random_problem(rng, n_steps, ndx, nu):
    root = rng.normal(size=(n_steps, ndx + nu, ndx + nu))
    final = rng.normal(size=(ndx, ndx))
    hessian = root @ root.swapaxes(1, 2) + 0.1 * np.eye(ndx + nu)
    expansion = Expansion(rng.normal(size=(n_steps, ndx + nu)), hessian, rng.normal(size=ndx), final @ final.T)
    A = np.eye(ndx) + 0.2 * rng.normal(size=(n_steps, ndx, ndx))
    return expansion, A, rng.normal(size=(n_steps, ndx, nu)), 0.3 * rng.normal(size=(n_steps, ndx))


def dense_solution(expansion, A, B, gaps):
    """The same problem as one linear system for (du, dx, multipliers), dx_0 = 0."""
    n_steps, ndx, nu = B.shape
    n = ndx + nu
    size = n_steps * n + ndx
    H, g = np.zeros((size, size)), np.zeros(size)
    for t in range(n_steps):
        place = slice(t * n, (t + 1) * n)
        H[place, place], g[place] = expansion.hessian[t], expansion.gradient[t]
    H[-ndx:, -ndx:], g[-ndx:] = expansion.final_hessian, expansion.final_gradient
    C, c = np.zeros(((n_steps + 1) * ndx, size)), np.zeros((n_steps + 1) * ndx)
    C[:ndx, :ndx] = np.eye(ndx)
    for t in range(n_steps):
        rows = slice((t + 1) * ndx, (t + 2) * ndx)
        C[rows, t * n : t * n + n] = -np.concatenate([A[t], B[t]], 1)
        C[rows, (t + 1) * n : (t + 1) * n + ndx] = np.eye(ndx)
        c[rows] = gaps[t]
    zero = np.zeros((len(c), len(c)))
    z = np.linalg.solve(np.block([[H, C.T], [C, zero]]), np.concatenate([-g, c]))[:size]
    value = float(g @ z + 0.5 * z @ H @ z)
    return z[:-ndx].reshape(n_steps, n)[:, ndx:], value


@pytest.mark.parametrize("with_gaps", [False, True])
def test_backward_pass_solves_the_linear_quadratic_problem(with_gaps):
    n_steps, ndx, nu = 7, 5, 2
    expansion, A, B, gaps = random_problem(np.random.default_rng(2), n_steps, ndx, nu)
    gaps = gaps if with_gaps else np.zeros_like(gaps)
    free = np.full((n_steps, nu), np.inf)
    policy = backward_pass(expansion, A, B, 0.0, -free, free, gaps if with_gaps else None)
    expected, value = dense_solution(expansion, A, B, gaps)
    dx = np.zeros(ndx)
    for t in range(n_steps):
        du = policy.feedforward[t] + policy.gains[t] @ dx
        np.testing.assert_allclose(du, expected[t], rtol=1e-8, atol=1e-10)
        dx = A[t] @ dx + B[t] @ du + gaps[t]
    if not with_gaps:
        assert policy.predicted == pytest.approx(-value, rel=1e-10)


def test_backward_pass_clamps_and_drops_the_gain():
    expansion, A, B, _ = random_problem(np.random.default_rng(3), 6, 4, 2)
    bound = np.full((6, 2), 0.05)
    policy = backward_pass(expansion, A, B, 0.0, -bound, bound)
    at_bound = np.abs(policy.feedforward) == 0.05
    assert at_bound.any()
    assert (np.abs(policy.feedforward) <= 0.05).all()
    assert (policy.gains[at_bound] == 0.0).all()
    assert (np.abs(policy.gains[~at_bound]).max(-1) > 0.0).all()


def test_backward_pass_refuses_an_indefinite_model():
    expansion, A, B, _ = random_problem(np.random.default_rng(4), 3, 4, 2)
    expansion.hessian[1, 4:, 4:] = -1e4 * np.eye(2)
    free = np.full((3, 2), np.inf)
    assert backward_pass(expansion, A, B, 0.0, -free, free) is None


@pytest.fixture(scope="module")
def cart_pole(tmp_path_factory):
    path = tmp_path_factory.mktemp("cart_pole") / "cart_pole.xml"
    path.write_text(CART_POLE)
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.02))
    cart = scene.add_entity(gs.morphs.MJCF(file=path))
    scene.build()
    goal = torch.tensor([0.0, np.pi])

    def stage(trajectory, controls):
        return torch.cat([0.02 * controls, 0.05 * (trajectory.qpos(cart)[:-1] - goal)], -1)

    def terminal(trajectory):
        return torch.cat([20.0 * (trajectory.qpos(cart)[-1] - goal), 5.0 * trajectory.dofs_velocity(cart)[-1]], -1)

    return scene, cart, gs.tools.ResidualCost(stage=stage, terminal=terminal)


# What both methods find from zero controls, a stationary point, as the test shows.
SWING_UP_COST = 1.0925


@pytest.mark.parametrize("method", ["ilqr", "gauss-newton"])
def test_cart_pole_swings_up(cart_pole, method):
    scene, _, cost = cart_pole
    found = gs.tools.optimize_trajectory(scene, cost, 100, control="actuators", method=method, progress=False)
    assert found.converged
    assert found.cost < 1.001 * SWING_UP_COST
    np.testing.assert_allclose(found.states[-1].numpy(), [0.0, np.pi, 0.0, 0.0], atol=2e-3)
    assert float(found.controls.abs().max()) <= 20.0
    costs = [entry.cost for entry in found.history]
    if method == "ilqr":
        assert all(later <= earlier for earlier, later in itertools.pairwise(costs))
    # At a minimum the gradient of the cost vanishes, as it is found by the backward pass of the rollout.
    problem = Problem("test", scene, cost, 100, "actuators", None, None, None)
    value, gradient, _ = value_and_gradient(problem, found.controls)
    _, at_start, _ = value_and_gradient(problem, torch.zeros_like(found.controls))
    assert value == pytest.approx(found.cost, rel=1e-9)
    assert float(gradient.abs().max()) < 1e-3 * float(at_start.abs().max())


def test_tight_bounds_are_kept_and_used(cart_pole):
    scene, _, cost = cart_pole
    found = gs.tools.optimize_trajectory(
        scene, cost, 100, control="actuators", lower=-7.0, upper=7.0, max_iterations=60, progress=False
    )
    assert float(found.controls.abs().max()) <= 7.0
    assert int((found.controls.abs() == 7.0).sum()) >= 3
    assert found.cost < 0.2 * found.history[0].cost


def test_gauss_newton_starts_from_states_that_are_no_motion(cart_pole):
    """A straight line from hanging to upright, which no force produces."""
    scene, _, cost = cart_pole
    line = torch.zeros(101, 4)
    line[:, 1] = torch.linspace(0.0, np.pi, 101)
    found = gs.tools.optimize_trajectory(
        scene, cost, 100, control="actuators", method="gauss-newton", initial_states=line, progress=False
    )
    assert found.converged
    assert found.history[0].gap > 0.1
    assert found.history[-1].gap < 1e-4
    np.testing.assert_allclose(found.states[-1].numpy(), [0.0, np.pi, 0.0, 0.0], atol=5e-3)


def test_policy_holds_what_open_loop_control_loses(cart_pole):
    """From a start that is off, the gains bring the pole up; the controls alone do not."""
    scene, _, cost = cart_pole
    found = gs.tools.optimize_trajectory(scene, cost, 100, control="actuators", progress=False)
    offset = torch.tensor([0.01, 0.02, 0.0, 0.0])
    ends = {}
    for feedback in (True, False):
        x = found.states[0] + offset
        for t in range(100):
            u = found.policy(t, x) if feedback else found.controls[t]
            x = found._system.rollout(x, u.view(1, 1, 1))[1, 0].detach()
        ends[feedback] = float((x - found.states[-1]).norm())
    assert ends[True] < 0.1 * ends[False]
