"""Whole trajectories through the public API, against ``mujoco.mj_step`` on ``scene.mj_model``, in 64 bits."""

import mujoco
import numpy as np
import pytest
import torch

from tests import models
from tests.scenes import INTEGRATORS, PANDA, build, put, random_qpos

STEPS = 200
# Both engines round differently; over 200 steps of chaotic motion that grows by orders of magnitude and stays far below.
TRAJECTORY_TOLERANCE = 1e-9

MODELS = {
    "arm with hand": PANDA,
    "tumbling body": models.TUMBLING_BODY,
    "ball chain": models.BALL_CHAIN,
    "quadruped": models.gymnasium_asset("ant.xml"),
    "humanoid": models.gymnasium_asset("humanoid.xml"),
    "planar base": models.PLANAR_BASE,
    "actuators": models.ACTUATORS,
}


def largest_difference(source: str, integrator: str, seed: int, steps: int = STEPS, substeps: int = 1) -> float:
    """Largest difference in qpos and qvel along a trajectory from a random state under random controls."""
    rng = np.random.default_rng(seed)
    scene, robot = build(source, integrator=integrator, requires_grad=False, substeps=substeps)
    m = scene.mj_model
    data = mujoco.MjData(m)
    data.qpos[:] = random_qpos(m, rng)
    data.qvel[:] = rng.standard_normal(m.nv)
    put(scene, robot, data.qpos, data.qvel)
    low, high = (bound.numpy() for bound in robot.get_dofs_force_range())
    worst = 0.0
    for _ in range(steps):
        data.qfrc_applied[:] = 0.3 * rng.standard_normal(m.nv)
        data.ctrl[:] = 0.3 * rng.standard_normal(m.nu)
        data.xfrc_applied[1:] = 0.1 * rng.standard_normal((m.nbody - 1, 6))
        robot.control_dofs_force(torch.tensor(data.qfrc_applied))
        data.qfrc_applied[:] = np.clip(data.qfrc_applied, low, high)
        if m.nu:
            robot.control_actuators(torch.tensor(data.ctrl))
        wrench = torch.tensor(data.xfrc_applied[1:])
        robot.apply_links_external_wrench(wrench[:, :3], wrench[:, 3:], ref="link_com")
        scene.step()
        for _ in range(substeps):
            mujoco.mj_step(m, data)
        worst = max(
            worst,
            np.abs(robot.get_qpos().numpy() - data.qpos).max(),
            np.abs(robot.get_dofs_velocity().numpy() - data.qvel).max(),
        )
    return worst


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", MODELS)
def test_trajectory_equals_mujoco(name, integrator):
    assert largest_difference(MODELS[name], integrator, seed=len(name)) < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize("seed", range(40))
def test_random_tree_equals_mujoco(seed):
    integrator = list(INTEGRATORS)[seed % len(INTEGRATORS)]
    assert largest_difference(models.random_tree(seed), integrator, seed) < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_substeps_equal_mujoco(integrator):
    assert largest_difference(models.BALL_CHAIN, integrator, seed=3, steps=50, substeps=3) < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize(
    "actuator",
    [
        '<motor joint="h" gear="3" ctrlrange="-.2 .2"/>',
        '<motor joint="h" gear="3" forcerange="-.2 .2"/>',
        '<position joint="h" kp="20" kv="3"/>',
        '<position joint="h" kp="20" dampratio="1" forcerange="-1 1"/>',
        '<position joint="h" kp="20" timeconst=".05"/>',
        '<velocity joint="h" kv="4"/>',
        '<intvelocity joint="h" kp="10" kv="1" actrange="-.1 .1"/>',
        '<damper joint="h" kv="4" ctrlrange="0 2"/>',
        '<general joint="h" dyntype="integrator" gainprm="2" actlimited="true" actrange="-.05 .05"/>',
        '<general joint="h" dyntype="filter" dynprm=".03" gainprm="2"/>',
        '<general joint="h" dyntype="filterexact" dynprm=".03" gainprm="2" actearly="true"/>',
        '<general joint="h" gaintype="affine" gainprm="1 2 .5" biastype="affine" biasprm=".1 -2 -.5"/>',
        '<general joint="b" gear="1 2 3" gainprm="2" biastype="affine" biasprm="0 -3 -1"/>',
        '<general jointinparent="b" gear="1 2 3" gainprm="2" biastype="affine" biasprm="0 -3 -1"/>',
        '<general tendon="t" gear="2" gainprm="2" biastype="affine" biasprm="0 -3 -1"/>',
        '<general site="s" gear="1 2 3 .1 .2 .3" gainprm="2"/>',
        '<general site="s" refsite="r" gear="1 2 3 .1 .2 .3" gainprm="2" biastype="affine" biasprm="0 -3 -1"/>',
    ],
)
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_actuator_equals_mujoco(actuator, integrator):
    source = f"""
    <mujoco><option timestep="0.005"/><compiler angle="radian"/><worldbody>
      <body><joint name="h" axis="0 1 0" actuatorfrcrange="-2 2"/><geom type="capsule" size=".05" fromto="0 0 0 .3 .1 .4"/>
        <site name="r" pos=".1 .1 .1" quat=".5 .1 .2 .3"/>
        <body pos=".3 .1 .4"><joint name="b" type="ball"/><geom type="box" size=".1 .2 .05" pos=".1 .1 0"/>
          <body pos="0 .1 .2"><joint name="p" type="slide" axis="1 1 0"/><geom size=".1" pos="0 .1 0"/>
            <site name="s" pos=".1 .2 .1" quat=".5 -.1 .2 .3"/></body></body></body>
    </worldbody>
    <tendon><fixed name="t"><joint joint="h" coef=".5"/><joint joint="p" coef="-.7"/></fixed></tendon>
    <actuator>{actuator}</actuator></mujoco>"""
    assert largest_difference(source, integrator, seed=1) < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_pd_control_is_a_mujoco_actuator(integrator):
    """A commanded joint moves as with MuJoCo's position (and velocity) actuators, in and out of saturation."""
    rng = np.random.default_rng(0)
    scene, arm = build(PANDA, integrator=integrator, requires_grad=False)
    kp, kv = rng.uniform(50, 200, 9), rng.uniform(1, 5, 9)
    kv[7:] = 0.5  # explicit in Euler: a finger of 15 g bears no more
    force = np.array([20.0, 20, 5, 5, 2, 2, 1, 4, 4])
    arm.set_dofs_kp(torch.tensor(kp))
    arm.set_dofs_kv(torch.tensor(kv))
    arm.set_dofs_force_range(torch.tensor(-force), torch.tensor(force))

    spec = mujoco.MjSpec.from_string(scene.to_mjcf())
    for k, joint in enumerate(spec.joints):
        actuator = spec.add_actuator(name=f"pd{k}", target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.gaintype, actuator.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0], actuator.biasprm[1], actuator.biasprm[2] = kp[k], -kp[k], -kv[k]
        actuator.forcelimited, actuator.forcerange = 1, [-force[k], force[k]]
    m = spec.compile()
    data = mujoco.MjData(m)
    worst, saturated = 0.0, 0
    for t in range(STEPS):
        if t % 20 == 0:
            data.ctrl[:] = 0.5 * rng.standard_normal(9)
            arm.control_dofs_position(torch.tensor(data.ctrl))
        scene.step()
        mujoco.mj_step(m, data)
        worst = max(worst, np.abs(arm.get_qpos().numpy() - data.qpos).max())
        saturated += np.count_nonzero(np.abs(data.actuator_force) >= force)
    assert worst < TRAJECTORY_TOLERANCE
    assert 0 < saturated < 9 * STEPS


def test_momentum_of_a_floating_tree_is_kept():
    """Without gravity, internal forces change neither momentum: Euler keeps the linear one to rounding, RK4 both."""
    source = models.gymnasium_asset("humanoid.xml")
    scene, robot = build(source, integrator="RK4", requires_grad=False, gravity=(0.0, 0.0, 0.0), dt=0.001)
    m = scene.mj_model
    rng = np.random.default_rng(0)
    put(scene, robot, random_qpos(m, rng, 0.3), rng.standard_normal(m.nv))
    data = mujoco.MjData(m)

    def momentum():
        data.qpos[:], data.qvel[:] = robot.get_qpos().numpy(), robot.get_dofs_velocity().numpy()
        mujoco.mj_forward(m, data)
        mujoco.mj_subtreeVel(m, data)
        com = data.subtree_com[1]
        linear = m.body_subtreemass[1] * data.subtree_linvel[1]
        return linear, data.subtree_angmom[1].copy(), com.copy()

    before = momentum()
    for _ in range(300):
        robot.control_dofs_force(torch.tensor(np.r_[np.zeros(6), rng.standard_normal(m.nv - 6)]))
        scene.step()
    after = momentum()
    # fourth order: (h w)^4 of the fastest link, times the momentum of order ten
    np.testing.assert_allclose(after[0], before[0], atol=1e-6)
    np.testing.assert_allclose(after[1], before[1], atol=1e-6)
    np.testing.assert_allclose(after[2] - before[2], 0.3 * before[0] / m.body_subtreemass[1], atol=1e-6)


def test_energy_of_an_undamped_tree_converges_with_the_order_of_the_integrator():
    """RK4: the drift falls with the fifth power of the step or better (fourth order in the state)."""
    source = """
    <mujoco><worldbody><body><joint type="ball" stiffness="2"/><geom type="capsule" size=".05" fromto="0 0 0 .1 .1 -.4"/>
      <body pos=".1 .1 -.4"><joint axis="0 1 0" stiffness="1"/><joint axis="1 0 0" type="slide" stiffness="30"/>
        <geom type="box" size=".05 .1 .15" pos="0 0 -.15"/></body></body></worldbody></mujoco>"""

    def drift(integrator, dt):
        scene, robot = build(source, integrator=integrator, requires_grad=False, dt=dt)
        rng = np.random.default_rng(2)
        put(scene, robot, random_qpos(scene.mj_model, rng), rng.standard_normal(scene.mj_model.nv))

        def energy():
            return (robot.get_kinetic_energy() + robot.get_potential_energy()).item()

        start = energy()
        for _ in range(round(0.8 / dt)):
            scene.step()
        return abs(energy() - start)

    assert drift("RK4", 0.002) < 1e-4
    assert drift("RK4", 0.001) < drift("RK4", 0.002) / 12
    assert drift("Euler", 0.0005) < 0.75 * drift("Euler", 0.001)
