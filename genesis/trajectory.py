"""What `scene.rollout` returns."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import files
from genesis.errors import GenesisException
from genesis.world.arguments import plain_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genesis.entities.rigid_entity import RigidEntity
    from genesis.grad.tensor import Tensor
    from genesis.rigid.command import Command
    from genesis.rigid.executors.dynamics import Dynamics
    from genesis.world.world import World


class Trajectory:
    """The states of a rollout, the first one included, each differentiable with respect to all that led to it.

    Every tensor is (T + 1, [n_envs,] ...), velocities and accelerations are those of the links' origins.

    Attributes:
        n_steps: T; every tensor has T + 1 states along its first axis
        dt: duration of a step [s]
    """

    def __init__(
        self,
        entities: Sequence[RigidEntity],
        world: World,
        dynamics: Dynamics,
        states: torch.Tensor | None,
        theta: torch.Tensor,
        n_steps: int,
        command: Command,
        always_envs: bool = False,
    ) -> None:
        self._entities, self._world = list(entities), world
        self._dynamics, self._states, self._theta = dynamics, states, theta
        self._command, self.n_steps, self.dt = command, n_steps, world.dt
        self._has_envs = always_envs or world.n_envs > 0
        # Under a memory limit the controls are the caller's own tensors.
        self._versions = [(block, block._version) for block in command.blocks.values()]

    def __repr__(self) -> str:
        about = f"Trajectory of {self.n_steps} steps, n_envs {self._world.n_envs}"
        if self._states is None:
            return f"<{about}, states not kept>"
        return f"<{about}, reads {', '.join(f'{name}()' for name in _READS)}>"

    def qpos(self, entity: RigidEntity | None = None) -> Tensor:
        """Generalized positions [m, rad], (T + 1, [n_envs,] n_qs)."""
        start, count = self._range("qpos", entity, "q")
        return self._wrap(torch.narrow_copy(self._kept("qpos"), 2, start, count))

    def dofs_velocity(self, entity: RigidEntity | None = None) -> Tensor:
        """Velocities of the dofs [m/s, rad/s], (T + 1, [n_envs,] n_dofs)."""
        start, count = self._range("dofs_velocity", entity, "dof")
        return self._wrap(torch.narrow_copy(self._kept("dofs_velocity"), 2, self._world.nq + start, count))

    def dofs_position(self, entity: RigidEntity | None = None) -> Tensor:
        """Positions of the dofs [m, rad], (T + 1, [n_envs,] n_dofs); rotations as Euler angles."""
        start, count = self._range("dofs_position", entity, "q")
        qpos = torch.narrow_copy(self._kept("dofs_position"), 2, start, count)
        layout = self._world.layouts[0 if entity is None else entity.idx]
        with plain_tensors():
            return self._wrap(layout.position(qpos))

    def plastic(self, entity: RigidEntity | None = None) -> Tensor:
        """Where plastic springs rest, of the joints and then of the tendons, (T + 1, [n_envs,] n): a joint's position
        [rad, m], a ball joint's quaternion, a tendon's range [m] (MuJoCo: `mjData.plastic`)."""
        from genesis.model import plastic

        self._range("plastic", entity, "q")
        model, states = self._world.model, self._kept("plastic")
        ranges = self._world.composed.entities[0 if entity is None else entity.idx]
        joints, tendons = (
            slice(getattr(ranges, f"{kind}_start"), getattr(ranges, f"{kind}_end")) for kind in ("joint", "tendon")
        )
        first = states.shape[2] - model.nplastic
        places = [first + int(place) for place in plastic.of_parts(model.mj_model, joints, tendons)]
        return self._wrap(states[..., places])

    def links_pos(self, entity: RigidEntity | None = None) -> Tensor:
        """Positions of the links' origins [m], world frame, (T + 1, [n_envs,] n_links, 3)."""
        return self._links("links_pos", entity, "xpos", slice(None))

    def links_quat(self, entity: RigidEntity | None = None) -> Tensor:
        """Orientations of the links (w, x, y, z), unit, world frame, (T + 1, [n_envs,] n_links, 4)."""
        return self._links("links_quat", entity, "xquat", slice(None))

    def links_vel(self, entity: RigidEntity | None = None) -> Tensor:
        """Velocities of the links' origins [m/s], world frame, (T + 1, [n_envs,] n_links, 3)."""
        return self._links("links_vel", entity, "xvel", slice(0, 3))

    def links_ang(self, entity: RigidEntity | None = None) -> Tensor:
        """Angular velocities of the links [rad/s], world frame, (T + 1, [n_envs,] n_links, 3)."""
        return self._links("links_ang", entity, "xvel", slice(3, 6))

    def links_acc(self, entity: RigidEntity | None = None) -> Tensor:
        """Accelerations of the links' origins [m/s^2], world frame, (T + 1, [n_envs,] n_links, 3).

        Each under the controls of its step, the last under the last controls; as `entity.get_links_acc()`.
        """
        start, count = self._range("links_acc", entity, "link")
        values = self._observe_acceleration()
        return self._wrap(values[:, :, start + 1 : start + 1 + count, :3].clone())

    def save(self, path: str | PathLike[str]) -> None:
        """Write the states to an .npz file, which appears whole or not at all: numbers without gradient.

        Arrays: `time` (T + 1,) [s], and of each entity that moves, by its name, `arm.qpos` and `arm.dofs_velocity`,
        (T + 1, [n_envs,] n). Without envs, `gs.tools.Log.read` takes it for a recording.

        Raises GenesisException for another ending, a file that cannot be written, and states that were not kept.
        """
        if not isinstance(path, (str, PathLike)) or not str(fspath(path)).endswith(".npz"):
            raise GenesisException(f"trajectory.save: `path` is {path!r:.80}; expected a name that ends in .npz.")
        arrays: dict[str, Any] = {"time": self.dt * np.arange(self.n_steps + 1)}
        for entity in self._entities:
            if entity.n_qs:
                arrays[f"{entity.name}.qpos"] = self.qpos(entity).detach().cpu().numpy()
                arrays[f"{entity.name}.dofs_velocity"] = self.dofs_velocity(entity).detach().cpu().numpy()
        try:
            files.write_atomically(path, files.to_npz(arrays))
        except OSError as error:
            raise GenesisException(f"trajectory.save: {path} cannot be written ({error.strerror}).") from None

    # -- how ----------------------------------------------------------------------------------------------------------

    def _links(self, method: str, entity: RigidEntity | None, name: str, part: slice) -> Tensor:
        start, count = self._range(method, entity, "link")
        values = self._observe((name,), self._kept(method))[0]
        return self._wrap(values[:, :, start + 1 : start + 1 + count, part].clone())

    def _observe(self, names: tuple[str, ...], states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """At states of the rows of the dynamics, without commands but those that say where something is."""
        from genesis.grad import bridge
        from genesis.rigid.command import POSE_FIELDS, Command

        given, dynamics = self._command, self._dynamics
        switches = given.switches
        switches = switches._replace(
            mode=torch.zeros_like(switches.mode), actuators_on=torch.zeros_like(switches.actuators_on)
        )
        poses = {key: block for key, block in given.blocks.items() if key[0] in POSE_FIELDS}
        idle = Command(switches, poses, given.sequences & poses.keys())
        if idle.sequences:
            return self._observe_each("the poses of its links", names, states, idle)
        with plain_tensors():
            return bridge.observe(dynamics, names, states, self._theta, idle, None, torch.is_grad_enabled())

    def _observe_acceleration(self) -> torch.Tensor:
        """(T + 1, N, nbody, 6)"""
        states = self._kept("links_acc")
        return self._observe_each("accelerations", ("xacc",), states, self._command)[0]

    def _observe_each(
        self, what: str, names: tuple[str, ...], states: torch.Tensor, given: Command
    ) -> tuple[torch.Tensor, ...]:
        """The same under controls: every state is a row of its own, for each has its own."""
        from genesis.grad import bridge
        from genesis.rigid.command import Command, Switches

        if any(block._version != version for block, version in self._versions):
            raise GenesisException(
                f"trajectory: the controls of the rollout have been changed in place since; {what} depend on them. "
                "With `memory_limit` they are not copied: pass u.clone(), or read before the change."
            )
        count, n = states.shape[:2]
        blocks, rows = {}, torch.arange(count, device=states.device).clamp(max=self.n_steps - 1)
        for key, block in given.blocks.items():
            if key in given.sequences:
                block = block[rows]
            elif key[0] == "xfrc":  # acts in the first step only
                first = block.new_zeros((count, *[1] * block.dim()))
                first[0] = 1.0
                block = first * block
            else:
                block = block.expand(count, *block.shape)
            if block.dim() == 2:
                block = block.unsqueeze(1)
            blocks[key] = block.expand(count, n, -1).reshape(count * n, -1)

        def of_rows(values: torch.Tensor) -> torch.Tensor:
            return values.expand(count, n, -1).reshape(count * n, -1)

        command = Command(Switches(*(of_rows(switch) for switch in given.switches)), blocks)
        theta = self._theta if self._theta.shape[0] == 1 else of_rows(self._theta)
        with plain_tensors():
            values = bridge.observe(
                self._dynamics.resized(count * n),
                names,
                states.reshape(count * n, -1),
                theta,
                command,
                None,
                torch.is_grad_enabled(),
            )
        return tuple(value.unflatten(0, (count, n)) for value in values)

    def _kept(self, method: str) -> torch.Tensor:
        if self._states is None:
            raise GenesisException(
                f"trajectory.{method}: the states between were not kept, because they need more than `memory_limit`. "
                "The getters of the scene read the last one; raise the limit to keep all, or roll out in parts."
            )
        return self._states

    def _range(self, method: str, entity: Any, kind: str) -> tuple[int, int]:
        """First column (of the scene) and how many, of what an entity has of links, qs or dofs."""
        entities = self._entities
        if entity is None and len(entities) == 1:
            entity = entities[0]
        if not any(entity is one for one in entities):
            raise GenesisException(
                f"trajectory.{method}: `entity` is {entity!r}; expected one of the scene's entities: "
                f"{', '.join(repr(e.name) for e in entities)}."
            )
        start = getattr(entity, f"{kind}_start")
        return start, getattr(entity, f"{kind}_end") - start

    def _wrap(self, values: torch.Tensor) -> Tensor:
        return self._world.label(values if self._has_envs else values.squeeze(1))


# What a trajectory is asked for, in the order of its definition.
_READS = tuple(
    name
    for name, member in vars(Trajectory).items()
    if callable(member) and not name.startswith("_") and name != "save"
)


def gravity_of(trajectory: Trajectory) -> torch.Tensor:
    """The acceleration of gravity under which a trajectory ran [m/s^2], (1 or N, 3), with its graph."""
    start = trajectory._dynamics.model.theta_fields["gravity"].offset
    return trajectory._theta[..., start : start + 3]
