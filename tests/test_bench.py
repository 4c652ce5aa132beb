"""The benchmark: what it writes, what it fits, how it reads figures, and the errors of bad arguments."""

import itertools
import json
import math
import sys
from pathlib import Path

import pytest

from genesis import cli
from genesis.bench import peers, programs, report, timing
from genesis.bench.command import Request, run
from genesis.bench.measure import Settings, measure_agreement
from genesis.bench.scenes import Subject, balls, chain, spec_of
from genesis.bench.sweep import SWEEPS, growth, run_sweep
from genesis.errors import GenesisException

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# After 50 steps in 64 bits; contact and its solver's tolerance are in it.
AGREEMENT = 1e-5


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(results, directory) of a short run on a chain, in the runtime of the tests."""
    directory = tmp_path_factory.mktemp("bench")
    measures = ("rollout", "agreement", "program", "overhead", "getters", "linearize")
    request = Request(directory, ["chain-3"], envs=[1, 2], measures=measures, precision="64", quick=True)
    assert run(request) == 0
    return json.loads((directory / "bench.json").read_text()), directory


def test_json_has_versions_settings_and_figures(finished):
    results, _ = finished
    assert results["precision"] == "64" and results["quick"] and results["cores"] >= 1
    assert {"genesis-grad", "mujoco", "warp-lang", "torch"} <= results["versions"].keys()
    scene = results["scenes"]["chain-3"]
    assert scene["rollout"].keys() == {"1", "2"}
    for figures in scene["rollout"].values():
        for name in ("forward_us", "backward_us", "mj_step_us", "forward_over_mj_step", "backward_over_forward"):
            assert figures[name] > 0, name
        assert figures["forward_best_us"] <= figures["forward_us"]
    assert scene["rollout"]["2"]["mujoco_rollout_us"] > 0
    assert scene["program"]["total_ms"] > scene["program"]["forward_ms"] > 0
    assert scene["getters"]["get_qpos_us"] > 0
    assert scene["linearize"]["mjd_transitionFD_us"] > 0
    assert scene["agreement"]["difference"] < AGREEMENT


def test_every_target_is_listed_with_its_verdict(finished):
    results, _ = finished
    assert len(results["targets"]) == len(report.TARGETS)
    # None of the targets is about a chain.
    assert all(target["holds"] is None and target["figure"] is None for target in results["targets"])


def test_plot_and_tables_are_written(finished):
    _, directory = finished
    assert (directory / "bench.png").read_bytes().startswith(PNG_SIGNATURE)
    assert "chain-3" in (directory / "bench.md").read_text()


def test_the_timed_motion_is_mujocos():
    for spec in (spec_of("arm"), balls(2)):
        subject = Subject(spec)
        assert subject.contacts == (2 if spec.contact else 0)
        assert measure_agreement(subject, Settings(horizon=50))["difference"] < AGREEMENT, spec.name


def test_forces_are_held_and_differ_between_envs():
    subject = Subject(chain(2), n_envs=2)
    forces = subject.forces(50)
    assert forces.shape == (2, 50, 2)
    assert (forces[:, 0] == forces[:, 19]).all() and (forces[:, 0] != forces[:, 20]).all()
    assert (forces[0] != forces[1]).all()
    assert (forces == subject.forces(50)).all()
    controls = subject.controls(50)
    assert controls.shape == (50, 2, 2) and controls.is_leaf and controls.requires_grad
    assert (controls[:, 1].numpy(force=True) == forces[1]).all()


def test_growth_finds_the_exponent_beyond_a_constant_part():
    sizes = [1, 10, 100, 1000, 10000]
    exact = growth(sizes, [3e-3 * n**1.5 for n in sizes])
    assert exact["exponent"] == pytest.approx(1.5) and exact["upper_exponent"] == pytest.approx(1.5)
    offset = growth(sizes, [100.0 + n for n in sizes])
    assert offset["exponent"] < offset["upper_exponent"] < 1.0
    assert growth([1, 2], [1.0, 4.0])["exponent"] == pytest.approx(2.0)


def test_ratios_are_formed_within_a_repetition():
    # The machine is slower by ten in the second repetition, for both.
    times = timing.Times({"a.x": [2.0, 20.0, 2.0], "a.y": [1.0, 10.0, 1.0], "b.x": [1.0, 10.0, 1.0]})
    assert times.ratio("a.x", "b.x") == 2.0
    assert times.ratio(("a.x", "a.y"), "b.x") == 3.0
    assert times.median("b.x") == 1.0 and times.best("a.x") == 2.0


def test_contestants_take_turns():
    order = []

    def contestant(name):
        def go():
            order.append(name)
            return {"part": 1.0}

        return go

    times = timing.interleave({"a": contestant("a"), "b": contestant("b")}, timing.Effort(least=3, seconds=0.0))
    assert order == ["a", "b"] * 4  # once for warming up
    assert times.runs == {"a.part": [1.0] * 3, "b.part": [1.0] * 3}


def test_targets_are_judged_by_their_bound():
    at_most = report.Target("time", ("scenes", "arm", "ms"), 8.0, "ms")
    at_least = report.Target("rate", ("scenes", "arm", "ms"), 8.0, "1/s", at_least=True)
    for figure, within in ((7.0, True), (9.0, False)):
        results = {"scenes": {"arm": {"ms": figure}}}
        assert at_most.judge(results)["holds"] is within
        assert at_least.judge(results)["holds"] is not within
    # A cost that is the difference of two times, both of them noise.
    assert at_most.judge({"scenes": {"arm": {"ms": -3.0}}})["holds"] is None
    assert at_most.judge({"scenes": {}}) == {"what": "time", "target": "<= 8 ms", "figure": None, "holds": None}


def test_what_is_missing_is_listed_with_its_place():
    assert report.missing({"scenes": {"arm": {"linearize": {"missing": "not there yet"}}}, "cores": 2}) == [
        "scenes arm linearize: not there yet"
    ]


def test_a_sweep_measures_every_size():
    chain_sweep = next(sweep for sweep in SWEEPS if sweep.name == "chain")
    lines = []
    figures = run_sweep(chain_sweep, Settings(n_threads=1), quick=True, progress=lines.append)
    assert [row["size"] for row in figures["rows"]] == list(chain_sweep.quick_sizes)
    assert len(lines) == len(figures["rows"])
    assert all(math.isfinite(figures[part]["exponent"]) for part in ("forward", "backward", "mujoco"))


def test_memory_is_measured_in_a_process_of_its_own():
    figures = programs.run(programs.MEMORY, "chain-2", 1, 5, 1)
    assert figures["peak_bytes"] >= figures["ready_bytes"] > 0


def test_a_process_that_fails_says_why():
    assert "KeyError: 'speed'" in programs.run("speed", "chain-2", 1, 5, 1)["missing"]


def test_a_peer_that_cannot_be_installed_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").write_text("a file where the directory would be")
    lines = []
    results = peers.run(["chain-2"], Settings(envs=(1,)), lines.append)
    assert results and all("could not be installed" in of["missing"] for of in results.values())
    assert [line for line in lines if "could not be installed" in line]


def test_figures_of_a_peer_outlive_its_failure(tmp_path):
    """A program that prints the figures of a first case and fails in a second."""
    program = tmp_path / "program.py"
    program.write_text("import sys; print('{\"rollout\": {\"1\": 5}}'); sys.exit('too many envs')")
    peer = peers.Peer("peer", (), str(program))
    found = peers._run_scene(peer, Path(sys.executable), "chain-2", Settings(envs=(1,), horizon=4))
    assert found["rollout"] == {"1": 5} and "too many envs" in found["missing"]


def test_a_peers_job_holds_model_start_and_forces(tmp_path):
    job = json.loads(peers._write_job(tmp_path, "chain-2", Settings(envs=(1, 3), horizon=4)).read_text())
    assert [(case["n_envs"], case["n_steps"]) for case in job["cases"]] == [(1, 4), (3, 4)]
    assert job["nq"] == job["nv"] == 2 and "<mujoco" in (tmp_path / "scene.xml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes", "spider"], "there is no scene 'spider'"),
        (["--measures", "speed"], "there is no measure 'speed'"),
        (["--precision", "32"], "64 bits"),
    ],
)
def test_bad_arguments(arguments, message, capsys, tmp_path):
    arguments = arguments if "--precision" in arguments else ["--precision", "64", *arguments]
    assert cli.main(["bench", "--out", str(tmp_path / "out"), *arguments]) == cli.FAILED
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_not_installed_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["bench", "--out", str(tmp_path / "out")]) == cli.FAILED
    assert "pip install 'genesis-grad[bench]'" in capsys.readouterr().err
    with pytest.raises(GenesisException, match="gymnasium"):
        Subject(spec_of("quadruped"))


def test_a_figure_from_every_measure_has_a_column_or_a_target():
    """Paths of the targets begin where results are kept, so that a target cannot be misspelt unnoticed."""
    known = set(itertools.chain(report_keys(), ("rollout", "program", "overhead", "getters", "linearize")))
    for target in report.TARGETS:
        assert target.path[2 if target.path[0] == "scenes" else 1] in known, target.what


def report_keys():
    return ("first_gradient", "memory", "bounded_memory", *(sweep.name for sweep in SWEEPS))
