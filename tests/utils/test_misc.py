"""Helpers of genesis.utils.misc and genesis.utils.warnings."""

import collections
import dataclasses
import logging
import os
import sys

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.utils import misc
from genesis.utils import warnings as gs_warnings
from genesis.utils.names import MISC


def test_each_public_function_is_here_or_refused():
    """The names of Genesis 1.4.5's and 0.4.5's genesis/utils/misc.py."""
    refused = (
        "assign_indexed_tensor get_cvx_cache_dir get_default_screen get_exr_cache_dir get_gel_cache_dir "
        "get_gnd_cache_dir get_gpu_core_count get_gpu_cores_per_unit get_gpu_shared_tile_sizes get_gsd_cache_dir "
        "get_indexed_shape get_ptc_cache_dir get_remesh_cache_dir get_tet_cache_dir get_usd_cache_dir indices_to_mask "
        "qd_to_numpy qd_to_python qd_to_torch qd_zero_grad sanitize_indexed_tensor ti_to_torch try_get_display_size"
    ).split()
    here = (
        "DeprecationError assert_built assert_gs_tensor assert_initialized assert_unbuilt broadcast_tensor "
        "concat_with_tensor data_to_array gaussian_crosstalk_kernel geometric_mean get_assets_dir get_cache_dir "
        "get_device get_entry_point_name get_gen_log_dir get_src_dir harmonic_mean has_display is_approx_multiple "
        "make_tensor_field raise_exception raise_exception_from redirect_libc_stderr sanitize_index sanitize_indices "
        "set_environ set_random_seed tensor_to_array tensor_to_cpu to_gs_tensor with_lock"
    ).split()
    assert sorted(MISC) == sorted(here)
    for name in here:
        assert getattr(gs.utils, name) is getattr(misc, name)
    for name in refused:
        assert not hasattr(misc, name)
        with pytest.raises(gs.GenesisException, match=rf"{name}.*is not here"):
            getattr(gs.utils, name)


def test_tensors_and_arrays():
    leaf = torch.ones(2, requires_grad=True)
    assert misc.tensor_to_array(2 * leaf).tolist() == [2.0, 2.0]
    assert misc.tensor_to_array([1, 2], dtype=np.float32).dtype == np.float32
    assert not misc.tensor_to_cpu(leaf).requires_grad
    assert misc.tensor_to_cpu("text") == "text"
    assert misc.to_gs_tensor([1, 2]).dtype is gs.tc_int
    assert misc.to_gs_tensor(np.arange(3.0)[::-1]).tolist() == [2.0, 1.0, 0.0]
    assert misc.to_gs_tensor([True]).dtype is torch.bool
    assert misc.to_gs_tensor(torch.ones(1), dtype=torch.float32).dtype is torch.float32
    misc.assert_gs_tensor(gs.tensor([1.0]))
    with pytest.raises(gs.GenesisException, match="got Tensor"):
        misc.assert_gs_tensor(torch.ones(1))
    Reading = collections.namedtuple("Reading", ["force"])
    data = misc.data_to_array({"a": [leaf, (1, "x")], "b": Reading(leaf)})
    assert isinstance(data["a"][0], np.ndarray)
    assert data["a"][1] == (1, "x")
    assert isinstance(data["b"]["force"], np.ndarray)
    assert misc.data_to_array([leaf], to_torch=True)[0] is leaf


def test_shapes():
    wide = misc.broadcast_tensor(np.array([1.0, 2.0])[::-1], gs.tc_float, (3, 2))
    assert wide.tolist() == [[2.0, 1.0]] * 3
    assert misc.broadcast_tensor([1.0, 2.0, 3.0], gs.tc_float, (3, 2)).tolist() == [[1, 1], [2, 2], [3, 3]]
    assert misc.broadcast_tensor(4.0, gs.tc_float, (2, 3)).shape == (2, 3)
    assert misc.broadcast_tensor(None, gs.tc_int, (2,)).shape == (2,)
    assert misc.broadcast_tensor(torch.ones(5, 1), gs.tc_float, (-1, 3)).shape == (5, 3)
    for wrong, shape in ((torch.ones(2, 2), (3, 2)), (torch.ones(1, 1, 1), (1, 1)), (None, (-1,))):
        with pytest.raises(gs.GenesisException):
            misc.broadcast_tensor(wrong, gs.tc_float, shape, ("envs_idx", "dofs_idx"))
    assert misc.concat_with_tensor(torch.zeros(1), 2).tolist() == [0, 2]
    assert misc.concat_with_tensor(torch.zeros(0, 3), torch.ones(3), expand=(2, 3)).shape == (2, 3)
    assert misc.concat_with_tensor(torch.zeros(2, 1), torch.ones(2, 1), dim=-1).tolist() == [[0, 1], [0, 1]]
    with pytest.raises(gs.GenesisException, match="do not fit"):
        misc.concat_with_tensor(torch.zeros(2, 2), torch.ones(3, 3))
    kind = dataclasses.make_dataclass("Kind", [("values", torch.Tensor, misc.make_tensor_field((0, 3)))])
    assert kind().values.shape == (0, 3)
    assert kind().values.dtype is gs.tc_float


def test_indices():
    assert misc.sanitize_index(None, -1, 3, 0, "links_idx").tolist() == [0, 1, 2]
    assert misc.sanitize_index(-1, 1, 3, 0, "").tolist() == [2]
    assert misc.sanitize_index(slice(1, None), -1, 3, 0, "").tolist() == [1, 2]
    assert misc.sanitize_index(torch.tensor([True, False, True]), 2, 3, 0, "").tolist() == [0, 2]
    assert misc.sanitize_index([], -1, 3, 0, "").tolist() == []
    found = misc.sanitize_indices([range(2), [-1]], (-1, 1), (4, 5), ("a", "b"))
    assert [part.tolist() for part in found] == [[0, 1], [4]]
    for wrong in (3, [0, -4], 1.5, [[0]], torch.tensor([True])):
        with pytest.raises(gs.GenesisException, match="`links_idx`"):
            misc.sanitize_index(wrong, -1, 3, 0, "links_idx")
    with pytest.raises(gs.GenesisException, match="expected 2"):
        misc.sanitize_index([0], 2, 3, 0, "links_idx")


def test_numbers():
    assert misc.geometric_mean(2, 8) == 4
    assert misc.harmonic_mean(2, 6) == 3
    assert misc.harmonic_mean(0, 6) == 0
    assert misc.is_approx_multiple(0.3, 0.1)
    assert not misc.is_approx_multiple(0.35, 0.1)
    kernel = misc.gaussian_crosstalk_kernel(3, 5, 0.5, spacing=(0.5, 1.0))
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel[0, 2] / kernel[1, 2] == pytest.approx(np.exp(-0.5))
    assert kernel[1, 3] / kernel[1, 2] == pytest.approx(np.exp(-2.0))
    for call in (
        lambda: misc.geometric_mean(-1, 1),
        lambda: misc.harmonic_mean(1, -1),
        lambda: misc.gaussian_crosstalk_kernel(2, 3, 1.0),
        lambda: misc.gaussian_crosstalk_kernel(3, 3, 0.0),
    ):
        with pytest.raises(gs.GenesisException):
            call()


def test_guards():
    class Thing:
        is_built = False

        @misc.assert_built
        def after(self):
            return "after"

        @misc.assert_unbuilt
        def before(self):
            return "before"

    thing = misc.assert_initialized(Thing)()
    assert thing.before() == "before"
    with pytest.raises(gs.GenesisException, match=r"Thing\.after: it is not built yet"):
        thing.after()
    thing.is_built = True
    assert thing.after() == "after"
    with pytest.raises(gs.GenesisException, match=r"Thing\.before: it is built already"):
        thing.before()
    with pytest.raises(gs.GenesisException, match="told"):
        misc.raise_exception("told")
    with pytest.raises(gs.GenesisException) as caught:
        misc.raise_exception_from("told", KeyError("cause"))
    assert isinstance(caught.value.__cause__, KeyError)


def test_process(tmp_path, monkeypatch):
    misc.set_random_seed(3)
    first = np.random.rand(), torch.rand(1).item()  # noqa: NPY002
    misc.set_random_seed(3)
    assert first == (np.random.rand(), torch.rand(1).item())  # noqa: NPY002
    monkeypatch.delenv("GENESIS_TEST_NAME", raising=False)
    with misc.set_environ({"GENESIS_TEST_NAME": "x"}):
        assert os.environ["GENESIS_TEST_NAME"] == "x"
    assert "GENESIS_TEST_NAME" not in os.environ
    with (tmp_path / "log").open("w+") as file:
        with misc.redirect_libc_stderr(file):
            os.write(2, b"from native code")
        file.seek(0)
        assert file.read() == "from native code"
    place, name, memory, backend = misc.get_device(gs.cpu)
    assert (place.type, backend) == ("cpu", gs.cpu)
    assert name
    assert memory > 0.1
    if not torch.cuda.is_available():
        with pytest.raises(gs.GenesisException, match="get_device: torch has no GPU"):
            misc.get_device(gs.gpu)
    assert isinstance(misc.has_display(), bool)


def test_paths(tmp_path, monkeypatch):
    assert os.path.samefile(misc.get_src_dir(), os.path.dirname(gs.__file__))
    assert misc.get_assets_dir() == os.path.join(misc.get_src_dir(), "assets")
    monkeypatch.setenv("GENESIS_CACHE", str(tmp_path))
    assert misc.get_gen_log_dir().startswith(str(tmp_path))
    monkeypatch.setattr(sys, "argv", [""])
    assert misc.get_entry_point_name() == "genesis"
    monkeypatch.setattr(sys, "argv", [__file__])
    assert misc.get_entry_point_name() == "test_misc"


def test_warn_once(caplog):
    with caplog.at_level(logging.WARNING, logger="genesis"):
        for _ in range(2):
            gs_warnings.warn_once("said once")
    assert [record.message for record in caplog.records] == ["said once"]
