"""Parameters as modules: values, inverses, gradients, what an optimiser may do to them, and errors."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.func import functional_call

import genesis as gs
from genesis.math.rotation import quat_rotate
from genesis.world.checks import check_inertia
from tests.helpers import check_gradient
from tests.scenes import PANDA, build

# Rounding of the maps and their inverses, 64 bits, relative to the size of the value.
ROUNDING = 1e-13
# A log-Cholesky factor of an elongated body loses the digits of its condition number (up to 1e4 below).
INERTIA_ROUNDING = 1e-10

CHAIN = """
<mujoco><option gravity="0 0 -9.81" timestep="0.005"/><worldbody>
  <body name="upper"><joint name="shoulder" type="hinge" axis="0 1 0" damping="0.1"/>
    <inertial pos="0.1 0.02 -0.2" mass="1.5" diaginertia="0.03 0.04 0.02"/>
    <body name="lower" pos="0 0 -0.5"><joint name="elbow" type="hinge" axis="0 1 0" damping="0.1"/>
      <inertial pos="0.02 0.01 -0.25" mass="0.8" fullinertia="0.02 0.021 0.003 0.001 0.002 -0.001"/></body>
  </body></worldbody></mujoco>
"""


def random_bodies(*shape, seed=0):
    """(mass, com, inertia matrices) of random clouds of points, one body per element of `shape`."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((*shape, 20, 3)) * rng.uniform(0.01, 1.0, (*shape, 1, 3))
    turn = np.linalg.qr(rng.standard_normal((*shape, 3, 3)))[0]
    points = points @ turn.swapaxes(-1, -2)
    weights = rng.uniform(0.1, 1.0, (*shape, 20)) * 10 ** rng.uniform(-2, 2, (*shape, 1))
    mass = weights.sum(-1)
    com = (weights[..., None] * points).sum(-2) / mass[..., None]
    second = np.einsum("...k,...ki,...kj->...ij", weights, points - com[..., None, :], points - com[..., None, :])
    inertia = np.trace(second, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) - second
    return tuple(torch.as_tensor(part) for part in (mass, com, inertia))


def six(matrix):
    return torch.stack([matrix[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], -1)


def make(kind, *shape):
    rng = torch.Generator().manual_seed(3)
    if kind == "positive":
        return gs.parameters.positive(torch.rand(shape, generator=rng) + 0.6, lower=0.5)
    if kind == "bounded":
        return gs.parameters.bounded(torch.rand(shape, generator=rng), -0.5, torch.full(shape, 1.5))
    if kind == "rotation":
        return gs.parameters.rotation(torch.randn(*shape, 4, generator=rng))
    return gs.parameters.inertia(*random_bodies(*shape))


KINDS = ("positive", "bounded", "inertia", "rotation")


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def assert_equal(actual, expected, rtol=ROUNDING):
    for a, b in zip(parts(actual), parts(expected), strict=True):
        assert a.shape == b.shape
        assert float((a - b).detach().abs().max()) <= rtol * max(1.0, float(b.detach().abs().max()))


# -- every kind -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (2, 3), ()])
@pytest.mark.parametrize("kind", KINDS)
def test_starts_at_its_initial_value_and_returns_to_any_other(kind, shape):
    module = make(kind, *shape)
    rtol = INERTIA_ROUNDING if kind == "inertia" else ROUNDING
    assert_equal(module(), module.initial, rtol)
    for part in parts(module()):
        assert part.dtype == gs.tc_float and part.requires_grad and part.device == gs.device
    with torch.no_grad():
        module.coordinates += 0.7 * torch.randn_like(module.coordinates)
    there, coordinates = module(), module.coordinates.detach().clone()
    assert float((parts(there)[0] - parts(module.initial)[0]).detach().abs().max()) > 0
    # from the value back to the coordinates, and the other way
    assert_equal(module.coordinates_of(there), coordinates, 1e-9)
    module.reset()
    assert_equal(module(), module.initial, rtol)
    module.assign(there)
    assert_equal(module(), there, rtol)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind):
    module = make(kind, 2)
    starts = [module.coordinates.detach() + 0.5 * torch.randn(module.coordinates.shape), module.coordinates.detach()]
    if kind == "rotation":  # half a turn, and more
        starts += [torch.tensor([[math.pi, 0.0, 0.0], [0.0, -3.0, 4.0]])]
    if kind == "bounded":  # the middle of the interval, and its ends
        starts += [torch.tensor([0.0, -30.0])]
    for start in starts:
        assert torch.autograd.gradcheck(
            lambda c: parts(functional_call(module, {"coordinates": c}, ())), (start.clone().requires_grad_(),)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict(kind):
    module = make(kind, 2)
    with torch.no_grad():
        module.coordinates += 1.0
    if kind == "rotation":
        module.recenter()
        with torch.no_grad():
            module.coordinates += 0.3
    other = make(kind, 2)
    other.assign(module.initial if kind != "inertia" else other.initial)
    other.load_state_dict(module.state_dict())
    for a, b in zip(parts(other()), parts(module()), strict=True):
        assert torch.equal(a, b)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        twin.coordinates += 1.0
    assert not torch.equal(parts(twin())[0], parts(module())[0])
    assert "shape=" in repr(module)
    assert [name for name, _ in module.named_parameters()] == ["coordinates"]


@pytest.mark.parametrize("kind", KINDS)
def test_bad_values_change_nothing(kind):
    module = make(kind, 2)
    before = module.coordinates.detach().clone()
    bad = {
        "positive": [[1.0, 0.5], [1.0, math.nan], [1.0, 2.0, 3.0], "two", None, [[1.0], [1.0, 2.0]]],
        "bounded": [[0.0, 1.5], [0.0, math.inf], [0.0, -0.5], [1.0, 2.0, 3.0], torch.tensor([True, False])],
        "rotation": [torch.zeros(2, 4), torch.ones(2, 3), torch.full((2, 4), math.nan), torch.ones(3, 4)],
        "inertia": [1.0, (1.0, 2.0), random_bodies(3), (torch.zeros(2), *random_bodies(2)[1:])],
    }[kind]
    for value in bad:
        with pytest.raises(gs.GenesisException, match=f"gs.parameters.{kind}"):
            module.assign(value)
        assert torch.equal(module.coordinates, before)


def test_values_of_a_scene_are_read_as_numbers():
    _, robot = build(CHAIN)
    module = gs.parameters.positive(robot.get_links_mass())
    assert type(module.initial) is torch.Tensor and type(module()) is torch.Tensor
    nested = gs.parameters.positive([torch.tensor(1.0), torch.tensor(2.0)])
    assert nested.shape == (2,)


# -- numbers --------------------------------------------------------------------------------------------------------------


def test_positive_is_relative():
    module = gs.parameters.positive([1e-3, 1e3])
    with torch.no_grad():
        module.coordinates += 0.01
    assert_equal(module() / module.initial, torch.full((2,), math.exp(0.01)))


@pytest.mark.parametrize("step", [1e2, 1e4, 1e8])
def test_numbers_stay_inside_after_huge_steps(step):
    rng = torch.Generator().manual_seed(0)
    positive = gs.parameters.positive(torch.rand(100, generator=rng) + 0.1)
    bounded = gs.parameters.bounded(torch.rand(100, generator=rng) * 0.9 + 0.05, 0.0, 1.0)
    for module in (positive, bounded):
        with torch.no_grad():
            module.coordinates += step * torch.randn(100, generator=rng)
        value = module()
        value.sum().backward()
        assert bool((value > 0).all()) and bool(torch.isfinite(value).all())
        assert bool(torch.isfinite(module.coordinates.grad).all())
    assert bool((bounded() < 1).all())
    if step <= 1e4:  # there is a way back
        assert bool((bounded.coordinates.grad > 0).all())


def test_number_errors():
    for arguments, text in (
        (dict(initial=[1.0, -1.0]), r"`initial` is -1 at index \(1,\)"),
        (dict(initial=1.0, lower=2.0), "above 2"),
        (dict(initial=1.0, lower=-2.0), "`lower` is -2"),
        (dict(initial=[1.0, 1.0], lower=[0.0, 0.0, 0.0]), r"shape \(3,\), expected \(2,\)"),
        (dict(initial=1e-320), "too small"),
        (dict(initial=[]), r"empty, of shape \(0,\)"),
    ):
        with pytest.raises(gs.GenesisException, match=text):
            gs.parameters.positive(**arguments)
    for arguments, text in (
        ((1.0, 1.0, 2.0), "strictly between 1 and 2"),
        ((1.0, 2.0, 0.0), "`lower` is 2; expected a number below `upper`"),
        ((1.0, 0.0, math.inf), "gs.parameters.positive"),
        (([1.0, 3.0], [0.0, 1.0], 2.0), r"is 3 at index \(1,\)"),
    ):
        with pytest.raises(gs.GenesisException, match=text):
            gs.parameters.bounded(*arguments)


# -- inertia --------------------------------------------------------------------------------------------------------------


def test_pseudo_inertia_is_that_of_the_value():
    """J = [[S + m c c', m c], [m c', m]], with S = trace(I) / 2 1 - I."""
    mass, com, inertia = random_bodies(4)
    module = gs.parameters.inertia(mass, com, six(inertia))
    second = 0.5 * torch.einsum("nii->n", inertia)[:, None, None] * torch.eye(3) - inertia
    first = mass[:, None] * com
    expected = torch.zeros(4, 4, 4)
    expected[:, :3, :3] = second + first[:, :, None] * com[:, None, :]
    expected[:, :3, 3] = expected[:, 3, :3] = first
    expected[:, 3, 3] = mass
    assert_equal(module.pseudo_inertia(), expected, INERTIA_ROUNDING)
    assert module.coordinate_names[0] == "log_mass" and len(module.coordinate_names) == 10


@pytest.mark.parametrize("step", [0.1, 1.0, 10.0, 1e3, 1e8])
def test_inertia_is_always_that_of_a_body(step):
    module = gs.parameters.inertia(*random_bodies(200))
    with torch.no_grad():
        module.coordinates += step * torch.randn(200, 10, generator=torch.Generator().manual_seed(1))
    value = module()
    sum(part.sum() for part in value).backward()
    for part in (*value, module.coordinates.grad):
        assert bool(torch.isfinite(part).all())
    assert bool((value.mass > 0).all())
    assert check_inertia(value.inertia.detach().numpy()) is None  # the setters' own check: triangle inequality
    pseudo = module.pseudo_inertia().detach()
    assert bool(torch.isfinite(pseudo).all())
    eigenvalues = torch.linalg.eigvalsh(pseudo)
    # Positive up to rounding of the largest; after small steps without that excuse.
    assert bool((eigenvalues[:, 0] >= -1e-13 * eigenvalues[:, -1]).all())
    if step <= 1.0:
        assert bool((eigenvalues > 0).all())


def test_inertia_of_an_entity_and_back():
    _, robot = build(CHAIN)
    for links in (None, ["lower", "upper"], "lower", [1], slice(0, 1)):
        module = gs.parameters.inertia.of(robot, links)
        before = [getattr(robot, f"get_links_{name}")().clone() for name in ("mass", "COM", "inertia")]
        module.apply(robot)
        for name, value in zip(("mass", "COM", "inertia"), before, strict=True):
            assert_equal(getattr(robot, f"get_links_{name}")(), value, INERTIA_ROUNDING)
    module = gs.parameters.inertia.of(robot, ["lower", "upper"])
    assert module.links_idx_local == (1, 0) and "lower, upper" in repr(module)


def test_inertia_per_env():
    _, robot = build(CHAIN, n_envs=3)
    assert gs.parameters.inertia.of(robot).shape == (2,)
    module = gs.parameters.inertia.of(robot, per_env=True)
    assert module.shape == (3, 2) and module.coordinates.shape == (3, 2, 10)
    with torch.no_grad():
        module.coordinates += 0.1 * torch.randn(3, 2, 10)
    module.apply(robot)
    assert torch.equal(robot.get_links_mass(), module().mass)
    with pytest.raises(gs.GenesisException, match="per_env=True learns"):
        gs.parameters.inertia.of(robot)
    _, robot = build(CHAIN)
    with pytest.raises(gs.GenesisException, match="n_envs=0"):
        gs.parameters.inertia.of(robot, per_env=True)


@pytest.mark.parametrize(
    ("kind", "inertia"),
    [("point", (0.0, 0.0, 0.0)), ("rod", (0.0, 0.1, 0.1)), ("plate", (0.1, 0.2, 0.3))],
)
def test_flat_bodies_are_refused_or_get_a_thickness(kind, inertia):
    matrix = torch.diag(torch.tensor(inertia))
    with pytest.raises(gs.GenesisException, match="min_radius"):
        gs.parameters.inertia(2.0, torch.zeros(3), matrix)
    module = gs.parameters.inertia(2.0, torch.zeros(3), matrix, min_radius=0.01)
    # two transverse moments of m r^2 at most are added to each principal moment
    change = (module().inertia - six(matrix)).detach().abs().max()
    assert 0 < float(change) <= 2 * 2.0 * 0.01**2 * (1 + ROUNDING)
    assert_equal(module(), module.initial, INERTIA_ROUNDING)
    assert bool((torch.linalg.eigvalsh(module.pseudo_inertia()) > 0).all())


def test_inertia_errors():
    good = random_bodies(2)
    impossible = torch.diag(torch.tensor([0.1, 0.1, 0.3])).expand(2, 3, 3)
    for arguments, keywords, text in (
        ((good[0], good[1], impossible), {}, r"element \(0,\) has principal moments 0.1, 0.1, 0.3"),
        ((good[0], good[1], impossible), dict(min_radius=1.0), "no body has them"),
        ((good[0], good[1], -good[2]), {}, "no body has them"),
        ((torch.tensor([1.0, 0.0]), good[1], good[2]), {}, r"element \(1,\) is 0 kg"),
        ((good[0], good[1][0], good[2]), {}, r"`com` has shape \(3,\), expected \(2, 3\)"),
        ((good[0], good[1], good[2][:, 0]), {}, r"expected \(2, 6\) or \(2, 3, 3\)"),
        ((good[0], good[1], good[2] + torch.triu(torch.ones(3, 3), 1)), {}, "symmetric"),
        (good, dict(min_radius=0.0), "`min_radius` is 0.0"),
        (good, dict(min_radius=1e300), r"`min_radius` is 1e\+300; expected a length"),
        (good, dict(min_radius=1e-300), "`min_radius` is 1e-300; expected a length"),
        (good, dict(names=["one"]), r"`names` has 1 entries, and `mass` has shape \(2,\)"),
        (good, dict(names="ab"), "expected a list of the links' names"),
        (good, dict(links_idx_local=[1, 2, 3]), "`links_idx_local` has 3 entries"),
    ):
        with pytest.raises(gs.GenesisException, match=text):
            gs.parameters.inertia(*arguments, **keywords)


@pytest.mark.parametrize(
    ("mass", "com", "moment", "text"),
    [
        (1e200, 0.0, 0.1, r"`mass` of element \(0,\) is 1e\+200, beyond what the coordinates represent in 64 bits"),
        (1e-100, 0.0, 1e-100, r"`mass` of element \(0,\) is 1e-100, beyond"),
        (1.0, 1e200, 0.1, r"`com` of element \(0,\) is 1e\+200, 0, 0, beyond"),
        (1e-300, 0.0, 1e300, "out of scale for a mass of 1e-300 kg"),
    ],
)
def test_values_that_the_coordinates_cannot_give_back_are_refused(mass, com, moment, text):
    """Not cut to the largest that they can: by the constructor, and by assign, which then changes nothing."""
    value = (torch.tensor([mass]), torch.tensor([[com, 0.0, 0.0]]), moment * torch.eye(3)[None])
    with pytest.raises(gs.GenesisException, match=text):
        gs.parameters.inertia(*value)
    module = gs.parameters.inertia(torch.ones(1), torch.zeros(1, 3), 0.1 * torch.eye(3)[None])
    before = module.coordinates.detach().clone()
    with pytest.raises(gs.GenesisException, match=text):
        module.assign(value)
    assert torch.equal(module.coordinates, before)


def test_values_far_from_the_usual_come_back():
    for size in (1e-30, 1e30):
        value = (torch.tensor([size]), torch.zeros(1, 3), 0.1 * size * torch.eye(3)[None])
        torch.testing.assert_close(gs.parameters.inertia(*value)().mass, value[0], rtol=1e-12, atol=0.0)


def test_apply_sets_all_or_nothing():
    _, robot = build(CHAIN)

    def present():
        return [read().clone() for read in (robot.get_links_mass, robot.get_links_COM, robot.get_links_inertia)]

    before = present()
    single = gs.parameters.inertia(5.0, [0.0, 0.0, 0.0], 0.1 * np.eye(3))  # a number would fit any count of masses
    with pytest.raises(gs.GenesisException, match=r"apply: `mass` has shape \(\), expected \(2,\)"):
        single.apply(robot)
    two = gs.parameters.inertia(*random_bodies(3, 2))
    with pytest.raises(gs.GenesisException, match=r"`mass` has shape \(3, 2\), expected \(2,\)"):
        two.apply(robot)
    assert all(torch.equal(a, b) for a, b in zip(present(), before, strict=True))
    single.apply(robot, [1])
    assert robot.get_links_mass().tolist() == pytest.approx([1.5, 5.0])
    with pytest.raises(gs.GenesisException, match="`per_env` is 'no'; expected True or False"):
        gs.parameters.inertia.of(robot, per_env="no")


def test_inertia_errors_name_the_link():
    scene, robot = build(PANDA)
    with pytest.raises(gs.GenesisException, match="link 'panda_hand_tcp' is 0 kg"):
        gs.parameters.inertia.of(robot)
    with pytest.raises(gs.GenesisException, match="nonsense"):
        gs.parameters.inertia.of(robot, ["nonsense"])
    with pytest.raises(gs.GenesisException, match="chooses no link"):
        gs.parameters.inertia.of(robot, [])
    with pytest.raises(gs.GenesisException, match="expected an entity"):
        gs.parameters.inertia.of(scene)
    module = gs.parameters.inertia.of(robot, [1, 2])
    before = robot.get_links_mass()
    with pytest.raises(gs.GenesisException, match="expected an entity"):
        module.apply(None)
    with pytest.raises(gs.GenesisException, match="shape"):
        module.apply(robot, [1, 2, 3])
    with torch.no_grad():
        module.coordinates[1, 4] = math.nan
    with pytest.raises(gs.GenesisException, match="coordinates are not finite"):
        module.apply(robot)
    assert torch.equal(robot.get_links_mass(), before)


def test_torch_s_own_apply_reaches_the_modules_of_a_network():
    network = torch.nn.ModuleDict({"body": gs.parameters.inertia(*random_bodies(2)), "line": torch.nn.Linear(2, 2)})
    seen = []
    network.apply(seen.append)
    assert [type(module).__name__ for module in seen] == ["Inertia", "Linear", "ModuleDict"]


# -- rotation -------------------------------------------------------------------------------------------------------------


def test_recenter_keeps_the_value():
    module = gs.parameters.rotation(torch.randn(5, 4))
    with torch.no_grad():
        module.coordinates += 3.0 * torch.randn(5, 3)
    before = module().detach()
    module.recenter()
    assert_equal(module(), before)
    assert not bool(module.coordinates.any())
    assert module.coordinates.is_leaf and module.coordinates.requires_grad


def test_rotation_is_unit_and_turns_in_its_own_frame():
    module = gs.parameters.rotation([0.0, 0.0, 0.0, 2.0])  # half a turn about z
    with torch.no_grad():
        module.coordinates.copy_(torch.tensor([math.pi / 2, 0.0, 0.0]))
    root = math.sqrt(0.5)
    assert_equal(module(), torch.tensor([0.0, 0.0, root, root]))  # k * (1 + i) / sqrt 2
    with torch.no_grad():
        module.coordinates.copy_(1e6 * torch.randn(3))
    assert_equal(torch.linalg.vector_norm(module(), dim=-1), torch.tensor(1.0), 1e-9)


# -- optimisers and scenes ------------------------------------------------------------------------------------------------


def recorded(scene, robot, steps=60):
    scene.reset()
    robot.set_dofs_position(torch.tensor([0.6, -0.9]))
    return scene.rollout(n_steps=steps).qpos(robot)


def test_an_optimiser_recovers_masses_and_damping():
    scene, robot = build(CHAIN)
    robot.set_links_mass([1.8, 0.6])
    robot.set_dofs_damping([0.3, 0.05])
    target = recorded(scene, robot).detach()
    mass = gs.parameters.positive([1.5, 0.8])
    damping = gs.parameters.bounded([0.1, 0.1], 0.0, 1.0)
    optimizer = torch.optim.LBFGS(
        [*mass.parameters(), *damping.parameters()], max_iter=60, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        robot.set_links_mass(mass())
        robot.set_dofs_damping(damping())
        loss = 1e4 * (recorded(scene, robot) - target).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert_equal(mass(), torch.tensor([1.8, 0.6]), 1e-3)
    assert_equal(damping(), torch.tensor([0.3, 0.05]), 1e-3)


def test_inertia_stays_possible_under_an_optimiser_that_overshoots():
    scene, robot = build(CHAIN)
    target = recorded(scene, robot).detach()
    module = gs.parameters.inertia.of(robot)
    with torch.no_grad():
        module.coordinates += 0.5 * torch.randn(2, 10, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(module.parameters(), lr=1.0)
    for _ in range(15):
        optimizer.zero_grad()
        module.apply(robot)  # raises for a value that no body has
        (recorded(scene, robot, 20) - target[:21]).square().sum().backward()
        assert bool(torch.isfinite(module.coordinates.grad).all())
        optimizer.step()
    assert float((module().mass - module.initial.mass).detach().abs().max()) > 0.1


def test_inertia_gradient_through_a_scene():
    scene, robot = build(CHAIN)
    module = gs.parameters.inertia.of(robot)
    weights = torch.randn(21, 2, generator=torch.Generator().manual_seed(4))

    def loss(coordinates):
        value = functional_call(module, {"coordinates": coordinates}, ())
        robot.set_links_mass(value.mass)
        robot.set_links_COM(value.com)
        robot.set_links_inertia(value.inertia)
        return (weights * recorded(scene, robot, 20)).sum()

    check_gradient(loss, module.coordinates.detach())


def test_rotation_drives_a_link_frame():
    scene, robot = build(CHAIN)
    module = gs.parameters.rotation(robot.get_links_offset_quat([1]))
    target = torch.tensor([0.2, -0.1, -0.9])
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for epoch in range(60):
        optimizer.zero_grad()
        scene.reset()
        robot.set_links_offset_quat(module(), [1])
        tip = robot.get_links_pos([1])[0] + quat_rotate(robot.get_links_quat([1])[0], torch.tensor([0.0, 0.0, -0.5]))
        loss = (tip - target).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if epoch % 20 == 19:
            module.recenter()
    # The tip moves on a sphere of 0.5 m about (0, 0, -0.5); the target is 0.458 m from its centre.
    assert losses[-1] == pytest.approx((0.5 - math.sqrt(0.2**2 + 0.1**2 + 0.4**2)) ** 2, rel=1e-2)


def test_before_init(run_python):
    out = run_python(
        "import genesis as gs\n"
        "for make in (lambda: gs.parameters.positive(1.0), lambda: gs.parameters.rotation([1.0, 0, 0, 0])):\n"
        "    try:\n        make()\n"
        "    except gs.GenesisException as error:\n        print(error)\n"
        "gs.init(backend=gs.cpu, precision='32', logging_level='warning')\n"
        "import torch\n"
        "body = gs.parameters.inertia([1.0], [[0.0, 0.0, 0.1]], [[0.1, 0.1, 0.15, 0.0, 0.0, 0.0]])\n"
        "with torch.no_grad():\n    body.coordinates += 1e6 * torch.randn(1, 10)\n"
        "assert all(bool(torch.isfinite(part).all()) for part in body()) and body().mass.dtype is torch.float32\n"
    )
    assert out.count("call gs.init() first") == 2
