"""Parameters, controls and forces of `scene.rigid_solver` by the scene's numbers: the same as each entity's own."""

import pytest
import torch

import genesis as gs
from tests.entities.worlds import world
from tests.helpers import check_gradient


@pytest.fixture(scope="module")
def three():
    return world(n_envs=2)


@pytest.mark.parametrize(
    "name, item",
    [
        ("links_mass", ()), ("links_COM", (3,)), ("dofs_kp", ()), ("dofs_kv", ()), ("dofs_stiffness", ()),
        ("dofs_damping", ()), ("dofs_armature", ()),
    ],
)  # fmt: skip
def test_parameters(three, name, item):
    scene, arm, floater, block = three
    solver, axis = scene.rigid_solver, name.split("_")[0]
    n = solver.n_links if axis == "links" else solver.n_dofs
    value = 0.5 + torch.rand((2, n, *item), generator=torch.Generator().manual_seed(0))
    getattr(solver, f"set_{name}")(value)
    assert torch.equal(getattr(solver, f"get_{name}")(), value)
    own = torch.cat([getattr(entity, f"get_{name}")() for entity in (arm, floater, block)], 1)
    assert torch.equal(own, value)
    chosen = [n - 1, 0, 4]
    getattr(solver, f"set_{name}")(2 * value[:1, chosen], **{f"{axis}_idx": chosen}, envs_idx=[1])
    got = getattr(solver, f"get_{name}")(chosen, [1, 0])
    assert torch.equal(got, torch.stack([2 * value[0, chosen], value[0, chosen]]))


def test_shifts_and_ranges(three):
    scene, arm, *_ = three
    solver = scene.rigid_solver
    own = torch.as_tensor(scene.mj_model.body_mass[1:])
    solver.set_links_mass_shift(torch.full((1,), 0.3), [2])
    assert abs(float(arm.get_links_mass()[0, 2]) - float(own[2]) - 0.3) < 1e-12
    solver.set_links_COM_shift(torch.full((1, 3), 0.01), [2])
    solver.set_links_inertial_mass(own)
    assert torch.equal(solver.get_links_inertial_mass()[0], own)
    arm.set_links_inertial_mass(own[:5])
    assert torch.equal(arm.get_links_inertial_mass()[1], own[:5])
    solver.set_dofs_force_range([-1.0, -2.0], [1.0, 2.0], [0, 1])
    assert [ends[0, :2].tolist() for ends in arm.get_dofs_force_range()] == [[-1.0, -2.0], [1.0, 2.0]]


def test_controls_and_forces(three):
    scene, arm, floater, _ = three
    solver = scene.rigid_solver
    force = torch.linspace(-1, 1, solver.n_dofs)
    results = []
    for by_number in (True, False):
        scene.reset()
        if by_number:
            solver.control_dofs_force(force)
            solver.apply_links_external_wrench(torch.ones(1, 3), torch.ones(1, 3), links_idx=[floater.link_start + 1])
        else:
            arm.control_dofs_force(force[:3])
            floater.control_dofs_force(force[3:])
            floater.apply_links_external_wrench(torch.ones(1, 3), torch.ones(1, 3), [1])
        assert torch.equal(solver.get_dofs_control_force()[:, :3], arm.get_dofs_control_force())
        scene.step()
        results.append(torch.cat([arm.get_qpos(), floater.get_qpos()], 1))
    assert torch.equal(*results)
    solver.apply_links_external_force(torch.full((1, 3), 1e6), [1])
    solver.clear_external_force()
    scene.step()
    assert arm.get_dofs_velocity().abs().max() < 100
    assert solver.get_mass_mat().shape == (2, 13, 13)
    assert torch.equal(solver.get_mass_mat()[:, :3, :3], arm.get_mass_mat())
    energies = arm.get_kinetic_energy() + floater.get_kinetic_energy()
    assert (solver.get_kinetic_energy() - energies).abs().max() < 1e-12
    assert solver.get_error_envs_mask().tolist() == [False, False]


def test_gradient(three):
    scene, arm, floater, _ = three

    def fn(damping, force):
        scene.reset()
        scene.rigid_solver.set_dofs_damping(damping)
        for _ in range(3):
            scene.rigid_solver.control_dofs_force(force)
            scene.step()
        return arm.get_dofs_velocity(), floater.get_dofs_velocity()

    check_gradient(fn, torch.linspace(0.1, 0.5, 13), torch.linspace(-0.9, 0.8, 13))


def test_friction_ratio():
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)), material=gs.materials.Rigid(friction=0.5))
    scene.build(n_envs=2)
    solver = scene.rigid_solver
    solver.set_geoms_friction_ratio(torch.tensor([[1.0, 2.0], [1.0, 3.0]]))
    assert box.get_friction()[:, 0].tolist() == [1.0, 1.5]
    assert solver.get_geoms_friction_ratio([1]).tolist() == [[2.0], [3.0]]
    solver.set_geom_friction(0.7, box.geoms[0].idx)
    assert box.get_friction().tolist() == [[0.7], [0.7]]


def test_errors_name_the_entity(three):
    solver = three[0].rigid_solver
    with pytest.raises(gs.GenesisException, match=r"rigid_solver\.set_links_mass: `links_mass` of link 'arm/upper'"):
        solver.set_links_mass([-1.0], [1])
    with pytest.raises(gs.GenesisException, match=r"rigid_solver\.set_dofs_kp: `dofs_idx`"):
        solver.set_dofs_kp(1.0, [99])
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        gs.Scene().rigid_solver.set_dofs_kp(1.0)
