"""Controls that minimise a cost: gradient methods, iLQR with control limits, Gauss-Newton multiple shooting, MPC.

    cost = gs.tools.Cost(
        stage=lambda trajectory, controls: 1e-3 * controls.square().sum(-1),
        terminal=lambda trajectory: (trajectory.qpos(arm)[-1] - goal).square().sum(-1),
    )
    result = gs.tools.optimize_trajectory(scene, cost, n_steps=100, method="ilqr")
    result.apply(scene)

`problem` states the problem, `cost` what is minimised and its expansion; `direct` (Adam, L-BFGS), `ilqr` and
`multiple_shooting` are the methods, the latter two on the backward pass of `riccati` and the quadratic program of
`box_qp`; `result` is what they return, and `mpc` solves again and again from the present state.
"""

from genesis.tools.trajectory_optimization.cost import Cost, ResidualCost
from genesis.tools.trajectory_optimization.monitor import Iteration
from genesis.tools.trajectory_optimization.mpc import MPC
from genesis.tools.trajectory_optimization.optimize import optimize_trajectory
from genesis.tools.trajectory_optimization.result import OptimizedTrajectory

__all__ = ["MPC", "Cost", "Iteration", "OptimizedTrajectory", "ResidualCost", "optimize_trajectory"]
