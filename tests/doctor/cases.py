"""What the tests of the gradient doctor share: a pendulum, a gradient that is wrong, and the one fault of a report."""

import torch

from tests.scenes import build

PENDULUM = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping="{damping}"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
      <body name="lower" pos="0 0 -0.3">
        <joint name="elbow" axis="0 1 0" damping="{damping}"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
N_STEPS = 20


class Doubled(torch.autograd.Function):
    """The same numbers, with a gradient that is wrong by a factor of two."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return 2.0 * grad


def pendulum(n_envs=0, damping=0.05, **options):
    return build(PENDULUM.format(damping=damping), n_envs=n_envs, **options)


def random_controls(*shape):
    return (0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))).requires_grad_()


def stepped(scene, robot, controls, before_step=None):
    """The usual loop; `before_step(t)` may do something on the way."""
    scene.reset()
    for t, row in enumerate(controls):
        if before_step is not None:
            before_step(t)
        robot.control_dofs_force(row)
        scene.step()


def only(report, kind):
    """The one finding of the report that is a fault, which must be of this kind."""
    faults = [finding for finding in report.findings if finding.fault]
    assert [finding.kind for finding in faults] == [kind], str(report)
    assert not report.ok
    return faults[0]
