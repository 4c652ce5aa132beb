"""What optimisers and MPC are given: costs that are none, inference mode, files that are damaged, targets that jump."""

import numpy as np
import pytest
import torch

import genesis as gs

DT, N_STEPS = 0.02, 6
ARM = """<mujoco><worldbody><body><joint name="a" axis="0 1 0" damping=".1"/>
<geom type="capsule" fromto="0 0 0 0 0 -.4" size=".02" mass="1" contype="0" conaffinity="0"/>
<body pos="0 0 -.4"><joint name="b" axis="0 1 0" damping=".1"/>
<geom type="capsule" fromto="0 0 0 0 0 -.4" size=".02" mass="1" contype="0" conaffinity="0"/></body></body>
</worldbody></mujoco>"""
METHODS = ("ilqr", "gauss-newton", "lbfgs", "adam")
Residuals = gs.tools.ResidualCost


def make_scene(directory, dt=DT):
    path = directory / "arm.xml"
    path.write_text(ARM)
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=dt))
    arm = scene.add_entity(gs.morphs.MJCF(file=path), name="arm")
    scene.build()
    return scene, arm


@pytest.fixture
def world(tmp_path):
    return make_scene(tmp_path)


@pytest.fixture
def cost(world):
    arm = world[1]
    return Residuals(lambda t, u: 0.1 * u, lambda t: t.qpos(arm)[-1] - 1.0)


def plan(scene, cost, method="ilqr", **options):
    return gs.tools.optimize_trajectory(scene, cost, N_STEPS, method=method, progress=False, **options)


# -- MPC ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.1, 0.0])
@pytest.mark.parametrize("idle", [0, 60])
def test_mpc_turns_at_once_when_the_target_jumps_after_convergence(world, weight, idle):
    scene, arm = world
    goal = torch.full((2,), 0.01)
    cost = Residuals(
        lambda t, u: torch.cat([weight * u, 0.01 * t.dofs_velocity(arm)[:-1]], -1),
        lambda t: 10.0 * (t.qpos(arm)[-1] - goal),
    )
    mpc = gs.tools.MPC(scene, cost, N_STEPS)
    for _ in range(idle):
        mpc.update(torch.zeros(4), shift=0)
    before = mpc.controls.clone()
    goal.neg_()
    mpc.update(torch.zeros(4), shift=0)
    first = mpc.controls.clone()
    mpc.update(torch.zeros(4), shift=0)
    best = plan(scene, cost).controls
    k = int(best.abs().max(1).values.argmax())  # without a weight of the controls it is a kick in the last step
    assert bool((before[k] * best[k] < 0.0).all())
    # One iteration from the plan for the old target, which is what the first step of an optimisation takes.
    assert float((first - best).norm()) < 0.1 * float((before - best).norm())
    torch.testing.assert_close(mpc.controls, best, rtol=1e-2, atol=1e-2 * float(best.abs().max()))


def test_mpc_whose_cost_turns_nan_says_so_and_keeps_the_plan(world):
    scene, arm = world
    goal = torch.ones(2)
    mpc = gs.tools.MPC(scene, Residuals(lambda t, u: 0.1 * u, lambda t: t.qpos(arm)[-1] - goal), N_STEPS)
    kept = mpc.controls.clone()
    goal.fill_(torch.nan)
    with pytest.raises(gs.GenesisException, match=r"`terminal` is .*nan.*expected a finite cost"):
        mpc.update(torch.zeros(4), shift=0)
    assert torch.equal(mpc.controls, kept)
    goal.fill_(1.0)
    assert bool(torch.isfinite(mpc.update(torch.zeros(4), shift=0)).all())


def test_mpc_whose_candidates_all_cost_nan_does_not_speak_of_divergence(world):
    scene, arm = world
    # Finite along the old plan, from rest, and not from where the arm is now.
    cost = Residuals(lambda t, u: 0.1 * u, lambda t: (t.qpos(arm)[-1] + 1.0).sqrt())
    mpc = gs.tools.MPC(scene, cost, N_STEPS, lower=-0.1, upper=0.1)
    with pytest.raises(gs.GenesisException, match="cost is NaN or infinite for the plan"):
        mpc.update([-3.0, -3.0, 0.0, 0.0], shift=0)


# -- costs -------------------------------------------------------------------------------------------------------------

NO_GRAPH = {
    "detach": lambda arm: Residuals(lambda t, u: u.detach() + 1.0),
    "no_grad": lambda arm: Residuals(torch.no_grad()(lambda t, u: u + 1.0)),
    "terminal": lambda arm: Residuals(lambda t, u: u, lambda t: t.qpos(arm)[-1].detach() - 1.0),
    "other": lambda arm: gs.tools.Cost(lambda t, u: torch.ones(u.shape[:2], requires_grad=True) * 2.0),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", NO_GRAPH)
def test_cost_without_graph_is_refused(world, kind, method):
    scene, arm = world
    with pytest.raises(gs.GenesisException, match="no graph to the states and controls"):
        plan(scene, NO_GRAPH[kind](arm), method)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_plain_function_without_graph_is_refused(world, method):
    with pytest.raises(gs.GenesisException, match="no graph to the states and controls"):
        plan(world[0], lambda t, u: u.detach().square().sum(), method)


def test_mpc_refuses_a_cost_without_graph(world):
    with pytest.raises(gs.GenesisException, match="no graph to the states and controls"):
        gs.tools.MPC(world[0], Residuals(lambda t, u: u.detach() + 1.0), N_STEPS)


@pytest.mark.parametrize("method", ["ilqr", "gauss-newton"])
def test_norm_at_zero_names_the_derivative_and_the_step(world, method):
    scene, _ = world
    initial = torch.ones(N_STEPS, 2)
    initial[3] = 0.0
    cost = gs.tools.Cost(lambda t, u: u.square().sum(-1).sqrt())
    with pytest.raises(gs.GenesisException, match=r"gradient of the cost is NaN or infinite at step 3"):
        plan(scene, cost, method, initial=initial)
    cost = gs.tools.Cost(lambda t, u: u.norm(dim=-1))  # torch takes zero for the gradient of this one
    with pytest.raises(gs.GenesisException, match=r"Hessian of the cost is NaN or infinite at step 3"):
        plan(scene, cost, method, initial=initial)


@pytest.mark.parametrize("method", METHODS)
def test_first_guess_of_infinite_cost_is_refused(world, method):
    with pytest.raises(gs.GenesisException, match="their sum is inf for the first guess"):
        plan(world[0], Residuals(lambda t, u: 1e160 * (u + 1.0)), method)


@pytest.mark.parametrize("method", METHODS)
def test_costs_of_no_residuals_and_of_candidates_together_are_refused(world, method):
    scene, arm = world
    with pytest.raises(gs.GenesisException, match="returned no residuals"):
        plan(scene, Residuals(lambda t, u: u[..., :0]), method)
    with pytest.raises(gs.GenesisException, match="`stage` of one candidate changes with another beside it"):
        plan(scene, Residuals(lambda t, u: u - u.mean(1, keepdim=True) + 1.0), method)
    with pytest.raises(gs.GenesisException, match=r"`terminal` of one candidate changes with another beside it"):
        plan(scene, Residuals(lambda t, u: u, lambda t: t.qpos(arm)[-1] - t.qpos(arm)[-1].mean(0)), method)


@pytest.mark.parametrize("first_wide", [2, 4])
def test_residuals_that_change_their_number_are_refused(world, first_wide):
    calls = []

    def stage(trajectory, controls):
        calls.append(None)
        return torch.cat([controls, controls], -1) if len(calls) >= first_wide else controls + 1.0

    with pytest.raises(gs.GenesisException, match="returned 4 residuals, and 2 in another call"):
        plan(world[0], Residuals(stage))


def test_entity_given_twice_counts_once(world, cost):
    scene, arm = world
    once, twice = plan(scene, cost, entities=[arm]), plan(scene, cost, entities=[arm, arm])
    assert torch.equal(once.controls, twice.controls)


# -- inference mode ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_optimisers_work_under_inference_mode(world, cost, method):
    scene, _ = world
    expected = plan(scene, cost, method, max_iterations=20)
    with torch.inference_mode():
        found = plan(scene, cost, method, max_iterations=20, initial=torch.zeros(2))
        later = found.shifted(1)
        control = found.policy(0, torch.zeros(4))
    assert found.iterations > 0
    torch.testing.assert_close(found.controls, expected.controls, rtol=1e-9, atol=1e-9)
    assert not any(v.is_inference() for v in (found.controls, found.states, later.controls, control))


def test_mpc_works_under_inference_mode(world, cost):
    scene, _ = world
    reference = gs.tools.MPC(scene, cost, N_STEPS)
    expected = [reference.update(torch.ones(4), shift=0) for _ in range(3)]
    with torch.inference_mode():
        mpc = gs.tools.MPC(scene, cost, N_STEPS)
        found = [mpc.update(torch.ones(4), shift=0) for _ in range(3)]
        between = mpc.policy(torch.ones(4))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(between, reference.policy(torch.ones(4)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_cost_that_reads_an_inference_tensor_is_explained(world, method):
    scene, arm = world
    with torch.inference_mode():
        weight = torch.ones(2)
    with pytest.raises(gs.GenesisException, match=r"made under torch.inference_mode"):
        plan(scene, Residuals(lambda t, u: 0.1 * u, lambda t: weight * (t.qpos(arm)[-1] - 1.0)), method)


# -- files -------------------------------------------------------------------------------------------------------------

SPOILT = {
    "nan controls": lambda d: {"controls": d["controls"] * np.nan},
    "few controls": lambda d: {"controls": d["controls"][:3]},
    "text": lambda d: {"controls": np.array("abc")},
    "objects": lambda d: {"controls": np.array([print], dtype=object)},
    "complex": lambda d: {"states": d["states"] + 0j},
    "few states": lambda d: {"states": d["states"][:-1]},
    "narrow gains": lambda d: {"gains": d["gains"][:, :1]},
    "gains of two steps": lambda d: {"gains": d["gains"][:2]},
    "feedforward": lambda d: {"feedforward": d["feedforward"][:1]},
    "scalar bound": lambda d: {"lower": np.float64(-1.5)},
    "nan bound": lambda d: {"upper": d["upper"] * np.nan},
    "bounds crossed": lambda d: {"lower": 0.0 * d["lower"] + 2.0, "upper": 0.0 * d["upper"] + 1.0},
    "dt": lambda d: {"dt": -0.02},
    "nan cost": lambda d: {"cost": np.nan},
    "method": lambda d: {"method": "magic"},
    "control": lambda d: {"control": "-1.5"},
    "reason": lambda d: {"reason": 3.0},
    "names": lambda d: {"names": np.array(-1.5)},
    "history": lambda d: {"history_gap": d["history_gap"][:0]},
}


@pytest.fixture
def saved(world, cost, tmp_path):
    result = plan(world[0], cost, lower=-5.0, upper=5.0)
    path = tmp_path / "plan.npz"
    result.save(path)
    return result, path


def test_what_was_saved_comes_back(world, saved):
    result, path = saved
    found = gs.tools.OptimizedTrajectory.load(path, scene=world[0])
    assert (found.method, found.control, found.reason, found.names) == ("ilqr", "force", result.reason, ("arm",))
    for name in ("controls", "states", "lower", "upper", "gains", "feedforward"):
        assert torch.equal(getattr(found, name), getattr(result, name))
    assert found.history == result.history


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_contents_are_refused_with_the_file(saved, kind):
    path = saved[1]
    data = dict(np.load(path))
    np.savez(path, **{**data, **SPOILT[kind](data)})
    with pytest.raises(gs.GenesisException, match=r"plan.npz is not a file of OptimizedTrajectory.save, or is damaged"):
        gs.tools.OptimizedTrajectory.load(path)


def test_each_missing_entry_is_refused_but_gains(saved):
    path = saved[1]
    data = dict(np.load(path))
    for name in data.keys() - {"gains", "feedforward"}:
        np.savez(path, **{k: v for k, v in data.items() if k != name})
        with pytest.raises(gs.GenesisException, match=f"plan.npz is not a file of .* damaged .there is no `{name}`"):
            gs.tools.OptimizedTrajectory.load(path)


@pytest.mark.parametrize("content", ["empty", "junk", "half", "flipped", "npy"])
def test_damaged_file_is_refused_with_its_name(saved, content):
    path = saved[1]
    raw = path.read_bytes()
    flipped = bytearray(raw)
    flipped[200] ^= 255
    contents = {"empty": b"", "junk": b"junk" * 100, "half": raw[: len(raw) // 2], "flipped": bytes(flipped)}
    if content == "npy":
        with open(path, "wb") as file:
            np.save(file, np.ones(3))
    else:
        path.write_bytes(contents[content])
    with pytest.raises(gs.GenesisException, match=r"plan.npz is not a file of OptimizedTrajectory.save, or is damaged"):
        gs.tools.OptimizedTrajectory.load(path)


def test_plan_of_another_time_step_is_refused(saved, cost, tmp_path):
    result, path = saved
    other, arm = make_scene(tmp_path, dt=0.005)
    state = arm.get_qpos().clone()
    for use in (
        lambda: result.apply(other),
        lambda: gs.tools.OptimizedTrajectory.load(path, scene=other),
        lambda: plan(other, Residuals(lambda t, u: u), warm_start=result),
    ):
        with pytest.raises(gs.GenesisException, match=r"steps of 0.02 s, and those of the scene take 0.005 s"):
            use()
    assert torch.equal(arm.get_qpos(), state)


def test_result_refuses_what_is_no_scene_and_no_state(saved):
    result, path = saved
    with pytest.raises(gs.GenesisException, match=r"load: `scene` is 'x'; expected a gs.Scene"):
        gs.tools.OptimizedTrajectory.load(path, scene="x")
    with pytest.raises(gs.GenesisException, match=r"apply: `scene` is 'x'; expected a gs.Scene"):
        result.apply("x")
    with pytest.raises(gs.GenesisException, match="policy: `x` holds NaN"):
        result.policy(0, torch.full((4,), torch.nan))
    with pytest.raises(gs.GenesisException, match="policy: `x` is 'abc'; expected a state of 4 numbers"):
        result.policy(0, "abc")


def test_after_destroy_the_usual_error(saved, cost):
    result, path = saved
    mpc = gs.tools.MPC(result._scene, cost, N_STEPS)
    x = torch.zeros(4)
    gs.destroy()
    try:
        for use in (
            lambda: mpc.update(x),
            lambda: mpc.policy(x),
            lambda: result.apply(),
            lambda: result.policy(0, x),
            lambda: gs.tools.OptimizedTrajectory.load(path),
        ):
            with pytest.raises(gs.GenesisException, match="The runtime has not started"):
                use()
    finally:
        gs.init(backend=gs.cpu, precision="64", seed=0, logging_level="warning")  # as conftest does
