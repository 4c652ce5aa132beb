"""Wrong calls of getters, setters and controls: each is refused with its message, before anything changes."""

import numpy as np
import pytest
import torch

import genesis as gs
from tests.entities.worlds import scatter_state, world

NAN = float("nan")

# In a scene with two envs; e is the arm (3 dofs, 5 links), f the floater (10 dofs, 12 qs).
WRONG = {
    # shapes
    "too few": (lambda e, f: e.set_dofs_position([1.0, 2.0]), r"shape \(2,\), expected \(3,\) or \(2, 3\) or a number"),
    "too many envs": (lambda e, f: e.set_qpos(torch.zeros(3, 3)), r"shape \(3, 3\), expected \(3,\) or \(2, 3\)"),
    "envs of a subset": (lambda e, f: e.set_qpos(torch.zeros(2, 3), envs_idx=[0]), r"expected \(3,\) or \(1, 3\)"),
    "dofs of a subset": (lambda e, f: e.set_dofs_velocity(torch.zeros(3), [0, 1]), r"expected \(2,\) or \(2, 2\)"),
    "pos": (
        lambda e, f: f.set_pos([0.0, 0.0]),
        r"floater.set_pos: `pos` has shape \(2,\), expected \(3,\) or \(2, 3\)",
    ),
    "pos is no number": (lambda e, f: f.set_pos(1.0), r"`pos` has shape \(\), expected \(3,\)"),
    "quat": (lambda e, f: f.set_quat([1.0, 0.0, 0.0]), r"`quat` has shape \(3,\), expected \(4,\)"),
    "Euler angles as quat": (lambda e, f: f.set_dofs_position(torch.zeros(12)), r"\(12,\), expected \(10,\)"),
    "force": (lambda e, f: e.control_dofs_force(torch.zeros(4)), r"arm.control_dofs_force: `force` has shape \(4,\)"),
    "second value": (
        lambda e, f: e.control_dofs_position_velocity(torch.zeros(3), torch.zeros(4)),
        r"`velocity` has shape \(4,\)",
    ),
    "ctrl": (lambda e, f: e.control_actuators([1.0, 2.0]), r"`ctrl` has shape \(2,\)"),
    "no actuators": (lambda e, f: f.control_actuators([1.0]), r"`ctrl` has shape \(1,\), expected \(0,\)"),
    "one force for all links": (lambda e, f: e.apply_links_external_force([0.0, 0, 1]), r"expected \(5, 3\)"),
    "torque": (lambda e, f: e.apply_links_external_torque(torch.zeros(4, 3)), r"`torque` has shape \(4, 3\)"),
    "local point": (lambda e, f: e.get_jacobian(e.links[1], [0.0, 1.0]), r"`local_point` has shape \(2,\)"),
    # values
    "NaN": (lambda e, f: e.set_qpos([0.0, NAN, 0.0]), r"`qpos` holds nan at index \(1,\)"),
    "infinite": (lambda e, f: e.set_dofs_velocity(-np.inf), "`velocity` holds -inf"),
    "NaN in an env": (lambda e, f: f.set_pos([[0.0, 0, 0], [0, 0, NAN]]), r"holds nan at index \(1, 2\)"),
    "NaN force": (lambda e, f: e.control_dofs_force([0.0, NAN, 0.0]), r"`force` holds nan at index \(1,\)"),
    "infinite target": (lambda e, f: e.control_dofs_position(np.inf), "`position` holds inf"),
    "inf minus inf": (lambda e, f: e.control_dofs_velocity([np.inf, -np.inf, 0]), "holds inf"),
    "NaN ctrl": (lambda e, f: e.control_actuators(NAN), "`ctrl` holds nan"),
    "NaN wrench": (lambda e, f: e.apply_links_external_force(torch.full((5, 3), NAN)), "`force` holds nan"),
    "zero quaternion": (
        lambda e, f: f.set_quat([0.0, 0.0, 0.0, 0.0]),
        "`quat` of the base link .* a quaternion of length zero",
    ),
    "zero quaternion in qpos": (
        lambda e, f: f.set_qpos(torch.zeros(12)),
        r"quaternion of length zero for joint 'root' \(qs 3 to 6\)",
    ),
    "zero quaternion of a ball": (
        lambda e, f: f.set_qpos(0.0, qs_idx_local=[7, 8, 9, 10], envs_idx=[1]),
        "length zero for joint 'socket'",
    ),
    # types
    "text": (lambda e, f: e.set_qpos("zero"), "`qpos` is 'zero'; expected numbers"),
    "None": (lambda e, f: e.control_dofs_force(None), "`force` is None; expected numbers"),
    "booleans": (lambda e, f: e.set_qpos(torch.tensor([True, False, True])), "torch.bool; expected real numbers"),
    "complex": (lambda e, f: e.set_qpos(torch.zeros(3, dtype=torch.complex64)), "torch.complex64"),
    "ragged": (lambda e, f: e.set_qpos([[0.0, 1.0, 2.0], [0.0]]), "items of different shapes"),
    "ragged numbers": (lambda e, f: e.set_qpos([[0.0], 1.0]), "items of different shapes"),
    "objects": (lambda e, f: e.set_qpos([object()] * 3), "expected numbers"),
    # indices
    "dof out of range": (lambda e, f: e.set_dofs_position([0.0], 3), r"`dofs_idx_local` holds 3.*\(valid: -3 to 2\)"),
    "q out of range": (lambda e, f: f.get_qpos([12]), "`qs_idx_local` holds 12"),
    "link out of range": (lambda e, f: e.get_links_pos([-6]), "`links_idx_local` holds -6"),
    "actuator out of range": (lambda e, f: e.control_actuators([0.0], [3]), "`actuators_idx_local` holds 3"),
    "dof twice": (lambda e, f: e.control_dofs_force([0.0, 1.0], [1, 1]), "names element 1 more than once"),
    "env out of range": (lambda e, f: e.get_pos(envs_idx=2), "`envs_idx` holds 2"),
    "env twice": (lambda e, f: e.set_qpos(torch.zeros(2, 3), envs_idx=[0, 0]), "names element 0 more than once"),
    "fractional index": (lambda e, f: e.get_dofs_position([0.5]), "give an int, a slice"),
    "short mask": (lambda e, f: e.get_dofs_position([True, False]), r"mask `dofs_idx_local` has shape \(2,\)"),
    # names
    "ref": (lambda e, f: e.apply_links_external_force(torch.zeros(5, 3), ref="com"), "`ref` is 'com'; expected one of"),
    "local root_com": (
        lambda e, f: e.apply_links_external_force(torch.zeros(5, 3), ref="root_com", local=True),
        "needs the frame of one link",
    ),
    "ref of a getter": (lambda e, f: e.get_links_pos(ref="root_com"), "`ref` is 'root_com'"),
    "link of another entity": (lambda e, f: e.get_jacobian(f.links[0]), "give one of arm.links"),
    "no link": (lambda e, f: e.get_jacobian("tip"), "`link` is 'tip'; give one of arm.links"),
    # the solver's own
    "solver's link": (
        lambda e, f: e.scene.rigid_solver.apply_links_external_force(torch.zeros(1, 3), links_idx=9),
        "rigid_solver.apply_links_external_force: `links_idx` holds 9",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_changes_nothing(case):
    scene, arm, floater, _ = world(2)
    scatter_state(scene)
    arm.control_dofs_position(torch.zeros(3))
    before = (scene.world.state, scene.world.theta.packed(), scene.world.commands.command)
    call, message = WRONG[case]
    with pytest.raises(gs.GenesisException, match=message):
        call(arm, floater)
    after = (scene.world.state, scene.world.theta.packed(), scene.world.commands.command)
    assert all(a is b for a, b in zip(after, before, strict=True))


def test_envs_of_a_scene_without():
    _, arm, *_ = world(0)
    for call in (arm.get_pos, lambda envs_idx: arm.set_qpos(0.0, envs_idx=envs_idx)):
        with pytest.raises(gs.GenesisException, match=r"built without envs \(n_envs=0\)"):
            call(envs_idx=[0])
    with pytest.raises(gs.GenesisException, match=r"shape \(1, 3\), expected \(3,\) or a number"):
        arm.set_qpos(torch.zeros(1, 3))


@pytest.mark.parametrize(
    "use",
    [
        lambda e, x: e.set_qpos(x),
        lambda e, x: e.set_dofs_position(x),
        lambda e, x: e.set_dofs_velocity(x),
        lambda e, x: e.control_dofs_force(x),
        lambda e, x: e.control_dofs_position(x),
        lambda e, x: e.control_actuators(x),
        lambda e, x: e.set_dofs_kp(x),
        lambda e, x: e.set_pos(x),
        lambda e, x: e.scene.set_gravity(x),
    ],
)
def test_a_tensor_of_another_scene(use):
    _, arm, *_ = world()
    other, stranger, *_ = world()
    x = stranger.get_dofs_position()
    with pytest.raises(gs.GenesisException, match=r"a tensor of another scene .*\.sceneless\(\)"):
        use(arm, x)
    use(arm, x.sceneless())
    assert other is x.scene


def test_a_large_sum_is_not_infinite():
    _, arm, *_ = world()
    arm.control_dofs_force([1e308, 1e308, 1e308])
