"""Kernels driven without scene or entities: a model, its buffers, and MuJoCo beside them."""

import mujoco
import numpy as np
import torch

from genesis.grad import bridge
from genesis.model.arrays import Model
from genesis.rigid.command import Command, Switches
from genesis.rigid.executors.cpu import CpuDynamics
from genesis.rigid.kernels.constraint.kinds import KINDS

EULER = int(mujoco.mjtIntegrator.mjINT_EULER)
IMPLICIT = int(mujoco.mjtIntegrator.mjINT_IMPLICIT)
IMPLICITFAST = int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
RK4 = int(mujoco.mjtIntegrator.mjINT_RK4)


def compile_model(source: str, integrator: int | None = None, constraints: bool = False) -> mujoco.MjModel:
    """Compile MJCF text or a file; without ``constraints``, they are off."""
    model = mujoco.MjModel.from_xml_string(source) if "<" in source else mujoco.MjModel.from_xml_path(source)
    if not constraints:
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    if integrator is not None:
        model.opt.integrator = integrator
    return model


class Engine:
    def __init__(self, mj_model: mujoco.MjModel, n_worlds: int = 1, substeps: int = 1):
        self.mj_model = mj_model
        self.model = Model(mj_model, KINDS)
        self.dynamics = CpuDynamics(self.model, n_worlds, torch.device("cpu"), substeps)
        self.theta = torch.tensor(self.model.theta_default())[None]
        self.n_worlds = n_worlds

    def random_data(self, rng: np.random.Generator, scale: float = 1.0) -> mujoco.MjData:
        data = mujoco.MjData(self.mj_model)
        mujoco.mj_integratePos(self.mj_model, data.qpos, scale * rng.standard_normal(self.mj_model.nv), 1.0)
        data.qvel[:] = scale * rng.standard_normal(self.mj_model.nv)
        data.act[:] = 0.3 * rng.standard_normal(self.mj_model.na)
        return data

    def state_of(self, data: mujoco.MjData) -> torch.Tensor:
        return torch.tensor(np.concatenate([data.qpos, data.qvel, data.act]))[None]

    def command(self, mode: int = 1, actuators: int = 1, **blocks) -> Command:
        m, n = self.model, self.n_worlds
        active = torch.as_tensor(self.mj_model.eq_active0.astype(np.int32)).expand(n, -1).contiguous()
        return Command(
            Switches(
                torch.full((n, m.nv), mode, dtype=torch.int32),
                torch.full((n, m.nactuator), actuators, dtype=torch.int32),
                active,
            ),
            {(name, 0): torch.as_tensor(block) for name, block in blocks.items()},
        )

    def random_controls(self, data: mujoco.MjData, rng: np.random.Generator, scale: float = 0.3) -> Command:
        """Random forces, wrenches and ctrl, written to ``data`` as well."""
        m = self.mj_model
        data.ctrl[:] = scale * rng.standard_normal(m.nu)
        data.qfrc_applied[:] = scale * rng.standard_normal(m.nv)
        data.xfrc_applied[1:] = scale * rng.standard_normal((m.nbody - 1, 6))
        return self.command(
            dof_force=data.qfrc_applied.copy(), ctrl=data.ctrl.copy(), xfrc=data.xfrc_applied.ravel().copy()
        )

    def step(self, state, command, theta=None, record=False):
        """The next state. The solver starts without a guess, so that the result depends on the arguments alone."""
        theta = self.theta if theta is None else theta
        return bridge.step(self.dynamics, state, theta, command, None, record)[0]

    def fields(self, names, state, command, theta=None) -> list[torch.Tensor]:
        """Any fields of the work space after forward dynamics at ``state``, integers among them; without gradient."""
        state, theta = state.expand(self.n_worlds, -1), self.theta if theta is None else theta
        return self.dynamics.observe(names, theta, command, state.contiguous(), self.dynamics.no_solution())[0]

    def observe(self, names, state, command, theta=None, record=False):
        theta = self.theta if theta is None else theta
        return bridge.observe(self.dynamics, names, state, theta, command, None, record)
