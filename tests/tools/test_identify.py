"""Identification of a two-link arm from logs of MuJoCo C: estimates, errors, what cannot be known, files, bad
arguments."""

import numpy as np
import pytest
import torch

import genesis as gs
from tests.tools import recorded_arm
from tests.tools.recorded_arm import DT, TRUE_DAMPING, TRUE_MASS, build, log, record

# Estimates from noisy data are right within this many standard errors: a wrong one of five numbers in 60,000 runs.
MANY_SIGMA = 4.5
NAMES = ["arm.links_mass", "arm.dofs_damping"]
TRUTH = {
    "arm.links_mass[upper]": TRUE_MASS[0],
    "arm.links_mass[fore]": TRUE_MASS[1],
    "arm.dofs_damping[shoulder]": TRUE_DAMPING[0],
    "arm.dofs_damping[elbow]": TRUE_DAMPING[1],
}


@pytest.fixture(scope="module")
def scene():
    return build()[0]


@pytest.fixture(scope="module")
def result(scene):
    return gs.tools.identify(scene, log(scene), NAMES)


def assert_right(result):
    for name, true in TRUTH.items():
        found = result[name]
        assert found.determined
        assert abs(found.value - true) < MANY_SIGMA * found.error, f"{name}: {found}"
        assert found.error < 0.01 * true


def test_masses_and_dampings_are_found(result):
    assert_right(result)
    assert result.converged
    assert result.rank == result.n_coordinates == 4
    assert not result.undetermined


def test_given_noise_explains_the_residuals(result):
    # chi^2 / freedom of about 200 samples scatters by sqrt(2 / 200) = 0.1.
    for channel in result.channels:
        assert not channel.estimated
        assert channel.reduced_chi2 == pytest.approx(1.0, abs=0.4)
    assert not result.notes


def test_noise_that_is_not_given_is_estimated(scene):
    result = gs.tools.identify(scene, log(scene, with_noise_level=False), NAMES)
    assert_right(result)
    expected = {"position": 1e-4, "velocity": 1e-3}
    for channel in result.channels:
        level = expected["position" if "position" in channel.name else "velocity"]
        assert channel.estimated
        assert channel.sigma == pytest.approx(level, rel=0.2)


def test_the_scene_is_as_before(scene, result):
    theta = scene.world.theta.packed().clone()
    state = scene.world.read_state().clone()
    gs.tools.identify(scene, log(scene), NAMES, max_iterations=1)
    assert torch.equal(scene.world.theta.packed(), theta)
    assert torch.equal(scene.world.read_state(), state)


def test_apply_puts_the_estimates_in_force(result):
    scene, arm = build()
    result.apply(scene)
    np.testing.assert_allclose(
        arm.get_links_mass().detach(), [result[f"arm.links_mass[{k}]"].value for k in ("upper", "fore")], rtol=1e-12
    )
    np.testing.assert_allclose(
        arm.get_dofs_damping().detach(),
        [result[f"arm.dofs_damping[{k}]"].value for k in ("shoulder", "elbow")],
        rtol=1e-12,
    )


def test_files_hold_the_whole_result(result, tmp_path):
    path = tmp_path / "result.json"
    result.save(path)
    again = gs.tools.Identification.load(path)
    assert str(again) == str(result)
    np.testing.assert_array_equal(again.correlation, result.correlation)
    np.testing.assert_array_equal(again.channels[0].residuals, result.channels[0].residuals)
    scene, arm = build()
    again.apply(scene)
    assert float(arm.get_links_mass()[0]) == pytest.approx(result["arm.links_mass[upper]"].value, rel=1e-12)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "result.json"
    for text in ("", "{}", '{"format": "genesis identification", "version": 1}', "\x00"):
        path.write_text(text)
        with pytest.raises(gs.GenesisException, match=r"result\.json"):
            gs.tools.Identification.load(path)
    with pytest.raises(gs.GenesisException, match="cannot be read"):
        gs.tools.Identification.load(tmp_path / "none.json")


def test_plot_writes_an_image(result, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "result.png"
    result.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_text_says_what_was_found(result):
    text = str(result)
    for expected in ("arm.links_mass[upper]", "4 of 4 combinations determined", "arm.dofs_position[elbow]", "given"):
        assert expected in text


def test_what_a_planar_arm_cannot_show_is_said_and_left_alone(scene):
    # Two bodies in a vertical plane have 6 base parameters: of each the moment about the joint and two first moments,
    # the mass of the outer one being part of the inner one's. 4 of joints are known here.
    result = gs.tools.identify(scene, log(scene), ["arm.links_inertial", "arm.dofs_damping"])
    assert result.rank == 8
    assert len(result.undetermined) == result.n_coordinates - 8 == 14
    for link in ("upper", "fore"):
        for part in ("COM.y", "inertia.yz"):
            estimate = result[f"arm.links_inertial[{link}].{part}"]
            assert not estimate.determined
            assert np.isnan(estimate.error)
            assert abs(estimate.value - estimate.start) < 1e-3
    assert "not determined" in str(result)
    for name in ("arm.dofs_damping[shoulder]", "arm.dofs_damping[elbow]"):
        assert abs(result[name].value - TRUTH[name]) < MANY_SIGMA * result[name].error
    # What is determined is right: the outer link's first moment, m c.
    found = result["arm.links_inertial[fore].mass"].value * result["arm.links_inertial[fore].COM.x"].value
    assert found == pytest.approx(TRUE_MASS[1] * 0.125, rel=0.01)


def test_gaps_and_irregular_samples(scene):
    times, q, v, u = record(scene, seconds=1.5)
    rng = np.random.default_rng(3)
    q[rng.random(q.shape) < 0.2] = np.nan
    v[60:90] = np.nan
    kept = np.sort(rng.choice(np.arange(1, len(times) - 1), 250, replace=False))
    kept = np.concatenate([[0], kept, [len(times) - 1]])
    # Between two samples forces hold, so that they must hold in the log as well: it is sampled where they are the same.
    forces = {"arm": u}
    thinned = gs.tools.Log(
        times,
        {"arm.dofs_position": _only(q, kept), "arm.dofs_velocity": _only(v, kept)},
        forces,
        noise={"arm.dofs_position": 1e-4, "arm.dofs_velocity": 1e-3},
    )
    assert_right(gs.tools.identify(scene, thinned, NAMES))


def _only(values, rows):
    kept = np.full_like(values, np.nan)
    kept[rows] = values[rows]
    return kept


def test_positions_alone_are_enough(scene):
    times, q, _, u = record(scene)
    positions = gs.tools.Log(times, {"arm.dofs_position": q}, {"arm": u}, noise={"arm.dofs_position": 1e-4})
    assert_right(gs.tools.identify(scene, positions, NAMES))


def test_several_recordings(scene):
    logs = [log(scene, seconds=0.5, seed=seed) for seed in (1, 2, 3)]
    result = gs.tools.identify(scene, gs.tools.Log.join(logs), NAMES)
    assert_right(result)


def test_gyroscope_and_accelerometer(scene):
    times, _, _, u = record(scene, seconds=1.0, noise=(0.0, 0.0))
    truth, arm = build()
    arm.set_links_mass(torch.tensor(TRUE_MASS))
    arm.set_dofs_damping(torch.tensor(TRUE_DAMPING))
    arm.set_dofs_position(torch.tensor([0.5, -0.3]))
    trajectory = truth.rollout({arm: torch.as_tensor(u[:-1])})
    outputs = gs.tools.resolve(truth, ["arm.gyro[fore]", "arm.accelerometer[fore]", "arm.dofs_position"])
    rng = np.random.default_rng(0)
    measured = {}
    for output, sigma in zip(outputs, (1e-3, 1e-2, 1e-4), strict=True):
        values = output.evaluate(trajectory)[:, 0].detach().numpy()
        measured[output.name] = values + sigma * rng.standard_normal(values.shape)
    inertial = gs.tools.Log(times, measured, {"arm": u}, noise=dict(zip(measured, (1e-3, 1e-2, 1e-4), strict=True)))
    assert_right(gs.tools.identify(scene, inertial, NAMES))


def test_a_prior_holds_what_the_data_do_not_tell(scene):
    name = "arm.links_inertial[fore]"
    result = gs.tools.identify(
        scene, log(scene), [name, "arm.links_mass[upper]", "arm.dofs_damping"], priors={f"{name}.mass": (0.5, 0.01)}
    )
    found = result[f"{name}.mass"]
    assert found.determined
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.error <= 0.0101


def test_a_parameter_of_ones_own(scene):
    arm = scene.get_entity("arm")
    both = gs.tools.Parameter(
        "scale", lambda scale: arm.set_dofs_damping(scale * torch.tensor(TRUE_DAMPING)), gs.parameters.positive([2.0])
    )
    result = gs.tools.identify(scene, log(scene), ["arm.links_mass", both])
    assert abs(result["scale"].value - 1.0) < MANY_SIGMA * result["scale"].error


@pytest.mark.parametrize("method", ["gauss-newton", "lbfgs"])
def test_other_methods_find_the_same(scene, result, method):
    start, _ = build()
    other = gs.tools.identify(start, log(scene, seconds=0.5), NAMES, window=0.1, method=method, tolerance=1e-9)
    same = gs.tools.identify(start, log(scene, seconds=0.5), NAMES, window=0.1, tolerance=1e-9)
    for name in TRUTH:
        assert other[name].value == pytest.approx(same[name].value, abs=0.1 * same[name].error)


def test_adam_comes_near(scene):
    start, _ = build()
    found = gs.tools.identify(start, log(scene, seconds=0.3), NAMES, window=0.1, method="adam", max_iterations=400)
    for name, true in TRUTH.items():
        assert found[name].value == pytest.approx(true, rel=0.05)


def test_a_bad_start_is_no_obstacle():
    scene, arm = build()
    arm.set_links_mass(torch.tensor([10.0, 0.05]))
    arm.set_dofs_damping(torch.tensor([0.01, 5.0]))
    assert_right(gs.tools.identify(scene, log(build()[0]), NAMES))


def test_callback_is_told_and_stops(scene):
    seen = []
    result = gs.tools.identify(scene, log(scene), NAMES, callback=lambda i: seen.append(i) or len(seen) == 2)
    assert result.reason == "callback"
    assert [i.number for i in seen] == [1, 2]
    assert seen[0].stage > 0


@pytest.mark.parametrize("size", [1e-6, 1e-3])
def test_a_start_that_is_small_by_decades_is_no_obstacle(size):
    scene, arm = recorded_arm.build()
    arm.set_dofs_damping(size)
    arm.set_links_mass(size, [0])
    found = log(scene)
    result = gs.tools.identify(scene, found, ["arm.links_mass", "arm.dofs_damping"])
    assert_right(result)
    assert size > 1e-4 or any("some begin larger" in note for note in result.notes)
    torch.testing.assert_close(arm.get_dofs_damping().detach(), torch.full((2,), size), check_dtype=False)


def test_mass_with_its_inertia(scene):
    """Masses of solid links: with the inertia they are found, without it the result says that something is wrong, also
    where the noise is estimated from the residuals and explains them by itself."""
    record = log(scene, with_noise_level=False, solid=True)
    right = gs.tools.identify(scene, record, ["arm.links_scaled_mass", "arm.dofs_damping"])
    assert [e.name for e in right.estimates][:2] == ["arm.links_scaled_mass[upper]", "arm.links_scaled_mass[fore]"]
    for estimate, true in zip(right.estimates, (*recorded_arm.TRUE_MASS, *recorded_arm.TRUE_DAMPING), strict=True):
        assert abs(estimate.value - true) < 4 * estimate.error
    assert not any("lacks something" in note for note in right.notes)
    assert all(0.6 < channel.excess < 1.5 for channel in right.channels)
    wrong = gs.tools.identify(scene, record, ["arm.links_mass", "arm.dofs_damping"], window=1.0)
    assert any("follow one another" in note and "lacks something" in note for note in wrong.notes)
    assert max(channel.excess for channel in wrong.channels) > 3.0
    assert all(channel.reduced_chi2 == pytest.approx(1.0, abs=0.05) for channel in wrong.channels)


def test_the_same_robot_of_another_name(result):
    other, arm = recorded_arm.build(name="left")
    with pytest.raises(gs.GenesisException, match=r"'arm\.links_mass' is no parameter"):
        result.apply(other)
    for entities in ({"left": "arm"}, ["arm", "left"], {"arm": 3}):
        with pytest.raises(gs.GenesisException, match=r"Identification\.apply: `entities` is"):
            result.apply(other, entities)
    result.apply(other, {"arm": "left"})
    values = [*arm.get_links_mass().tolist(), *arm.get_dofs_damping().tolist()]
    assert values == [estimate.value for estimate in result.estimates]


def test_misfit_is_said(scene):
    times, q, v, u = record(scene)
    wrong = gs.tools.Log(
        times,
        {"arm.dofs_position": q, "arm.dofs_velocity": v},
        {"arm": u},
        noise={"arm.dofs_position": 1e-6, "arm.dofs_velocity": 1e-5},
    )
    result = gs.tools.identify(scene, wrong, NAMES)
    assert any("larger than their given noise" in note for note in result.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": []}, "empty"),
        ({"parameters": ["arm.links_mas"]}, "links_mass"),
        ({"parameters": ["leg.links_mass"]}, "no parameter"),
        ({"parameters": ["arm.links_mass[hand]"]}, "no link 'hand'"),
        ({"parameters": ["arm.links_mass", "arm.links_mass[fore]"]}, "name it once"),
        ({"parameters": [3]}, "expected text"),
        ({"method": "newton"}, "expected one of"),
        ({"window": -1.0}, "window"),
        ({"window": DT / 2}, "less than a step"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"priors": {"arm.links_mas": (1, 1)}}, "not looked for"),
        ({"priors": {"arm.links_mass": (1.0, -1.0)}}, "above zero"),
        ({"priors": {"arm.links_mass": 3.0}}, "pair"),
        ({"initial_state": [0.0, 0.0]}, "initial_state"),
        ({"initial_state_std": -1.0}, "initial_state_std"),
        ({"log": "log.csv"}, "gs.tools.Log"),
        ({"scene": None}, "gs.Scene"),
    ],
)
def test_bad_arguments(scene, arguments, message):
    given = {"scene": scene, "log": log(scene, seconds=0.1), "parameters": NAMES, **arguments}
    theta = scene.world.theta.packed().clone()
    with pytest.raises(gs.GenesisException, match=message):
        gs.tools.identify(given.pop("scene"), given.pop("log"), given.pop("parameters"), **given)
    assert torch.equal(scene.world.theta.packed(), theta)


def test_a_scene_without_gradients_is_refused():
    scene, _ = build(requires_grad=False)
    with pytest.raises(gs.GenesisException, match="requires_grad=True"):
        gs.tools.identify(scene, log(scene, seconds=0.1), NAMES)


def test_parameters_that_differ_between_envs_are_refused():
    scene, arm = build(n_envs=2)
    arm.set_links_mass(torch.tensor([[1.0, 0.5], [1.1, 0.5]]))
    with pytest.raises(gs.GenesisException, match="for each env"):
        gs.tools.identify(scene, log(scene, seconds=0.1), ["arm.dofs_damping"])


def test_a_scene_with_envs_is_as_good(scene, result):
    several, _ = build(n_envs=2)
    found = gs.tools.identify(several, log(scene), NAMES)
    for name in TRUTH:
        assert found[name].value == pytest.approx(result[name].value, abs=1e-2 * result[name].error)


def test_intervals(result):
    low, high = result.interval("arm.links_mass[fore]")
    found = result["arm.links_mass[fore]"]
    assert (low + high) / 2 == pytest.approx(found.value)
    assert (high - low) / 2 == pytest.approx(1.959964 * found.error, rel=1e-6)
    with pytest.raises(gs.GenesisException, match="level"):
        result.interval("arm.links_mass[fore]", 2.0)
    with pytest.raises(gs.GenesisException, match="no estimate"):
        result.interval("arm.links_mass[foot]")
