"""Files of results and logs: the same numbers in whatever form an archive holds them, or an error that says why not."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch

import genesis as gs
from genesis import files
from genesis.tools import Identification, Log, OptimizedTrajectory
from genesis.tools.identification.identifiability import Combination
from genesis.tools.identification.result import Channel, Estimate
from genesis.tools.trajectory_optimization.monitor import Iteration
from tests.tools.arm_logs import arm_log

T, NU, NX = 4, 2, 6


def trajectory():
    rng = np.random.default_rng(0)

    def numbers(*shape):  # whole numbers and halves, which every type of float holds
        return torch.as_tensor(np.round(8 * rng.standard_normal(shape)) / 2)

    return OptimizedTrajectory(
        None,
        None,
        controls=numbers(T, NU),
        states=numbers(T + 1, NX),
        cost=2.5,
        history=[Iteration(0, 4.0, 0.5, 1.0, 0.0, 0.0), Iteration(1, 2.5, 1.0, 0.5, 0.25, 0.0)],
        reason="converged",
        method="ilqr",
        control="force",
        dt=0.25,
        seconds=1.0,
        lower=torch.full((T, NU), -torch.inf, dtype=torch.float64),
        upper=torch.full((T, NU), 64.0, dtype=torch.float64),
        gains=numbers(T, NU, NX),
        feedforward=numbers(T, NU),
        names=("arm", "Ärmel"),
    )


def identification():
    numbers = np.array([0.5, 1.5])
    return Identification(
        estimates=[Estimate("arm.mass", 1.5, 0.25, 1.0, True)],
        correlation=np.eye(1),
        undetermined=[],
        combinations=[Combination(["arm.mass"], [1.0], 0.25)],
        rank=1,
        n_coordinates=1,
        channels=[Channel("arm.qpos[0]", "rad", 2, 0.5, True, 0.5, 1.0, 1.0, numbers, numbers)],
        initial_states=np.ones((1, NX)),
        window=0.5,
        cost=1.0,
        reason="converged",
        history=[],
        notes=[],
        seconds=1.0,
        method="shooting",
        groups={"arm.mass": ["arm.mass"]},
    )


def numbers_of(found):
    """Everything that was read, in one comparable form."""
    if isinstance(found, Log):
        tables = (found.measurements, found.controls, found.noise)
        return [found.times.tolist(), [{name: array.tolist() for name, array in table.items()} for table in tables]]
    tensors = ("controls", "states", "lower", "upper", "gains", "feedforward")
    assert all(getattr(found, name).dtype == gs.tc_float for name in tensors)
    words = ("cost", "dt", "seconds", "history", "names", "method", "control", "reason")
    return [getattr(found, name).tolist() for name in tensors] + [getattr(found, name) for name in words]


def whole_log():
    """A log of numbers that every type holds."""
    t = np.arange(8.0)
    q = np.outer(t, [1.0, 2.0, 3.0])
    return arm_log(
        times=t,
        measurements={"arm.dofs_position": q},
        controls={"arm": q + 1.0},
        noise={"arm.dofs_position": [1.0, 2.0, 3.0]},
    )


KINDS = {"log": (whole_log, Log.read), "trajectory": (trajectory, OptimizedTrajectory.load)}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """(path, arrays, the function that reads them, what it gives), of each kind of .npz file."""
    make, read = KINDS[request.param]
    path = tmp_path / "some.npz"
    make().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    return path, arrays, read, numbers_of(read(path))


def is_number(array):
    return array.dtype.kind in "fiu"


SAME = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "big-endian of 32 bits": lambda a: a.astype(">f4"),
    "32 bits": lambda a: a.astype("f4"),
    "16 bits": lambda a: a.astype("f2"),
    "long double": lambda a: a.astype(np.longdouble),
    "Fortran order": lambda a: np.array(a, order="F"),
    "rows from the last": lambda a: np.array(a[::-1])[::-1] if a.ndim else a,
    "integers where they are": lambda a: a.astype(">i8") if np.isfinite(a).all() and (a == np.round(a)).all() else a,
    "unsigned where they are": lambda a: (
        a.astype(">u2") if np.isfinite(a).all() and (a == np.round(a)).all() and (a >= 0).all() else a
    ),
}


@pytest.mark.parametrize("change", SAME)
def test_other_forms_of_the_same_numbers(kind, change):
    path, arrays, read, expected = kind
    np.savez(path, **{name: SAME[change](a) if is_number(a) else a for name, a in arrays.items()})
    assert numbers_of(read(path)) == expected
    np.savez_compressed(path, **{name: SAME[change](a) if is_number(a) else a for name, a in arrays.items()})
    assert numbers_of(read(path)) == expected


def test_names_of_the_other_byte_order(tmp_path):
    path = tmp_path / "some.npz"
    trajectory().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    swapped = {name: a.astype(a.dtype.newbyteorder(">")) if a.dtype.kind == "U" else a for name, a in arrays.items()}
    np.savez(path, **swapped)
    assert numbers_of(OptimizedTrajectory.load(path)) == numbers_of(trajectory())


REFUSED = {
    "truth values": lambda a: a.astype(bool),
    "complex numbers": lambda a: a.astype(complex),
    "objects": lambda a: a.astype(object),
    "texts": lambda a: a.astype("U"),
    "bytes": lambda a: a.astype("S"),
    "times": lambda a: np.zeros(a.shape, "M8[s]"),
    "structures": lambda a: np.zeros(a.shape, [("x", "f8"), ("y", ">f4")]),
    "one more axis": lambda a: a[None, None, None],
    "nothing": lambda a: np.zeros((0,) * max(a.ndim, 1)),
    "NaN in the other byte order": lambda a: np.full(a.shape, np.nan, ">f8"),
    "more than float64 holds": lambda a: np.full(a.shape, np.longdouble("1e400"), np.longdouble),
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_are_no_numbers_is_refused(kind, change):
    path, arrays, read, _ = kind
    for name in arrays:
        if not is_number(arrays[name]):
            continue
        with np.errstate(invalid="ignore"):
            np.savez(path, **{**arrays, name: REFUSED[change](arrays[name])})
        # A history may hold any numbers, and a bound may be infinite.
        try:
            read(path)
        except gs.GenesisException as error:
            assert str(path) in str(error)
        else:
            allowed = name.startswith("history") and change.startswith(("NaN", "more"))
            assert allowed or (name in ("lower", "upper") and change == "more than float64 holds"), name


def member(path, name, content):
    """Replace (or add) a member of an archive by bytes."""
    with zipfile.ZipFile(path) as archive:
        kept = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in {**kept, name: content}.items():
            archive.writestr(each, data)


def npy(header, data=b""):
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


ODD_MEMBERS = {
    "no array": b"some text",
    "empty": b"",
    "header alone": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"),
    "huge": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "overflowing": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
    "negative": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", bytes(8)),
    "shorter than its bytes": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", bytes(16)),
    "nested type": npy("{'descr': ('<f8', (3,)), 'fortran_order': False, 'shape': (1,), }", bytes(24)),
    "unknown type": npy("{'descr': '<q9', 'fortran_order': False, 'shape': (1,), }", bytes(24)),
    "code": npy("{'descr': __import__('os').getpid(), 'fortran_order': False, 'shape': (1,), }"),
    "header that does not end": b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 65535,
    "large header": b"\x93NUMPY\x02\x00" + (10**6).to_bytes(4, "little") + b"{'descr': '<f8'".ljust(10**6),
    "other version": b"\x93NUMPY\x09\x00" + bytes(100),
}


@pytest.mark.parametrize("odd", ODD_MEMBERS)
@pytest.mark.parametrize("place", ["instead", "beside"])
def test_odd_members_are_refused(kind, odd, place):
    path, arrays, read, _ = kind
    name = f"{next(iter(arrays))}.npy" if place == "instead" else "odd.npy"
    member(path, name, ODD_MEMBERS[odd])
    with pytest.raises(gs.GenesisException, match=r"some\.npz"):
        read(path)


def test_odd_archives_are_refused(kind):
    path, arrays, read, _ = kind
    name = next(iter(arrays))
    good = path.read_bytes()
    buffer = io.BytesIO(good)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(f"{name}.npy", archive.read(f"{name}.npy"))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(gs.GenesisException, match=f"'{name}' is there twice"):
        read(path)
    path.write_bytes(good)
    member(path, "readme.txt", b"some text")
    with pytest.raises(gs.GenesisException, match=r"'readme\.txt'"):
        read(path)
    # A digit of a shape, without which the archive would be read as if it ended earlier.
    assert b"'shape': (4, 2)" in good or b"'shape': (8,)" in good
    path.write_bytes(good.replace(b"'shape': (4, 2)", b"'shape': (3, 2)").replace(b"'shape': (8,)", b"'shape': (7,)"))
    with pytest.raises(gs.GenesisException, match=r"some\.npz"):
        read(path)


def test_logs_with_names_that_archives_make_much_of(tmp_path):
    names = ("file", "a", "a.npy", "allow_pickle", "x/../y", "ä")
    outputs = {name: (lambda trajectory: None) for name in names}
    t = np.arange(8.0)
    log = Log(t, {name: t + k for k, name in enumerate(names)}, outputs=outputs)
    log.save(tmp_path / "log.npz")
    found = Log.read(tmp_path / "log.npz", outputs=outputs)
    assert all(np.array_equal(found.measurements[name], log.measurements[name]) for name in names)
    log = Log(t, {"null\0": t}, outputs={"null\0": lambda trajectory: None})
    with pytest.raises(gs.GenesisException, match="null character"):
        log.save(tmp_path / "log.npz")


# -- JSON -------------------------------------------------------------------------------------------------------------

JSON = {
    "truth value among numbers": ('"initial_states": [[', '"initial_states": [[true, ', "'initial_states'"),
    "truth value for a number": ('"window": 0.5', '"window": true', "'window'"),
    "nested deep": ('"window": 0.5', '"window": ' + "[" * 400 + "]" * 400, "'window'"),
    "huge number": ('"window": 0.5', '"window": 1' + "0" * 400, "'window'"),
    "large list of digits": ('"window": 0.5', '"window": 1' + "0" * 5000, "is no JSON file"),
    "array nested deep": ('"correlation": [', '"correlation": [' + "[" * 100 + "]" * 100 + ", ", "'correlation'"),
    "dictionaries": ('"initial_states": [', '"initial_states": [{}, ', "'initial_states'"),
}


@pytest.mark.parametrize("case", JSON)
def test_odd_json_is_refused(tmp_path, case):
    path = tmp_path / "result.json"
    identification().save(path)
    text = json.dumps(json.loads(path.read_text()))
    Identification.load(path)
    old, new, message = JSON[case]
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(gs.GenesisException, match=rf"result\.json .*{message}"):
        Identification.load(path)


# -- where files are written ------------------------------------------------------------------------------------------

SAVED = {
    "trajectory": (trajectory, OptimizedTrajectory.load, "some.npz"),
    "log": (arm_log, Log.read, "some.csv"),
    "identification": (identification, Identification.load, "some.json"),
}


@pytest.mark.parametrize("what", SAVED)
def test_results_are_written_whole_to_where_a_link_points(tmp_path, monkeypatch, what):
    make, read, name = SAVED[what]
    result, link = make(), tmp_path / name
    target = tmp_path / ("target" + link.suffix)
    link.symlink_to(target.name)
    result.save(link)
    assert link.is_symlink()
    good = target.read_bytes()
    read(link)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(gs.GenesisException, match=r"cannot be written .*No space left on device"):
            result.save(link)
    assert target.read_bytes() == good
    assert sorted(os.listdir(tmp_path)) == sorted([link.name, target.name])
    target.unlink()
    os.mkfifo(target)
    with pytest.raises(gs.GenesisException, match=r"cannot be written .*expected a regular file"):
        result.save(link)
    with pytest.raises(gs.GenesisException, match=r"cannot be read .*expected a regular file"):
        read(link)
    assert target.is_fifo()


def test_errors_of_files_name_the_path_that_was_given(tmp_path):
    for path in (tmp_path / "none" / "file", tmp_path, f"{tmp_path}/null\0"):
        for call in (lambda path=path: files.write_atomically(path, b""), lambda path=path: files.read_bytes(path)):
            with pytest.raises(OSError) as caught:
                call()
            assert caught.value.filename == os.fsdecode(path) and caught.value.strerror
