"""Parameters by name: each starts from what is in force, writes back what it reads, and says what it is called."""

import tempfile
from pathlib import Path

import pytest
import torch

import genesis as gs
from genesis.tools.identification.coordinate_modules import Direction, InertiaAboutCOM
from genesis.tools.identification.outputs import near
from genesis.tools.identification.selection import KINDS, Magnitudes, by_name, select_unknowns
from tests.helpers import check_gradient

ROUNDING = 1e-10  # of a value that went through logarithm, Cholesky factor and back
MODEL = """
<mujoco>
  <worldbody>
    <geom name="ground" type="plane" size="5 5 0.1"/>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping="0.3" stiffness="2" armature="0.01" frictionloss="0.1" range="-90
      90"/> <geom name="upper" type="capsule" fromto="0 0 0 0.3 0 0" size="0.03" mass="1.0"/>
      <body name="fore" pos="0.3 0 0">
        <joint name="elbow" axis="0 1 0.2" damping="0.2" stiffness="1" armature="0.02" frictionloss="0.2"/>
        <geom name="box" type="box" fluidshape="ellipsoid" size="0.1 0.02 0.03" pos="0.1 0 0" mass="0.6"/>
        <geom name="ball" type="sphere" size="0.04" pos="0.2 0 0" mass="0.1"/>
        <body name="frame" pos="0.2 0 0"/><site name="grip" pos="0.2 0 0.05" euler="0 10 0"/>
      </body>
    </body>
  </worldbody>
  <tendon><fixed name="belt" stiffness="3" damping="0.1" armature="0.02" frictionloss="0.05">
    <joint joint="shoulder" coef="1"/><joint joint="elbow" coef="-0.5"/></fixed></tendon>
  <actuator>
    <general name="drive" joint="shoulder" gainprm="5" biasprm="0 -5 -1" biastype="affine" dyntype="filter"
    dynprm="0.1"/>
  </actuator>
</mujoco>
"""


@pytest.fixture(scope="module")
def scene():
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "arm.xml"
        path.write_text(MODEL)
        scene = gs.Scene(gs.options.SimOptions(requires_grad=True))
        scene.add_entity(gs.morphs.MJCF(file=str(path)), name="arm")
        scene.build()
    return scene


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_starts_at_what_is_in_force_and_moves_it(scene, kind):
    before = scene.world.theta.packed().detach().clone()
    found = by_name(scene, f"arm.{kind}", Magnitudes())
    found.apply()
    torch.testing.assert_close(scene.world.theta.packed().detach(), before, rtol=ROUNDING, atol=1e-15)
    assert len(found.names()) == found.numbers().numel()
    # Each of its coordinates moves theta.
    theta = scene.world.theta.packed()
    weights = torch.linspace(0.5, 1.5, theta.shape[1])
    for leaf, gradient in zip(
        found.coordinates(), torch.autograd.grad((weights * theta).sum(), found.coordinates()), strict=True
    ):
        assert gradient.shape == leaf.shape
        assert bool((gradient != 0).all())
    scene.world.theta.replace(before)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_rebuilt_from_their_numbers(scene, kind):
    found = by_name(scene, f"arm.{kind}", Magnitudes())
    numbers = found.numbers().detach()
    torch.testing.assert_close(found.numbers(found.value_of(numbers)), numbers, rtol=0.0, atol=0.0)


def test_parts_by_name_and_number(scene):
    assert by_name(scene, "arm.links_mass[fore]", Magnitudes()).names() == ["arm.links_mass[fore]"]
    assert by_name(scene, "arm.dofs_damping[1, shoulder]", Magnitudes()).names() == [
        "arm.dofs_damping[elbow]",
        "arm.dofs_damping[shoulder]",
    ]
    assert by_name(scene, "arm.links_inertial[fore]", Magnitudes()).names()[:3] == [
        "arm.links_inertial[fore].mass",
        "arm.links_inertial[fore].COM.x",
        "arm.links_inertial[fore].COM.y",
    ]


def test_sizes_have_as_many_numbers_as_the_shape(scene):
    names = by_name(scene, "arm.geoms_size", Magnitudes()).names()
    assert [sum(f"[{geom}]" in name for name in names) for geom in ("upper", "box", "ball", "ground")] == [2, 3, 1, 0]


def test_links_without_mass_are_left_out(scene):
    assert by_name(scene, "arm.links_mass", Magnitudes()).names() == ["arm.links_mass[upper]", "arm.links_mass[fore]"]
    with pytest.raises(gs.GenesisException, match="has no mass"):
        by_name(scene, "arm.links_mass[frame]", Magnitudes())


def test_zero_starts_at_a_hundredth_of_the_force(scene):
    arm = scene.get_entity("arm")
    before = scene.world.theta.packed().detach().clone()
    arm.set_dofs_damping(torch.tensor([0.0, 0.2]))
    magnitudes = Magnitudes(force=[10.0, 1.0], velocity=[2.0, 0.5])
    found = by_name(scene, "arm.dofs_damping", magnitudes)
    torch.testing.assert_close(found.numbers().detach(), torch.tensor([0.05, 0.2]))
    assert "arm.dofs_damping" in magnitudes.noted[0]
    scene.world.theta.replace(before)


def test_gravity(scene):
    found = by_name(scene, "gravity", Magnitudes())
    assert found.names() == ["gravity.x", "gravity.y", "gravity.z"]
    torch.testing.assert_close(found.numbers().detach(), torch.tensor([0.0, 0.0, -9.81]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("arm.dofs_dampin", "dofs_damping"),
        ("arm", "no parameter"),
        ("leg.dofs_damping", "no parameter"),
        ("arm.dofs_damping[wrist]", "no joint 'wrist'"),
        ("arm.dofs_damping[elbo]", "did you mean 'elbow'"),
        ("arm.friction[7]", "no geom '7'"),
        ("arm.mass[upper]", "one number"),
        ("arm.links_mass[]", "a part has no name"),
        ("arm.links_COM[fore].x", "no parameter"),
    ],
)
def test_unknown_names(scene, name, message):
    with pytest.raises(gs.GenesisException, match=message):
        by_name(scene, name, Magnitudes())


def test_the_list_of_what_there_is(scene):
    with pytest.raises(gs.GenesisException) as error:
        by_name(scene, "arm.colour", Magnitudes())
    for kind in KINDS:
        assert f"arm.{kind} " in str(error.value)


def test_priors_of_groups_and_of_single_numbers(scene):
    group, single = select_unknowns(
        scene,
        ["arm.links_mass", "arm.dofs_damping"],
        {"arm.links_mass": (1.0, 0.1), "arm.dofs_damping[elbow]": (0.3, 0.2)},
    )
    mean, deviation = group.prior_of_numbers()
    assert mean.tolist() == [1.0, 1.0]
    assert deviation.tolist() == [0.1, 0.1]
    mean, deviation = single.prior_of_numbers()
    assert deviation.tolist() == [float("inf"), 0.2]
    assert mean[1] == 0.3


def test_parameter_refuses_what_it_cannot_use():
    with pytest.raises(gs.GenesisException, match=r"torch\.nn\.Module"):
        gs.tools.Parameter("a", print, 3.0)
    with pytest.raises(gs.GenesisException, match="a function"):
        gs.tools.Parameter("a", None, gs.parameters.positive(1.0))
    with pytest.raises(gs.GenesisException, match="no parameters"):
        gs.tools.Parameter("a", print, torch.nn.Identity())


def test_direction_is_unit_and_has_the_right_derivative():
    axes = torch.tensor([[0.0, 0.0, 2.0], [1.0, 1.0, 0.0]])
    module = Direction(axes)
    torch.testing.assert_close(module(), axes / axes.norm(dim=-1, keepdim=True))

    def value(coordinates):
        return torch.func.functional_call(module, {"coordinates": coordinates})

    moved = torch.tensor([[0.3, -0.2], [0.1, 0.5]])
    torch.testing.assert_close(value(moved).norm(dim=-1), torch.ones(2))
    check_gradient(value, moved)


def test_inertia_is_possible_whatever_the_coordinates():
    module = InertiaAboutCOM(torch.tensor([[0.02, 0.03, 0.04, 0.001, 0.002, -0.001]]), "test")
    torch.testing.assert_close(module(), torch.tensor([[0.02, 0.03, 0.04, 0.001, 0.002, -0.001]]), rtol=1e-12, atol=0.0)
    generator = torch.Generator(device="cpu").manual_seed(0)
    for _ in range(20):
        coordinates = 2 * torch.randn((1, 6), generator=generator)
        xx, yy, zz, xy, xz, yz = torch.func.functional_call(module, {"coordinates": coordinates})[0].tolist()
        moments = torch.linalg.eigvalsh(torch.tensor([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
        assert moments[0] > 0
        assert moments[0] + moments[1] >= moments[2] * (1 - 1e-12)
    check_gradient(lambda c: torch.func.functional_call(module, {"coordinates": c}), torch.zeros(1, 6) + 0.1)


def test_flat_inertias_are_refused():
    with pytest.raises(gs.GenesisException, match="on the edge"):
        InertiaAboutCOM(torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0, 0.0]]), "test")


def test_near_names():
    assert "elbow" in near("elbo", ["elbow", "wrist"])
