"""The arrow-shaped least squares against dense linear algebra, and the minimisers on a small nonlinear problem."""

import numpy as np
import pytest
import torch

from genesis.errors import GenesisException
from genesis.tools.identification import least_squares
from genesis.tools.identification.least_squares import Normal, Watch, information, solve

N_WINDOWS, N_STATES, N_PARAMETERS = 4, 3, 5
ROUNDING = 1e-9  # of solving with matrices whose condition number is about 1e4


def random_rows(seed=0, rows=60):
    generator = torch.Generator(device="cpu").manual_seed(seed)

    def randn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    window = torch.randint(N_WINDOWS, (rows,), generator=generator)
    return window, randn(rows), randn(rows, N_STATES), randn(rows, N_PARAMETERS)


def normal_of(window, residual, state, parameters):
    normal = Normal.zero(N_WINDOWS, N_STATES, N_PARAMETERS, torch.device("cpu"))
    half = len(window) // 2  # in two parts, as two outputs would come
    for part in (slice(0, half), slice(half, None)):
        normal.add(window[part], residual[part], state[part], parameters[part])
    return normal


def dense_jacobian(window, state, parameters):
    full = torch.zeros((len(window), N_WINDOWS * N_STATES + N_PARAMETERS), dtype=torch.float64)
    for row, w in enumerate(window.tolist()):
        full[row, w * N_STATES : (w + 1) * N_STATES] = state[row]
    full[:, N_WINDOWS * N_STATES :] = parameters
    return full


def test_step_equals_dense_least_squares():
    window, residual, state, parameters = random_rows()
    dz, dx = solve(normal_of(window, residual, state, parameters), 0.0)
    dense = torch.linalg.lstsq(dense_jacobian(window, state, parameters), -residual[:, None]).solution[:, 0]
    # Steps of parameters are cut along each direction; those of this problem are shorter.
    assert dz.abs().max() < least_squares._LONGEST_STEP
    torch.testing.assert_close(torch.cat([dx.flatten(), dz]), dense, rtol=ROUNDING, atol=ROUNDING)


def test_information_is_the_inverse_of_the_dense_covariance():
    window, residual, state, parameters = random_rows()
    full = dense_jacobian(window, state, parameters)
    covariance = torch.linalg.inv(full.mT @ full)[-N_PARAMETERS:, -N_PARAMETERS:]
    found = information(normal_of(window, residual, state, parameters))
    torch.testing.assert_close(torch.linalg.inv(found), covariance, rtol=ROUNDING, atol=ROUNDING)


def test_predicted_decrease_is_that_of_the_linear_problem():
    window, residual, state, parameters = random_rows()
    normal = normal_of(window, residual, state, parameters)
    dz, dx = solve(normal, 1e-2)
    full = dense_jacobian(window, state, parameters)
    after = residual + full @ torch.cat([dx.flatten(), dz])
    expected = 0.5 * float(residual @ residual - after @ after)
    assert normal.predicted(dz, dx) == pytest.approx(expected, rel=ROUNDING)


def test_directions_without_information_are_left_alone():
    window, residual, state, parameters = random_rows()
    parameters[:, 1] = -parameters[:, 0]  # only their difference is seen
    state[:, 2] = 0.0
    dz, dx = solve(normal_of(window, residual, state, parameters), 0.0)
    assert abs(float(dz[0] + dz[1])) < ROUNDING
    assert float(dx[:, 2].abs().max()) == 0.0


class Exponentials:
    """y = a_w exp(-k t) + c with a_w of each window, k and c shared; it "diverges" beyond |k| = 5."""

    truth = torch.tensor([1.3, 0.4], dtype=torch.float64)

    def __init__(self):
        self.t = torch.linspace(0, 2, 20, dtype=torch.float64)
        self.amplitudes = torch.tensor([[1.0], [2.0], [0.5]], dtype=torch.float64)
        self.y = self.amplitudes * torch.exp(-self.truth[0] * self.t) + self.truth[1]

    def residual(self, z, a):
        if float(z[0].detach().abs()) > 5:
            raise GenesisException("diverged")
        return a * torch.exp(-z[0] * self.t) + z[1] - self.y

    def cost(self, point):
        return 0.5 * float(self.residual(*point).square().sum())

    def window_costs(self, point):
        return 0.5 * self.residual(*point).square().sum(1)

    def normal(self, point):
        z, a = point
        decay = torch.exp(-z[0] * self.t)
        r = self.residual(z, a)
        n = len(self.t)
        by_z = torch.stack([-a * self.t * decay, torch.ones_like(r)], -1).reshape(-1, 2)
        window = torch.arange(3).repeat_interleave(n)
        normal = Normal.zero(3, 1, 2, z.device)
        normal.add(window, r.flatten(), decay.repeat(3)[:, None], by_z)
        return normal

    def gradient(self, point):
        z, a = (v.detach().requires_grad_() for v in point)
        cost = 0.5 * self.residual(z, a).square().sum()
        return float(cost.detach()), *torch.autograd.grad(cost, [z, a])

    def curvature(self, point):
        normal = self.normal(point)
        return normal.of_parameters.diagonal(), normal.of_state.diagonal(dim1=-2, dim2=-1)

    def moved(self, point, dz, dx):
        return point[0] + dz, point[1] + dx


START = (torch.tensor([0.5, 0.0], dtype=torch.float64), torch.ones((3, 1), dtype=torch.float64))


@pytest.mark.parametrize("damped", [True, False])
def test_levenberg_marquardt_and_gauss_newton_find_the_truth(damped):
    problem = Exponentials()
    outcome = least_squares.levenberg_marquardt(problem, START, Watch(100, None), 1e-10, damped=damped)
    np.testing.assert_allclose(outcome.point[0], problem.truth, rtol=1e-6)
    assert len(outcome.history) < 50


def test_lbfgs_finds_the_truth():
    problem = Exponentials()
    outcome = least_squares.lbfgs(problem, START, Watch(500, None), 1e-12)
    np.testing.assert_allclose(outcome.point[0], problem.truth, rtol=1e-4)


def test_adam_finds_the_truth():
    problem = Exponentials()
    outcome = least_squares.adam(problem, START, Watch(3000, None), 1e-12, 0.1)
    np.testing.assert_allclose(outcome.point[0], problem.truth, rtol=1e-2)


def test_a_start_that_steps_out_of_the_domain_is_brought_back():
    problem = Exponentials()
    far = (torch.tensor([4.9, 0.0], dtype=torch.float64), START[1])
    outcome = least_squares.levenberg_marquardt(problem, far, Watch(200, None), 1e-10)
    np.testing.assert_allclose(outcome.point[0], problem.truth, rtol=1e-5)


def test_callback_stops():
    problem = Exponentials()
    outcome = least_squares.levenberg_marquardt(problem, START, Watch(100, lambda i: i.number >= 2), 1e-10)
    assert outcome.reason == "callback"
    assert [i.number for i in outcome.history] == [1, 2]


def test_iterations_are_limited():
    outcome = least_squares.levenberg_marquardt(Exponentials(), START, Watch(1, None), 1e-10)
    assert outcome.reason == "max_iterations"
    assert len(outcome.history) == 1
