"""Parameters that are set with gradient once, and set again in part in every epoch: the gradients are those of a program
that sets everything anew, and what is kept of what was set before stays bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world import theta as store
from genesis.world.catalogue import (
    CONSTRAINT_PARAMETERS,
    DELAY_PARAMETERS,
    ELLIPSOIDS,
    ENTITY_PARAMETERS,
    PLASTIC_PARAMETERS,
)
from tests import call_worlds, models, scenes
from tests.entities.worlds import scatter_state, settle, touching_world, world
from tests.helpers import check_gradient

EPOCHS = 4
SEVEN = torch.tensor([0.03, 1.1, 0.85, 0.93, 0.002, 0.45, 2.1])


@cache
def smooth():
    """(scene, arm, floater, block), two envs."""
    return world(2)


@cache
def touching():
    """(scene, floor, walker, ball, block), two envs, everything in contact."""
    return touching_world(2, tolerance=1e-8)


@cache
def coupled():
    """(scene, robot with tendons and equalities, ball, carrier), two envs."""
    return call_worlds.touching(2)


@cache
def immersed():
    """(scene, robot with shapes that a fluid acts on), two envs."""
    return scenes.build(models.in_fluid(ellipsoids=True), n_envs=2)


@cache
def wired():
    """(scene, robot with sites that tendons run through), two envs."""
    return scenes.build(models.TENDON_PATHS, n_envs=2)


def fresh(scene):
    """A scene that tests share, without what was set before."""
    scene.world.theta.replace(torch.as_tensor(scene.world.model.theta_default(), dtype=gs.tc_float)[None])
    scene.reset()


# -- the table ------------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """What is set for all, and for a part of it.

    Attributes:
        world: builds the scene, or returns it
        start: the two values, given what the getter says
        every, part: set them; take the scene's entities and a value
        read: what is in force
    """

    world: Callable
    start: Callable
    every: Callable
    part: Callable
    read: Callable


def pair(setter, value, *rest, **more):
    setter(value[..., 0], value[..., 1], *rest, **more)


UNBOUND = ("dofs_force_range", "actuators_length_range")  # ranges that the model leaves open


def entity_case(parameter, form, give=lambda x: x):
    """A parameter of an entity, set again for one of its elements ("one"), in one env ("env"), or both ("one of env")."""
    name, axis, in_fluid = parameter.name, parameter.axis, parameter.requires == ELLIPSOIDS
    world_of = coupled if axis in ("tendons", "equalities") else touching if name in CONSTRAINT_PARAMETERS else smooth
    world_of = immersed if in_fluid else wired if axis == "sites" else world_of
    ranges = parameter.as_ends or name == "dofs_limit"

    def entity(entities):
        return entities[1 if world_of is touching else 0]

    def elements(e):
        if name == "dofs_limit":
            return [1]
        if name.startswith("tendons_limit"):
            return [0]
        if in_fluid:
            return [g.idx_local for g in e.geoms if g.is_fluid_ellipsoid]
        return [g.idx_local for g in e.touching_geoms] if axis == "geoms" else list(range(getattr(e, f"n_{axis}")))

    def put(e, value, which, envs):
        value = value if isinstance(value, list) else give(value)
        arguments = {f"{axis}_idx_local": which, "envs_idx": envs}
        setter = getattr(e, f"set_{name}")
        if ranges:
            pair(setter, value, **arguments)
        else:
            setter(value, **arguments)

    def read(entities):
        e = entity(entities)
        found = getattr(e, f"get_{name}")(elements(e))
        return torch.stack(found, -1) if ranges else found

    def start(now):
        now = torch.tensor([-5.0, 6.0]).expand_as(now) if name in UNBOUND else now
        add = 0.0 if name == "links_inertia" else 0.001
        every, part = 1.01 * now[0] + add, 1.02 * now[0] + add
        if "one" in form:
            part = part[:1]
        return every, part[None] if "env" in form else part

    def set_part(entities, value):
        e = entity(entities)
        put(e, value, elements(e)[:1] if "one" in form else elements(e), [1] if "env" in form else None)

    return Case(
        world_of, start, lambda entities, x: put(entity(entities), x, elements(entity(entities)), None), set_part, read
    )


def simple(build, start, every, part, read):
    """A case of two values as they are."""
    values = tuple(torch.as_tensor(v, dtype=torch.float64) for v in start)
    return Case(build, lambda now: values, every, part, read)


def scaled(entities, total):
    """set_mass of the arm as it was built, whatever was set since."""
    arm = entities[0]
    model = arm.scene.mj_model
    arm.set_links_mass(torch.as_tensor(model.body_mass[arm.link_start + 1 : arm.link_end + 1].copy()))
    field = arm.scene.world.model.theta_fields["body_inertia"]
    inertia = torch.as_tensor(arm.scene.world.model.theta_default()[field.offset : field.offset + field.size]).view(
        -1, 6
    )
    arm.set_links_inertia(inertia[arm.link_start + (len(inertia) > arm.scene.rigid_solver.n_links) :][: arm.n_links])
    arm.set_mass(total)


def both_of_arm(entities):
    return torch.cat([entities[0].get_links_mass(), entities[0].get_links_inertia().flatten(1)], 1)


def soft_of_all(entities):
    scene = entities[0].scene
    solver, walker = scene.rigid_solver, entities[1]
    found = [solver.get_sol_params(), walker.get_joints_sol_params(), walker.get_dofs_sol_params()]
    return torch.cat([*found, solver.get_pairs_sol_params()], 1)


INERTIA = torch.tensor([0.1, 0.1, 0.1, 0.0, 0.01, 0.02])


def solver_of(entities):
    return entities[0].scene.rigid_solver


def matrices(six):
    """(..., 6) as (..., 3, 3)."""
    return six[..., [0, 3, 4, 3, 1, 5, 4, 5, 2]].unflatten(-1, (3, 3))


CASES = {
    f"{name}, {form}": entity_case(p, form)
    for name, p in ENTITY_PARAMETERS.items()
    if name not in (*DELAY_PARAMETERS, *PLASTIC_PARAMETERS)  # no actuator here keeps a history, no spring yields
    for form in ("one", "env", "one of env")
}
# Ways in which a value is given.
CASES |= {
    f"{name}, {how}": entity_case(ENTITY_PARAMETERS[name], "one of env" if "rows" not in how else "env", give)
    for name in (
        "links_mass",
        "joints_axis",
        "links_offset_quat",
        "geoms_offset_quat",
        "friction",
        "sol_params",
        "links_COM",
    )
    for how, give in {
        "32 bits": lambda x: x.to(torch.float32),
        "list": lambda x: list(x) if x.ndim == 1 else [list(row) for row in x],
        "view": lambda x: x[None].squeeze(0).unsqueeze(-1)[..., 0],
        "rows": lambda x: x if x.ndim > 2 or (x.ndim == 2 and x.shape[0] == 1) else x.expand(2, *x.shape),
    }.items()
}
CASES["links_inertia, matrices"] = simple(
    smooth,
    (matrices(INERTIA).expand(5, 3, 3), matrices(2 * INERTIA).expand(1, 1, 3, 3)),
    lambda e, x: e[0].set_links_inertia(x),
    lambda e, y: e[0].set_links_inertia(y, [2], envs_idx=[1]),
    lambda e: e[0].get_links_inertia(),
)
LOW, HIGH = (-0.3, -0.25), (0.15, 0.2)
CASES |= {
    "gravity": simple(
        smooth,
        ((0.1, 0.2, -9.0), (0.3, -0.1, -8.0)),
        lambda e, x: e[0].scene.set_gravity(x),
        lambda e, y: e[0].scene.set_gravity(y, envs_idx=[1]),
        lambda e: e[0].scene.get_gravity(),
    ),
    "mass, env": simple(smooth, (5.0, (6.0,)), scaled, lambda e, y: e[0].set_mass(y, envs_idx=[1]), both_of_arm),
    "mass, link": simple(smooth, (5.0, 1.0), scaled, lambda e, y: e[0].links[1].set_mass(y), both_of_arm),
    "mass, link of env": simple(
        smooth, (5.0, (1.0,)), scaled, lambda e, y: e[0].links[1].set_mass(y, envs_idx=[1]), both_of_arm
    ),
    "scaled mass": simple(
        smooth,
        ((1.0, 1.5, 2.0, 0.5, 0.7), (0.9,)),
        lambda e, x: e[0].set_links_scaled_mass(x),
        lambda e, y: e[0].set_links_scaled_mass(y, [1], envs_idx=[1]),
        both_of_arm,
    ),
    "link.set_scaled_mass": simple(
        smooth,
        ((1.0, 1.5, 2.0, 0.5, 0.7), 0.9),
        lambda e, x: e[0].set_links_scaled_mass(x),
        lambda e, y: e[0].links[1].set_scaled_mass(y),
        both_of_arm,
    ),
    "scaled mass, whole": simple(
        smooth,
        ((1.0, 1.5, 2.0, 0.5, 0.7), (6.0,)),
        lambda e, x: e[0].set_links_scaled_mass(x),
        lambda e, y: e[0].set_mass(y, envs_idx=[1]),
        both_of_arm,
    ),
    "mass_shift": simple(
        smooth,
        ((0.1, 0.2, 0.3, 0.4, 0.5), (0.15,)),
        lambda e, x: e[0].set_mass_shift(x),
        lambda e, y: e[0].set_mass_shift(y, [2], envs_idx=[1]),
        both_of_arm,
    ),
    "mass_shift, whole": simple(
        smooth,
        ((0.1, 0.2, 0.3, 0.4, 0.5), (6.0,)),
        lambda e, x: (e[0].set_links_scaled_mass(1.0), e[0].set_mass_shift(x)),  # with the inertias of the build anew
        lambda e, y: e[0].set_mass(y, envs_idx=[1]),
        both_of_arm,
    ),
    "COM_shift": simple(
        smooth,
        (0.01 * np.ones((5, 3)), ((0.02, 0.01, 0.03),)),
        lambda e, x: e[0].set_COM_shift(x),
        lambda e, y: e[0].set_COM_shift(y, [2], envs_idx=[1]),
        lambda e: e[0].get_links_COM(),
    ),
    "link.set_COM": simple(
        smooth,
        (0.01 * np.ones((5, 3)), (0.02, 0.01, 0.03)),
        lambda e, x: e[0].set_links_COM(x),
        lambda e, y: e[0].links[2].set_COM(y),
        lambda e: e[0].get_links_COM(),
    ),
    "link.set_inertia": simple(
        smooth,
        (INERTIA.expand(5, 6), matrices(2 * INERTIA)),
        lambda e, x: e[0].set_links_inertia(x),
        lambda e, y: e[0].links[2].set_inertia(y),
        lambda e: e[0].get_links_inertia(),
    ),
    "set_pos of a fixed base": simple(
        smooth,
        (0.1 * np.ones((5, 3)), ((0.2, 0.1, 0.0),)),
        lambda e, x: e[0].set_links_offset_pos(x),
        lambda e, y: e[0].set_pos(y, envs_idx=[1]),
        lambda e: e[0].get_links_offset_pos(),
    ),
    "set_quat of a fixed base": simple(
        smooth,
        (np.ones((5, 4)), (2.0, 0.1, 0.2, 0.3)),
        lambda e, x: e[0].set_links_offset_quat(x),
        lambda e, y: e[0].set_quat(y),
        lambda e: e[0].get_links_offset_quat(),
    ),
    "friction_ratio": simple(
        touching,
        ((1.1, 1.2, 1.3), (0.9,)),
        lambda e, x: e[1].set_friction_ratio(x),
        lambda e, y: e[1].set_friction_ratio(y, [1], envs_idx=[1]),
        lambda e: e[1].get_friction(),
    ),
    "link.set_friction": simple(
        touching,
        ((1.1, 1.2, 1.3), 0.9),
        lambda e, x: e[1].set_friction_ratio(x),
        lambda e, y: e[1].links[1].set_friction(y),
        lambda e: e[1].get_friction(),
    ),
    "geom.set_friction": simple(
        touching,
        ((1.1, 1.2, 1.3), (0.9,)),
        lambda e, x: e[1].set_friction(x),
        lambda e, y: e[1].touching_geoms[1].set_friction(y, envs_idx=[1]),
        lambda e: e[1].get_friction(),
    ),
    "geom.set_size": simple(
        touching,
        (((0.1, 0.06, 0.34), (0.04, 0.12, 0.1), (0.05, 0.1, 0.1)), (0.041, 0.123)),
        lambda e, x: e[1].set_geoms_size(x),
        lambda e, y: e[1].touching_geoms[1].set_size(y),
        lambda e: e[1].get_geoms_size(),
    ),
    "geom.set_offset": simple(
        touching,
        (np.ones((3, 4)), (1.0, 0.1, 0.2, 0.3)),
        lambda e, x: e[1].set_geoms_offset_quat(x),
        lambda e, y: e[1].touching_geoms[1].set_offset_quat(y),
        lambda e: e[1].get_geoms_offset_quat(),
    ),
    "joint.set_limit": simple(
        touching,
        ((LOW, HIGH), (LOW[0], HIGH[1])),
        lambda e, x: e[1].joints[1].set_limit(x[0], x[1]),
        lambda e, y: e[1].joints[1].set_limit(y[:1], y[1:], envs_idx=[1]),
        lambda e: torch.stack(e[1].joints[1].get_limit(), -1),
    ),
    "joint.set_sol_params": simple(
        touching,
        (SEVEN, 1.01 * SEVEN),
        lambda e, x: solver_of(e).set_global_sol_params(x),
        lambda e, y: e[1].joints[1].set_sol_params(y),
        soft_of_all,
    ),
    "solver.set_sol_params of joints": simple(
        touching,
        (SEVEN.expand(2, 7), (1.01 * SEVEN)[None]),
        lambda e, x: solver_of(e).set_sol_params(x, joints_idx=[2, 0]),
        lambda e, y: solver_of(e).set_sol_params(y[None], joints_idx=[2], envs_idx=[1]),
        soft_of_all,
    ),
    "solver.set_sol_params of geoms": simple(
        touching,
        (SEVEN, (1.01 * SEVEN)[None]),
        lambda e, x: solver_of(e).set_global_sol_params(x),
        lambda e, y: solver_of(e).set_sol_params(y, geoms_idx=[1]),
        soft_of_all,
    ),
    "solver.set_geoms_friction": simple(
        touching,
        (0.5, (0.9,)),
        lambda e, x: solver_of(e).set_geoms_friction(x),
        lambda e, y: solver_of(e).set_geoms_friction(y, geoms_idx=[1]),
        lambda e: solver_of(e).get_geoms_friction(),
    ),
    **{
        f"solver.set_pairs_{name}": simple(
            touching,
            (value, (1.01 * torch.as_tensor(value))),
            lambda e, x, name=name: getattr(solver_of(e), f"set_pairs_{name}")(x),
            lambda e, y, name=name: getattr(solver_of(e), f"set_pairs_{name}")(y[None], envs_idx=[1]),
            lambda e, name=name: getattr(solver_of(e), f"get_pairs_{name}")(),
        )
        for name, value in {
            "friction": ((0.5, 0.4, 0.02, 0.01, 0.008),),
            "sol_params": SEVEN[None],
            "solref_friction": ((0.03, 1.1),),
        }.items()
    },
}


def test_the_table_has_every_setter():
    tested = {name.split(",")[0] for name in CASES}
    for scene, *entities in (smooth(), touching()):
        for entity in entities:
            assert {row["name"] for row in entity.get_parameters()} <= tested
        assert scene.n_envs == 2


def saves(node, seen):
    """Names of the nodes behind `node`, itself included, that save tensors: a backward pass frees them."""
    if node is None or node in seen:
        return []
    seen.add(node)
    found = [
        type(node).__name__
        for name in dir(node)
        if name.startswith("_saved_") and isinstance(getattr(node, name), torch.Tensor)
    ]
    return found + [name for before, _ in node.next_functions for name in saves(before, seen)]


def gradients_of_epochs(case, anew):
    """Of both leaves in every epoch."""
    scene, *entities = case.world()
    fresh(scene)
    every, part = (
        v.detach().as_subclass(torch.Tensor).clone().requires_grad_() for v in case.start(case.read(entities))
    )
    found = []
    if not anew:
        case.every(entities, every)
    for epoch in range(EPOCHS):
        every.grad = part.grad = None
        scene.reset()
        if anew:
            case.every(entities, every)
        if epoch or anew:  # once before anything else was set
            case.part(entities, part)
        assert not [name for p in scene.world.theta._parts for name in saves(p.value.grad_fn, set())]
        if case.world is touching:
            settle(scene)
        else:
            scatter_state(scene, seed=2)
        scene.step()
        loss = 0.0
        for values in [case.read(entities), *(e.get_dofs_velocity() for e in entities if e.n_dofs)]:
            values = values.flatten()
            loss = loss + (values * torch.linspace(0.5, 1.5, len(values))).sum()
        loss.backward()
        found.append([every.grad, part.grad])
    return found


@pytest.mark.parametrize("name", CASES)
def test_set_for_all_once_and_for_a_part_in_every_epoch(name):
    kept, anew = (gradients_of_epochs(CASES[name], anew) for anew in (False, True))
    assert kept[0][1] is None and kept[0][0].abs().max() > 0
    for epoch in range(1, EPOCHS):
        for grad, expected in zip(kept[epoch], anew[epoch], strict=True):
            if expected is None or not expected.any():  # nothing is left of what was set for all
                assert grad is None or not grad.any()
            else:
                torch.testing.assert_close(grad, expected, rtol=1e-11, atol=1e-13)
        assert anew[epoch][1].abs().max() > 0


# -- what is kept of what was set before ------------------------------------------------------------------------------------


def n_parts(scene):
    return len(scene.world.theta._parts)


def alternate(arm, total, one, **which):
    arm.set_mass(total, **which)
    arm.set_links_mass(one, [0], **which)


@pytest.mark.parametrize("detached", [True, False], ids=["detach", "no_grad"])
def test_masses_set_alternately_without_gradient_leave_nothing_behind(detached):
    scene, arm, *_ = smooth()
    fresh(scene)
    damping = torch.full((3,), 0.2, requires_grad=True)
    arm.set_dofs_damping(damping)
    total, one = torch.tensor([9.0, 8.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    for _ in range(3 * store._MOST_SUPERSEDED):
        if detached:
            alternate(arm, total.detach(), one.detach())
        else:
            with torch.no_grad():
                alternate(arm, total, one)
        assert n_parts(scene) == 1
    assert arm.get_dofs_damping().requires_grad and not arm.get_mass_mat().isnan().any()


def test_masses_set_alternately_with_a_backward_pass_in_between_stay_few():
    scene, arm, *_ = smooth()
    fresh(scene)
    total, one = torch.tensor([9.0, 8.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    for epoch in range(60):
        alternate(arm, total, one)
        if epoch % 10 == 9:
            arm.get_links_mass().sum().backward()
            alternate(arm, total, one)
            assert n_parts(scene) == 2
    arm.get_links_mass().sum().backward()
    for _ in range(100):  # the past is numbers, hence what is made of it as well
        alternate(arm, total.detach(), one.detach())
        assert n_parts(scene) == 0


def test_masses_set_alternately_without_a_backward_pass_are_refused_in_the_end():
    scene, arm, *_ = smooth()
    fresh(scene)
    total, one = torch.tensor([9.0, 8.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    count = 0
    with pytest.raises(
        gs.GenesisException, match=r"arm.set_(links_)?mass: 65 values .* backward\(\) .* torch.no_grad\(\)"
    ):
        for _ in range(100):
            before = scene.world.theta.packed(), scene.world.theta._parts, scene.world.theta._base
            arm.set_mass(total)
            count += 1
            before = scene.world.theta.packed(), scene.world.theta._parts, scene.world.theta._base
            arm.set_links_mass(one, [0])
            count += 1
    assert count > 60
    store = scene.world.theta
    assert all(a is b for a, b in zip(before, (store.packed(), store._parts, store._base), strict=True)), "unchanged"
    # Whichever of the two was refused, everything else can be set, read and gone through.
    arm.set_dofs_damping(torch.ones(3, requires_grad=True))
    scene.step()
    (arm.get_links_mass().sum() + arm.get_dofs_velocity().sum()).backward()
    assert total.grad.abs().max() > 0 and one.grad.abs().max() > 0
    alternate(arm, total, one)
    assert n_parts(scene) == 3


def test_the_way_out_of_too_many_masses_without_a_backward_pass(monkeypatch):
    monkeypatch.setattr(store, "_MOST_SUPERSEDED", 8)
    scene, arm, *_ = smooth()
    for inertia_first in (True, False):
        fresh(scene)
        total, one = torch.tensor([9.0, 8.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
        with pytest.raises(gs.GenesisException):
            for _ in range(100):
                alternate(arm, total, one)
        sets = [
            lambda: arm.set_links_inertia(arm.get_links_inertia().detach()),
            lambda: arm.set_links_mass(arm.get_links_mass().detach()),
        ]
        for put in sets if inertia_first else reversed(sets):
            put()
        assert n_parts(scene) == 0
        alternate(arm, total, one)


def test_many_links_and_envs_set_one_by_one_are_not_refused(monkeypatch):
    """What is in force may be more than the bound, and all of it may be set twice before the first backward pass."""
    monkeypatch.setattr(store, "_MOST_SUPERSEDED", 8)
    scene, arm, floater, _ = world(12)
    leaf = torch.tensor([2.0], requires_grad=True)
    for _ in range(2):
        for env in range(12):
            alternate(arm, leaf + env + 5.0, leaf, envs_idx=[env])
            floater.links[0].set_mass(leaf, envs_idx=[env])
    assert sum(part.superseded for part in scene.world.theta._parts) > 2 * store._MOST_SUPERSEDED
    arm.get_links_mass().sum().backward()


def test_random_envs_in_every_epoch_leave_only_what_is_in_force():
    """Values given for some envs, that others have overwritten since in all of those envs, are dropped."""
    n = 6
    scene, arm, *_ = world(n)
    rng = np.random.default_rng(0)
    leaves, owner = [], np.full(n, -1)
    for epoch in range(60):
        envs = rng.permutation(n)[: rng.integers(1, n)]
        leaves.append(torch.full((len(envs), 3), 0.1 + 0.01 * epoch, requires_grad=True))
        arm.set_dofs_damping(leaves[-1], envs_idx=envs.tolist())
        owner[envs] = epoch
        in_force = set(owner[owner >= 0])
        assert n_parts(scene) == len(in_force)
        scene.reset()
        arm.set_dofs_velocity(1.0)
        scene.step()
        for leaf in leaves:
            leaf.grad = None
        (arm.get_dofs_velocity().sum() + arm.get_dofs_damping().sum()).backward()
        found = arm.get_dofs_damping()[:, 0].tolist()
        assert found == [0.1 + 0.01 * epoch if epoch >= 0 else pytest.approx(0.3) for epoch in owner]
        for k, leaf in enumerate(leaves):
            if k in in_force:
                assert (leaf.grad.abs().sum() > 0) and (leaf.grad != 0).all(1).sum() == (owner == k).sum()
            else:
                assert leaf.grad is None


def test_what_is_overwritten_in_every_env_is_not_gone_through():
    """A computed value can be gone through once. When nothing of it is in force, its graph is of no concern."""
    scene, arm, *_ = smooth()
    fresh(scene)
    base = torch.ones(3, requires_grad=True)
    arm.set_dofs_damping(base.exp())
    arm.get_dofs_damping().sum().backward()
    one = torch.ones(1, 3, requires_grad=True)
    for env in (0, 1):
        arm.set_dofs_damping(one, envs_idx=[env])
    for _ in range(2):
        arm.get_dofs_damping().sum().backward()
    assert one.grad.tolist() == [[4.0] * 3]


@pytest.mark.parametrize("seed", range(6))
def test_gradient_of_masses_set_in_any_order(seed):
    """Of all links, of some, of the whole, in all envs and in some, with gradient and without."""
    scene, arm, *_ = smooth()
    rng = np.random.default_rng(seed)
    calls = []
    for _ in range(8):
        kind = rng.choice(["mass", "links", "inertia"], p=[0.45, 0.45, 0.1])
        envs = [None, [0], [1], [1, 0]][rng.integers(4)]
        links = sorted(rng.permutation(5)[: rng.integers(1, 6)].tolist())
        rows = [()] if rng.random() < 0.5 else [(2 if envs is None else len(envs),)]
        value = torch.as_tensor(1 + rng.random((*rows[0], *([] if kind == "mass" else [len(links)]))))
        calls.append((kind, links, envs, value, rng.random() < 0.3))

    def put(kind, links, envs, value):
        if kind == "mass":
            arm.set_mass(value, envs_idx=envs)
        elif kind == "links":
            arm.set_links_mass(value, links, envs)
        else:
            # Nodes that save nothing, so that the leaf may stay in use.
            zero = torch.zeros_like(value, requires_grad=False)
            arm.set_links_inertia(torch.stack([value, value, value, zero, zero, zero], -1), links, envs)

    def run(*values):
        fresh(scene)
        for (kind, links, envs, _, plain), value in zip(calls, values, strict=True):
            put(kind, links, envs, value.detach() if plain else value)
        return [arm.get_links_mass(), arm.get_links_inertia()]

    # Once with a backward pass after each call, which turns what is superseded into numbers.
    fresh(scene)
    expected_mass, expected_inertia = arm.get_links_mass().sceneless(), arm.get_links_inertia().sceneless()
    for kind, links, envs, value, plain in calls:
        at = [0, 1] if envs is None else envs
        if kind == "mass":
            ratio = value.expand(len(at)) / expected_mass[at].sum(1)
            expected_mass[at] *= ratio[:, None]
            expected_inertia[at] *= ratio[:, None, None]
        else:
            values = value.expand(len(at), len(links))
            rows = torch.tensor(at)[:, None], torch.tensor(links)
            if kind == "links":
                expected_mass[rows] = values
            else:
                expected_inertia[rows] = values[..., None] * torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
        leaf = value.clone().requires_grad_(not plain)
        put(kind, links, envs, leaf)
        found = arm.get_links_mass(), arm.get_links_inertia()
        for one, expected in zip(found, (expected_mass, expected_inertia), strict=True):
            torch.testing.assert_close(one.detach().sceneless(), expected)
        if found[0].requires_grad:
            (found[0].square().sum() + found[1].square().sum()).backward()
            assert plain or leaf.grad.abs().max() > 0
    values = [value for *_, value, _ in calls]
    found = run(*values)[0].as_subclass(torch.Tensor)
    torch.testing.assert_close(found, expected_mass)
    graded = [k for k, call in enumerate(calls) if not call[-1]]

    def of_graded(*some):
        all_values = list(values)
        for k, value in zip(graded, some, strict=True):
            all_values[k] = value
        return run(*all_values)

    if graded and run(*(v.clone().requires_grad_() for v in values))[0].requires_grad:
        check_gradient(of_graded, *(values[k] for k in graded))


# -- whose numbers they are -------------------------------------------------------------------------------------------------


def test_a_value_changed_in_place_after_the_call_changes_nothing():
    scene, arm, *_ = smooth()
    fresh(scene)
    given = {
        "links_mass": torch.ones(2, 5),
        "links_inertia": matrices(INERTIA).expand(5, 3, 3).clone(),
        "joints_axis": torch.ones(3, 3),
        "dofs_kp": np.full(3, 4.0),
        "links_COM": torch.ones(2, 5, 3, dtype=torch.float64)[:, :, [0, 0, 0]],
    }
    total, gravity = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 0.0, -5.0])
    for name, value in given.items():
        getattr(arm, f"set_{name}")(value)
    arm.set_mass(total)
    scene.set_gravity(gravity)
    before = [getattr(arm, f"get_{name}")().clone() for name in given] + [scene.get_gravity().clone()]
    for value in (*given.values(), total, gravity):
        value *= 7.0
    scene.reset()
    after = [getattr(arm, f"get_{name}")() for name in given] + [scene.get_gravity()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("with_grad", [True, False])
def test_what_a_getter_returns_is_the_caller_s(with_grad):
    for build in (smooth, touching):
        scene, *entities = build()
        fresh(scene)
        for entity in entities:
            for row in entity.get_parameters():
                get = getattr(entity, f"get_{row['name']}")
                if with_grad and row["name"] in ("links_mass", "friction"):
                    getattr(entity, f"set_{row['name']}")(torch.full(row["shape"], 0.7, requires_grad=True))
                theta = scene.world.theta.packed()
                kept = theta.detach().clone()
                for which in ({}, {"envs_idx": [1, 0]}, {"envs_idx": [0, 1]}, {"envs_idx": 1}):
                    with torch.no_grad():
                        found = get(**which)
                        for one in found if isinstance(found, tuple) else (found,):
                            one.zero_()
                assert scene.world.theta.packed() is theta and torch.equal(theta, kept)
        with torch.no_grad():
            gravity = scene.get_gravity()
            gravity.zero_()
        assert scene.get_gravity()[0, 2] == -9.81
        scene.world.theta.packed()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_modes_of_the_first_read_leave_no_trace(mode):
    scene, arm, *_ = smooth()
    fresh(scene)
    mass, total = torch.ones(5, requires_grad=True), torch.tensor(6.0, requires_grad=True)
    arm.set_links_mass(mass)
    arm.set_mass(total, envs_idx=None)
    with mode():
        first = arm.get_links_mass()
        energy = arm.get_potential_energy()
        scene.step()
        arm.set_links_COM(torch.zeros(5, 3))
        assert not arm.get_links_mass().requires_grad
    scene.reset()
    assert not first.requires_grad and torch.isfinite(energy).all()
    scene.step()
    (arm.get_links_mass()[:, 1:].sum() + arm.get_dofs_velocity().sum()).backward()
    assert mass.grad.abs().max() > 0 and total.grad != 0
    with mode():
        arm.set_links_mass(mass, [0, 1, 2, 3, 4])
        arm.set_links_inertia(arm.get_links_inertia())
    assert not arm.get_links_mass().requires_grad
