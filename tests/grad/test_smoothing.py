"""Randomised smoothing: both estimators against known gradients, their mixture, scenes with contact, and errors."""

import math

import pytest
import torch

import genesis as gs

# A standard error is exceeded fourfold with a probability of 6e-5 per number; the seeds are fixed.
ERRORS = 4.0
ROUNDING = 1e-10

MATRIX = torch.tensor([[2.0, 0.5], [0.5, 1.0]])


def quadratic(samples):
    return 0.5 * torch.einsum("ni,ij,nj->n", samples, MATRIX, samples)


def step(samples):
    """1 where the first element is positive, else 0; with a graph, whose gradient is zero."""
    return (samples[:, 0] > 0).to(samples) + 0.0 * samples.flatten(1).sum(1)


def normal_density(x, sigma):
    return math.exp(-0.5 * (x / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def assert_within(estimate, error, expected):
    assert bool(((estimate - expected).abs() <= ERRORS * error + ROUNDING).all()), (estimate, error, expected)


@pytest.mark.parametrize("antithetic", [True, False])
@pytest.mark.parametrize("method", ["first", "zeroth", "mix"])
def test_quadratic(method, antithetic):
    """The smoothed quadratic is the quadratic plus trace(A) sigma^2 / 2: gradient A x, known exactly."""
    x, sigma = torch.tensor([0.3, -1.0]), 0.2
    got = gs.grad.smooth(quadratic, x, sigma=sigma, n_samples=1000, method=method, antithetic=antithetic, seed=0)
    assert_within(got.value, got.value_error, quadratic(x[None])[0] + 0.5 * sigma**2 * 3.0)
    assert_within(got.gradient, got.gradient_error, MATRIX @ x)
    assert (got.first is None) == (method == "zeroth") and (got.zeroth is None) == (method == "first")
    assert got.losses.shape == (1000,) and got.samples.shape == (1000, 2)
    if method != "first":
        assert_within(got.zeroth, got.zeroth_error, MATRIX @ x)
        assert got.variance_zeroth == pytest.approx(float(got.zeroth_error.square().sum()))
    if method == "mix":
        assert_within(got.first, got.first_error, MATRIX @ x)
        assert got.bias == 0.0 and got.disagreement < 2.0
        expected = got.variance_zeroth / (got.variance_zeroth + got.variance_first)
        assert got.alpha == pytest.approx(expected) and got.alpha > 0.9


def test_stated_errors_are_those_of_repetitions():
    x = torch.tensor([0.3, -1.0])
    runs = [gs.grad.smooth(quadratic, x, sigma=0.5, n_samples=40, antithetic=False, seed=seed) for seed in range(300)]
    for name in ("value", "first", "zeroth"):
        spread = torch.stack([getattr(run, name) for run in runs]).std(0)
        stated = torch.stack([getattr(run, f"{name}_error") for run in runs]).square().mean(0).sqrt()
        # a standard deviation of 300 repetitions is known to 1 / sqrt(600) = 4 %, three times that
        torch.testing.assert_close(stated, spread, rtol=0.13, atol=0.0)


def test_first_order_is_blind_to_a_step_and_the_mixture_knows():
    x, sigma = torch.tensor([0.02, 0.5]), 0.1
    exact = torch.tensor([normal_density(0.02, sigma), 0.0])
    got = gs.grad.smooth(step, x, sigma=sigma, n_samples=1000, seed=0)
    assert not bool(got.first.any()) and got.variance_first == 0.0
    assert_within(got.zeroth, got.zeroth_error, exact)
    assert got.disagreement > 3.0 and got.bias > 0.0
    assert got.alpha < 0.02
    assert_within(got.gradient, got.gradient_error, exact)


def test_zeroth_order_drowns_in_a_stiff_objective_and_the_mixture_follows_first():
    stiffness = 1e4
    x = torch.linspace(-1.0, 1.0, 30)
    got = gs.grad.smooth(lambda samples: 0.5 * stiffness * samples.square().sum(1), x, sigma=0.1, n_samples=64, seed=0)
    assert got.variance_zeroth > float((stiffness * x).square().sum())  # noise above the gradient itself
    assert got.alpha > 0.95
    assert_within(got.gradient, got.gradient_error, stiffness * x)
    assert float((got.gradient - stiffness * x).norm()) < 0.05 * math.sqrt(got.variance_zeroth)


def test_gamma_bounds_the_error():
    x = torch.tensor([0.02])
    keywords = dict(sigma=0.1, n_samples=1000, seed=0)
    free = gs.grad.smooth(step, x, **keywords)
    noise = 2 * math.sqrt(free.variance_zeroth)
    distance = float((free.zeroth - free.first).norm())
    assert gs.grad.smooth(step, x, gamma=0.5 * noise, **keywords).alpha == 0.0
    room = gs.grad.smooth(step, x, gamma=noise + 0.25 * distance, **keywords)
    assert room.alpha == pytest.approx(0.25)
    assert float((room.gradient - free.zeroth).norm()) == pytest.approx(0.25 * distance)
    assert gs.grad.smooth(step, x, gamma=1e9, **keywords).alpha == 1.0
    assert gs.grad.smooth(quadratic, torch.ones(2), gamma=1e9, **keywords).alpha > 0.9


def test_shapes_sigmas_and_chunks():
    x = torch.randn(2, 3)
    sigma = torch.tensor([0.1, 1.0, 10.0])
    sizes = []

    def objective(samples):
        sizes.append(tuple(samples.shape))
        return samples.flatten(1).square().sum(1)

    whole = gs.grad.smooth(objective, x, sigma=sigma, n_samples=12, seed=5)
    parts = gs.grad.smooth(objective, x, sigma=sigma, n_samples=12, chunk=4, seed=5)
    assert sizes == [(12, 2, 3), *[(4, 2, 3)] * 3]
    assert torch.equal(whole.gradient, parts.gradient) and torch.equal(whole.losses, parts.losses)
    spread = (whole.samples - x).abs().mean((0, 1))
    assert bool((spread[1:] > 3 * spread[:-1]).all())
    assert torch.equal(whole.samples[0::2] - x, x - whole.samples[1::2]) or torch.allclose(
        whole.samples[0::2] + whole.samples[1::2], 2 * x
    )
    torch.manual_seed(1)
    first = gs.grad.smooth(objective, x, sigma=0.1, n_samples=4)
    second = gs.grad.smooth(objective, x, sigma=0.1, n_samples=4)
    torch.manual_seed(1)
    again = gs.grad.smooth(objective, x, sigma=0.1, n_samples=4)
    assert torch.equal(first.gradient, again.gradient) and not torch.equal(first.samples, second.samples)
    scalar = gs.grad.smooth(lambda samples: samples**2, torch.tensor(3.0), sigma=0.1, n_samples=4, seed=0)
    assert scalar.gradient.shape == () and float(scalar.gradient) == pytest.approx(6.0, rel=0.1)


def test_in_a_graph():
    """backward() fills the gradient of what x was computed from, and adds to what is there."""
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    x = weight * torch.tensor([3.0, -1.0])
    got = gs.grad.smooth(quadratic, x, sigma=0.1, n_samples=20, seed=0)
    (got.loss + weight.sum()).backward()
    torch.testing.assert_close(weight.grad, got.gradient * torch.tensor([3.0, -1.0]) + 1.0)
    assert float(got.loss.detach()) == float(got.value)
    leaf = torch.tensor([0.3, 1.0], requires_grad=True)
    for _ in range(2):
        with torch.no_grad():
            got = gs.grad.smooth(quadratic, leaf, sigma=0.1, n_samples=20, seed=0)
        got.backward()
    torch.testing.assert_close(leaf.grad, 2 * got.gradient)
    with torch.inference_mode():
        inside = gs.grad.smooth(quadratic, leaf, sigma=0.1, n_samples=20, seed=0)
    assert torch.equal(inside.gradient, got.gradient)
    assert "alpha=" in repr(got)
    with pytest.raises(gs.GenesisException, match="without requires_grad"):
        gs.grad.smooth(quadratic, leaf.detach(), sigma=0.1, n_samples=20).backward()


def test_gradients_that_are_not_finite_get_no_weight(caplog):
    def cusp(samples):
        return samples[:, 0].abs() + 0.0 * (samples[:, 0] - samples[:, 0].detach()).sqrt()

    gs.logger.propagate = True
    got = gs.grad.smooth(cusp, torch.tensor([1.0]), sigma=0.1, n_samples=200, seed=0)
    assert got.alpha == 0.0 and torch.equal(got.gradient, got.zeroth)
    assert_within(got.gradient, got.gradient_error, torch.tensor([1.0]))
    assert "not finite" in caplog.text


def test_errors():
    x = torch.tensor([0.3, 1.0])
    good = dict(objective=quadratic, x=x, sigma=0.1, n_samples=4)
    for changes, text in (
        (dict(x=[0.3, 1.0]), "`x` is"),
        (dict(x=torch.tensor([1, 2])), "`x` is"),
        (dict(x=torch.zeros(0)), "not empty"),
        (dict(x=torch.tensor([math.nan, 1.0])), "NaN"),
        (dict(sigma=0.0), "above zero"),
        (dict(sigma=[0.1, -0.1]), "above zero"),
        (dict(sigma=torch.ones(3)), r"shape \(2,\)"),
        (dict(sigma="wide"), "`sigma`"),
        (dict(n_samples=5), "even"),
        (dict(n_samples=2), "from 4 on"),
        (dict(n_samples=1, antithetic=False), "from 2 on"),
        (dict(n_samples=8.0), "`n_samples` is 8.0"),
        (dict(method="second"), "'mix', 'first', 'zeroth'"),
        (dict(chunk=3), "divisor of n_samples, 4"),
        (dict(gamma=-1.0), "`gamma`"),
        (dict(gamma=1.0, method="first"), "`gamma`"),
        (dict(seed=-1), "`seed`"),
        (dict(objective=lambda s: s), r"shape \(4, 2\) for 4 samples"),
        (dict(objective=lambda s: 1.0), "returned 1.0"),
        (dict(objective=lambda s: s.detach().sum(1)), 'method="zeroth"'),
        (dict(objective=lambda s: torch.ones(4, requires_grad=True) * 2), 'method="zeroth"'),
        (dict(objective=lambda s: s.sum(1) / 0.0), "4 of 4 samples is not finite"),
        (dict(objective=None), "`objective` is None; expected a function"),
        (dict(objective=lambda s: s.sum(1) > 0), 'method="zeroth"'),
        (dict(objective=lambda s: s.sum(1).to(torch.complex128)), "complex losses"),
        (dict(objective=lambda s: s.sum(1).to(torch.complex128), method="zeroth"), "complex losses"),
        (dict(antithetic="no"), "`antithetic` is 'no'; expected True or False"),
    ):
        with pytest.raises(gs.GenesisException, match=text):
            gs.grad.smooth(**{**good, **changes})
    assert gs.grad.smooth(**{**good, "objective": lambda s: s.detach().sum(1), "method": "zeroth"}).alpha == 0.0


@pytest.mark.parametrize("kind", [torch.bool, torch.int32])
def test_hit_or_miss(kind):
    """Losses of 0 and 1 as truth values or whole numbers: the smoothed step, whose slope is the noise's density."""
    got = gs.grad.smooth(
        lambda s: (s[:, 0] > 0).to(kind), torch.tensor([0.1]), sigma=0.5, n_samples=2000, method="zeroth", seed=0
    )
    assert got.losses.dtype == gs.tc_float
    assert_within(got.value, got.value_error, torch.tensor(0.5 * (1.0 + math.erf(0.1 / 0.5 / math.sqrt(2.0)))))
    assert_within(got.gradient, got.gradient_error, torch.tensor([normal_density(0.1, 0.5)]))


# -- scenes ---------------------------------------------------------------------------------------------------------------

N_ENVS = 64


class Thrown:
    """A ball that is thrown towards a wall of 0.3 m; it clears it at a speed above about 1.05 m/s, or falls back."""

    STEPS = 90

    def __init__(self):
        self.scene = gs.Scene(gs.options.SimOptions(dt=0.01, requires_grad=True))
        self.scene.add_entity(gs.morphs.Plane())
        self.scene.add_entity(gs.morphs.Box(size=(0.04, 1.0, 0.3), pos=(0.5, 0.0, 0.15), fixed=True))
        self.ball = self.scene.add_entity(gs.morphs.Sphere(radius=0.05, pos=(0.0, 0.0, 0.1)))
        self.scene.build(n_envs=N_ENVS)

    def distance(self, speed):
        """How far it gets [m], of horizontal speeds (N_ENVS,) [m/s]."""
        self.scene.reset()
        rest = torch.zeros(N_ENVS, 5)
        rest[:, 1] = 3.0  # upwards
        self.ball.set_dofs_velocity(torch.cat([speed[:, None], rest], 1))
        self.scene.rollout(n_steps=self.STEPS)
        return self.ball.get_pos()[:, 0]


def test_a_throw_over_a_wall():
    thrown = Thrown()
    speed, sigma, samples = torch.tensor(1.05), 0.1, 4 * N_ENVS
    got = gs.grad.smooth(thrown.distance, speed, sigma=sigma, n_samples=samples, chunk=N_ENVS, seed=0)
    losses = got.losses
    assert float(losses.min()) < 0.5 < 0.8 < float(losses.max())  # both sides of the jump
    # The smoothed objective by quadrature over the noise, and its derivative: integral f(x + s e) e phi(e) / s de.
    noise = torch.linspace(-4.0, 4.0, 16 * N_ENVS)
    with torch.no_grad():
        values = torch.cat([thrown.distance(speed + sigma * part) for part in noise.split(N_ENVS)])
    density = torch.exp(-0.5 * noise**2)
    density /= density.sum()
    exact_value, exact = (values * density).sum(), (values * noise * density).sum() / sigma
    assert_within(got.value, got.value_error, exact_value)
    assert_within(got.zeroth, got.zeroth_error, exact)
    assert_within(got.gradient, got.gradient_error + got.alpha * got.bias, exact)
    # The jump is a steep slope in truth, of throws that graze the wall's edge: a few samples see it, and their slopes
    # are so large that the first-order estimate is the noisier one.
    assert got.variance_first > 3 * got.variance_zeroth
    assert got.alpha < 0.25


def test_a_throw_that_misses_the_wall():
    """Far from the jump the first-order estimate is the better one, and is taken: distance is speed times time."""
    thrown = Thrown()
    got = gs.grad.smooth(thrown.distance, torch.tensor(2.0), sigma=0.05, n_samples=N_ENVS, seed=0)
    torch.testing.assert_close(got.first, torch.tensor(0.01 * thrown.STEPS), rtol=0.2, atol=0.0)
    assert got.alpha > 0.9
    zeroth = gs.grad.smooth(thrown.distance, torch.tensor(2.0), sigma=0.05, n_samples=N_ENVS, seed=0, method="zeroth")
    torch.testing.assert_close(zeroth.gradient, got.zeroth)


def test_names():
    assert gs.grad.Smoothed.__name__ == "Smoothed" and gs.grad.Tensor.__name__ == "Tensor"
    assert callable(gs.grad.smooth) and set(gs.grad.__all__) >= {"Smoothed", "Tensor", "smooth"}
    with pytest.raises(AttributeError, match="smoothest"):
        _ = gs.grad.smoothest
