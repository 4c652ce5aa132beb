"""What identification refuses, and what it leaves as it was: parameters that overlap, priors, damaged files, numbers of
other types."""

import json
import math

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.tools.identification.selection import Magnitudes, select_unknowns
from tests.tools.recorded_arm import TRUE_DAMPING, build, log, record

NAMES = ["arm.links_mass", "arm.dofs_damping"]


@pytest.fixture(scope="module")
def scene():
    return build()[0]


@pytest.fixture(scope="module")
def short(scene):
    return log(scene, seconds=0.1)


@pytest.fixture(scope="module")
def saved(scene, short, tmp_path_factory):
    """A result in a file."""
    path = tmp_path_factory.mktemp("result") / "result.json"
    gs.tools.identify(scene, short, NAMES, window=0.1, max_iterations=2).save(path)
    return path


# -- parameters that overlap ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["arm.links_mass[fore]", "arm.mass"], r"'arm.links_mass\[fore\]' and 'arm.mass' both set links_mass of link"),
        (["arm.mass", "arm.links_mass[fore]"], r"'arm.mass' and 'arm.links_mass\[fore\]' both set links_mass of link"),
        (["arm.mass", "arm.links_inertia[upper]"], "links_inertia of link 'upper' of 'arm'"),
        (["arm.mass", "arm.links_inertial[upper]"], "and 1 more"),
        (["arm.links_inertial[fore]", "arm.links_mass[fore]"], "links_mass of link 'fore'"),
        (["arm.links_COM[1]", "arm.links_inertial[fore]"], "links_COM of link 'fore'"),
        (["arm.links_inertia", "arm.links_inertial"], "links_inertia of link"),
    ],
)
def test_parameters_that_set_the_same_are_refused(scene, short, names, message):
    theta = scene.world.theta.packed().clone()
    with pytest.raises(gs.GenesisException, match=message):
        gs.tools.identify(scene, short, names)
    assert torch.equal(scene.world.theta.packed(), theta)


@pytest.mark.parametrize(
    "names",
    [
        ["arm.links_inertial[fore]", "arm.links_mass[upper]", "gravity"],
        ["arm.links_mass", "arm.links_COM", "arm.links_inertia"],
        ["arm.mass", "arm.links_COM", "arm.dofs_damping", "arm.dofs_armature"],
    ],
)
def test_parameters_that_share_nothing_are_taken(scene, names):
    assert [one.name for one in select_unknowns(scene, names)] == names


# -- the user's Parameter ---------------------------------------------------------------------------------------------


def _scale(scene):
    arm = scene.get_entity("arm")
    return gs.tools.Parameter(
        "scale", lambda scale: arm.set_dofs_damping(scale * torch.tensor(TRUE_DAMPING)), gs.parameters.positive([2.0])
    )


def test_priors_do_not_stay_in_the_parameter(scene, short):
    mine = _scale(scene)
    gs.tools.identify(scene, short, [mine], priors={"scale": (1.5, 0.1)}, window=0.1, max_iterations=1)
    assert mine.prior is None
    with pytest.raises(gs.GenesisException, match="not looked for"):
        gs.tools.identify(scene, short, [mine], priors={"scale": (1.5, 0.1), "scales": (1.0, 1.0)})
    assert mine.prior is None


def test_the_module_holds_the_estimate_and_is_as_before_if_refused(scene, short):
    mine = _scale(scene)
    with pytest.raises(gs.GenesisException, match="no array"):
        gs.tools.identify(scene, short, [mine], initial_state="rest")
    assert mine.value().item() == pytest.approx(2.0, rel=1e-12)
    result = gs.tools.identify(scene, short, [mine], window=0.1)
    assert result["scale"].value != pytest.approx(2.0, rel=1e-3)
    assert mine.value().item() == pytest.approx(result["scale"].value, rel=1e-12)


# -- files and apply --------------------------------------------------------------------------------------------------


def _set(*keys_and_value):
    *keys, last, value = keys_and_value

    def damage(data):
        for key in keys:
            data = data[key]
        data[last] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data["estimates"].pop(), "'estimates' and 'groups' differ"),
        (lambda data: data["estimates"].append(data["estimates"][0]), "twice"),
        (lambda data: data["groups"].popitem(), "differ in"),
        (lambda data: data.pop("groups"), "'groups' is None"),
        (lambda data: data.pop("cost"), "'cost' is None"),
        (lambda data: data["channels"][0].pop("sigma"), r"channels\[0\]"),
        (lambda data: data["channels"][0]["times"].pop(), "differ in length"),
        (lambda data: data["correlation"].pop(), "shape"),
        (_set("groups", [1]), "'groups'"),
        (_set("groups", "arm.links_mass", 3), "list of texts"),
        (_set("rank", "x"), "'rank' is 'x'; expected a whole number"),
        (_set("rank", True), "whole number"),
        (_set("estimates", 3), "'estimates' is 3"),
        (_set("estimates", 0, None), r"estimates\[0\]"),
        (_set("estimates", 0, "value", "nan"), "finite"),
        (_set("estimates", 0, "value", "1.0"), "number"),
        (_set("estimates", 0, "value", 10**400), "number"),
        (_set("estimates", 0, "determined", "yes"), "true or false"),
        (_set("estimates", 0, "name", ["a"]), "text"),
        (_set("correlation", [[1.0], [1.0, 2.0]]), "'correlation'"),
        (_set("initial_states", "x"), "'initial_states'"),
        (_set("channels", 0, "residuals", {}), "residuals"),
        (_set("history", [1]), r"history\[0\]"),
        (_set("notes", [1]), "'notes'"),
        (_set("combinations", 0, "weights", []), "weights"),
        (_set("method", 1), "'method'"),
    ],
)
def test_damaged_files_are_refused_by_name(saved, tmp_path, damage, message):
    data = json.loads(saved.read_text())
    damage(data)
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(data))
    with pytest.raises(gs.GenesisException, match=rf"damaged\.json is damaged: .*{message}"):
        gs.tools.Identification.load(path)


def test_brackets_without_end_are_refused(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(gs.GenesisException, match=r"deep\.json"):
        gs.tools.Identification.load(path)


@pytest.mark.parametrize("path", [None, 3])
def test_paths_that_are_none_are_refused(saved, short, path):
    result = gs.tools.Identification.load(str(saved))
    for function in (gs.tools.Identification.load, result.save, gs.tools.Log.read, short.save):
        with pytest.raises(gs.GenesisException, match="name of a"):
            function(path)


def test_names_that_look_like_numbers_are_kept(scene, short, tmp_path):
    mine = _scale(scene)
    mine.name = "inf"
    gs.tools.identify(scene, short, [mine], window=0.1, max_iterations=1).save(tmp_path / "inf.json")
    assert gs.tools.Identification.load(tmp_path / "inf.json").groups == {"inf": ["inf"]}


def test_apply_sets_everything_or_nothing(saved):
    scene, arm = build()
    damping = torch.tensor([0.7, 0.8], requires_grad=True)
    arm.set_dofs_damping(damping)
    theta = scene.world.theta.packed().detach().clone()
    result = gs.tools.Identification.load(saved)
    result.estimates[2].value = -1.0  # of the second group
    with pytest.raises(gs.GenesisException, match="damping"):
        result.apply(scene)
    assert torch.equal(scene.world.theta.packed(), theta)
    assert torch.autograd.grad(arm.get_dofs_damping().sum(), damping)[0].tolist() == [1.0, 1.0]
    result.estimates[2].value = 0.25
    result.apply(scene)
    assert arm.get_dofs_damping().tolist()[0] == pytest.approx(0.25)
    assert float(arm.get_links_mass()[0]) == pytest.approx(result.estimates[0].value)


def test_apply_refuses_what_is_no_scene_and_missing_estimates(saved, scene):
    result = gs.tools.Identification.load(saved)
    with pytest.raises(gs.GenesisException, match=r"built gs\.Scene"):
        result.apply(None)
    result.estimates.pop()
    with pytest.raises(gs.GenesisException, match="there is no estimate"):
        result.apply(scene)


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": None}, "`parameters` is None"),
        ({"parameters": 3}, "`parameters` is 3"),
        ({"parameters": {"arm.mass": (1.0, 1.0)}}, "expected a list of names"),
        ({"priors": [(1, 2)]}, "expected a dictionary"),
        ({"priors": 3}, "expected a dictionary"),
        ({"priors": {3: (1, 1)}}, "names 3, which is not looked for"),
        ({"priors": {"arm.dofs_damping": ("a", 1)}}, "mean of the prior"),
        ({"priors": {"arm.dofs_damping": (1, {})}}, "standard deviation of the prior"),
        ({"priors": {"arm.dofs_damping": ([[1.0], [1.0, 2.0]], 1)}}, "mean of the prior"),
        ({"priors": {"arm.dofs_damping": (math.inf, 1)}}, "finite"),
        ({"priors": {"arm.dofs_damping[elbow]": ([1, 2], 1)}}, "expected one number"),
        ({"priors": {"arm.dofs_damping[elbow]": ("1", 1)}}, "expected one number"),
        ({"priors": {"arm.dofs_damping[elbow]": (1, torch.ones(2))}}, "expected one number"),
        ({"priors": {"arm.dofs_damping[elbow]": (-math.inf, 1)}}, "finite"),
        ({"callback": 3}, "callback"),
        ({"outputs": [1]}, "`outputs` is"),
        ({"outputs": {"x": 3}}, r"outputs\['x'\] is 3"),
        ({"outputs": {1: len}}, "expected a name"),
        ({"window": np.float32(-1)}, "window"),
        ({"window": 10**400}, "window"),
        ({"window": math.nan}, "window"),
        ({"max_iterations": np.int64(0)}, "max_iterations"),
        ({"max_iterations": 2.0}, "max_iterations"),
        ({"tolerance": np.float64("inf")}, "tolerance"),
    ],
)
def test_bad_arguments(scene, short, arguments, message):
    given = {"parameters": NAMES, **arguments}
    theta = scene.world.theta.packed().clone()
    with pytest.raises(gs.GenesisException, match=message):
        gs.tools.identify(scene, short, given.pop("parameters"), **given)
    assert torch.equal(scene.world.theta.packed(), theta)


@pytest.mark.parametrize("outputs", [[1], {"x": 3}, {1: len}])
def test_outputs_of_logs_are_checked(scene, short, tmp_path, outputs):
    times, q, _, u = record(scene, seconds=0.1)
    with pytest.raises(gs.GenesisException, match="output"):
        gs.tools.Log(times, {"arm.dofs_position": q}, {"arm": u}, outputs=outputs)
    with pytest.raises(gs.GenesisException, match="output"):
        short.bind(scene, outputs)
    short.save(tmp_path / "log.npz")
    with pytest.raises(gs.GenesisException, match="output"):
        gs.tools.Log.read(tmp_path / "log.npz", outputs=outputs)


def test_numbers_of_numpy_are_numbers(scene, short):
    result = gs.tools.identify(
        scene,
        short,
        NAMES,
        window=np.float32(0.05),
        max_iterations=np.int64(2),
        tolerance=np.float32(1e-4),
        priors={"arm.dofs_damping[elbow]": (np.float32(0.2), np.float64(1.0)), "arm.links_mass": (np.ones(2), 5)},
    )
    assert result.window == pytest.approx(0.05)
    assert 1 <= len(result.history) <= 2
    with_rate = gs.tools.identify(
        scene, short, NAMES, window=0.1, method="adam", learning_rate=np.float32(0.01), max_iterations=np.uint8(1)
    )
    assert with_rate.method == "adam"


# -- zeros ------------------------------------------------------------------------------------------------------------


def test_the_note_on_zeros_names_those_alone():
    scene, arm = build()
    arm.set_dofs_damping(torch.tensor([0.0, 0.2]))
    magnitudes = Magnitudes()
    select_unknowns(scene, ["arm.dofs_damping"], magnitudes=magnitudes)
    (note,) = magnitudes.noted
    assert "arm.dofs_damping[shoulder] at 0.01" in note
    assert "elbow" not in note
    assert "0.2" not in note


def test_an_initial_state_needs_unit_quaternions():
    scene = gs.Scene(gs.options.SimOptions(dt=0.01, requires_grad=True))
    scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(0, 0, 1)), name="box")
    scene.build()
    times = 0.01 * np.arange(6)
    fall = gs.tools.Log(
        times, {"box.links_pos": np.stack([0 * times, 0 * times, 1 - 4.9 * times**2], 1)}, noise={"box.links_pos": 1e-3}
    )
    state = np.zeros(13)
    with pytest.raises(gs.GenesisException, match=r"`initial_state` holds a quaternion \(numbers 3 to 6.* of norm 0;"):
        gs.tools.identify(scene, fall, ["gravity"], initial_state=state)
    state[2] = state[3] = 1.0
    result = gs.tools.identify(scene, fall, ["gravity"], initial_state=state, window=0.05, max_iterations=1)
    assert np.isfinite(result.initial_states).all()
