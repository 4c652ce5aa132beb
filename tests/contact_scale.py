"""Contact at scale, shared by tests and benchmarks: many envs of one robot, many bodies in one scene."""

import time

import numpy as np
import torch

import genesis as gs
from tests import models
from tests.scenes import build

GRADIENTS_OF = ("qpos", "dofs_velocity", "controls", "friction")


def fields_of(scene, *names: str) -> list[torch.Tensor]:
    """Fields of the work space at the scene's present state and command, integers among them, (n_envs or 1, ...)."""
    dynamics, guess = scene.world.dynamics, scene.world.solution
    guess = dynamics.no_solution() if guess is None else guess
    return dynamics.observe(
        names, scene.world.theta.packed(), scene.world.commands.command, scene.world.state.detach(), guess
    )[0]


def humanoids(n_envs: int, cone: str):
    return build(
        models.gymnasium_asset("humanoid.xml"),
        n_envs=n_envs,
        constraints=True,
        rigid_options={"friction_cone": cone},
    )


def gradients_of_final_state(scene, robot, steps: int, seed: int):
    """(seconds forward, seconds backward, gradients) of a loss on the state after ``steps`` steps of random controls.

    Gradients by ``GRADIENTS_OF``, per env: (N, nq), (N, nv), (T, N, nu), (N, n_geoms).
    """
    m, n = scene.mj_model, scene.n_envs
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(shape, generator=generator, dtype=gs.tc_float)

    qpos = torch.as_tensor(m.qpos0, dtype=gs.tc_float).repeat(n, 1)
    qpos[:, 2] -= 0.2 * torch.rand(n, generator=generator, dtype=gs.tc_float)  # some stand, some have sunk in
    qpos[:, 7:] += 0.1 * noise(n, m.nq - 7)
    bounds = torch.as_tensor(m.actuator_ctrlrange[:, 1], dtype=gs.tc_float)
    leaves = {
        "qpos": qpos,
        "dofs_velocity": 0.1 * noise(n, m.nv),
        "controls": bounds * (2 * torch.rand((steps, n, m.nu), generator=generator, dtype=gs.tc_float) - 1),
        "friction": robot.get_friction().sceneless().detach().clone(),
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    weights = noise(m.nq + m.nv)
    start = time.perf_counter()
    scene.reset()
    robot.set_friction(leaves["friction"])
    robot.set_qpos(leaves["qpos"])
    robot.set_dofs_velocity(leaves["dofs_velocity"])
    for t in range(steps):
        robot.control_actuators(leaves["controls"][t])
        scene.step()
    loss = (torch.cat([robot.get_qpos(), robot.get_dofs_velocity()], -1) * weights).sum()
    middle = time.perf_counter()
    grads = torch.autograd.grad(loss, list(leaves.values()))
    end = time.perf_counter()
    return middle - start, end - middle, dict(zip(leaves, grads, strict=True))


_SHAPES = ('type="sphere" size=".09"', 'type="box" size=".09 .07 .06"', 'type="capsule" size=".06 .05"')


def crowd(count: int, columns: int = 10, seed: int = 0) -> str:
    """MJCF of free spheres, boxes and capsules in two layers over a plane, numbered at random; the upper fall on the lower."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(count)
    bodies = ""
    for k in range(count):
        layer, cell = divmod(int(place[k]), (count + 1) // 2)
        x, y = 0.25 * (cell % columns), 0.25 * (cell // columns)
        x, y = x + 0.05 * rng.uniform(-1, 1), y + 0.05 * rng.uniform(-1, 1)
        quat = " ".join(f"{c:.4f}" for c in rng.standard_normal(4))
        bodies += (
            f'<body pos="{x:.4f} {y:.4f} {0.15 + 0.25 * layer}" quat="{quat}"><freejoint/>'
            f'<geom {_SHAPES[k % 3]} condim="3"/></body>'
        )
    return f"""
    <mujoco><option timestep="0.004"/><worldbody><geom type="plane" size="10 10 .1"/>{bodies}</worldbody></mujoco>"""


class Falling:
    """``count`` free bodies that fall on a plane and on each other."""

    def __init__(self, count: int):
        self.count = count
        self.scene, self.bodies = build(crowd(count), constraints=True)
        self.velocity = torch.zeros(6 * count, dtype=gs.tc_float, requires_grad=True)
        self.bodies.set_dofs_velocity(self.velocity)

    @property
    def pairs(self) -> int:
        """Pairs of shapes that could touch."""
        return self.scene.world.dynamics.model.ncpair

    def _found(self, name: str, column: int) -> int:
        (executor,) = self.scene.world.dynamics.executors  # its work space is as the last run of the one env left it
        return int(executor.space.integers[name][0, column])

    def candidates(self) -> int:
        """Pairs that the broad phase left at the last step."""
        return self._found("candidate_count", 0)

    def contacts(self) -> int:
        return self._found("ncon", 1)

    def iterations(self) -> int:
        """Of the solver at the last step."""
        return self._found("solver_niter", 0)

    def gradient(self) -> torch.Tensor:
        """Of the sum of all heights by the initial velocities, (6 count,)."""
        height = self.bodies.get_qpos().reshape(self.count, 7)[:, 2].sum()
        return torch.autograd.grad(height, self.velocity)[0]
