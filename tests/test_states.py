"""States in memory and checkpoints on disk."""

import hashlib
import json
import os
import pickle

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world.checkpoint import MAGIC
from tests.entities.worlds import ARM, scatter_state, state_numbers, touching_world, world
from tests.helpers import check_gradient

# -- in memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_state_that_is_taken_without_gradient_has_none(mode):
    """What is evaluated between two epochs must not hold on to the graph of the last."""
    scene, arm, *_ = world()
    for _ in range(3):
        force = torch.ones(3, requires_grad=True)
        arm.control_dofs_force(force)
        scene.step()
        loss = arm.get_qpos().square().sum()
        with mode():
            state = scene.get_state()
        loss.backward()
        assert force.grad.any()
        scene.reset(state)
        assert not arm.get_qpos().requires_grad and not scene.world.state.is_inference()


@pytest.mark.parametrize("n_envs", [0, 1, 3])
def test_what_a_state_says(n_envs):
    scene, *entities = world(n_envs)
    scatter_state(scene)
    entities[0].control_actuators(1.0)
    scene.step()
    state = scene.get_state()
    (rigid,) = state.solvers_state
    lead = (n_envs,) if n_envs else ()
    assert rigid.qpos.shape == (*lead, 15)
    assert rigid.dofs_vel.shape == (*lead, 13)
    assert rigid.links_pos.shape == (*lead, 9, 3)
    assert rigid.links_quat.shape == (*lead, 9, 4)
    assert rigid.act.shape == (*lead, 1)
    assert rigid.act.all()
    assert (state.cur_step, state.n_envs, state.scene) == (1, n_envs, scene)
    for name, value in (("qpos", rigid.qpos), ("dofs_velocity", rigid.dofs_vel)):
        joined = torch.cat([getattr(e, f"get_{name}")() for e in entities], -1)
        assert torch.equal(value, joined)
    for name, value in (("pos", rigid.links_pos), ("quat", rigid.links_quat)):
        joined = torch.cat([getattr(e, f"get_links_{name}")() for e in entities], -2)
        assert torch.equal(value, joined)
    assert isinstance(rigid.qpos, gs.grad.Tensor)
    assert rigid.qpos.scene is scene
    assert scene.rigid_solver.get_state().qpos.shape == rigid.qpos.shape
    assert "step 1" in repr(state)


def test_a_state_stays_what_it_was():
    scene, arm, *_ = world(2)
    scatter_state(scene)
    state = scene.get_state()
    kept = [x.clone() for x in (state.solvers_state[0].qpos, state.solvers_state[0].links_pos)]
    scene.step()
    arm.set_links_offset_pos(torch.ones(5, 3))
    state.solvers_state[0].qpos.add_(1.0)
    assert torch.equal(state.solvers_state[0].qpos, kept[0])
    assert torch.equal(state.solvers_state[0].links_pos, kept[1])
    scene.reset(state)
    assert torch.equal(scene.get_state().solvers_state[0].qpos, kept[0])
    assert scene.cur_step == 0


def test_reset_to_a_state_continues_exactly():
    scene, arm, *_ = world(2, requires_grad=False)
    scatter_state(scene)
    for _ in range(3):
        scene.step()
    state = scene.get_state()
    runs = []
    for _ in range(2):
        arm.control_dofs_force(0.3)
        for _ in range(5):
            scene.step()
        runs.append(state_numbers(scene))
        scene.reset(state)
    assert torch.equal(*runs)


def test_gradient_through_a_state():
    scene, arm, floater, _ = world(2)

    def run(q, v):
        scene.reset()
        arm.set_dofs_position(q)
        floater.set_dofs_velocity(v)
        scene.step()
        middle = scene.get_state()
        floater.set_dofs_velocity(torch.zeros(10))
        scene.step()
        scene.reset(middle)
        scene.step()
        scene.reset(middle, envs_idx=[1])
        rigid = middle.solvers_state[0]
        return [arm.get_links_pos(), floater.get_qpos(), rigid.links_pos, rigid.links_quat, rigid.dofs_vel]

    check_gradient(run, 0.3 * torch.randn(2, 3), 0.3 * torch.randn(2, 10))


def test_detached_states():
    scene, arm, *_ = world()
    arm.set_dofs_position(torch.zeros(3, requires_grad=True))
    arm.set_links_mass(torch.ones(5, requires_grad=True))
    state = scene.get_state()
    assert state.solvers_state[0].qpos.requires_grad
    for free in (state.detach().solvers_state[0], state.solvers_state[0].detach()):
        assert not free.qpos.requires_grad
        assert not free.links_pos.requires_grad
    scene.reset(state)
    assert scene.world.state.requires_grad
    scene.reset(state.detach())
    assert not scene.world.state.requires_grad


def test_a_state_of_another_scene():
    scene, *_ = world(2)
    twin, *_ = world(2)
    scatter_state(twin)
    scene.reset(twin.get_state())
    assert torch.equal(state_numbers(scene), state_numbers(twin)), "a scene built from the same entities fits"
    fewer, *_ = world(1)
    with pytest.raises(gs.GenesisException, match="`state` has n_envs 1; this scene has 2"):
        scene.reset(fewer.get_state())
    other = gs.Scene()
    other.add_entity(gs.morphs.Box(size=(1, 1, 1)))
    other.build(n_envs=2)
    with pytest.raises(gs.GenesisException, match="`state` is of another scene"):
        scene.reset(other.get_state())
    with pytest.raises(gs.GenesisException, match=r"expected what scene\.get_state"):
        scene.reset(scene.entities[0].get_state())


# -- on disk --------------------------------------------------------------------------------------------------------------


def busy(n_envs=2, **options):
    """A scene in the middle of something: state, parameters and commands are all away from their defaults."""
    scene, arm, floater, _ = world(n_envs, **options)
    scatter_state(scene)
    arm.set_links_mass(torch.linspace(1, 2, 5).requires_grad_())
    if n_envs:
        floater.set_dofs_damping(torch.rand(n_envs, 10))
    arm.control_dofs_position(torch.tensor([0.1, 0.2, 0.0]))
    arm.control_actuators([0.5], actuators_idx_local=2)
    floater.control_dofs_force(torch.rand(4), dofs_idx_local=[9, 1, 2, 3])
    for _ in range(3):
        scene.step()
    floater.apply_links_external_force(torch.rand(3, 3))
    return scene


def advance(scene, n=4):
    for _ in range(n):
        scene.step()
    return state_numbers(scene)


@pytest.mark.parametrize("n_envs", [0, 1, 2])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_checkpoint_continues_exactly(tmp_path, n_envs, requires_grad):
    path = tmp_path / "run.ckpt"
    scene = busy(n_envs, requires_grad=requires_grad)
    scene.save_checkpoint(path)
    theta = scene.world.theta.packed().detach().clone()
    expected = advance(scene)
    scene.load_checkpoint(path)
    assert scene.cur_step == 3
    assert not scene.world.state.requires_grad
    assert torch.equal(advance(scene), expected)
    fresh, arm, *_ = world(n_envs, requires_grad=requires_grad)
    fresh.load_checkpoint(str(path))
    assert torch.equal(fresh.world.theta.packed(), theta)
    assert torch.equal(advance(fresh), expected)
    fresh.reset()
    assert fresh.cur_step == 0
    assert not fresh.world.commands.command.blocks
    torch.testing.assert_close(arm.get_links_mass().reshape(-1, 5)[0], torch.linspace(1, 2, 5), check_dtype=False)
    arm.control_dofs_force(0.1)
    arm.set_links_mass(torch.ones(5, requires_grad=requires_grad))
    advance(fresh)


@pytest.mark.parametrize("n_envs", [0, 2])
def test_a_checkpoint_in_contact_continues_exactly(tmp_path, n_envs):
    """The constraint solver goes on from where it was: not to rounding error, but to the last bit."""
    path = tmp_path / "run.ckpt"
    build = {"cone": "elliptic", "tolerance": 1e-6}
    scene, *_ = touching_world(n_envs, **build)
    advance(scene)
    scene.save_checkpoint(path)
    expected = advance(scene)
    fresh, *_ = touching_world(n_envs, **build)
    fresh.load_checkpoint(path)
    assert torch.equal(advance(fresh), expected)
    without, *_ = touching_world(n_envs, **build)
    without.load_checkpoint(path)
    without.world.solution = None
    assert not torch.equal(advance(without), expected), "the solution makes a difference"
    other, *_ = touching_world(n_envs, cone="pyramidal")
    refused(other, path, "saved with friction_cone elliptic; this scene has pyramidal")


def test_a_checkpoint_of_a_fresh_scene_in_contact(tmp_path):
    scene, *_ = touching_world(2)
    scene.save_checkpoint(tmp_path / "run.ckpt")
    expected = advance(scene)
    scene.load_checkpoint(tmp_path / "run.ckpt")
    assert torch.equal(advance(scene), expected)


def test_a_checkpoint_is_written_atomically(tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    scene = busy()
    scene.save_checkpoint(path)
    before = path.read_bytes()
    scene.step()

    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(gs.GenesisException, match="cannot be written: No space left"):
        scene.save_checkpoint(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.ckpt"], "no temporary file is left"
    monkeypatch.undo()
    scene.save_checkpoint(path)
    assert path.read_bytes() != before
    assert os.listdir(tmp_path) == ["run.ckpt"]


def test_a_checkpoint_is_the_same_bytes_each_time(tmp_path):
    scene = busy()
    for name in "ab":
        scene.save_checkpoint(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def refused(scene, path, message):
    """Loading says `message`, and the running scene goes on as if nothing had been asked."""
    before = (scene.world.state, scene.world.theta.packed(), scene.world.commands.command, scene.cur_step)
    with pytest.raises(gs.GenesisException, match=message):
        scene.load_checkpoint(path)
    after = (scene.world.state, scene.world.theta.packed(), scene.world.commands.command, scene.cur_step)
    assert all(a is b or a == b for a, b in zip(after, before, strict=True))


def test_a_missing_file_and_directory(tmp_path):
    scene = busy()
    refused(scene, tmp_path / "none.ckpt", "none.ckpt' cannot be read: No such file")
    refused(scene, tmp_path, "cannot be read: Is a directory")
    with pytest.raises(gs.GenesisException, match="cannot be written: No such file or directory"):
        scene.save_checkpoint(tmp_path / "none" / "run.ckpt")
    with pytest.raises(gs.GenesisException, match="cannot be written"):
        scene.save_checkpoint(tmp_path)


def test_every_truncation_and_many_changes(tmp_path):
    path, bad = tmp_path / "run.ckpt", tmp_path / "bad.ckpt"
    scene = busy()
    scene.save_checkpoint(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in [
        0,
        1,
        len(MAGIC) - 1,
        len(MAGIC),
        len(MAGIC) + 5,
        len(content) - 1,
        *rng.integers(0, len(content), 20),
    ]:
        bad.write_bytes(content[:length])
        refused(scene, bad, "truncated or was changed" if length >= len(MAGIC) else "not a checkpoint")
    for place in rng.integers(len(MAGIC), len(content), 40):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(8)
        bad.write_bytes(changed)
        refused(scene, bad, "truncated or was changed")
    bad.write_bytes(content + b"\0")
    refused(scene, bad, "truncated or was changed")


def test_pickles_and_archives_are_not_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    scene = busy()
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(pickle.dumps(Trap()))
    refused(scene, bad, "not a checkpoint .*pickle can run code")
    torch.save({"state": torch.zeros(3)}, bad)
    refused(scene, bad, "not a checkpoint .*pickle can run code")
    np.savez(tmp_path / "bad.npz", state=np.zeros(3))
    refused(scene, tmp_path / "bad.npz", "not a checkpoint .*pickle can run code")
    bad.write_text("hello")
    refused(scene, bad, "is not a checkpoint")
    assert not (tmp_path / "sprung").exists()


def test_checkpoints_of_other_scenes(tmp_path):
    path = tmp_path / "run.ckpt"
    busy(2).save_checkpoint(path)
    for scene, message in (
        (world(3)[0], "saved with n_envs 2; this scene has 3"),
        (world(0)[0], "saved with n_envs 2; this scene has 0"),
        (world(2, dt=0.005)[0], "saved with dt 0.004; this scene has 0.005"),
        (world(2, substeps=2)[0], "saved with substeps 1; this scene has 2"),
        (world(2, integrator=gs.integrator.RK4)[0], "saved with integrator mjINT_EULER; this scene has mjINT_RK4"),
    ):
        refused(scene, path, message)
    other = gs.Scene(sim_options=gs.options.SimOptions(dt=0.004))
    other.add_entity(gs.morphs.Box(size=(1, 1, 1)))
    other.build(n_envs=2)
    refused(other, path, "of another scene: entities, links or joints differ")


def test_a_checkpoint_of_a_scene_with_other_numbers(tmp_path):
    scenes = []
    for k, text in enumerate((ARM, ARM, ARM.replace('size=".05"', 'size=".06"'))):
        file = tmp_path / f"{k}.xml"
        file.write_text(text)
        scene = gs.Scene(rigid_options=gs.options.RigidOptions(disable_constraint=True))
        scene.add_entity(gs.morphs.MJCF(file=str(file)), name="arm")
        scene.build()
        scenes.append(scene)
    path = tmp_path / "run.ckpt"
    scenes[0].save_checkpoint(path)
    scenes[1].load_checkpoint(path)
    refused(scenes[2], path, "of another scene: the numbers of its model differ")


def test_the_precision_is_part_of_a_checkpoint(tmp_path, run_python):
    path, file = tmp_path / "run.ckpt", tmp_path / "arm.xml"
    file.write_text(ARM)
    code = (
        "import genesis as gs\n"
        "gs.init(backend=gs.cpu, precision='32', logging_level='error')\n"
        "scene = gs.Scene(rigid_options=gs.options.RigidOptions(disable_constraint=True))\n"
        f"scene.add_entity(gs.morphs.MJCF(file={str(file)!r}), name='arm')\n"
        "scene.build()\n"
        "scene.step()\n"
        f"scene.save_checkpoint({str(path)!r})\n"
        "before = scene.world.state\n"
        "scene.reset()\n"
        f"scene.load_checkpoint({str(path)!r})\n"
        "assert (scene.world.state == before).all() and scene.cur_step == 1\n"
    )
    run_python(code)
    scene = gs.Scene(rigid_options=gs.options.RigidOptions(disable_constraint=True))
    scene.add_entity(gs.morphs.MJCF(file=str(file)), name="arm")
    scene.build()
    refused(scene, path, "saved with precision 32; this scene has 64")


def forge(content, edit):
    """A checkpoint with its parts edited and a digest that matches."""
    start = len(MAGIC) + 8
    end = start + int.from_bytes(content[len(MAGIC) : start], "little")
    header, offset, arrays = json.loads(content[start:end]), end, {}
    for name, kind, shape in header["arrays"]:
        size = int(np.prod(shape))
        arrays[name] = np.frombuffer(content, f"<{kind}", size, offset).reshape(shape).copy()
        offset += arrays[name].nbytes
    del header["arrays"]
    edit(header, arrays)
    if "arrays" not in header:
        header["arrays"] = [[k, v.dtype.str[1:], list(v.shape)] for k, v in arrays.items()]
    text = json.dumps(header).encode()
    body = MAGIC + len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in arrays.values())
    return body + hashlib.sha256(body).digest()


FORGED = {
    "other version": (lambda h, a: h.update(version=99), "has format 99"),
    "no version": (lambda h, a: h.pop("version"), "header cannot be read"),
    "no fingerprint": (lambda h, a: h.pop("fingerprint"), "of another scene"),
    "negative step": (lambda h, a: h.update(cur_step=-1), "step counter is -1"),
    "fractional step": (lambda h, a: h.update(cur_step=1.5), "step counter is 1.5"),
    "no state": (lambda h, a: a.pop("state"), "'state' is missing or of a wrong shape"),
    "short state": (lambda h, a: a.update(state=a["state"][:, :-1]), "'state' is missing or of a wrong shape"),
    "NaN in the state": (lambda h, a: a["state"].__setitem__((0, 0), np.nan), "not finite"),
    "NaN in a parameter": (lambda h, a: a["theta"].__setitem__((0, 0), np.nan), "not finite"),
    "wrong theta": (lambda h, a: a.update(theta=a["theta"][:, :5]), "'theta' is missing or of a wrong shape"),
    "no solution": (lambda h, a: a.pop("solution"), "'solution' is missing or of a wrong shape"),
    "short solution": (lambda h, a: a.update(solution=np.zeros((2, 3))), "'solution' is missing or of a wrong shape"),
    "NaN in the solution": (lambda h, a: a.update(solution=np.full((2, 13), np.nan)), "not finite"),
    "unknown mode": (lambda h, a: a["mode"].__setitem__((0, 0), 7), "commands are not valid"),
    "fractional mode": (lambda h, a: a.update(mode=a["mode"].astype("<f8")), "commands are not valid"),
    "unknown switch": (lambda h, a: a["actuators_on"].__setitem__((0, 0), 2), "commands are not valid"),
    "no model": (lambda h, a: a.pop("model"), "numbers of its model differ"),
    "unknown block": (lambda h, a: a.update({"code@0": np.zeros(3)}), "command 'code@0' does not fit"),
    "block out of range": (lambda h, a: a.update({"dof_force@12": np.zeros(3)}), "'dof_force@12' does not fit"),
    "block without a place": (lambda h, a: a.update({"dof_force": np.zeros(3)}), "'dof_force' does not fit"),
    "block of too many envs": (lambda h, a: a.update({"ctrl@0": np.zeros((3, 1))}), "'ctrl@0' does not fit"),
    "NaN in a block": (lambda h, a: a.update({"ctrl@0": np.full(1, np.nan)}), "'ctrl@0' does not fit"),
    "overlapping blocks": (
        lambda h, a: a.update({"dof_velocity@0": np.zeros(3), "dof_velocity@1": np.zeros(3)}),
        "overlap",
    ),
    "arrays beyond the end": (lambda h, a: h.update(arrays=[["state", "f8", [10**6, 10**6]]]), "header cannot be read"),
    "negative shape": (lambda h, a: h.update(arrays=[["state", "f8", [-2, -3]]]), "header cannot be read"),
    "unknown type": (lambda h, a: h.update(arrays=[["state", "O8", [1]]]), "header cannot be read"),
    "no list": (lambda h, a: h.update(arrays=7), "header cannot be read"),
    "nameless": (lambda h, a: h.update(arrays=[[3, "f8", [1]]]), "header cannot be read"),
    "bytes left over": (lambda h, a: h.update(arrays=[]), "header cannot be read"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_digest_that_matches_is_not_enough(tmp_path, case):
    path = tmp_path / "run.ckpt"
    scene = busy()
    scene.save_checkpoint(path)
    edit, message = FORGED[case]
    path.write_bytes(forge(path.read_bytes(), edit))
    refused(scene, path, message)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    scene, *_ = world()
    scene.world.set_state(torch.full_like(scene.world.state, torch.nan))
    with pytest.raises(gs.GenesisException, match="NaN or infinite"):
        scene.save_checkpoint(tmp_path / "run.ckpt")
    assert not os.listdir(tmp_path)
