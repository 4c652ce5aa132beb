"""What torch can do to tensors outside of the engine: it works, or a GenesisException says at the call that it does not."""

import pytest
import torch
from torch.autograd import forward_ad

import genesis as gs
from tests.entities import worlds
from tests.helpers import check_gradient

N = 3


@pytest.fixture(scope="module")
def three():
    """Three envs, with gradient."""
    return worlds.world(N)


@pytest.fixture
def world(three):
    scene, *entities = three
    scene.reset()
    yield scene, *entities
    scene.reset()


def leaf(*shape, seed=0, scale=0.3):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).requires_grad_()


# -- commands of some envs --------------------------------------------------------------------------------------------

COMMANDS = {
    "force": (lambda arm, x, **to: arm.control_dofs_force(x, **to), 3),
    "position": (lambda arm, x, **to: arm.control_dofs_position(x, **to), 3),
    "velocity": (lambda arm, x, **to: arm.control_dofs_velocity(x, **to), 3),
    "position and velocity": (lambda arm, x, **to: arm.control_dofs_position_velocity(x, 2 * x, **to), 3),
    "actuators": (lambda arm, x, **to: arm.control_actuators(x, **to), 3),
    "force of a link": (lambda arm, x, **to: arm.apply_links_external_force(x.unflatten(-1, (1, 3)), [3], **to), 3),
    "torque of a link": (lambda arm, x, **to: arm.apply_links_external_torque(x.unflatten(-1, (1, 3)), [3], **to), 3),
}
ENVS = {
    "first": [0],
    "two": [2, 0],
    "slice": slice(1, None),
    "mask": torch.tensor([True, False, True]),
    "all": [2, 1, 0],
    "none": [],
}


@pytest.mark.parametrize("envs", ENVS)
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_of_some_envs_have_a_gradient(world, name, envs):
    scene, arm, *_ = world
    (command, n), chosen = COMMANDS[name], ENVS[envs]
    count = len(torch.arange(N)[chosen])

    def outcome(x, y):
        scene.reset()
        arm.set_dofs_velocity([0.3, -0.2, 0.1])
        command(arm, x, envs_idx=chosen)
        scene.step()
        command(arm, y, envs_idx=chosen)
        scene.step()
        return arm.get_dofs_velocity()

    shared, each = leaf(n), leaf(count, n, seed=1)
    if not count:
        found = torch.autograd.grad(outcome(shared, each).sum() + 0 * shared.sum(), [shared, each], allow_unused=True)
        assert not found[0].any() and (found[1] is None or not found[1].any())
        return
    check_gradient(outcome, shared, each, names=("shared", "each"))
    with torch.no_grad():
        without = outcome(shared.detach(), each.detach())
    assert torch.equal(without, outcome(shared, each).detach())


def test_columns_of_some_envs_have_a_gradient(world):
    scene, arm, floater, _ = world

    def outcome(x, y, z):
        scene.reset()
        arm.control_dofs_force(x, [2, 0], envs_idx=[1])
        arm.control_dofs_position(y, [1], envs_idx=[0, 2])
        floater.control_dofs_force(z, [9, 3], envs_idx=[2])
        scene.step()
        scene.step()
        return torch.cat([arm.get_dofs_velocity(), floater.get_dofs_velocity()], -1)

    check_gradient(outcome, leaf(2), leaf(2, 1), leaf(2, seed=3))


# -- inference mode ---------------------------------------------------------------------------------------------------

UNDER_INFERENCE = {
    "set_qpos": lambda s, arm, floater: arm.set_qpos([0.1, 0.2, 0.05]),
    "set_qpos of an inference tensor": lambda s, arm, floater: arm.set_qpos(torch.zeros(N, 3)),
    "set_qpos of some envs": lambda s, arm, floater: arm.set_qpos([0.1, 0.2, 0.05], envs_idx=[1]),
    "set_qpos of some": lambda s, arm, floater: floater.set_qpos([0.3], [0]),
    "set_dofs_position": lambda s, arm, floater: floater.set_dofs_position(torch.full((10,), 0.1)),
    "set_dofs_velocity": lambda s, arm, floater: floater.set_dofs_velocity(torch.ones(N, 10)),
    "zero_all_dofs_velocity": lambda s, arm, floater: floater.zero_all_dofs_velocity(envs_idx=[2]),
    "set_pos": lambda s, arm, floater: floater.set_pos([0.0, 0.0, 2.0]),
    "set_pos of a fixed base": lambda s, arm, floater: arm.set_pos([0.0, 0.0, 2.0], envs_idx=[0]),
    "set_quat": lambda s, arm, floater: floater.set_quat([1.0, 0.1, 0.0, 0.0]),
    "control_dofs_force": lambda s, arm, floater: arm.control_dofs_force(torch.ones(3)),
    "control of some dofs": lambda s, arm, floater: arm.control_dofs_force([1.0, 2.0], [2, 0]),
    "control of some envs": lambda s, arm, floater: arm.control_dofs_position([1.0, 2.0, 0.0], envs_idx=[1, 0]),
    "control_actuators": lambda s, arm, floater: arm.control_actuators(torch.ones(2), [0, 2], envs_idx=[0]),
    "wrench": lambda s, arm, floater: arm.apply_links_external_force(torch.ones(5, 3)),
    "wrench of some": lambda s, arm, floater: floater.apply_links_external_torque(torch.ones(2, 3), [0, 2], [1]),
    "local wrench": lambda s, arm, floater: floater.apply_links_external_force(torch.ones(3, 3), local=True),
    "two wrenches": lambda s, arm, floater: [
        floater.apply_links_external_force(torch.ones(1, 3), [k]) for k in (0, 1, 0)
    ],
    "reset": lambda s, arm, floater: s.reset(),
    "reset of some envs": lambda s, arm, floater: s.reset(envs_idx=[1]),
    "reset to a state": lambda s, arm, floater: s.reset(s.get_state(), envs_idx=[0, 2]),
    "detach": lambda s, arm, floater: s.detach(),
    "step": lambda s, arm, floater: s.step(),
    "rollout": lambda s, arm, floater: s.rollout({arm: torch.zeros(4, 3)}),
    "put": lambda s, arm, floater: gs.tools.System(s).put(torch.zeros(1, 29) + 0.1),
    "set_links_mass": lambda s, arm, floater: arm.set_links_mass(torch.ones(5), envs_idx=[1]),
    "set_mass": lambda s, arm, floater: arm.set_mass(3.0),
    "set_gravity": lambda s, arm, floater: s.set_gravity(torch.tensor([0.0, 1.0, -9.0])),
}


@pytest.mark.parametrize("name", UNDER_INFERENCE)
def test_what_is_set_in_inference_mode_is_of_use_after_it(world, name):
    scene, arm, floater, _ = world
    scene.step()
    arm.control_dofs_force([0.1, 0.2, 0.3])
    with torch.inference_mode():
        UNDER_INFERENCE[name](scene, arm, floater)
    # Everything that is kept is an ordinary tensor,
    command = scene.world.commands.command
    for kept in (
        scene.world.state,
        scene.world.solution,
        command.switches.mode,
        command.switches.actuators_on,
        *command.blocks.values(),
    ):
        assert kept is None or not kept.is_inference()
    assert not scene.world.theta.packed().is_inference()
    # and a recorded motion goes on from it,
    force, mass = leaf(10), leaf(5, scale=0.0)
    floater.control_dofs_force(force, envs_idx=[0, 2])
    arm.set_links_mass(mass + 1.5)
    scene.step()
    scene.step()
    loss = arm.get_qpos().square().sum() + floater.get_links_pos().square().sum()
    gradients = torch.autograd.grad(loss, [force, mass])
    assert all(g.isfinite().all() for g in gradients) and gradients[0].any() and gradients[1].any()


def test_what_was_read_in_inference_mode_can_be_set_and_commanded(world):
    scene, arm, floater, _ = world
    with torch.inference_mode():
        q, v = floater.get_qpos() + 0.01, floater.get_dofs_velocity() + 0.1
        state = scene.get_state()
    x = leaf(3)
    scene.reset(state)
    floater.set_qpos(q)
    floater.set_dofs_velocity(v)
    floater.control_dofs_force(v)
    arm.control_dofs_force(x)
    scene.step()
    (floater.get_qpos().sum() + arm.get_qpos().sum()).backward()
    assert x.grad.any()


# -- transforms of torch.func, and forward mode -----------------------------------------------------------------------

CALLS = {
    "set_qpos": lambda s, arm, x: arm.set_qpos(x),
    "set_qpos of a list": lambda s, arm, x: arm.set_qpos([x[0], x[1], x[2]]),
    "set_dofs_velocity": lambda s, arm, x: arm.set_dofs_velocity(x),
    "control_dofs_force": lambda s, arm, x: arm.control_dofs_force(x),
    "control of some": lambda s, arm, x: arm.control_dofs_force(x[:2], [0, 2], envs_idx=[1]),
    "control_actuators": lambda s, arm, x: arm.control_actuators(x),
    "wrench": lambda s, arm, x: arm.apply_links_external_force(x[None], [2]),
    "set_dofs_damping": lambda s, arm, x: arm.set_dofs_damping(x),
    "set_links_offset_pos": lambda s, arm, x: arm.set_links_offset_pos(x[None], [1]),
    "set_mass": lambda s, arm, x: arm.set_mass(x[0]),
    "set_gravity": lambda s, arm, x: s.set_gravity(x),
    "rollout": lambda s, arm, x: s.rollout({arm: x.expand(4, 3)}),
    "System.rollout": lambda s, arm, x: gs.tools.System(s, 2).rollout(x.sum().expand(29), None, n_steps=2),
    "System.theta": lambda s, arm, x: gs.tools.System(s, N).hold(gs.tools.System(s).theta() + x[0]),
    "System.tangent": lambda s, arm, x: gs.tools.System(s, 2).tangent(x.sum().expand(29)),
}


REFUSED_INSIDE = (
    *("step", "rollout", "getter", "linearize", "System", "System.rollout", "reset", "reset of some", "detach"),
    *("save", "load", "zero velocity", "list of state", "list of parameters", "list of commands"),
)


@pytest.mark.parametrize("name", REFUSED_INSIDE)
def test_what_moves_a_scene_is_refused_inside_of_them(world, name, tmp_path):
    scene, arm, *_ = world
    arm.control_dofs_force([0.1, 0.2, 0.3])
    scene.step()
    scene.save_checkpoint(tmp_path / "saved")
    system = gs.tools.System(scene, N)
    x0 = system.state()[0].detach()
    call = {
        "step": scene.step,
        "rollout": lambda: scene.rollout(n_steps=2),
        "getter": arm.get_links_pos,
        "linearize": scene.linearize,
        "System": lambda: gs.tools.System(scene, 2),
        "System.rollout": lambda: system.rollout(x0, None, n_steps=2),
        "reset": scene.reset,
        "reset of some": lambda: scene.reset(envs_idx=[1]),
        "detach": scene.detach,
        "save": lambda: scene.save_checkpoint(tmp_path / "another"),
        "load": lambda: scene.load_checkpoint(tmp_path / "saved"),
        "zero velocity": arm.zero_all_dofs_velocity,
        "list of state": lambda: arm.set_qpos([0.1, 0.2, 0.05], envs_idx=[1]),
        "list of parameters": lambda: arm.set_dofs_damping([0.1, 0.2, 0.3]),
        "list of commands": lambda: arm.control_dofs_force([0.1, 0.2, 0.3]),
    }[name]
    before = numbers(scene, arm)
    for transform in (torch.func.vmap, torch.func.grad, torch.func.functionalize):
        with pytest.raises(gs.GenesisException, match=r"torch\.func"):
            transform(lambda x: (call(), x.sum())[1])(torch.ones(3))
    assert all(torch.equal(a, b) for a, b in zip(before, numbers(scene, arm), strict=True))
    assert scene.cur_step == 1 and not (tmp_path / "another").exists()
    call()
    scene.step()


def numbers(scene, arm):
    commands = scene.world.commands.command
    return [
        scene.world.state.detach().clone(),
        scene.world.theta.packed().detach().clone(),
        commands.switches.mode.clone(),
        *(block.detach().clone() for block in commands.blocks.values()),
    ]


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_transforms_are_refused_at_the_call(world, name, requires_grad):
    scene, arm, *_ = world
    arm.control_dofs_force([0.1, 0.2, 0.3])
    before = numbers(scene, arm)

    def called(x):
        CALLS[name](scene, arm, x)
        return x.sum()

    x = torch.full((3,), 0.2, requires_grad=requires_grad)
    transforms = (
        lambda: torch.func.vmap(called)(torch.ones(2, 3)),
        lambda: torch.func.grad(called)(x),
        lambda: torch.func.jvp(called, (x,), (torch.ones(3),)),
        lambda: torch.func.jacrev(called)(x),
        lambda: torch.func.functionalize(called)(x),
    )
    for transform in transforms:
        with pytest.raises(gs.GenesisException, match=r"torch\.func"):
            transform()
    for no_grad in (False, True):
        with forward_ad.dual_level(), torch.set_grad_enabled(not no_grad):
            with pytest.raises(gs.GenesisException, match="tangent"):
                called(forward_ad.make_dual(x, torch.ones(3)))
    after = numbers(scene, arm)
    assert len(before) == len(after) and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    scene.step()  # nothing of the transforms is left behind
    assert arm.get_qpos().isfinite().all()


def test_a_backward_pass_with_a_tangent_is_refused(world):
    scene, arm, *_ = world
    x = leaf(3)
    arm.control_dofs_force(x)
    scene.step()
    y = arm.get_qpos().as_subclass(torch.Tensor)
    with forward_ad.dual_level(), pytest.raises(gs.GenesisException, match="forward-mode"):
        torch.autograd.grad(y, x, forward_ad.make_dual(torch.ones_like(y), torch.ones_like(y)))


# -- the compiler -----------------------------------------------------------------------------------------------------

COMPILED = """
import torch
import genesis as gs
from tests.entities import worlds

gs.init(precision="64", logging_level="error", backend=gs.cpu)
scene, arm, floater, _ = worlds.unbuilt()
net = torch.nn.Linear(3, 3)
system = None


def loss(u, mass):
    scene.reset()
    arm.set_mass(mass)
    for _ in range(3):
        q = arm.get_qpos()
        arm.control_dofs_force(torch.tanh(net(q)) + u[..., :3] * q.sin())
        scene.step()
    rolled = scene.rollout({arm: u.expand(4, 3)})
    return floater.get_links_pos().square().sum() + arm.get_dofs_velocity().square().sum() + rolled.qpos(arm).sum()


def of_system(u, mass):
    x = system.rollout(system.state().detach().expand(2, -1), u.expand(4, 3) * mass)
    return x.square().sum()


compiled = [torch.compile(f, backend="aot_eager") for f in (loss, of_system)]
scene.build()
system = gs.tools.System(scene, n_rows=2, entities=arm)
for function, fast in zip((loss, of_system), compiled):
    for k in range(3):
        u = torch.linspace(0.1, 0.6, 3).mul(k + 1).requires_grad_()
        mass = torch.tensor(2.0 + k, requires_grad=True)
        expected, found = function(u, mass), fast(u, mass)
        torch.testing.assert_close(found, expected)
        # Backward of each by itself: parameters are set once per loss.
        theirs = torch.autograd.grad(function(u, mass), [u, mass])
        mine = torch.autograd.grad(fast(u, mass), [u, mass])
        torch.testing.assert_close(mine, theirs)
        assert all(g.any() for g in mine)
print("equal")
"""


def test_a_compiled_loss_is_the_eager_one(run_python):
    assert "equal" in run_python(COMPILED)
