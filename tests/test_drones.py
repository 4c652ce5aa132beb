"""Drones: what propellers do, its gradient, hovering, rollouts, and bad input."""

import math

import numpy as np
import pytest
import torch

import genesis as gs
from tests.helpers import check_gradient

KF, KM, MASS = 3e-10, 8e-12, 0.03
ARM = ((0.03, -0.03), (-0.03, -0.03), (-0.03, 0.03), (0.03, 0.03))
SPIN = (-1, 1, -1, 1)
HOVER = math.sqrt(MASS * 9.81 / 4 / KF)  # revolutions per minute

_PROPELLER = """
  <link name="prop{k}_link"><inertial><origin xyz="{x} {y} 0.002"/><mass value="0"/>
    <inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="prop{k}_joint" type="fixed"><parent link="base_link"/><child link="prop{k}_link"/></joint>"""
DRONE = """
<robot name="tiny">
  <properties kf="{kf}" km="{km}" thrust2weight="2.25" note="ours"/>
  <link name="base_link"><inertial><mass value="{mass}"/>
    <inertia ixx="1.4e-5" iyy="1.5e-5" izz="2.2e-5" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><geometry><cylinder radius=".06" length=".025"/></geometry></collision></link>{propellers}
  <link name="centre"/>
  <joint name="middle" type="fixed"><parent link="base_link"/><child link="centre"/></joint>
</robot>"""


def text(kf=KF, km=KM):
    propellers = "".join(_PROPELLER.format(k=k, x=x, y=y) for k, (x, y) in enumerate(ARM))
    return DRONE.format(kf=kf, km=km, mass=MASS, propellers=propellers)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("drone") / "tiny.urdf"
    path.write_text(text())
    return str(path)


def built(file, n_envs=0, requires_grad=True, substeps=1, **morph):
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01, substeps=substeps, requires_grad=requires_grad))
    drone = scene.add_entity(gs.morphs.Drone(file=file, pos=(0, 0, 1), **morph))
    scene.build(n_envs=n_envs)
    return scene, drone


@pytest.fixture(scope="module")
def one(file):
    return built(file)


@pytest.fixture(scope="module")
def three(file):
    return built(file, n_envs=3)


def tilted(scene, drone):
    scene.reset()
    drone.set_quat([0.9, 0.1, -0.2, 0.3])
    drone.set_dofs_velocity([0.1, -0.2, 0.3, 0.5, -0.4, 0.2])


def test_what_it_is(one):
    _, drone = one
    assert isinstance(drone, gs.entities.DroneEntity) and isinstance(drone, gs.entities.RigidEntity)
    assert (drone.KF, drone.KM, drone.n_propellers, drone.model) == (KF, KM, 4, "CF2X")
    assert drone.properties["thrust2weight"] == 2.25 and math.isnan(drone.properties["note"])
    assert [link.name for link in drone.links] == ["base_link", *(f"prop{k}_link" for k in range(4))]
    assert drone.propellers_idx.tolist() == [1, 2, 3, 4]
    assert drone.propellers_spin.tolist() == list(SPIN)
    assert drone.COM_link_idx == drone.base_link.idx


@pytest.mark.parametrize("model, sign", [("CF2X", 1.0), ("CF2P", 1.0), ("RACE", -1.0)])
def test_thrust_and_torque(file, model, sign):
    """The acceleration of a tilted drone is that of the forces and torques themselves, applied to the propellers."""
    rpm = torch.tensor([15000.0, 14000.0, 16000.0, 12000.0])
    scene, drone = built(file, model=model)
    tilted(scene, drone)
    drone.set_propellers_rpm(rpm)
    scene.step()
    found = drone.get_dofs_velocity()
    tilted(scene, drone)
    force = torch.zeros(4, 3)
    force[:, 2] = KF * rpm**2
    torque = torch.zeros(4, 3)
    torque[:, 2] = sign * KM * rpm**2 * torch.tensor(SPIN)
    drone.apply_links_external_wrench(force, torque, range(1, 5), ref="link_com", local=True)
    scene.step()
    assert (found - drone.get_dofs_velocity()).abs().max() < 1e-12


def test_acts_for_one_step(one):
    scene, drone = one
    scene.reset()
    drone.set_propellers_rpm(HOVER)
    scene.step()
    assert abs(drone.get_vel()[2]) < 1e-12
    scene.step()
    assert abs(drone.get_vel()[2] + 0.0981) < 1e-12
    scene.reset()
    drone.set_propellers_rpm((HOVER,) * 4)
    scene.reset()
    scene.step()
    assert abs(drone.get_vel()[2] + 0.0981) < 1e-12


def test_once_per_step(one):
    scene, drone = one
    scene.reset()
    drone.set_propellers_rpm(HOVER)
    with pytest.raises(gs.GenesisException, match="second time before the next step"):
        drone.set_propellels_rpm(HOVER)
    scene.reset()
    drone.set_propellels_rpm(HOVER)
    scene.step()
    drone.set_propellers_rpm(HOVER)


def test_thrust_that_holds(one):
    """As actuators the propellers are told thrusts, which hold as every command does."""
    scene, drone = one
    scene.reset()
    drone.control_actuators(torch.full((4,), MASS * 9.81 / 4))
    for _ in range(20):
        scene.step()
    assert (drone.get_pos() - torch.tensor([0.0, 0.0, 1.0])).abs().max() < 1e-12


@pytest.mark.parametrize("substeps", [1, 3])
def test_gradient_of_a_loop(file, substeps):
    scene, drone = built(file, substeps=substeps)

    def fn(scaled, pos):
        scene.reset()
        drone.set_pos(pos)
        for row in scaled:
            drone.set_propellers_rpm(HOVER * row)
            scene.step()
        return drone.get_pos(), drone.get_quat(), drone.get_dofs_velocity()

    rows = 1 + 0.05 * torch.randn((8, 4), generator=torch.Generator().manual_seed(0))
    check_gradient(fn, rows, torch.tensor([0.1, 0.2, 1.0]))


def test_gradient_per_env_and_of_kf(three):
    scene, drone = three

    def fn(rows, kf):
        scene.reset()
        for _ in range(4):
            drone.set_propellers_rpm(HOVER * rows)
            scene.step()
        for _ in range(3):
            drone.control_actuators(kf * 1e-10 * (HOVER * rows) ** 2)
            scene.step()
        return drone.get_pos(), drone.get_ang()

    rows = 1 + 0.05 * torch.randn((3, 4), generator=torch.Generator().manual_seed(1))
    check_gradient(fn, rows, torch.tensor(3.1))


def test_rollout_is_the_loop(three):
    scene, drone = three
    rows = HOVER * (1 + 0.02 * torch.randn((10, 3, 4), generator=torch.Generator().manual_seed(2)))
    results = []
    for rolled in (False, True):
        u = rows.clone().requires_grad_()
        scene.reset()
        if rolled:
            path = scene.rollout(u, control="propellers_rpm").qpos(drone)[-1]
        else:
            for row in u:
                drone.set_propellers_rpm(row)
                scene.step()
            path = drone.get_qpos()
        scene.step()
        drone.get_pos().pow(2).sum().backward()
        results.append((path.detach(), drone.get_dofs_velocity().detach(), u.grad))
    for looped, at_once in zip(*results, strict=True):
        assert torch.equal(looped, at_once)


def test_told_before_a_rollout(one):
    scene, drone = one
    scene.reset()
    drone.set_propellers_rpm(HOVER)
    scene.rollout(n_steps=3)
    assert abs(drone.get_vel()[2] + 2 * 0.0981) < 1e-12


def test_hovers(three):
    """A controller of height and attitude brings it to where it should be, and holds it there."""
    scene, drone = three
    scene.reset()
    drone.set_pos(torch.tensor([[0.0, 0.0, 0.8], [0.1, -0.1, 1.0], [0.0, 0.2, 1.3]]))
    x, y = torch.tensor(ARM).T
    signs = torch.stack(
        [torch.ones(4), y.sign(), -x.sign(), torch.tensor(SPIN, dtype=torch.float64)]
    )  # thrust, moments
    for _ in range(800):
        pos, vel, ang = drone.get_pos(), drone.get_vel(), drone.get_ang()
        roll, pitch, yaw = (2 * drone.get_quat()[:, 1:]).T  # small angles
        lean_x = 0.15 * (0.0 - pos[:, 0]) - 0.2 * vel[:, 0]
        lean_y = 0.15 * (0.0 - pos[:, 1]) - 0.2 * vel[:, 1]
        mixed = torch.stack(
            [
                0.3 * (1.0 - pos[:, 2]) - 0.25 * vel[:, 2],
                0.05 * (-lean_y - roll) - 0.01 * ang[:, 0],
                0.05 * (lean_x - pitch) - 0.01 * ang[:, 1],
                0.1 * (0.0 - yaw) - 0.05 * ang[:, 2],
            ],
            1,
        )
        drone.set_propellers_rpm(HOVER * (1 + mixed.clamp(-0.2, 0.2) @ signs))
        scene.step()
    assert (drone.get_pos() - torch.tensor([0.0, 0.0, 1.0])).abs().max() < 1e-3
    assert drone.get_dofs_velocity().abs().max() < 1e-3


@pytest.mark.parametrize(
    "given, expected",
    [
        (torch.ones(3), r"`propellers_rpm` has shape \(3,\), expected \(4,\) or \(3, 4\) or a number"),
        (torch.full((4,), torch.nan), "propellers_rpm"),
        (None, "propellers_rpm"),
    ],
)
def test_bad_speeds(three, given, expected):
    scene, drone = three
    scene.reset()
    with pytest.raises(gs.GenesisException, match=expected):
        drone.set_propellers_rpm(given)
    scene.step()
    assert (drone.get_vel()[:, 2] + 0.0981).abs().max() < 1e-12


@pytest.mark.parametrize(
    "old, new, expected",
    [
        (f'<properties kf="{KF}"', '<others kf="1"', r"has no <properties kf=.*rpm\^2"),
        (f'kf="{KF}"', 'kf="0"', r"line \d+: <properties> says kf='0'; expected a number above zero"),
        (f'km="{KM}"', "", "says km=None; expected a number"),
    ],
)
def test_bad_properties(tmp_path, old, new, expected):
    path = tmp_path / "bad.urdf"
    path.write_text(text().replace(old, new))
    with pytest.raises(gs.GenesisException, match=expected):
        gs.Scene().add_entity(gs.morphs.Drone(file=str(path)))


@pytest.mark.parametrize(
    "morph, expected",
    [
        ({"propellers_spin": (1, -1)}, "expected one of each of the 4 propellers"),
        ({"propellers_spin": (1, -1, 2, 1)}, "propellers_spin"),
        ({"propellers_link_name": ("a", "a", "b", "c")}, "each once"),
        ({"propellers_link_name": ("a",), "propellers_link_names": ("b",)}, "are both given"),
        ({"model": "CF3"}, "model"),
        ({"default_base_ang_damping_scale": 1e-5}, "a file's damping is not changed"),
    ],
)
def test_bad_morphs(file, morph, expected):
    with pytest.raises(gs.GenesisException, match=expected):
        gs.morphs.Drone(file=file, **morph)


def test_unknown_propeller(file):
    names = ("prop0_link", "prop1_link", "prop2_link", "prop4_link")
    with pytest.raises(gs.GenesisException, match="there is no link 'prop4_link'"):
        built(file, propellers_link_names=names)


def test_rollouts_of_what_is_no_drone(file):
    scene = gs.Scene()
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
    scene.build()
    with pytest.raises(gs.GenesisException, match="there are 0 drones"):
        scene.rollout(np.ones((3, 4)), control="propellers_rpm")
    with pytest.raises(gs.GenesisException, match="'box_0' is no drone"):
        scene.rollout({box: np.ones((3, 4))}, control="propellers_rpm")
    with pytest.raises(gs.GenesisException, match="give a sequence of speeds"):
        scene.rollout(n_steps=3, control="propellers_rpm")
    with pytest.raises(gs.GenesisException, match="rollouts only"):
        scene.linearize(control="propellers_rpm")
