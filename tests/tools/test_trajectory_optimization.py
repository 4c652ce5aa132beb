"""`gs.tools.optimize_trajectory`: every method on problems whose solution is known, and what surrounds them."""

import numpy as np
import pytest
import torch

import genesis as gs

N_STEPS = 20
DT = 0.1
# Two carts on rails without gravity: the dynamics are linear, so that the optimum is that of a quadratic program.
CARTS = """<mujoco><option timestep="0.1" gravity="0 0 0" integrator="Euler"/><worldbody>
<body name="a"><joint name="a" type="slide" axis="1 0 0"/><geom type="sphere" size=".1" mass="2" contype="0" conaffinity="0"/></body>
<body name="b" pos="0 1 0"><joint name="b" type="slide" axis="1 0 0"/><geom type="sphere" size=".1" mass="1" contype="0" conaffinity="0"/></body>
</worldbody></mujoco>"""
GOAL = (1.0, -0.5)
WEIGHTS = dict(position=10.0, speed=3.0, effort=0.3)
BOUND = 1.5
METHODS = ("ilqr", "gauss-newton", "lbfgs", "adam")
# Of the controls with the exact ones, when a relative decrease of the cost by 1e-12 counts; Adam creeps.
AGREEMENT = {"ilqr": 1e-7, "gauss-newton": 1e-7, "lbfgs": 1e-4, "adam": 5e-3}


@pytest.fixture(scope="module")
def mjcf(tmp_path_factory):
    path = tmp_path_factory.mktemp("carts") / "carts.xml"
    path.write_text(CARTS)
    return path


@pytest.fixture
def carts(mjcf):
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=DT))
    robot = scene.add_entity(gs.morphs.MJCF(file=mjcf), name="carts")
    scene.build()
    return scene, robot, make_cost(robot)


def make_cost(robot):
    goal = torch.tensor(GOAL)

    def terminal(trajectory):
        away, speed = trajectory.qpos(robot)[-1] - goal, trajectory.dofs_velocity(robot)[-1]
        return torch.cat([WEIGHTS["position"] * away, WEIGHTS["speed"] * speed], -1)

    return gs.tools.ResidualCost(stage=lambda trajectory, controls: WEIGHTS["effort"] * controls, terminal=terminal)


def least_squares(bound=None):
    """The same, by hand: v' = v + dt u / m, q' = q + dt v' for each cart; (T, 2) controls and the cost."""
    controls, cost = np.zeros((N_STEPS, 2)), 0.0
    for i, (mass, goal) in enumerate(zip((2.0, 1.0), GOAL, strict=True)):
        speed = np.full(N_STEPS, DT / mass)
        position = DT * (N_STEPS - np.arange(N_STEPS)) * DT / mass
        J = np.concatenate(
            [[WEIGHTS["position"] * position], [WEIGHTS["speed"] * speed], WEIGHTS["effort"] * np.eye(N_STEPS)]
        )
        r = np.zeros(len(J))
        r[0] = WEIGHTS["position"] * goal
        u = np.linalg.lstsq(J, r, rcond=None)[0]
        if bound is not None:
            for _ in range(5_000):  # projected gradient, slow and simple
                u = np.clip(u - J.T @ (J @ u - r) / np.linalg.norm(J, 2) ** 2, -bound, bound)
        controls[:, i] = u
        cost += 0.5 * np.square(J @ u - r).sum()
    return controls, cost


def optimize(scene, cost, method="ilqr", **options):
    options = {"tolerance": 1e-12, "progress": False} | options
    return gs.tools.optimize_trajectory(scene, cost, N_STEPS, method=method, **options)


@pytest.mark.parametrize("method", METHODS)
def test_linear_problem(carts, method):
    scene, _, cost = carts
    found = optimize(scene, cost, method, **({"learning_rate": 0.05} if method == "adam" else {}))
    expected, value = least_squares()
    np.testing.assert_allclose(found.controls.numpy(), expected, atol=AGREEMENT[method] * np.abs(expected).max())
    assert found.cost == pytest.approx(value, rel=1e-4)
    assert found.reason in ("converged", "no_progress", "max_iterations")
    if method in ("ilqr", "gauss-newton"):
        assert found.converged
        assert found.iterations <= 6


@pytest.mark.parametrize("method", METHODS)
def test_linear_problem_with_bounds(carts, method):
    scene, _, cost = carts
    found = optimize(scene, cost, method, lower=-BOUND, upper=BOUND)
    expected, value = least_squares(BOUND)
    assert (np.abs(expected) == BOUND).any()
    assert float(found.controls.abs().max()) <= BOUND
    assert found.cost == pytest.approx(value, rel=1e-3 if method == "adam" else 1e-6)
    np.testing.assert_allclose(found.controls.numpy(), expected, atol=0.1 if method == "adam" else 2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_all_forms_of_a_cost_mean_the_same(carts, method):
    scene, _, residual = carts
    plain = gs.tools.Cost(
        stage=lambda trajectory, controls: 0.5 * residual.stage(trajectory, controls).square().sum(-1),
        terminal=lambda trajectory: 0.5 * residual.terminal(trajectory).square().sum(-1),
    )
    costs = [residual, plain]
    if method in ("lbfgs", "adam"):
        costs.append(lambda trajectory, controls: residual(trajectory, controls).sum())
    found = [optimize(scene, cost, method, max_iterations=4) for cost in costs]
    for other in found[1:]:
        torch.testing.assert_close(other.controls, found[0].controls, rtol=1e-9, atol=1e-10)
        assert other.cost == pytest.approx(found[0].cost, rel=1e-10)


def test_a_free_body_turns_and_lands_in_a_pose():
    """Attitude by torques and forces on a free joint: states are quaternions, steps are rotation vectors."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.02))
    box = scene.add_entity(gs.morphs.Box(size=(0.3, 0.2, 0.1), pos=(0.0, 0.0, 1.0)))
    scene.build()
    goal = torch.tensor([0.0, 0.6, 0.0, 0.8])  # half a turn about (0.6, 0, 0.8)
    place = torch.tensor([0.5, 0.0, 1.5])

    def terminal(trajectory):
        q = trajectory.qpos(box)[-1]
        a, b = q[..., 3:], goal
        # The vector part of conj(goal) q, zero where they agree.
        error = b[0] * a[..., 1:] - a[..., :1] * b[1:] - torch.linalg.cross(b[1:].expand_as(a[..., 1:]), a[..., 1:])
        return torch.cat([30.0 * error, 30.0 * (q[..., :3] - place), trajectory.dofs_velocity(box)[-1]], -1)

    cost = gs.tools.ResidualCost(stage=lambda trajectory, controls: 1e-2 * controls, terminal=terminal)
    start = torch.zeros(6)
    start[3:] = torch.tensor([0.02, 0.01, 0.02])  # exactly half a turn away the error has no gradient
    for method in ("ilqr", "gauss-newton"):
        found = gs.tools.optimize_trajectory(scene, cost, 50, method=method, initial=start, progress=False)
        q = found.states[-1, :7]
        assert float((q[3:] @ goal).abs()) > 1.0 - 1e-4
        assert float((q[:3] - place).norm()) < 0.02
        assert found.gains.shape == (50, 6, 12)


def test_a_box_slides_over_the_ground_and_stops():
    """Through contact and friction, whose forces have to be overcome: the box is pushed at its middle along x only."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01))
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(
        gs.morphs.Box(size=(0.2, 0.2, 0.1), pos=(0.0, 0.0, 0.05)), material=gs.materials.Rigid(rho=250.0, friction=0.3)
    )
    scene.build()

    def stage(trajectory, controls):
        return 0.01 * controls

    def terminal(trajectory):
        return torch.cat(
            [50.0 * (trajectory.qpos(box)[-1, ..., :1] - 0.2), 5.0 * trajectory.dofs_velocity(box)[-1, ..., :1]], -1
        )

    bound = torch.zeros(6)
    bound[0] = 20.0
    push = torch.zeros(6)
    push[0] = 4.0
    found = gs.tools.optimize_trajectory(
        scene,
        gs.tools.ResidualCost(stage=stage, terminal=terminal),
        40,
        entities=box,
        initial=push,
        lower=-bound,
        upper=bound,
        max_iterations=60,
        progress=False,
    )
    assert found.cost < 0.1 * found.history[0].cost
    assert float(found.controls[:, 1:].abs().max()) == 0.0
    final = found.apply().qpos(box)[-1]
    # The search steps from solver solution to solver solution, apply() makes one rollout: equal to its tolerance.
    torch.testing.assert_close(final.as_subclass(torch.Tensor), found.states[-1, :7], rtol=0.0, atol=1e-6)
    assert float(final[0]) == pytest.approx(0.2, abs=0.01)
    assert float(box.get_dofs_velocity()[0].abs()) < 0.1


def test_apply_repeats_the_states(carts):
    scene, robot, cost = carts
    found = optimize(scene, cost)
    trajectory = found.apply()
    torch.testing.assert_close(
        trajectory.qpos(robot).as_subclass(torch.Tensor), found.states[:, :2], rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        robot.get_dofs_velocity().as_subclass(torch.Tensor), found.states[-1, 2:], rtol=0, atol=1e-12
    )
    assert scene.cur_step == N_STEPS


def test_the_scene_stays_as_it_is(carts):
    scene, robot, cost = carts
    robot.set_dofs_velocity(torch.tensor([0.3, 0.0]))
    robot.control_dofs_force(torch.tensor([1.0, 2.0]))
    before, command = robot.get_qpos().clone(), scene.world.commands.command
    optimize(scene, cost, "gauss-newton")
    assert torch.equal(robot.get_qpos(), before)
    assert scene.world.commands.command is command
    assert scene.cur_step == 0


def test_policy_gives_the_controls_on_the_way_and_corrects_beside_it(carts):
    scene, _, cost = carts
    found = optimize(scene, cost, lower=-BOUND, upper=BOUND)
    for t in (0, 7, N_STEPS - 1):
        torch.testing.assert_close(found.policy(t, found.states[t]), found.controls[t])
    off = found.states[10] + torch.tensor([0.1, 0.0, 0.0, 0.0])
    assert float(found.policy(10, off)[0]) < float(found.controls[10, 0])
    assert found.policy(10, off.expand(5, -1)).shape == (5, 2)
    assert float(found.policy(10, off - 100.0).abs().max()) <= BOUND


def test_warm_start_continues(carts):
    scene, _, cost = carts
    found = optimize(scene, cost)
    again = optimize(scene, cost, warm_start=found)
    assert again.iterations <= 1
    later = found.shifted(5)
    torch.testing.assert_close(later.controls[: N_STEPS - 5], found.controls[5:])
    torch.testing.assert_close(later.states[0], found.states[5])
    assert torch.equal(later.controls[-1], found.controls[-1])
    assert optimize(scene, cost, "gauss-newton", warm_start=later).converged


def test_save_and_load(carts, tmp_path):
    scene, _, cost = carts
    found = optimize(scene, cost)
    path = tmp_path / "found.npz"
    found.save(path)
    loaded = gs.tools.OptimizedTrajectory.load(path, scene=scene)
    for name in ("controls", "states", "gains", "feedforward", "lower", "upper"):
        assert torch.equal(getattr(loaded, name), getattr(found, name))
    assert (loaded.cost, loaded.reason, loaded.method) == (found.cost, found.reason, found.method)
    assert [entry.cost for entry in loaded.history] == [entry.cost for entry in found.history]
    torch.testing.assert_close(loaded.policy(3, found.states[4]), found.policy(3, found.states[4]))
    assert loaded.apply().n_steps == N_STEPS
    with pytest.raises(gs.GenesisException, match="loaded without a scene"):
        gs.tools.OptimizedTrajectory.load(path).apply()
    with pytest.raises(gs.GenesisException, match="there is no file"):
        gs.tools.OptimizedTrajectory.load(tmp_path / "none.npz")
    (tmp_path / "other.npz").write_text("text")
    with pytest.raises(gs.GenesisException, match=r"other.npz is not a file of OptimizedTrajectory.save"):
        gs.tools.OptimizedTrajectory.load(tmp_path / "other.npz")


def test_plot(carts, tmp_path):
    pytest.importorskip("matplotlib")
    scene, _, cost = carts
    found = optimize(scene, cost, lower=-BOUND, upper=BOUND)
    found.plot(tmp_path / "found.png")
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(gs.GenesisException, match="cannot be written"):
        found.plot(tmp_path / "found.nothing")


@pytest.mark.parametrize("method", METHODS)
def test_a_callback_sees_each_iteration_and_may_stop(carts, method):
    scene, _, cost = carts
    seen = []

    def callback(iteration):
        seen.append(iteration)
        return iteration.iteration == 2

    found = optimize(scene, cost, method, callback=callback, lower=-BOUND, upper=BOUND)
    assert [entry.iteration for entry in seen] == [0, 1, 2]
    assert found.reason == "callback"
    assert found.iterations == 2
    assert seen[1].controls.shape == (N_STEPS, 2)
    assert seen[1].states.shape == (N_STEPS + 1, 4)
    assert found.history[1].controls is None
    assert found.cost <= seen[0].cost


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_returns_the_best_so_far(carts, method):
    scene, _, cost = carts

    def callback(iteration):
        if iteration.iteration == 1:
            raise KeyboardInterrupt

    found = optimize(scene, cost, method, callback=callback, lower=-BOUND, upper=BOUND)
    assert found.reason == "interrupted"
    assert found.cost <= found.history[0].cost


def test_a_time_limit_ends_it(carts):
    scene, _, cost = carts
    found = optimize(scene, cost, "adam", max_iterations=10**6, time_limit=0.05)
    assert found.reason == "time_limit"
    assert found.seconds < 5.0


def test_progress_is_shown(carts, capfd):
    scene, _, cost = carts
    found = optimize(scene, cost, progress=True)
    assert found.converged
    capfd.readouterr()


def test_some_entities_are_controlled(mjcf):
    """The other one is idle, and its dofs are no controls."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=DT))
    first = scene.add_entity(gs.morphs.MJCF(file=mjcf), name="first")
    second = scene.add_entity(gs.morphs.MJCF(file=mjcf, pos=(0.0, 3.0, 0.0)), name="second")
    scene.build()
    found = optimize(scene, make_cost(second), entities=[second])
    assert found.controls.shape == (N_STEPS, 2)
    np.testing.assert_allclose(found.controls.numpy(), least_squares()[0], atol=1e-6)
    found.apply()
    np.testing.assert_allclose(second.get_qpos().numpy(), found.states[-1, 2:4].numpy(), atol=1e-9)
    assert float(first.get_qpos().abs().max()) == 0.0


def test_bounds_may_change_with_time_and_limit_the_first_guess(carts):
    scene, _, cost = carts
    lower = torch.full((N_STEPS, 2), 0.25)
    lower[5:] = -torch.inf
    found = optimize(scene, cost, lower=lower, initial=torch.full((2,), -3.0))
    assert float(found.controls[:5].min()) >= 0.25
    assert float(found.controls[:5, 1].max()) == 0.25
    assert found.cost > least_squares()[1]


# -- errors -----------------------------------------------------------------------------------------------------------

BAD_ARGUMENTS = {
    "`method` is 'newton'; expected one of 'ilqr'": dict(method="newton"),
    "`max_iterations` is 0; expected a whole number": dict(max_iterations=0),
    "`tolerance` is -1; expected a finite number above zero": dict(tolerance=-1),
    "`time_limit` is 'soon'": dict(time_limit="soon"),
    '`learning_rate` is for method="adam" only': dict(learning_rate=0.1),
    '`initial_states` is for method="gauss-newton" only': dict(initial_states=torch.zeros(21, 4)),
    "`callback` is 3; expected a function": dict(callback=3),
    "`control` is 'torque'; expected": dict(control="torque"),
    r"`initial` has shape \(3, 2\); expected \(2,\) or \(20, 2\)": dict(initial=torch.zeros(3, 2)),
    "`initial` holds NaN": dict(initial=torch.full((2,), torch.nan)),
    "`initial` is 'zero'; expected numbers": dict(initial="zero"),
    r"`lower` has shape \(3,\)": dict(lower=torch.zeros(3)),
    "`upper` holds NaN": dict(upper=torch.nan),
    "`lower` exceeds `upper` for control 1 at step 0": dict(lower=[-1.0, 1.0], upper=[1.0, 0.5]),
    "`warm_start` is 3; expected a result": dict(warm_start=3),
    "nothing can be controlled: no entity of the scene has actuators": dict(control="actuators"),
    "`entities` are": dict(entities=["carts"]),
}


@pytest.mark.parametrize("message", BAD_ARGUMENTS)
def test_bad_arguments(carts, message):
    scene, _, cost = carts
    with pytest.raises(gs.GenesisException, match=message):
        gs.tools.optimize_trajectory(scene, cost, N_STEPS, **({"progress": False} | BAD_ARGUMENTS[message]))


def test_bad_scene_cost_and_horizon(carts, mjcf):
    scene, _, cost = carts
    with pytest.raises(gs.GenesisException, match=r"`scene` is None; expected a gs\.Scene"):
        optimize(None, cost)
    with pytest.raises(gs.GenesisException, match="`n_steps` is 0; expected a whole number from 1"):
        gs.tools.optimize_trajectory(scene, cost, 0)
    with pytest.raises(gs.GenesisException, match="`cost` is None; expected"):
        optimize(scene, None)
    with pytest.raises(gs.GenesisException, match="needs a cost that is a sum over steps"):
        optimize(scene, lambda trajectory, controls: controls.sum(), "ilqr")
    with pytest.raises(gs.GenesisException, match=r"`cost` returned \(20, 1, 2\); expected one number"):
        optimize(scene, lambda trajectory, controls: controls, "lbfgs")
    many = gs.Scene()
    many.add_entity(gs.morphs.MJCF(file=mjcf))
    with pytest.raises(gs.GenesisException, match=r"call scene\.build"):
        optimize(many, cost)
    many.build(n_envs=3)
    with pytest.raises(gs.GenesisException, match="the scene has 3 envs; expected n_envs 0 or 1"):
        optimize(many, cost)


def test_one_env_is_as_good_as_none(mjcf):
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=DT))
    robot = scene.add_entity(gs.morphs.MJCF(file=mjcf))
    scene.build(n_envs=1)
    found = optimize(scene, make_cost(robot))
    np.testing.assert_allclose(found.controls.numpy(), least_squares()[0], atol=1e-6)
    assert found.apply().qpos(robot).shape == (N_STEPS + 1, 1, 2)


@pytest.mark.parametrize("method", ["ilqr", "lbfgs", "adam"])
def test_a_first_guess_that_diverges_is_refused(carts, method):
    scene, _, cost = carts
    with pytest.raises(gs.GenesisException, match=r"does not survive the controls of `initial`.*gentler"):
        optimize(scene, cost, method, initial=torch.full((2,), 1e308))


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_a_cost_that_is_nan_is_refused(carts, method):
    scene, robot, _ = carts
    with pytest.raises(gs.GenesisException, match="the cost is nan for the first guess"):
        optimize(scene, lambda trajectory, controls: (trajectory.qpos(robot) - 1.0).sqrt().sum(), method)
    with pytest.raises(gs.GenesisException, match="the gradient of the cost is NaN or infinite"):
        optimize(scene, lambda trajectory, controls: trajectory.qpos(robot)[-1].square().sum().sqrt(), method)


@pytest.mark.parametrize("method", ["ilqr", "gauss-newton"])
def test_a_cost_that_is_nan_at_a_step_is_refused(carts, method):
    scene, _, _ = carts
    at = torch.where(torch.arange(N_STEPS) == 3, torch.nan, 1.0).view(-1, 1)
    cost = gs.tools.Cost(stage=lambda trajectory, controls: at * controls.square().sum(-1))
    with pytest.raises(gs.GenesisException, match=r"`stage` is \[nan\] at step 3"):
        optimize(scene, cost, method)


@pytest.mark.parametrize("method", METHODS)
def test_candidates_that_diverge_are_not_taken(carts, method):
    """Beyond a wall the cost has no value: log barrier; the methods stay on this side."""
    scene, robot, _ = carts

    def stage(trajectory, controls):
        return 1e-3 * controls.square().sum(-1) - 0.1 * (0.5 - trajectory.qpos(robot)[:-1, ..., 0]).log()

    def terminal(trajectory):
        return 50.0 * (trajectory.qpos(robot)[-1, ..., 0] - 0.49).square()

    cost = gs.tools.Cost(stage=stage, terminal=terminal)
    found = optimize(scene, cost, method, lower=-20.0, upper=20.0, tolerance=1e-8, max_iterations=150)
    assert np.isfinite(found.cost)
    assert float(found.states[:, 0].max()) < 0.5
    assert found.cost < 0.5 * found.history[0].cost


def test_a_cost_serves_problems_of_other_sizes(carts, mjcf):
    scene, robot, cost = carts
    cost = gs.tools.ResidualCost(stage=lambda trajectory, controls: controls, terminal=cost.terminal)
    two = gs.Scene(sim_options=gs.options.SimOptions(dt=DT))
    first = two.add_entity(gs.morphs.MJCF(file=mjcf), name="carts")
    two.add_entity(gs.morphs.MJCF(file=mjcf), name="others")
    two.build()
    narrow = gs.tools.ResidualCost(stage=cost.stage, terminal=make_cost(first).terminal)
    for entities, nu in ((first, 2), (None, 4), (first, 2)):
        found = optimize(two, narrow, entities=entities, max_iterations=2)
        assert found.controls.shape == (N_STEPS, nu)
    assert optimize(scene, cost, max_iterations=2).controls.shape == (N_STEPS, robot.n_dofs)


@pytest.mark.parametrize("method", METHODS)
def test_a_candidate_with_too_many_contacts_is_not_taken(method):
    """The cost pulls the box to the ground, where there is no room for its four contacts."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01), rigid_options=gs.options.RigidOptions(max_contacts=2))
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.1), pos=(0.0, 0.0, 0.5)))
    scene.build()

    def stage(trajectory, controls):
        return torch.cat([1e-3 * controls, trajectory.qpos(box)[:-1, ..., 2:3] - 0.02], -1)

    weight = torch.zeros(6)
    weight[2] = 40.0  # [N], more than the box weighs: it hangs
    found = gs.tools.optimize_trajectory(
        scene,
        gs.tools.ResidualCost(stage=stage),
        30,
        entities=box,
        initial=weight,
        method=method,
        max_iterations=15,
        progress=False,
    )
    assert found.cost < found.history[0].cost
    assert (found.states[:-1, 2] > 0.05).all()


def test_an_mpc_keeps_its_parameters(carts):
    scene, robot, _ = carts
    cost = gs.tools.ResidualCost(stage=lambda trajectory, controls: trajectory.links_acc(robot)[:-1].flatten(2))
    mpc = gs.tools.MPC(scene, cost, 5, initial=torch.ones(2), warm_up=0)
    before = mpc._problem.costs(mpc.states.unsqueeze(1), mpc.controls.unsqueeze(1))
    robot.set_mass(50.0)
    assert torch.equal(mpc._problem.costs(mpc.states.unsqueeze(1), mpc.controls.unsqueeze(1)), before)
