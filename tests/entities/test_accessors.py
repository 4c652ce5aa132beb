"""Setters and getters follow from the catalogue of parameters."""

import dataclasses
import inspect

import pytest
import torch

import genesis as gs
from genesis.entities import RigidEntity, RigidGeom, RigidLink, catalogue_texts, made_methods
from genesis.entities.rigid_solver import RigidSolver
from genesis.world.catalogue import CONSTRAINT_PARAMETERS, ENTITY_PARAMETERS, PAIR_PARAMETERS, PARAMETERS
from tests.entities.worlds import world


def test_the_stub_file_is_up_to_date():
    assert catalogue_texts.STUB.read_text() == catalogue_texts.stub(), "run `make stubs`"


def test_the_documentation_is_up_to_date():
    present = catalogue_texts.PAGE.read_text()
    assert catalogue_texts.page(present) == present, "run `make stubs`"
    assert all(f"`{name}`" in present for name in ENTITY_PARAMETERS)


@pytest.mark.parametrize("name", ENTITY_PARAMETERS)
def test_every_entry_has_its_methods(name):
    for method in (f"set_{name}", f"get_{name}"):
        function = getattr(RigidEntity, method)
        assert function.__doc__ and function.__name__ == method
        assert list(inspect.signature(function).parameters)[-1] == "envs_idx"


@pytest.mark.parametrize("name", PAIR_PARAMETERS)
def test_pairs_are_the_rigid_solvers(name):
    assert list(inspect.signature(getattr(RigidSolver, f"set_{name}")).parameters)[-2:] == ["pairs_idx", "envs_idx"]
    assert list(inspect.signature(getattr(RigidSolver, f"get_{name}")).parameters) == ["self", "pairs_idx", "envs_idx"]


def test_arguments_have_names_of_their_own():
    """As they are written in a program that passes them by name."""

    def arguments(owner, method):
        return list(inspect.signature(getattr(owner, method)).parameters)[1:]

    assert arguments(RigidEntity, "set_dofs_kp") == ["kp", "dofs_idx_local", "envs_idx"]
    assert arguments(RigidEntity, "set_dofs_force_range") == ["lower", "upper", "dofs_idx_local", "envs_idx"]
    assert arguments(RigidEntity, "set_links_offset_quat") == ["quat", "links_idx_local", "envs_idx"]
    assert arguments(RigidLink, "set_mass") == ["mass", "envs_idx"]
    assert arguments(RigidGeom, "set_offset_pos") == ["pos", "envs_idx"]
    assert arguments(RigidSolver, "set_geoms_friction") == ["friction", "geoms_idx", "envs_idx"]


def test_a_new_entry_is_enough(monkeypatch):
    """Setter, getter, row of get_parameters(), check and error; of a field that the model has already."""
    entry = dataclasses.replace(
        CONSTRAINT_PARAMETERS["dofs_frictionloss"],
        name="dofs_viscosity",
        field=PARAMETERS["dofs_damping"].field,
        requires="",
        setter="Another name of damping [N m s/rad, N s/m], ([n_envs,] n_dofs).",
        getter="Another name of damping [N m s/rad, N s/m], ([n_envs,] n_dofs).",
    )
    monkeypatch.setitem(ENTITY_PARAMETERS, entry.name, entry)

    @made_methods.with_methods(made_methods.of_entity())
    class Extended(RigidEntity):
        pass

    _, arm, *_ = world()
    arm.__class__ = Extended
    value = torch.tensor([0.1, 0.2, 0.3], dtype=gs.tc_float, requires_grad=True)
    arm.set_dofs_viscosity(viscosity=value)
    assert torch.equal(arm.get_dofs_viscosity(), value) and torch.equal(arm.get_dofs_damping(), value)
    arm.get_dofs_viscosity([1]).sum().backward()
    assert value.grad.tolist() == [0.0, 1.0, 0.0]
    assert arm.get_parameters()["dofs_viscosity"]["shape"] == (3,)
    with pytest.raises(gs.GenesisException, match=r"arm.set_dofs_viscosity: `dofs_viscosity` of dof 1 .*negative"):
        arm.set_dofs_viscosity([0.1, -0.2, 0.3])
