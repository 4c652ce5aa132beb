"""Contacts and their forces as the entities report them: against MuJoCo, by entity, with gradient."""

import copy
import pickle

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.entities.worlds import settle, touching_world, world
from tests.helpers import check_gradient

# Two solvers run to the end on forces of some hundred newtons.
TOLERANCE = 1e-7
# First step of differences, small enough that no contact appears or disappears and no friction leaves its cone.
STEP = 1e-5
# What such differences of forces of 100 N resolve, relative to the largest element of a gradient.
GRADIENT_RTOL = 1e-5
# Their rounding error: 1e-12 over the step.
GRADIENT_ATOL = 1e-7

FLOATS = ("position", "normal", "distance", "force_a", "force_b")


def mujoco_contacts(scene, env):
    """Contacts of one env as mj_forward finds them: rows (geoms, links, position, normal, distance, force on the second)."""
    model = scene.mj_model
    data = mujoco.MjData(model)
    state = scene.world.state[env].detach().numpy()
    data.qpos, data.qvel = state[: model.nq], state[model.nq : model.nq + model.nv]
    mujoco.mj_forward(model, data)
    rows = []
    for k, contact in enumerate(data.contact):
        wrench = np.zeros(6)
        mujoco.mj_contactForce(model, data, k, wrench)
        frame = contact.frame.reshape(3, 3)
        links = model.geom_bodyid[contact.geom] - 1
        rows.append(np.concatenate([contact.geom, links, contact.pos, frame[0], [contact.dist], frame.T @ wrench[:3]]))
    return np.array(rows)


def as_rows(contacts):
    """The same of what a getter returned, without envs."""
    keys = ("geom_a", "geom_b", "link_a", "link_b", "position", "normal", "distance", "force_b")
    columns = [contacts[key].detach().numpy().astype(float) for key in keys]
    return np.concatenate([c.reshape(len(c), -1) for c in columns], 1)


def in_order(rows):
    return rows[np.lexsort(rows[:, [5, 4, 1, 0]].round(6).T)]


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("n_envs", [0, 2])
def test_against_mujoco(cone, n_envs):
    scene, floor, _walker, _ball, _block = touching_world(n_envs, cone=cone)
    found = scene.rigid_solver.get_contacts()
    for env in range(max(n_envs, 1)):
        expected = mujoco_contacts(scene, env)
        assert len(expected) >= 8
        mine = found
        if n_envs:
            mine = {key: value[env][found["valid_mask"][env]] for key, value in found.items()}
        np.testing.assert_allclose(in_order(as_rows(mine)), in_order(expected), rtol=TOLERANCE, atol=TOLERANCE)
        net = np.zeros((scene.rigid_solver.n_links + 1, 3))
        for row in expected:
            net[int(row[2])] -= row[-3:]
            net[int(row[3])] += row[-3:]
        for entity in scene.entities:
            force = entity.get_links_net_contact_force()
            force = force[env] if n_envs else force
            expected_force = net[entity.link_start : entity.link_end]
            np.testing.assert_allclose(force, expected_force, rtol=TOLERANCE, atol=1e-5)
    assert floor.get_links_net_contact_force().shape == ((n_envs, 1, 3) if n_envs else (1, 3))
    assert torch.equal(found["force_a"], -found["force_b"])


def test_by_entity():
    scene, floor, walker, ball, block = touching_world()
    every = scene.rigid_solver.get_contacts()
    trunk, _shell, foot, hand = range(walker.geom_start, walker.geom_end)

    def pairs(contacts):
        return sorted(zip(contacts["geom_a"].tolist(), contacts["geom_b"].tolist(), strict=True))

    on_floor = [(floor.geom_start, geom) for geom in (trunk, foot)]
    (between,) = {(a, b) for a, b in pairs(every) if {a, b} == {foot, hand}}
    assert pairs(walker.get_contacts()) == sorted([*on_floor, between])
    assert pairs(walker.get_contacts(exclude_self_contact=True)) == on_floor
    assert pairs(walker.get_contacts(with_entity=walker)) == [between]
    assert pairs(walker.get_contacts(with_entity=floor)) == on_floor
    assert pairs(walker.get_contacts(with_entity=ball)) == []
    with_block = pairs(ball.get_contacts(block))
    assert with_block == [(ball.geom_start, block.geom_start)] == pairs(block.get_contacts(with_entity=ball))
    assert len(pairs(floor.get_contacts())) == len(pairs(every)) - 2
    contacts = walker.get_contacts(floor)
    assert contacts["link_a"].tolist() == [floor.link_start] * 2
    assert contacts["link_b"].tolist() == [walker.get_link("trunk").idx, walker.get_link("leg").idx]
    assert scene.rigid_solver.geoms[contacts["geom_b"][1]].name == "foot"
    torch.testing.assert_close(contacts["normal"].sceneless(), torch.tensor([[0.0, 0, 1]] * 2))
    assert (contacts["distance"] < 0).all()
    assert all(isinstance(value, gs.grad.Tensor) and value.scene is scene for value in contacts.values())
    assert all(contacts[key].dtype == gs.tc_int for key in ("geom_a", "geom_b", "link_a", "link_b"))


def test_names():
    scene, floor, walker, ball, block = touching_world()
    for contacts in (scene.rigid_solver.get_contacts(), walker.get_contacts(floor), ball.get_contacts()):
        for side in "ab":
            geoms = [scene.mj_model.geom(int(k)).name for k in contacts[f"geom_{side}"]]
            links = [scene.mj_model.body(int(k) + 1).name for k in contacts[f"link_{side}"]]
            assert (contacts.names[f"geom_{side}"], contacts.names[f"link_{side}"]) == (geoms, links)
    assert walker.get_contacts(floor).names == {
        "geom_a": ["floor/plane_geom"] * 2,
        "geom_b": ["walker/trunk", "walker/foot"],
        "link_a": ["floor/plane_baselink"] * 2,
        "link_b": ["walker/trunk", "walker/leg"],
    }
    found = ball.get_contacts(block)
    assert pickle.loads(pickle.dumps(found)).keys() == copy.copy(found).keys() == found.keys()
    assert type(copy.deepcopy(found)) is dict


def test_names_of_envs():
    _scene, _floor, _walker, ball, _block = touching_world(2)
    pos = ball.get_pos().sceneless()
    pos[1, 2] = 1.0  # in the air
    ball.set_pos(pos)
    contacts = ball.get_contacts()
    first, second = contacts.names["link_b"]
    assert len(first) == len(second) == contacts["link_b"].shape[1]
    assert [bool(name) for name in first] == contacts["valid_mask"][0].tolist()
    assert set(second) == {""}


def test_envs_are_padded():
    scene, _floor, _walker, ball, _block = touching_world(3)
    pos = ball.get_pos().sceneless()
    pos[1, 2] = 1.0  # in the air
    ball.set_pos(pos)
    contacts = ball.get_contacts()
    valid = contacts["valid_mask"]
    assert valid.dtype == torch.bool
    assert valid.sum(1).tolist() == [2, 0, 2]
    everything = scene.rigid_solver.get_contacts()
    assert everything["valid_mask"].shape == valid.shape, "padded to the most of any env"
    assert everything["valid_mask"].all(1).tolist() == [True, False, True]
    for key in ("geom_a", "geom_b", "link_a", "link_b"):
        assert (contacts[key][~valid] == -1).all()
    for key in FLOATS:
        assert not contacts[key][~valid].any()
    net = ball.get_links_net_contact_force(envs_idx=[1, 2])
    assert net.shape == (2, 1, 3)
    assert not net[0].any()
    torch.testing.assert_close(net[1, 0].sceneless(), _on(ball, contacts, 2))


def _on(entity, contacts, env):
    of = [contacts[f"geom_{side}"][env] == entity.geom_start for side in "ab"]
    return sum(contacts[f"force_{side}"][env][mask].sum(0) for side, mask in zip("ab", of, strict=True)).sceneless()


def test_without_contacts():
    for n_envs in (0, 2):
        scene, arm, *_ = world(n_envs)  # constraints disabled: no pair at all
        _apart, _, _, ball, _block = touching_world(n_envs)
        ball.set_pos((0.0, 5.0, 1.0))
        for contacts in (arm.get_contacts(), ball.get_contacts(), scene.rigid_solver.get_contacts()):
            chosen = contacts["valid_mask"].any() if n_envs else len(contacts["geom_a"])
            assert not chosen
        lead = (n_envs,) if n_envs else ()
        assert not ball.get_links_net_contact_force().any()
        force = arm.get_links_net_contact_force()
        assert force.shape == (*lead, 5, 3)
        assert not force.any()
        assert arm.get_contacts()["position"].shape == (*lead, 0, 3)


def test_forces_follow_the_commands():
    _, _, walker, *_ = touching_world()
    before = walker.get_links_net_contact_force().clone()
    walker.control_dofs_force([-50.0], [0])
    assert (walker.get_links_net_contact_force() - before).abs().max() > 1


def test_a_contact_within_the_margin_but_not_the_gap_is_listed_without_force(tmp_path):
    (tmp_path / "ball.xml").write_text(
        '<mujoco><worldbody><body pos="0 0 .105"><freejoint/><geom size=".1" margin=".002" gap=".02"/></body>'
        "</worldbody></mujoco>"
    )
    scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True))
    scene.add_entity(gs.morphs.Plane())
    ball = scene.add_entity(gs.morphs.MJCF(file=tmp_path / "ball.xml"))
    scene.build()
    contacts = ball.get_contacts()
    assert contacts["distance"].tolist() == pytest.approx([0.005])
    assert not contacts["force_b"].any()


# -- gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("n_envs", [0, 2])
def test_gradient_of_contacts(cone, n_envs):
    """With respect to positions, velocities and commands, through a step and without one."""
    scene, floor, walker, _ball, block = touching_world(n_envs, cone=cone)
    start = scene.get_state().detach()
    lead = (n_envs,) if n_envs else ()

    def run(qpos, velocity, force, mass):
        scene.reset(start)
        walker.set_qpos(qpos)
        walker.set_dofs_velocity(velocity)
        block.set_links_mass(mass)
        walker.control_dofs_force(force)
        outputs = []
        for _ in range(2):
            contacts = scene.rigid_solver.get_contacts()
            outputs += [contacts["position"], contacts["normal"], contacts["distance"]]
            outputs += [1e-2 * contacts["force_a"], 1e-2 * walker.get_links_net_contact_force()]
            outputs += [1e-2 * walker.get_contacts(floor)["force_b"], 1e-2 * walker.get_dofs_force()]
            scene.step()
        return outputs

    qpos, velocity = walker.get_qpos().sceneless(), walker.get_dofs_velocity().sceneless()
    force = 0.3 * torch.ones(*lead, walker.n_dofs)
    check_gradient(run, qpos, velocity, force, torch.tensor([20.0]), eps=STEP, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL)


def test_no_gradient_comes_from_empty_slots():
    """What a slot held before, NaN even, does not reach a gradient."""
    scene, _, _, ball, _block = touching_world(2)
    ball.set_pos(torch.tensor([[0.0, 5.0, 0.098], [0.0, 5.0, 1.0]]))
    dynamics = scene.world.dynamics
    scene.rigid_solver.get_contacts()
    for name in ("con_dist", "con_pos", "con_frame", "con_force"):
        dynamics.executors[0].space.view(name).fill_(float("nan"))
    settle(scene)
    velocity = torch.zeros(2, 6, requires_grad=True)
    ball.set_pos(torch.tensor([[0.0, 5.0, 0.098], [0.0, 5.0, 1.0]]))
    ball.set_dofs_velocity(velocity)
    contacts = scene.rigid_solver.get_contacts()
    sum(contacts[key].sum() for key in FLOATS if key != "force_a").backward()
    assert velocity.grad.isfinite().all()
    assert velocity.grad[0].any()
    assert not velocity.grad[1].any()


# -- errors ---------------------------------------------------------------------------------------------------------------


def test_wrong_calls():
    _, arm, *_ = world()
    _, _, walker, *_ = touching_world()
    with pytest.raises(gs.GenesisException, match=r"arm\.get_contacts: `with_entity` is .*; give one of this scene"):
        arm.get_contacts(walker)
    with pytest.raises(gs.GenesisException, match="`with_entity` is 'arm'"):
        arm.get_contacts("arm")
    with pytest.raises(gs.GenesisException, match="nothing is left"):
        walker.get_contacts(walker, exclude_self_contact=True)
    with pytest.raises(gs.GenesisException, match="built without envs"):
        walker.get_links_net_contact_force(envs_idx=0)
    unbuilt = gs.Scene()
    box = unbuilt.add_entity(gs.morphs.Box(size=(1, 1, 1)))
    for call in (box.get_contacts, box.get_links_net_contact_force, unbuilt.rigid_solver.get_contacts):
        with pytest.raises(gs.GenesisException, match="needs the built scene"):
            call()
