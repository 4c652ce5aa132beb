"""What `get_state` returns, and `reset` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from genesis.errors import GenesisException
from genesis.rigid.command import Command
from genesis.world.checkpoint import MAGIC as MAGIC  # how states on disk begin
from genesis.world.welds import renumbered

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.grad.tensor import Tensor
    from genesis.world.past import Past
    from genesis.world.world import World


@dataclass
class RigidEntityState:
    """State of one entity, with gradient.

    Attributes:
        entity_name: which entity
        pos: of the base link's origin [m], world frame, ([n_envs,] 3)
        quat: of the base link (w, x, y, z), world frame, ([n_envs,] 4)
        qpos: generalized positions [m, rad], ([n_envs,] n_qs)
        dofs_vel: velocities of the dofs [m/s, rad/s], ([n_envs,] n_dofs)
    """

    entity_name: str
    pos: Tensor
    quat: Tensor
    qpos: Tensor
    dofs_vel: Tensor

    def detach(self) -> RigidEntityState:
        """The same numbers without graph."""
        parts = (self.pos, self.quat, self.qpos, self.dofs_vel)
        return RigidEntityState(self.entity_name, *(part.detach(sceneless=False) for part in parts))


class RigidSolverState:
    """State of all rigid bodies of a scene, with gradient; what derives from qpos is computed when asked for."""

    def __init__(self, scene: Scene, world: World, packed: torch.Tensor, theta: torch.Tensor, poses: Command) -> None:
        self._scene = scene
        self._world = world
        self._packed = packed
        self._theta = theta
        self._poses = poses  # of the mocap bodies

    @property
    def qpos(self) -> Tensor:
        """Generalized positions [m, rad], ([n_envs,] n_qs)."""
        return self._columns(0, self._world.nq)

    @property
    def dofs_vel(self) -> Tensor:
        """Velocities of the dofs [m/s, rad/s], ([n_envs,] n_dofs)."""
        return self._columns(self._world.nq, self._world.nv)

    @property
    def act(self) -> Tensor:
        """Activations of the actuators that have one, ([n_envs,] na)."""
        return self._columns(self._world.nq + self._world.nv, int(self._world.model.mj_model.na))

    @property
    def control_history(self) -> Tensor:
        """Past controls of the actuators that have a history, one after the other, each from the oldest on,
        ([n_envs,] n)."""
        start = self._world.nq + self._world.nv + int(self._world.model.mj_model.na)
        return self._columns(start, self._world.model.nhistory)

    @property
    def plastic(self) -> Tensor:
        """Where plastic springs rest, in the order of MuJoCo's `mjData.plastic`, ([n_envs,] nplastic)."""
        count = self._world.model.nplastic
        return self._columns(self._packed.shape[1] - count, count)

    @property
    def links_pos(self) -> Tensor:
        """Positions of the links' origins [m], world frame, ([n_envs,] n_links, 3)."""
        return self._world.wrap(self._observed()[0][:, 1:].clone())

    @property
    def links_quat(self) -> Tensor:
        """Orientations of the links (w, x, y, z), world frame, ([n_envs,] n_links, 4)."""
        return self._world.wrap(self._observed()[1][:, 1:].clone())

    def detach(self) -> RigidSolverState:
        """The same numbers without graph."""
        poses = self._poses.detached()
        return RigidSolverState(self._scene, self._world, self._packed.detach(), self._theta.detach(), poses)

    def _columns(self, start: int, count: int) -> Tensor:
        return self._world.wrap(torch.narrow_copy(self._packed, 1, start, count))

    def _observed(self) -> tuple[torch.Tensor, ...]:
        # Not kept: a backward pass through them would leave a freed graph behind.
        return self._world.observe_at(("xpos", "xquat"), self._packed, self._theta, self._poses)


class SimState:
    """State of a scene, as `scene.get_state()` returns it and `scene.reset(state)` takes it; it carries gradients.

    Attributes:
        fingerprint: of the structure of the scene's model: which scenes can be reset to it
        n_envs: of the scene
        cur_step: number of steps that the scene had made
        solvers_state: one state per solver of `scene.solvers`; the rigid solver's is the first
    """

    def __init__(
        self,
        scene: Scene,
        world: World,
        packed: torch.Tensor,
        theta: torch.Tensor,
        placement: Command,
        weld_pairs: Sequence[tuple[int, int]],
        cur_step: int,
        past: Past | None,
    ) -> None:
        self._scene = scene
        self._world = world
        self._packed = packed
        self._theta = theta
        self._past = past  # what sensors that look back see
        self._placement = placement  # where mocap bodies are, and what holds
        self._weld_pairs = tuple(weld_pairs)
        self.fingerprint = world.fingerprint
        self.n_envs = world.n_envs
        self.cur_step = cur_step
        self.solvers_state = [RigidSolverState(scene, world, packed, theta, placement)]

    def __repr__(self) -> str:
        grad = ", with gradient" if self._packed.requires_grad else ""
        return f"<SimState of step {self.cur_step}, n_envs {self.n_envs}, {self._packed.shape[1]} numbers each{grad}>"

    @property
    def scene(self) -> Scene:
        """The scene that it was taken from."""
        return self._scene

    def detach(self) -> SimState:
        """The same numbers without graph."""
        packed, theta, placement = self._packed.detach(), self._theta.detach(), self._placement.detached()
        past = None if self._past is None else self._past.detached()
        return SimState(self._scene, self._world, packed, theta, placement, self._weld_pairs, self.cur_step, past)


def reset_to(state: Any, world: World, owner: str) -> tuple[torch.Tensor, Command, Past | None]:
    """What is packed in `state`, (n_worlds, nq + nv + na), what is placed in it, and what sensors that look back see:
    for a world that can take it.

    Raises GenesisException for what is no state, or does not fit.
    """
    if not isinstance(state, SimState):
        raise GenesisException(f"{owner}: `state` is {state!r}; expected what scene.get_state() returns.")
    if state.fingerprint != world.fingerprint:
        raise GenesisException(
            f"{owner}: `state` is of another scene, whose entities, links or joints differ from this one's."
        )
    if state.n_envs != world.n_envs:
        raise GenesisException(f"{owner}: `state` has n_envs {state.n_envs}; this scene has {world.n_envs}.")
    with_graph = any(x.requires_grad for x in (state._packed, *state._placement.blocks.values()))
    if with_graph and state._world is not world:
        raise GenesisException(
            f"{owner}: `state` carries the graph of another scene; pass state.detach() to take over its numbers."
        )
    if with_graph and not world.requires_grad:
        state = state.detach()
    return state._packed, renumbered(world, state._weld_pairs, state._placement), _past_for(state, world)


def _past_for(state: SimState, world: World) -> Past | None:
    """The past of a state, for a world whose sensors look back as those of its own do; None: they see nothing of it."""
    past = state._past
    if past is None or world.past is None or past.layout != world.past.layout:
        return None
    if state._world is world:
        return past
    from genesis.world.remembering import RememberingWorld

    assert isinstance(state._world, RememberingWorld)
    return past.measured(state._world.measure)
