"""The tasks of `benchmarks/trajectory_tasks`: well posed, and what the comparison of methods counts and prints.

Budgets are small: that every task is solved, and how quickly, is what the benchmark itself says.
"""

import math

import pytest
import torch

from benchmarks.trajectory_tasks import methods, run
from benchmarks.trajectory_tasks.task import Measure, reached
from genesis.system import System

# Sums of the same numbers in another order.
ROUNDING = 1e-12
# Central differences of a hundred steps through contact, step 1e-6 of a cost that is smooth there: a wrong or missing
# term shows at 1e-2.
GRADIENT_RTOL = 1e-4


@pytest.fixture(scope="module", params=run.TASKS)
def task(request):
    return run.make(request.param)


def motion(task, controls):
    """The trajectory of candidates (T, N, nu), and the controls."""
    system = System(task.scene, controls.shape[1], task.control, task.entity)
    return system.trajectory(system.rollout(system.state().detach(), controls), controls), controls


def test_first_guess_is_allowed_and_not_a_solution(task):
    assert task.initial.shape == (task.n_steps, len(task.lower))
    assert bool(((task.initial >= task.lower) & (task.initial <= task.upper)).all())
    trajectory, controls = motion(task, task.initial[:, None])
    assert not bool(reached(task.measure(trajectory)))
    assert math.isfinite(task.cost(trajectory, controls))


def test_both_forms_of_the_cost_agree_for_candidates_side_by_side(task):
    shifted = (task.initial + 0.01 * (task.upper - task.lower)).clamp(task.lower, task.upper)
    both = torch.stack([task.initial, shifted], 1)
    trajectory, controls = motion(task, both)
    costs = task.costs(trajectory, controls)
    assert costs.shape == (2,)
    torch.testing.assert_close(task.residual_cost()(trajectory, controls), costs, rtol=ROUNDING, atol=0.0)
    torch.testing.assert_close(task.cost(trajectory, controls), costs.sum(), rtol=ROUNDING, atol=0.0)
    alone = task.costs(*motion(task, both[:, 1:].contiguous()))
    torch.testing.assert_close(alone[0], costs[1], rtol=ROUNDING, atol=0.0)
    for measure in task.measure(trajectory).values():
        assert measure.values.shape == (2,)


def test_gradient_of_the_cost(task):
    torch.manual_seed(0)
    u = task.initial[:, None].clone().requires_grad_()
    direction = torch.randn_like(u) * 0.5 * (task.upper - task.lower)
    (gradient,) = torch.autograd.grad(task.cost(*motion(task, u)), u)
    step = 1e-6
    with torch.no_grad():
        above, below = (float(task.cost(*motion(task, u + sign * step * direction))) for sign in (1, -1))
    difference = (above - below) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(difference, rel=GRADIENT_RTOL)


# Iterations, and the share of the first cost that must be left at most.
BUDGETS = {"cart-pole": (40, 0.05), "acrobot": (15, 0.5), "block": (10, 0.2), "hopper": (12, 0.5), "throw": (8, 0.8)}


def test_ilqr_makes_headway(task):
    iterations, share = BUDGETS[task.name]
    trajectory, controls = motion(task, task.initial[:, None])
    outcome = methods.solve(task, "ilqr", time_limit=60.0, max_iterations=iterations)
    assert outcome.cost < share * float(task.cost(trajectory, controls))
    assert outcome.iterations <= iterations
    assert outcome.steps > task.n_steps
    assert outcome.derivatives >= task.n_steps


def test_lbfgs_swings_up_the_cart_pole():
    outcome = methods.solve(run.make("cart-pole"), "lbfgs", time_limit=60.0)
    assert outcome.reached
    assert outcome.reached_after <= outcome.seconds
    assert all(value <= limit for value, limit, _ in outcome.measures.values())


def test_cma_es_lowers_the_cost_and_repeats_itself():
    pytest.importorskip("cma")
    task = run.make("cart-pole")
    first = float(task.cost(*motion(task, task.initial[:, None])))
    outcomes = [methods.solve(task, "cma-es", 60.0, max_iterations=10, seed=seed) for seed in (0, 0, 1)]
    assert outcomes[0].cost < 0.95 * first
    assert outcomes[0].cost == outcomes[1].cost
    assert outcomes[0].cost != outcomes[2].cost
    assert outcomes[0].derivatives == 0
    assert outcomes[0].steps == outcomes[0].iterations * methods.POPULATION * task.n_steps


def test_spline_goes_through_its_knots():
    knots = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [4.0, 3.0]]])
    controls = methods.spline(knots, 5)
    assert controls.shape == (5, 1, 2)
    torch.testing.assert_close(controls[::2, 0], knots[0])
    torch.testing.assert_close(controls[1, 0], torch.tensor([1.0, 0.5]))


def test_a_candidate_that_diverges_costs_much_and_leaves_the_others_alone():
    task = run.make("cart-pole")
    system = System(task.scene, 2, task.control, task.entity)
    controls = task.initial[:, None].repeat(1, 2, 1)
    x0 = system.state().detach()
    alone = methods._evaluate(task, system, x0, controls)[0]
    controls[:, 1] = torch.nan
    costs, _ = methods._evaluate(task, system, x0, controls)
    assert costs[0] == alone[0]
    assert costs[1] == methods._DIVERGED


def test_line_of_the_table_shows_the_median():
    def outcome(cost, done, after):
        measures = {"miss": (cost, 1.0, "cm")}
        return methods.Outcome("throw", "cma-es", cost, measures, done, after, 3, 2000, 0, 4.0, "time_limit")

    line = run.row([outcome(3.0, False, math.nan), outcome(1.0, True, 2.0), outcome(0.5, True, 1.0)])
    assert line.startswith("| throw | cma-es | 2 of 3 | 1 | miss 1 cm | 3 | 2 k | 0 k | 4.0 | 2.0 |")
    assert "**no**" in run.row([outcome(3.0, False, math.nan)])


def test_reached_needs_every_measure():
    values = torch.tensor([1.0, 3.0])
    both = {"a": Measure(values, 2.0, "m"), "b": Measure(values.flip(0), 3.0, "m")}
    assert reached(both).tolist() == [True, False]
