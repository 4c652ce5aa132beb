"""What a built scene is made of works without its handles."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.model.compose import EntitySpec


class Owner:
    """What tensors are labelled with: anything that can be referred to weakly."""


def test_a_world_moves_without_a_scene():
    """As the scene of the same entity does, bit by bit."""
    from genesis.world.world import World, build_world

    owner = Owner()
    sim_options, rigid_options = gs.options.SimOptions(dt=0.01), gs.options.RigidOptions()
    morph = gs.morphs.Box(size=(0.1, 0.2, 0.3), pos=(0.0, 0.0, 1.0))
    world = build_world(owner, [EntitySpec(morph, name="box")], sim_options, rigid_options, 2, lambda *_: World)
    scene = gs.Scene(sim_options, rigid_options)
    scene.add_entity(morph, name="box")
    scene.build(n_envs=2)
    assert world.fingerprint == scene.world.fingerprint
    for one in (world, scene.world):
        one.set_state(one.state + 0.1)
    for _ in range(5):
        world.step()
        scene.step()
    assert world.cur_step == 5 and torch.equal(world.state, scene.world.state)
    links = world.wrap(world.observer.get("xpos").clone())
    assert isinstance(links, gs.grad.Tensor) and links.scene is owner and links.shape == (2, world.model.nbody, 3)
    world.reset(world.start, None)
    assert np.array_equal(world.state[0, : world.nq], world.composed.mj_model.qpos0)


def test_a_scene_has_a_world_once_it_is_built():
    scene = gs.Scene()
    with pytest.raises(gs.GenesisException, match=r"scene.world needs the built scene: call scene.build\(\) first"):
        _ = scene.world
    scene.build()
    assert scene.world is scene.world and scene.world.scene() is scene
