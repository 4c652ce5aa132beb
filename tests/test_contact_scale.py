"""Contact at scale: many envs, many bodies, too many contacts; and the same bits each time, and in any company."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests import contact_scenes as scenes
from tests.contact_scale import GRADIENTS_OF, Falling, fields_of, gradients_of_final_state, humanoids
from tests.scenes import build

CONES = ["pyramidal", "elliptic"]
# benchmarks/contact_scale.py does the same with 4096.
N_ENVS = 256


@pytest.mark.parametrize("cone", CONES)
def test_gradients_of_many_humanoids_are_finite(cone):
    scene, robot = humanoids(N_ENVS, cone)
    _, _, grads = gradients_of_final_state(scene, robot, steps=100, seed=0)
    touched = scene.world.observer.get("ncon") > 0
    assert touched.double().mean() > 0.5
    for name in GRADIENTS_OF:
        grad = grads[name]
        assert torch.isfinite(grad).all(), name
        reached = grad.movedim(0, 1) if name == "controls" else grad
        assert (reached.flatten(1) != 0).any(1).double().mean() > 0.5, f"{name}: zero in most envs"


# -- many bodies in one scene -----------------------------------------------------------------------------------------


def test_two_hundred_bodies_cost_few_narrow_phases():
    falling = Falling(200)
    assert falling.pairs == 200 * 199 // 2 + 200
    most = 0
    for _ in range(40):
        before = falling.bodies.get_qpos().detach().numpy().copy()
        falling.scene.step()
        most = max(most, falling.candidates())
    assert most < falling.pairs / 50
    # and none is missing
    m = falling.scene.mj_model
    data = mujoco.MjData(m)
    data.qpos[:] = before
    mujoco.mj_forward(m, data)
    assert falling.contacts() == data.ncon > 100
    gradient = falling.gradient().reshape(200, 6)
    assert torch.isfinite(gradient).all()
    assert (gradient[:, 2] != 0).all()


# -- more contacts than slots -----------------------------------------------------------------------------------------


def _boxes(**options):
    """Three envs; the box of env 1 lies on the floor on its four corners."""
    scene, box = build(scenes.thrown("box"), n_envs=3, constraints=True, rigid_options=options)
    qpos = torch.tensor(scene.mj_model.qpos0).repeat(3, 1)
    qpos[1, 2] = 0.0795
    return scene, box, qpos


def test_more_contacts_than_slots_are_an_error_that_keeps_the_state():
    scene, box, qpos = _boxes(max_contacts=3)
    qvel = 0.1 * torch.ones(3, 6)
    aloft = qpos.clone()
    aloft[1, 2] = 0.25
    box.set_qpos(aloft)
    box.set_dofs_velocity(qvel)
    scene.step()
    box.set_qpos(qpos)
    box.set_dofs_velocity(qvel)
    for _ in range(2):  # the second time as well
        with pytest.raises(gs.GenesisException, match=r"env 1 has 4 contacts.* room for 3.*max_contacts=\d+"):
            scene.step()
        assert torch.equal(box.get_qpos(), qpos)
        assert torch.equal(box.get_dofs_velocity(), qvel)
        assert scene.cur_step == 1
    with pytest.raises(gs.GenesisException, match=r"env 1 has 4 contacts"):
        box.get_links_net_contact_force()

    # afterwards the scene is what one is that never failed
    fresh, other, _ = _boxes(max_contacts=3)
    results = []
    for s, b in ((scene, box), (fresh, other)):
        s.reset()
        velocity = qvel.clone().requires_grad_()
        b.set_dofs_velocity(velocity)
        for _ in range(20):
            s.step()
        qpos_after = b.get_qpos().sceneless()
        results.append((qpos_after.detach(), torch.autograd.grad(qpos_after.sum(), velocity)[0]))
    for failed, whole in zip(*results, strict=True):
        assert torch.equal(failed, whole)


def test_an_env_that_had_too_many_contacts_goes_on_after_its_own_reset():
    scene, box, qpos = _boxes(max_contacts=3)
    box.set_qpos(qpos)
    with pytest.raises(gs.GenesisException, match=r"env 1 has 4 contacts"):
        scene.step()
    scene.reset(envs_idx=[1])
    scene.step()
    assert torch.isfinite(box.get_qpos()).all()


def test_as_many_slots_as_contacts_are_enough():
    results = []
    for slots in (4, None):
        scene, box, qpos = _boxes(max_contacts=slots)
        box.set_qpos(qpos)
        for _ in range(5):
            scene.step()
        results.append(box.get_qpos().detach().numpy())
    np.testing.assert_array_equal(*results)


# -- the same bits ----------------------------------------------------------------------------------------------------

STEPS = 60
# Scene and cone. The broad phase sweeps the last; of the others it looks at every pair.
ALIKE = {
    "box": (scenes.thrown("box"), "elliptic"),
    "limits and friction loss": (scenes.JOINTS, "pyramidal"),
    "quadruped": (scenes.QUADRUPED, "elliptic"),
    "pile": (scenes.pile(14), "pyramidal"),
}


def _scene(name: str, n_envs: int):
    source, cone = ALIKE[name]
    return build(source, n_envs=n_envs, constraints=True, rigid_options={"friction_cone": cone})


def _inputs(m: mujoco.MjModel, n: int) -> dict[str, torch.Tensor]:
    """First axis: envs."""
    rng = np.random.default_rng(0)
    return {
        "qpos": torch.tensor(m.qpos0).repeat(n, 1),
        "qvel": torch.tensor(0.5 * rng.standard_normal((n, m.nv))),
        "force": torch.tensor(0.1 * rng.standard_normal((n, STEPS, m.nv))),
        "friction": torch.tensor(rng.uniform(0.5, 1.0, (n, 1))),
        "weights": torch.tensor(rng.standard_normal((n, 2 * m.nq + 6 * m.nbody))),
    }


def _results(scene, robot, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """State, accelerations and contact forces after some steps, and the gradient of their weighted sum, per env."""
    leaves = [inputs[name].clone().requires_grad_() for name in ("qpos", "qvel", "force", "friction")]
    qpos, qvel, force, friction = leaves
    scene.reset()
    robot.set_friction(friction.expand(robot.get_friction().shape))
    robot.set_qpos(qpos)
    robot.set_dofs_velocity(qvel)
    for t in range(STEPS):
        robot.control_dofs_force(force[:, t])
        scene.step()
    assert fields_of(scene, "any_constraint")[0].all()
    getters = (robot.get_qpos, robot.get_dofs_velocity, robot.get_links_acc, robot.get_links_net_contact_force)
    outputs = torch.cat([getter().sceneless().flatten(1) for getter in getters], 1)
    loss = (outputs * inputs["weights"][:, : outputs.shape[1]]).sum()
    return [outputs.detach(), *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("name", ALIKE)
def test_two_runs_give_the_same_bits(name):
    scene, robot = _scene(name, 3)
    inputs = _inputs(scene.mj_model, 3)
    first = _results(scene, robot, inputs)
    again = _results(scene, robot, inputs)  # what earlier runs left in the buffers does not show
    fresh = _results(*_scene(name, 3), inputs)
    for a, b, c in zip(first, again, fresh, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


@pytest.mark.parametrize("name", ALIKE)
def test_an_env_alone_and_among_others_gives_the_same_bits(name):
    many, one = _scene(name, 3), _scene(name, 1)
    inputs = _inputs(many[0].mj_model, 3)
    together = _results(*many, inputs)
    for w in range(3):
        alone = _results(*one, {key: value[w : w + 1] for key, value in inputs.items()})
        for a, b in zip(together, alone, strict=True):
            assert torch.equal(a[w : w + 1], b)
