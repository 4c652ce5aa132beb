"""Checkpoints as files: where they are written, and what of a crafted one is refused, although its digest matches."""

import hashlib
import os
import socket
import stat
import sys

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.constants import LARGEST_STATE
from genesis.entities.rolling import MODES
from genesis.world.catalogue import ENTITY_PARAMETERS, PAIR_PARAMETERS, PARAMETERS, SCENE_PARAMETERS
from genesis.world.checkpoint import MAGIC
from tests.entities.worlds import scatter_state, touching_world, world
from tests.test_parameters_api import changed, counts, put, values
from tests.test_states import advance, busy, forge, refused

N_ENVS = 2


@pytest.fixture(scope="module")
def running():
    """A busy scene, which refused checkpoints leave as it is."""
    return busy(N_ENVS)


@pytest.fixture(scope="module")
def saved(running, tmp_path_factory):
    """Content of its checkpoint."""
    path = tmp_path_factory.mktemp("checkpoint") / "run.ckpt"
    running.save_checkpoint(path)
    return path.read_bytes()


# -- crafted ones -----------------------------------------------------------------------------------------------------


def retyped(name, kind):
    return lambda h, a: a.update({name: np.nan_to_num(a[name], posinf=1.0, neginf=-1.0).astype(kind)})


def header(**entries):
    return lambda h, a: h.update(entries)


def entries(a):
    return [[name, array.dtype.str[1:], list(array.shape)] for name, array in a.items()]


def array_entry(change):
    """The header's entry of the state, changed in place."""

    def edit(h, a):
        h["arrays"] = entries(a)
        change(h["arrays"][[entry[0] for entry in h["arrays"]].index("state")])

    return edit


def deep(depth):
    nested = []
    for _ in range(depth):
        nested = [nested]
    return nested


THETA = {  # parameter -> its first number, impossible; "arm" is first, and body 0 the world
    "gravity": np.inf,
    "body_mass": -1.0,
    "body_inertia": 1e9,
    "dof_damping": -1.0,
    "dof_armature": -1.0,
    "dof_force_range": np.inf,
    "jnt_axis": 1e300,
    "body_quat": np.inf,
    "dof_kp": np.inf,
}

CRAFTED = {
    "state of integers": (retyped("state", "<i4"), "'state' holds int32; expected float64"),
    "state of 32 bits": (retyped("state", "<f4"), "'state' holds float32; expected float64"),
    "theta of integers": (retyped("theta", "<i4"), "'theta' holds int32; expected float64"),
    "theta of 32 bits": (retyped("theta", "<f4"), "'theta' holds float32; expected float64"),
    "solution of integers": (retyped("solution", "<i4"), "'solution' holds int32; expected float64"),
    "model of 32 bits": (
        retyped("model", "<f4"),
        "'model' holds float32; expected float64|numbers of its model differ",
    ),
    "mode of 32 bits": (retyped("mode", "<f4"), "commands are not valid"),
    "switches of 64 bits": (retyped("actuators_on", "<f8"), "commands are not valid"),
    "block of integers": (retyped("dof_position@0", "<i4"), "'dof_position@0' holds int32; expected float64"),
    "block of 32 bits": (retyped("ctrl@2", "<f4"), "'ctrl@2' holds float32; expected float64"),
    # steps
    "step of a truth value": (header(cur_step=True), "step counter is True; expected a whole number"),
    "step of a float": (header(cur_step=3.0), "step counter is 3.0"),
    "huge step": (header(cur_step=10**400), "step counter is 1000"),
    "step too far": (header(cur_step=2**53 + 1), "step counter is 9007199254740993"),
    "step of text": (header(cur_step="3"), "step counter is 3;"),
    "step of a list": (header(cur_step=deep(300)), "step counter is a list"),
    "no step": (lambda h, a: h.pop("cur_step"), "step counter is None"),
    # commands
    "position that is missing": (
        lambda h, a: a.pop("dof_position@0"),
        "dof 0 is under a 'dof_position' that is missing",
    ),
    "control that is missing": (lambda h, a: a.pop("ctrl@2"), "control 2 is under a 'ctrl' that is missing"),
    "control that is short": (lambda h, a: a["actuators_on"].fill(1), "control 0 is under a 'ctrl' that is missing"),
    "mode without a field": (lambda h, a: a["mode"].__setitem__((1, 1), 4), "dof 1 is under a 'dof_velocity' that is"),
    "column of other digits": (lambda h, a: a.update({"ctrl@\u0660": np.zeros(1)}), "does not fit"),
    "column 00": (lambda h, a: a.update({"ctrl@00": np.zeros(1)}), "'ctrl@00' does not fit"),
    "column -1": (lambda h, a: a.update({"ctrl@-1": np.zeros(1)}), "'ctrl@-1' does not fit"),
    "column +1": (lambda h, a: a.update({"ctrl@+1": np.zeros(1)}), "does not fit"),
    "column 1\\n": (lambda h, a: a.update({"ctrl@1\n": np.zeros(1)}), "does not fit"),
    "column of many digits": (lambda h, a: a.update({"ctrl@" + "1" * 5000: np.zeros(1)}), "does not fit"),
    "second column": (lambda h, a: a.update({"ctrl@1@1": np.zeros(1)}), "does not fit"),
    "no width": (lambda h, a: a.update({"ctrl@0": np.zeros(0)}), "'ctrl@0' does not fit"),
    "no width in each env": (lambda h, a: a.update({"ctrl@0": np.zeros((N_ENVS, 0))}), "'ctrl@0' does not fit"),
    "number": (lambda h, a: a.update({"ctrl@0": np.zeros(())}), "'ctrl@0' does not fit"),
    "block over two entities": (lambda h, a: a.update({"dof_velocity@2": np.zeros(2)}), "reaches beyond an entity"),
    "part of a wrench": (lambda h, a: a.update({"xfrc@7": np.zeros(3)}), "reaches beyond an entity"),
    "wrench on the world": (lambda h, a: a.update({"xfrc@0": np.zeros(6)}), "reaches beyond an entity"),
    "overlapping wrenches": (
        lambda h, a: a.update({"xfrc@6": np.zeros(12), "xfrc@12": np.zeros(6)}),
        "commands overlap",
    ),
    # states
    "position too far": (
        lambda h, a: a["state"].__setitem__((0, 0), -1.1 * LARGEST_STATE),
        r"positions or velocities above 1e\+10",
    ),
    "velocity too large": (
        lambda h, a: a["state"].__setitem__((1, 27), 1.1 * LARGEST_STATE),
        r"positions or velocities above 1e\+10",
    ),
    "infinite activation": (lambda h, a: a["state"].__setitem__((0, -1), np.inf), "not finite"),
    "no orientation": (
        lambda h, a: a["state"].__setitem__((1, slice(6, 10)), 0.0),
        "quaternion of length zero for joint 'root'",
    ),
    # the header
    "truth value for a number": (header(n_envs=True), "saved with n_envs True; this scene has 2"),
    "float for a whole number": (header(n_envs=2.0), "saved with n_envs 2.0; this scene has 2"),
    "whole number for a float": (header(impratio=1), "saved with impratio 1; this scene has 1.0"),
    "version of a truth value": (header(version=True), "has format True; this engine reads"),
    "version of a float": (header(version=2.0), "has format 2.0; this engine reads"),
    "version of a list": (header(version=[2]), "has format a list; this engine reads"),
    "version of many digits": (header(version=10**4000), "has format 1000"),
    "precision of a list": (header(precision=["64"]), "saved with precision a list; this scene has 64"),
    "substeps of a list": (header(substeps=deep(300)), "saved with substeps a list"),
    "dt of a dictionary": (header(dt={"dt": 0.004}), "saved with dt a dict"),
    "NaN": (header(dt=np.nan), "header cannot be read"),
    "infinity": (header(dt=np.inf), "header cannot be read"),
    "twice": (lambda h, a: h.update(arrays=[*entries(a), ["mode", "i4", [0]]]), "header cannot be read"),
    "entries of a dictionary": (header(arrays={"state": 1}), "header cannot be read"),
    "entry of text": (header(arrays=["abc"]), "header cannot be read"),
    "entry of two": (array_entry(lambda e: e.pop()), "header cannot be read"),
    "entry of four": (array_entry(lambda e: e.append(1)), "header cannot be read"),
    "type of a list": (array_entry(lambda e: e.__setitem__(1, ["f8"])), "header cannot be read"),
    "shape of a number": (array_entry(lambda e: e.__setitem__(2, 56)), "header cannot be read"),
    "shape of text": (array_entry(lambda e: e.__setitem__(2, "28")), "header cannot be read"),
    "shape of floats": (array_entry(lambda e: e.__setitem__(2, [2.0, 29.0])), "header cannot be read"),
    "shape of truth values": (array_entry(lambda e: e.__setitem__(2, [True, 58])), "header cannot be read"),
    "shape of lists": (array_entry(lambda e: e.__setitem__(2, [[2, 29]])), "header cannot be read"),
    "shape of many axes": (array_entry(lambda e: e.__setitem__(2, [1] * 70)), "header cannot be read"),
    "shape that overflows": (array_entry(lambda e: e.__setitem__(2, [2**32, 2**32])), "header cannot be read"),
    "huge shape": (array_entry(lambda e: e.__setitem__(2, [10**400, 0])), "header cannot be read"),
}


@pytest.mark.parametrize("case", CRAFTED)
def test_crafted_checkpoints_are_refused(running, saved, tmp_path, case):
    edit, message = CRAFTED[case]
    path = tmp_path / "crafted.ckpt"
    path.write_bytes(forge(saved, edit))
    refused(running, path, message)


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"7", b'"text"', b"\xff", b"[" * 100_000, b'{"version": 2}'])
def test_headers_that_are_none_are_refused(running, tmp_path, text):
    body = MAGIC + len(text).to_bytes(8, "little") + text
    path = tmp_path / "crafted.ckpt"
    for content in (body, MAGIC + b"\xff" * 8 + text, MAGIC + text[:3]):
        path.write_bytes(content + hashlib.sha256(content).digest())
        refused(running, path, "header cannot be read")


@pytest.mark.parametrize("name", THETA)
def test_parameters_that_no_setter_takes_are_refused(running, saved, tmp_path, name):
    column = running.world.model.theta_fields[name].offset
    path = tmp_path / "crafted.ckpt"
    path.write_bytes(forge(saved, lambda h, a: a["theta"].__setitem__((0, column), THETA[name])))
    refused(running, path, "its parameter `")


def test_the_whole_of_theta_is_checked():
    for scene in (touching_world()[0], world()[0]):
        everything = (*ENTITY_PARAMETERS.values(), *PAIR_PARAMETERS.values(), *SCENE_PARAMETERS)
        sizes = dict.fromkeys(scene.world.model.theta_fields, 0)
        for parameter in everything:
            if parameter.name.startswith(("actuators_motor_control", "actuators_motor_friction")):
                continue  # other names of numbers of muscles
            left = int(np.prod(parameter.item))
            for field in parameter.fields:
                shape = scene.world.model.theta_fields[field].shape
                width = int(np.prod(shape if parameter.axis == "scene" else shape[1:]))
                count = min(width - parameter.first, left)
                sizes[field] += count * (1 if parameter.axis == "scene" else shape[0])
                left -= count
        assert sizes == {name: field.size for name, field in scene.world.model.theta_fields.items()}


def test_what_would_end_in_a_memory_error_is_refused(tmp_path, run_python):
    """In a process of its own: native code read an array of integers as one of floats, which is twice as long."""
    code = f"""
import numpy as np
import genesis as gs
gs.init(backend=gs.cpu, precision="64", logging_level="error")
from tests.test_states import forge
scene = gs.Scene(sim_options=gs.options.SimOptions(gravity=(0, 0, 0)))
for k in range(20):
    scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(k, 0, 1), collision=False))
scene.build()
path = {str(tmp_path / "run.ckpt")!r}
scene.save_checkpoint(path)
content = open(path, "rb").read()
for name in ("state", "theta", "solution", "mode", "actuators_on"):
    for kind in ("<i4", "<f4", "<f8"):
        for shape in (None, (1,), (-1,)):
            def edit(h, a):
                values = a[name].astype(kind)
                a[name] = values if shape is None else values.reshape(-1)[:1] if shape == (1,) else values.reshape(-1)
            crafted = forge(content, edit)
            if crafted == content:
                continue
            open(path, "wb").write(crafted)
            try:
                scene.load_checkpoint(path)
            except gs.GenesisException:
                pass
            else:
                assert name in ("solution", "actuators_on") and shape is None, (name, kind, shape)
            scene.step()
print("done")
"""
    assert run_python(code).endswith("done\n")


# -- what is legitimate -----------------------------------------------------------------------------------------------


def some(rng, n):
    """A random choice out of `n`, in one of the forms of an index argument; None: all."""
    ids = rng.permutation(n)[: rng.integers(1, n + 1)]
    start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
    forms = (None, None, ids.tolist(), sorted(ids.tolist()), slice(start, max(stop, start + 1)), int(ids[0]), [])
    return forms[rng.integers(len(forms))]


def length(chosen, n):
    return len(np.atleast_1d(np.arange(n)[slice(None) if chosen is None else chosen])) if chosen != [] else 0


def random_command(scene, rng):
    """One call of those that change what commands are in force, as a user may make it."""
    entity = scene.entities[rng.integers(2)]
    n_dofs, n_envs = entity.n_dofs, scene.n_envs
    dofs = some(rng, n_dofs)
    envs = some(rng, n_envs) if n_envs else None

    def number(*shape):
        rows = length(envs, n_envs) if envs is not None else n_envs
        lead = (rows,) if n_envs and rng.integers(2) else ()
        grad = bool(rng.integers(2))
        return torch.as_tensor(rng.standard_normal((*lead, *shape))).requires_grad_(grad and scene.requires_grad)

    which = {"dofs_idx_local": dofs, "envs_idx": envs}
    kind = rng.integers(10)
    if kind < 4:
        name = ("force", "position", "velocity", "position_velocity")[kind]
        given = [number(length(dofs, n_dofs)) for _ in range(1 + (kind == 3))]
        getattr(entity, f"control_dofs_{name}")(*given, **which)
    elif kind == 4:
        actuators = some(rng, 3)
        scene.entities[0].control_actuators(number(length(actuators, 3)), actuators, envs)
    elif kind == 5:
        links = some(rng, entity.n_links)
        entity.apply_links_external_force(number(length(links, entity.n_links), 3), links, envs)
    elif kind == 6:
        links = some(rng, scene.rigid_solver.n_links)
        torque = number(length(links, scene.rigid_solver.n_links), 3)
        scene.rigid_solver.apply_links_external_torque(torque, links, envs)
    elif kind == 7:
        control = (*MODES, "actuators")[rng.integers(4)]
        entity = scene.entities[0]
        lead = (2, n_envs) if n_envs and rng.integers(2) else (2,)
        scene.rollout({entity: torch.as_tensor(rng.standard_normal((*lead, 3)))}, control)
    elif kind == 8:
        scene.reset(envs_idx=None if envs is None or not rng.integers(3) else envs)
    else:
        scene.step()
        scene.detach()
    return kind


@pytest.mark.parametrize(("n_envs", "requires_grad"), [(0, True), (1, False), (3, True)])
def test_whatever_was_commanded_is_saved_and_loaded(tmp_path, n_envs, requires_grad):
    # The steps are short, so that nothing diverges under random gains and forces.
    scene, twin = (world(n_envs, requires_grad=requires_grad, dt=1e-5)[0] for _ in range(2))
    rng = np.random.default_rng(n_envs)
    path = tmp_path / "run.ckpt"
    done = set()
    for _ in range(150):
        done.add(int(random_command(scene, rng)))
        scene.save_checkpoint(path)
        twin.load_checkpoint(path)
        one, other = scene.world.commands.command, twin.world.commands.command
        assert torch.equal(one.switches.mode, other.switches.mode) and torch.equal(
            one.switches.actuators_on, other.switches.actuators_on
        )
        assert one.blocks.keys() == other.blocks.keys()
        assert all(torch.equal(value, other.blocks[key]) for key, value in one.blocks.items())
        assert twin.cur_step == scene.cur_step
    assert done == set(range(10))
    assert torch.equal(advance(scene), advance(twin))
    # A scene that was loaded takes further commands.
    for _ in range(20):
        seed = int(rng.integers(2**31))
        for each in (scene, twin):
            random_command(each, np.random.default_rng(seed))
    assert torch.equal(advance(scene), advance(twin))


@pytest.mark.parametrize("n_envs", [0, 2])
def test_whatever_a_setter_takes_is_saved_and_loaded(tmp_path, n_envs):
    scene, arm, floater, _ = world(n_envs)
    rng = np.random.default_rng(0)
    for name, parameter in PARAMETERS.items():
        for entity in (arm, floater):
            if counts(entity)[parameter.axis]:
                put(entity, name, changed(parameter, values(entity, name), rng))
    scene.set_gravity([0.0, 0.0, 0.0])
    arm.set_links_mass(torch.zeros(2), links_idx_local=[0, 4])
    floater.set_dofs_force_range(torch.full((10,), -torch.inf), torch.full((10,), torch.inf))
    floater.set_mass(7.0)
    path = tmp_path / "run.ckpt"
    scene.save_checkpoint(path)
    twin = world(n_envs)[0]
    twin.load_checkpoint(path)
    assert torch.equal(twin.world.theta.packed(), scene.world.theta.packed().detach())


def test_what_a_model_file_holds_and_no_setter_takes_is_saved_and_loaded(tmp_path):
    file = tmp_path / "odd.xml"
    file.write_text(
        '<mujoco><worldbody><geom type="plane" size="1 1 1"/><body pos="0 0 1"><joint type="slide" axis="0 0 1"/>'
        '<geom size=".1" solimp="1.5 .9 .01"/></body></worldbody></mujoco>'
    )
    scene = gs.Scene()
    ball = scene.add_entity(gs.morphs.MJCF(file=str(file)))
    scene.build()
    with pytest.raises(gs.GenesisException, match="has dmin outside of its range"):
        ball.set_sol_params(ball.get_sol_params())
    path = tmp_path / "run.ckpt"
    scene.save_checkpoint(path)
    scene.load_checkpoint(path)
    content = path.read_bytes()
    field = scene.world.model.theta_fields["geom_solimp"]
    column = field.offset + int(np.flatnonzero(field.default.ravel() == 1.5)[0])
    for value, taken in ((1.5 * (1 + 1e-9), True), (1.6, False)):  # rounded on another machine; crafted
        path.write_bytes(forge(content, lambda h, a, value=value: a["theta"].__setitem__((0, column), value)))
        if taken:
            scene.load_checkpoint(path)
            scene.save_checkpoint(path)
        else:
            refused(scene, path, "`sol_params` is .* dmin outside of its range")


def test_states_too_large_are_not_saved(tmp_path):
    scene, arm, *_ = world()
    path = tmp_path / "run.ckpt"
    for put_state, column in ((arm.set_dofs_position, 0), (arm.set_dofs_velocity, scene.world.nq)):
        scene.reset()
        state = scene.world.state.clone()
        state[0, column] = 1.1 * LARGEST_STATE  # which no setter takes
        scene.world.set_state(state)
        with pytest.raises(gs.GenesisException, match=r"save_checkpoint: .* at step 0: .* above 1e\+10"):
            scene.save_checkpoint(path)
        assert not os.listdir(tmp_path)
        put_state([LARGEST_STATE, 0.0, -LARGEST_STATE])
        scene.save_checkpoint(path)
        scene.load_checkpoint(path)
        path.unlink()
    scene.reset()
    state = scene.world.state.clone()
    state[0, -1] = 1e30  # an activation
    scene.world.set_state(state)
    scene.save_checkpoint(path)
    scene.load_checkpoint(path)


def test_commands_that_are_not_finite_are_not_saved(tmp_path):
    scene, arm, *_ = world()
    for _ in range(2):
        arm.apply_links_external_force(torch.full((5, 3), 1.5e308), ref="link_com")
    with pytest.raises(gs.GenesisException, match=r"its command 'xfrc@6' does not fit the scene, or is not finite"):
        scene.save_checkpoint(tmp_path / "run.ckpt")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("n_envs", [0, 2])
def test_loading_in_inference_mode(tmp_path, n_envs):
    path = tmp_path / "run.ckpt"
    scene, arm, *_ = world(n_envs)
    scatter_state(scene)
    arm.set_links_mass(torch.linspace(1, 2, 5))
    arm.control_dofs_position([0.1, 0.2, 0.0])
    arm.control_actuators([0.5], actuators_idx_local=2)
    scene.step()
    scene.save_checkpoint(path)
    gradients = []
    for mode in (False, True):
        with torch.inference_mode(mode):
            scene.load_checkpoint(path)
        force = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        arm.control_dofs_force(force)
        scene.step()
        arm.get_links_pos().sum().backward()
        gradients.append(force.grad)
    assert gradients[0].any() and torch.equal(*gradients)


# -- where it is written ----------------------------------------------------------------------------------------------


def test_a_symbolic_link_stays_one(running, saved, tmp_path):
    target, link, again = tmp_path / "sub" / "run.ckpt", tmp_path / "link.ckpt", tmp_path / "again.ckpt"
    target.parent.mkdir()
    link.symlink_to("sub/run.ckpt")
    again.symlink_to(link)
    for each in (link, again, link):  # first dangling
        running.save_checkpoint(each)
        assert target.read_bytes() == saved and not target.is_symlink()
        target.write_bytes(b"old")
    assert os.readlink(link) == "sub/run.ckpt" and again.is_symlink()
    assert os.listdir(target.parent) == ["run.ckpt"]
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("nowhere/run.ckpt")
    for name, why in (("a", "Too many levels of symbolic links"), ("c", "No such file or directory")):
        with pytest.raises(gs.GenesisException, match=f"cannot be written: {why}"):
            running.save_checkpoint(tmp_path / name)
        assert (tmp_path / name).is_symlink()


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal", "directory"])
def test_what_is_no_regular_file_stays(running, tmp_path, kind, linked):
    path = tmp_path / "odd"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            os.chdir(tmp_path)  # its name has to be short
            server.bind("odd")
        elif kind == "terminal":
            ends = os.openpty()
            path = os.ttyname(ends[1])
        else:
            path.mkdir()
        before = os.stat(path)
        given = path
        if linked:
            given = tmp_path / "link"
            given.symlink_to(path)
        why = "Is a directory" if kind == "directory" else "Is a device, pipe or socket; expected a regular file"
        with pytest.raises(gs.GenesisException, match=f"cannot be written: {why}"):
            running.save_checkpoint(given)
        refused(running, given, f"cannot be read: {why}")
        after = os.stat(path)
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
        if kind == "terminal":
            for end in ends:
                os.close(end)


def test_permissions_are_kept(running, saved, tmp_path):
    path = tmp_path / "run.ckpt"
    mask = os.umask(0o027)
    try:
        running.save_checkpoint(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for mode in (0o600, 0o666, 0o777, 0o664):
            path.chmod(mode)
            path.write_bytes(b"old")
            running.save_checkpoint(path)
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert path.read_bytes() == saved
    finally:
        os.umask(mask)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_file_stays(running, tmp_path):
    path = tmp_path / "run.ckpt"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(gs.GenesisException, match="cannot be written: Permission denied"):
        running.save_checkpoint(path)
    assert path.read_bytes() == b"old"


def test_odd_names(running, saved, tmp_path):
    class Bytes(os.PathLike):
        def __fspath__(self):
            return os.fsencode(tmp_path / "of_bytes.ckpt")

    for path in (tmp_path / ("n" * 255), tmp_path / "é ü\n.ckpt", Bytes()):
        running.save_checkpoint(path)
        with open(path, "rb") as file:
            assert file.read() == saved
    with pytest.raises(gs.GenesisException, match="cannot be written: File name too long"):
        running.save_checkpoint(tmp_path / ("n" * 256))
    for name in ("null\0", "\ud800" if sys.platform != "win32" else "\0"):
        with pytest.raises(gs.GenesisException, match="cannot be written: "):
            running.save_checkpoint(tmp_path / name)
        refused(running, tmp_path / name, "cannot be read: ")
