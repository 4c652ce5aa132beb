"""Cases in contact that other engines get wrong: forward against MuJoCo, gradient against central differences.

Where a case sits on a switch of the physics (a body at rest under friction exactly balanced, coincident centres), the
gradient must be finite and equal to the stated one-sided derivative.
"""

import mujoco
import numpy as np
import pytest
import torch

from tests.differences import directional_derivative
from tests.scenes import build, put

CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}
FORWARD = 1e-9
GRADIENT = 1e-5
CONES = ["pyramidal", "elliptic"]


def world(body: str, geom: str = "", options: str = "") -> str:
    return f"""
    <mujoco><compiler angle="radian"/><option timestep="0.004" {options}/>
    <default><geom condim="3" friction=".8 .02 .003" {geom}/></default>
    <worldbody><geom name="floor" type="plane" size="5 5 .1"/>{body}</worldbody></mujoco>"""


def free(name: str, geom: str, pos: str, quat: str = "1 0 0 0") -> str:
    return f'<body name="{name}" pos="{pos}" quat="{quat}"><freejoint/><geom {geom}/></body>'


class Case:
    def __init__(self, source, cone="pyramidal", qvel=None, force=None, **options):
        self.scene, self.robot = build(
            source, constraints=True, rigid_options={**CONVERGED, "friction_cone": cone, **options}
        )
        self.m = self.scene.mj_model
        self.qpos = self.m.qpos0.copy()
        self.qvel = np.zeros(self.m.nv) if qvel is None else np.asarray(qvel, dtype=float)
        self.force = np.zeros(self.m.nv) if force is None else np.asarray(force, dtype=float)

    def settle(self, steps=400):
        data = mujoco.MjData(self.m)
        data.qpos[:], data.qvel[:] = self.qpos, self.qvel
        for _ in range(steps):
            data.qfrc_applied[:] = self.force
            mujoco.mj_step(self.m, data)
        self.qpos, self.qvel = data.qpos.copy(), data.qvel.copy()
        return self

    def run(self, qpos, qvel, force, steps=1):
        self.scene.reset()
        put(self.scene, self.robot, qpos, qvel)
        self.robot.control_dofs_force(torch.as_tensor(force))
        for _ in range(steps):
            self.scene.step()
        return torch.cat([self.robot.get_qpos().sceneless(), self.robot.get_dofs_velocity().sceneless()])

    def forward_error(self, steps=1):
        data = mujoco.MjData(self.m)
        data.qpos[:], data.qvel[:] = self.qpos, self.qvel
        data.qfrc_applied[:] = self.force
        for _ in range(steps):
            mujoco.mj_step(self.m, data)
        with torch.no_grad():
            ours = self.run(self.qpos, self.qvel, self.force, steps).numpy()
        return np.abs(ours - np.concatenate([data.qpos, data.qvel])).max()

    def gradients(self, steps=1, seed=0):
        leaves = [torch.tensor(x, requires_grad=True) for x in (self.qpos, self.qvel, self.force)]
        self.weights = np.random.default_rng(seed).standard_normal(self.m.nq + self.m.nv)
        out = self.run(*leaves, steps)
        grads = torch.autograd.grad((out * torch.tensor(self.weights)).sum(), leaves)
        assert all(torch.isfinite(grad).all() for grad in grads)
        return [grad.numpy() for grad in grads]

    def gradient_error(self, steps=1, seed=0, sizes=(1e-6, 1e-4, 1e-3)):
        """Largest relative error over directions in qpos, qvel and force."""
        grads = self.gradients(steps, seed)
        rng = np.random.default_rng(seed + 1)
        worst = 0.0
        for k, (grad, size) in enumerate(zip(grads, sizes, strict=True)):
            direction = size * rng.standard_normal(len(grad))

            def along(t, k=k, direction=direction):
                moved = [self.qpos, self.qvel, self.force]
                moved[k] = moved[k] + t * direction
                with torch.no_grad():
                    return np.array([self.run(*moved, steps).numpy() @ self.weights])

            numeric = directional_derivative(along, 1.0, levels=6)[0][0]
            exact = grad @ direction
            worst = max(worst, abs(exact - numeric) / max(np.linalg.norm(grad * direction), abs(numeric)))
        return worst


@pytest.mark.parametrize("cone", CONES)
def test_box_on_a_plane_with_one_solver_iteration(cone):
    """One Newton step need not converge: forward is MuJoCo's after one, the gradient that of the converged solution."""
    source = world(free("box", 'type="box" size=".1 .15 .08"', "0 0 .0798"))
    once = Case(source, cone, iterations=1, force=[2.0, 1.0, 0, 0, 0, 0])
    assert once.m.opt.iterations == 1
    assert once.forward_error() < FORWARD
    settled = Case(source, cone, force=[2.0, 1.0, 0, 0, 0, 0])
    for a, b in zip(once.gradients(), settled.gradients(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9 * np.abs(b).max())
    assert settled.gradient_error() < GRADIENT


@pytest.mark.parametrize("cone", CONES)
def test_ball_hits_the_next(cone):
    """Two balls in a row: momentum passes through the contact, and so does the gradient to the first ball's velocity."""
    source = world(
        free("a", 'type="sphere" size=".1"', "0 0 .3") + free("b", 'type="sphere" size=".1"', ".21 0 .3"),
        options='gravity="0 0 0"',
    )
    case = Case(source, cone, qvel=[2.0, 0.1, 0, 0, 0, 0, *np.zeros(6)])
    assert case.forward_error(steps=20) < FORWARD
    _, by_velocity, _ = case.gradients(steps=20)
    assert case.gradient_error(steps=20, sizes=(1e-8, 1e-7, 1e-6)) < GRADIENT
    after = case.run(case.qpos, case.qvel, case.force, 20)[14:].detach().numpy()
    assert after[6] > 0.5, "the second ball was not hit"
    assert abs(by_velocity[0]) > 0


@pytest.mark.parametrize("cone", CONES)
def test_sphere_exactly_above_an_edge_of_a_box(cone):
    source = world(
        '<body pos="0 0 .1"><geom type="box" size=".1 .1 .1"/></body>'
        + free("ball", 'type="sphere" size=".1"', ".1 .02 .2995")
    )
    case = Case(source, cone, qvel=[0, 0, -0.1, 0, 0, 0])
    assert case.forward_error() < FORWARD
    # along the face and away from it the nearest point differs, the distance does not to first order
    case.gradients()
    beside = Case(source, cone, qvel=[0, 0, -0.1, 0, 0, 0])
    beside.qpos[0] += 1e-4  # where the difference does not cross the edge
    assert beside.gradient_error(sizes=(1e-7, 1e-4, 1e-3)) < GRADIENT
    np.testing.assert_allclose(case.gradients()[1], beside.gradients()[1], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("cone", CONES)
def test_box_at_rest_with_redundant_contacts(cone):
    """Four corners, twelve force components, six dofs."""
    case = Case(world(free("box", 'type="box" size=".1 .15 .08"', "0 0 .08")), cone).settle()
    assert case.forward_error() < FORWARD
    assert case.gradient_error(sizes=(1e-7, 1e-5, 1e-3)) < GRADIENT


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("shape", ['type="sphere" size=".1"', 'type="box" size=".1 .15 .08"'])
def test_body_at_rest_with_zero_velocity_under_friction(shape, cone):
    """No direction of sliding: the tangential force is zero, its derivative is that of sticking."""
    source = world(free("body", shape, "0 0 .0799"), geom='condim="6"')
    if "sphere" in shape:
        source = source.replace("0 0 .0799", "0 0 .0999")
    source = source.replace('condim="3" ', "")
    case = Case(source, cone)
    assert not case.qvel.any()
    assert case.forward_error() < FORWARD
    assert case.gradient_error(sizes=(1e-7, 1e-5, 1e-3)) < GRADIENT


@pytest.mark.parametrize("cone", CONES)
def test_two_spheres_with_the_same_centre(cone):
    source = world(
        free("a", 'type="sphere" size=".1"', "0 0 .5") + free("b", 'type="sphere" size=".15"', "0 0 .5"),
        options='gravity="0 0 0"',
    )
    case = Case(source, cone)
    assert case.forward_error() < FORWARD * 100  # they fly apart at hundreds of metres per second
    case.gradients(steps=1)


@pytest.mark.parametrize("cone", CONES)
def test_frictionless_contact_among_frictional_ones(cone):
    """A box that stands on the floor (condim 3), leans on a wall without friction (condim 1) and carries a ball (6)."""
    source = world(
        # turned a little: of parallel faces either may give the normal
        '<geom type="box" size=".05 1 1" pos="-.146 0 1" euler="0 -.004 .01" condim="1" priority="1"/>'
        + free("box", 'type="box" size=".1 .15 .08"', "0 0 .0795")
        + free("ball", 'type="sphere" size=".1" condim="6"', ".02 .03 .259")
    )
    case = Case(source, cone, force=[-5.0, 1.0, *np.zeros(10)])
    data = mujoco.MjData(case.m)
    mujoco.mj_forward(case.m, data)
    assert {int(c.dim) for c in data.contact} == {1, 3, 6}
    assert case.forward_error() < FORWARD
    assert case.gradient_error(sizes=(1e-7, 1e-5, 1e-3)) < GRADIENT


@pytest.mark.parametrize("cone", CONES)
def test_limit_and_contact_on_the_same_dof(cone):
    source = world(
        '<body pos="0 0 .3"><joint type="slide" axis="0 0 1" range="-.201 1" damping="1"/>'
        '<joint type="hinge" axis="0 1 0" range="-.1 .1" damping=".1"/><geom type="sphere" size=".1"/>'
        '<geom type="capsule" size=".03" fromto="0 0 0 .3 0 0" contype="0" conaffinity="0"/></body>'
    )
    case = Case(source, cone, force=[-30.0, 2.0]).settle()
    data = mujoco.MjData(case.m)
    data.qpos[:], data.qvel[:] = case.qpos, case.qvel
    mujoco.mj_forward(case.m, data)
    kinds = set(data.efc_type.tolist())
    assert int(mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT) in kinds
    assert data.ncon == 1
    assert case.forward_error() < FORWARD
    assert case.gradient_error(sizes=(1e-7, 1e-5, 1e-3)) < GRADIENT


def test_boundary_without_force_takes_the_side_without_force():
    """A contact whose force is exactly zero, a limit just reached: the derivative is that of no constraint."""
    source = world(
        '<body pos="0 0 1"><joint name="j" type="slide" axis="1 0 0" range="0 1"/><geom size=".1" contype="0" '
        'conaffinity="0"/></body>'
    )
    case = Case(source)  # at its lower limit exactly, at rest, without force along the joint
    reached, _, by_force = case.gradients()
    apart = Case(source)
    apart.qpos = apart.qpos + 0.5
    np.testing.assert_array_equal(reached, apart.gradients()[0])
    np.testing.assert_array_equal(by_force, apart.gradients()[2])


def test_friction_of_two_geoms_at_a_tie_shares_the_derivative():
    """The larger coefficient counts; where both are equal, each has half of the derivative, as differences say."""
    source = """
    <mujoco><option timestep="0.004"/><worldbody><body name="g"><geom name="floor" type="plane" size="5 5 .1"
      friction=".5 .02 .003"/></body><body pos="0 0 .0998"><joint type="slide" axis="1 0 0"/><joint type="slide"
      axis="0 0 1"/><geom name="ball" type="sphere" size=".1" friction=".5 .02 .003"/></body></worldbody></mujoco>"""
    scene, robot = build(source, constraints=True, rigid_options={**CONVERGED, "friction_cone": "elliptic"})

    def velocity(friction):
        scene.reset()
        robot.set_friction(friction)
        put(scene, robot, np.array([0.0, 0.0]), np.array([2.0, 0.0]))
        scene.step()
        return robot.get_dofs_velocity()[0]

    friction = torch.tensor([0.5, 0.5], requires_grad=True)
    velocity(friction).backward()
    assert friction.grad[0] == friction.grad[1] != 0
    h = 1e-6
    with torch.no_grad():
        both = (velocity(torch.tensor([0.5 + h] * 2)) - velocity(torch.tensor([0.5 - h] * 2))) / (2 * h)
        one = (velocity(torch.tensor([0.5 + h, 0.5])) - velocity(torch.tensor([0.5 - h, 0.5]))) / (2 * h)
    np.testing.assert_allclose(friction.grad.sum().item(), both.item(), rtol=GRADIENT)
    np.testing.assert_allclose(friction.grad[0].item(), one.item(), rtol=GRADIENT)


def test_solver_that_cannot_converge_says_so_once(caplog):
    """No contact at all in the limit of iterations leaves the gradient silently wrong."""
    source = world(free("box", 'type="box" size=".1 .15 .08"', "0 0 .0798"))
    case = Case(source, "elliptic", force=[30.0, 10.0, 0, 0, 0, 0])
    case.gradients()
    dynamics = case.scene.world.dynamics
    assert not dynamics.warned_of_solver
    from genesis.grad.bridge import warn_of_unconverged_solver

    with caplog.at_level("WARNING"):
        warn_of_unconverged_solver(dynamics, [], "step 4")
        warn_of_unconverged_solver(dynamics, [0], "step 3")
        warn_of_unconverged_solver(dynamics, [0], "step 2")
    said = [r.message for r in caplog.records if "did not converge" in r.message]
    assert len(said) == 1 and "step 3" in said[0]
    assert dynamics.warned_of_solver


@pytest.mark.parametrize("cone", CONES)
def test_constant_impedance(cone):
    """solimp with equal ends: each end still has its own derivative."""
    source = world(free("box", 'type="box" size=".1 .15 .08"', "0 0 .0797"), geom='solimp=".9 .9 .001 .5 2"')
    case = Case(source, cone)

    def height(soft):
        case.scene.reset()
        case.robot.set_sol_params(soft)
        put(case.scene, case.robot, case.qpos, case.qvel)
        case.scene.step()
        return case.robot.get_dofs_velocity()[2]

    soft = torch.tensor([0.02, 1.0, 0.9, 0.9, 0.001, 0.5, 2.0], requires_grad=True)
    height(soft).backward()
    assert soft.grad[2] != soft.grad[3]
    for k in (2, 3):
        h = torch.zeros(7).index_fill(0, torch.tensor(k), 1e-6)
        with torch.no_grad():
            numeric = (height(soft + h) - height(soft - h)) / 2e-6
        np.testing.assert_allclose(soft.grad[k].item(), numeric.item(), rtol=GRADIENT)


@pytest.mark.parametrize("cone", CONES)
def test_light_body_beside_a_heavy_one(cone):
    """They do not touch; at MuJoCo's default tolerance the light one's contact is solved as if it were alone."""
    source = world(
        free("heavy", 'type="box" size=".1 .15 .08" mass="1e4"', "0 0 .0798")
        + free("light", 'type="box" size=".1 .15 .08" mass="1e-3"', "1 0 .0798")
    )
    qvel = np.r_[np.zeros(6), 0.1, 0.05, -0.2, 0, 0, 0]
    exact, usual = Case(source, cone, qvel=qvel), Case(source, cone, qvel=qvel, tolerance=1e-8)
    with torch.no_grad():
        motions = [case.run(case.qpos, case.qvel, case.force, steps=25).numpy() for case in (exact, usual)]
    np.testing.assert_allclose(motions[1], motions[0], rtol=0, atol=1e-6)
    for a, b in zip(exact.gradients(), usual.gradients(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("friction", [0.0, 1e-4, 1e-3])
def test_hardly_any_friction(friction):
    """The edges of a pyramid grow stiffer as 1 / friction^2: ten orders of magnitude over the contact's own stiffness."""
    source = world(free("box", 'type="box" size=".1 .1 .1"', "0 0 .0998"))
    source = source.replace('friction=".8 ', f'friction="{friction} ')
    case = Case(source, "pyramidal", qvel=[1.0, 0.3, 0, 0, 0, 0.5], tolerance=1e-8)
    data = mujoco.MjData(case.m)
    data.qpos[:], data.qvel[:] = case.qpos, case.qvel
    for _ in range(100):
        mujoco.mj_step(case.m, data)
    with torch.no_grad():
        height = case.run(case.qpos, case.qvel, case.force, steps=100)[2].item()
    assert abs(height - data.qpos[2]) < 2e-3  # it hops, by a millimetre, as MuJoCo's does
    _, by_velocity, _ = case.gradients(steps=100)
    assert np.abs(by_velocity).max() < 10.0


def test_a_loss_on_contact_forces_has_a_gradient_when_nothing_touches():
    case = Case(world(free("box", 'type="box" size=".1 .1 .1"', "0 0 .5")))
    velocity = torch.tensor(case.qvel, requires_grad=True)
    case.scene.reset()
    put(case.scene, case.robot, case.qpos, velocity)
    case.scene.step()
    case.robot.get_links_net_contact_force().sum().backward()
    assert not velocity.grad.any()
    assert case.robot.get_contacts()["position"].requires_grad


@pytest.mark.parametrize("cone", CONES)
def test_capsule_that_stands_upright(cone):
    """Its axis, which MuJoCo takes for the tangents, is the normal: the frame has to come from elsewhere."""
    case = Case(
        world(free("capsule", 'type="capsule" size=".06 .12"', "0 0 .1797")), cone, qvel=[0.1, 0.05, 0, 0, 0, 0]
    )
    assert case.forward_error() < FORWARD
    by_state, by_velocity, _ = case.gradients()
    assert np.abs(by_state).max() < 1e6
    rng = np.random.default_rng(3)
    direction = 1e-5 * rng.standard_normal(6)  # velocity and force leave the frame where it is

    def along(t):
        with torch.no_grad():
            return np.array([case.run(case.qpos, case.qvel + t * direction, case.force).numpy() @ case.weights])

    numeric = directional_derivative(along, 1.0, levels=6)[0][0]
    np.testing.assert_allclose(by_velocity @ direction, numeric, rtol=GRADIENT)
