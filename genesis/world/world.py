"""What a built scene is made of: the compiled model, its dynamics, state, parameters, commands and observations.

It stands below the scene and the entities, which are names and index ranges over it, and knows neither. Its attributes
are read and replaced by all that works on a built scene; every check of what a caller gives is made above it, by
:mod:`genesis.world.arguments`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import torch

from genesis import runtime
from genesis.grad import bridge, rollout
from genesis.grad.tensor import Label, Tensor
from genesis.model import histories, plastic
from genesis.model.arrays import Model
from genesis.model.compose import Composed, EntitySpec, compose
from genesis.model.contact import is_disabled
from genesis.rigid import inverse_weights, jacobian
from genesis.rigid.command import Command, Switches
from genesis.rigid.door import refuse_transforms
from genesis.rigid.executors.cpu import CpuDynamics
from genesis.rigid.executors.graph import GraphDynamics
from genesis.rigid.kernels.constraint import kinds
from genesis.rigid.pipeline.workspace import switch_sizes
from genesis.world import gains
from genesis.world.arguments import Selection, kept, plain_tensors, scatter, select_range
from genesis.world.commands import PD_MODES, CommandBuffer
from genesis.world.layout import dof_layout
from genesis.world.observer import Observer
from genesis.world.theta import Theta
from genesis.world.variants import Differences, differences

if TYPE_CHECKING:
    from genesis.options import RigidOptions, SimOptions
    from genesis.rigid.executors.dynamics import Dynamics
    from genesis.world.past import Past


class World:
    """A compiled model in motion.

    Attributes:
        n_envs: number of envs; 0 when built without
        n_worlds: copies that are simulated, n_envs or 1
        requires_grad: whether gradients are recorded
        dt, substeps: duration of a step [s], and its integration steps
        composed, model, dynamics: the entities as one MuJoCo model; as arrays; what runs its steps
        nq, nv: numbers of a row of qpos, and of dofs
        layouts: of each entity, how its dof positions correspond to its qpos
        fingerprint: of the model's structure
        state: at present (n_worlds, nq + nv + na), with its graph; to be replaced by `set_state`
        start: at build
        solution: where the constraint solver starts, (n_worlds, solution_size), or None; no part of the state
        theta: the values of the physical parameters
        commands: in force
        observer: what derives from the state
        cur_step: steps made
        scene: weak reference to what its tensors are labelled with
        label: makes a plain tensor that nobody else holds a Tensor of that scene
        advance: `bridge.step`; who records the steps puts another function in its place, and in that of `roll`
        past: the last moments, the present one excluded, where sensors look back; to be replaced by `recall`
        variants: what the envs differ in from the start, where entities have variants
    """

    past: Past | None = None
    variants: Differences | None = None

    def __init__(
        self,
        scene: object,
        composed: Composed,
        model: Model,
        dynamics: Dynamics,
        n_envs: int,
        sim_options: SimOptions,
        follows: bool = False,
    ) -> None:
        self.composed, self.model, self.dynamics = composed, model, dynamics
        self.n_envs, self.n_worlds = n_envs, max(n_envs, 1)
        self.nq, self.nv = model.nq, model.nv
        self.requires_grad: bool = sim_options.requires_grad
        self.dt: float = sim_options.dt
        self.substeps: int = sim_options.substeps
        label = Label(scene)
        self.scene, self.label = label.scene, label.put
        self.layouts = [
            dof_layout(composed.mj_model, place.joint_start, place.joint_end, place.joint_names)
            for place in composed.entities
        ]
        self.fingerprint = _fingerprint(composed, model)
        start = torch.zeros(
            (self.n_worlds, model.nq + model.nv + model.na), dtype=runtime.tc_float, device=runtime.device
        )
        start[:, : model.nq] = torch.as_tensor(composed.mj_model.qpos0, dtype=start.dtype, device=start.device)
        kept = np.concatenate([histories.at_rest(composed.mj_model), plastic.at_rest(composed.mj_model)])
        start[:, start.shape[1] - len(kept) :] = torch.as_tensor(kept, dtype=start.dtype, device=start.device)
        self.start = self.state = start
        self.solution: torch.Tensor | None = None
        self.cur_step = 0
        self.commands = CommandBuffer(
            self.n_worlds,
            model.nv,
            model.nactuator,
            torch.as_tensor(model.mj_model.eq_active0.astype(np.int32), device=runtime.device),
            dynamics.at_rest,
        )
        self.observer = Observer(self)
        self.theta = Theta(self, model, self.observer.clear, self._follow if follows else None)
        self.advance: Callable[..., tuple[torch.Tensor, torch.Tensor | None]] = bridge.step
        self._warned_of_dropped_graph = self._warned_of_gains = False
        self._warned_about: set[str] = set()
        self._gains_looked_at: torch.Tensor | None = None
        self._at_start: Dynamics | None = None  # what observes the model at its start, for the inverse weights

    def differ(self, found: Differences) -> None:
        """Let the envs differ from the start: what entities with variants are in each."""
        self.variants = found
        start = self.start.clone()
        start[:, : self.nq] = torch.as_tensor(found.qpos, dtype=start.dtype, device=start.device)
        self.start = self.state = start
        self.theta.differ(found.theta, found.present)
        self._require_features()

    def _require_features(self) -> None:
        """Make room for what the parameters in force ask for."""
        if self.theta.has_friction_loss():
            self.dynamics.require_constraints()
        for feature in self.theta.features():
            self.dynamics.require_feature(feature)

    def _follow(self, theta: torch.Tensor) -> torch.Tensor:
        """Parameters (P, ntheta) with the inverse weights that follow from them, with gradient."""
        model, rows = self.model, theta.shape[0]
        if self._at_start is None or self._at_start.n_worlds != rows:
            self._at_start = self.dynamics.resized(rows)
        switches = (
            torch.zeros((rows, n), dtype=torch.int32, device=theta.device) for n in switch_sizes(model).values()
        )
        command, state = Command(Switches(*switches)), self.start[:1].expand(rows, -1).contiguous()
        observed = bridge.observe(
            self._at_start, inverse_weights.OBSERVED, state, theta, command, None, theta.requires_grad
        )
        return inverse_weights.put(model, theta, inverse_weights.inverse_weights(model, theta, list(observed)))

    # -- running it ---------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One step under the commands in force; where it raises GenesisException, as `bridge.step`, nothing changes."""
        commands = self.commands
        if commands.asks_for_gains or self.theta.has_new_gains:
            self._look_at_gains("scene.step()")
        record = self.requires_grad and torch.is_grad_enabled()
        theta = self.theta.packed_of_envs()
        if torch.is_inference_mode_enabled():
            with plain_tensors():
                self.state, self.solution = self.advance(
                    self.dynamics, self.state, theta, commands.command, self.solution, False, self.cur_step
                )
        else:
            self.state, self.solution = self.advance(
                self.dynamics, self.state, theta, commands.command, self.solution, record, self.cur_step
            )
        self.cur_step += 1
        self.observer.clear()
        commands.end_step()

    def roll(
        self, command: Command, plan: rollout.Plan
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Many steps from the present state: final state, every state if they are kept, and the solver's solution.

        Nothing of the world changes; `arrive` puts it there.
        """
        if self.commands.asks_for_gains or self.theta.has_new_gains:
            self._look_at_gains("scene.rollout()")
        state, parts, guess = self._roll_pieces(self._pieces(command, plan))
        return state, self._joined(parts) if plan.keeps_all else None, guess

    def _pieces(self, command: Command, plan: rollout.Plan) -> list[tuple[Command, rollout.Plan]]:
        if self.commands.acts_once and plan.n_steps > 1:
            return rollout.split_off_first_step(command, plan, self.commands.after_step)
        return [(command, plan)]

    def _roll_pieces(
        self, pieces: list[tuple[Command, rollout.Plan]]
    ) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor | None]:
        record = self.requires_grad and torch.is_grad_enabled()
        theta = self.theta.packed_of_envs()
        state, guess, index = self.state, self.solution, self.cur_step
        parts: list[torch.Tensor] = []
        for part, part_plan in pieces:
            state, states, guess = rollout.rollout(self.dynamics, state, theta, part, guess, part_plan, record, index)
            index += part_plan.n_steps
            parts.append(states)
        return state, parts, guess

    @staticmethod
    def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
        return parts[0] if len(parts) == 1 else torch.cat([parts[0], *(part[1:] for part in parts[1:])])

    def arrive(self, state: torch.Tensor, solution: torch.Tensor | None, n_steps: int) -> None:
        """Be where a rollout of `n_steps` has led."""
        self.state = state
        self.solution = solution if self.model.constrained else None
        self.cur_step += n_steps
        self.observer.clear()
        self.commands.end_step()

    def _look_at_gains(self, owner: str) -> None:
        """Warns, once per scene, of commands whose gains cannot be stable at this time step, in the present pose."""
        refuse_transforms(owner)
        commands, theta = self.commands, self.theta
        anew = commands.asks_for_gains
        commands.asks_for_gains = theta.has_new_gains = False
        mode = commands.command.switches.mode
        if self._warned_of_gains or not any(bool((mode == one).any()) for one in PD_MODES):
            return
        with torch.no_grad(), plain_tensors():
            values = theta.packed().detach()
            present = gains.of(self.model, values)
            if not anew and self._gains_looked_at is not None and gains.are_alike(present, self._gains_looked_at):
                return  # a policy may set them before every step
            self._gains_looked_at = present
            (mass,) = bridge.observe(self.dynamics, ("qM",), self.state, values, commands.idle, None, False)
            dofs = gains.unstable_dofs(self.model, mode, mass, values)
        if dofs:
            self._warned_of_gains = True
            runtime.logger.warning(gains.warning(self.model, dofs))

    def linearize(self, field: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Derivatives of the next step in its tangent space, by the state and by a control field.

        (n_worlds, 2 nv + na, 2 nv + na) and (n_worlds, 2 nv + na, width of the field), without graph. Raises
        GenesisException when the step diverges, or an env has more contacts than room.
        """
        dynamics = self.dynamics
        with torch.no_grad(), plain_tensors(), dynamics.lock:
            found = jacobian.of_step(dynamics, self.theta.packed(), self.commands.command, self.read_state(), field)
            bridge.require_slots(dynamics, found.crowded)
            if found.diverged:
                raise bridge.diverged(found.diverged, "the step that was linearised")
        return found.state, found.control

    # -- its state ----------------------------------------------------------------------------------------------------

    def read_state(self) -> torch.Tensor:
        """The present state. On CUDA, where step() does not wait for it, this is where lost contacts are noticed."""
        bridge.require_slots_of_cuda(self.dynamics)
        return self.state

    def set_state(self, state: torch.Tensor) -> None:
        """Another state, (n_worlds, nq + nv + na), with its graph."""
        refuse_transforms("a setter of the state")
        self.state = kept(state)
        self.observer.clear()

    def reset(self, target: torch.Tensor, envs: Selection | None, placement: Command | None = None) -> None:
        """Put these envs (None: all) to the `target`, (n_worlds, nq + nv + na), under no commands; mocap bodies, welds
        and switches as in `placement` (`commands.idle` at some time), None: as at build."""
        self.theta.warn_of_stale_values()
        self.theta.refresh()
        if envs is None:
            self.cur_step = 0
            self.solution = None
            self.dynamics.forget_lost_contacts()
            if placement is None:
                self.commands.clear()
            else:
                self.commands.restore(placement)
            self.set_state(target)
            return
        if self.solution is not None:
            self.solution = kept(self.solution.index_fill(0, envs.tensor(), 0.0))
        self.dynamics.forget_lost_contacts(envs.tensor())
        self.commands.place_envs(envs, placement)
        columns = select_range(target.shape[1], 0, target.shape[1])
        self.set_state(scatter(self.state, envs, columns, target.index_select(0, envs.tensor())))

    def recall(self, past: Past, envs: Selection | None = None) -> None:
        """Put these envs (None: all) into another past; nothing, where no sensor looks back."""

    def detach(self) -> None:
        """Cut the graph of state and commands; parameters stay attached to the tensors they were set from."""
        self.commands.detach()
        self.theta.warn_of_stale_values()
        self.theta.refresh()
        self.set_state(self.state.detach())

    def restore(
        self,
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        solution: torch.Tensor,
        cur_step: int,
    ) -> None:
        """Take over a checkpoint that has been checked."""
        self.theta.replace(theta)
        self._require_features()
        self.dynamics.forget_lost_contacts()
        self.solution = solution if solution.shape[-1] == self.dynamics.solution_size else None
        self.commands.restore(command)
        self.cur_step = cur_step
        self.set_state(state)

    # -- what is read of it -------------------------------------------------------------------------------------------

    def observe_at(
        self, names: tuple[str, ...], state: torch.Tensor, theta: torch.Tensor, poses: Command
    ) -> tuple[torch.Tensor, ...]:
        """Quantities, as `bridge.observe` names and shapes them, of any state (n_worlds, ...), with mocap bodies where
        `commands.idle` of then had them."""
        record = self.requires_grad and torch.is_grad_enabled()
        with plain_tensors():
            return bridge.observe(self.dynamics, names, state, theta, poses, None, record)

    def is_disabled(self, name: str) -> bool:
        """Whether a flag of mjtDisableBit (without its prefix) is set, or constraints are disabled as a whole."""
        return is_disabled(self.composed.mj_model, name)

    def wrap(self, values: torch.Tensor) -> Tensor:
        """What a getter returns: the axis of the envs dropped where there are none, labelled with the scene."""
        return self.label(values[0] if self.n_envs == 0 else values)

    def geom_type(self, geom: int) -> str:
        """The shape of a geom, by its number in the scene: "plane", "sphere", "capsule", "ellipsoid", ..."""
        kind = mujoco.mjtGeom(int(self.composed.mj_model.geom_type[geom]))
        return kind.name.removeprefix("mjGEOM_").lower()

    def warn_once(self, about: str, message: str) -> None:
        """Log a warning, the first time that it is about this."""
        if about not in self._warned_about:
            self._warned_about.add(about)
            runtime.logger.warning(message)

    def warn_of_dropped_graph(self, owner: str, argument: str) -> None:
        """Say once that a gradient ends at an argument of a method `owner`, for none is recorded."""
        if torch.is_grad_enabled() and not self._warned_of_dropped_graph:
            self._warned_of_dropped_graph = True
            runtime.logger.warning(
                f"{owner}: `{argument}` requires a gradient, and this scene records none: nothing flows back to it. "
                "Build the scene with SimOptions(requires_grad=True). This is said once per scene."
            )


def build_world(
    scene: object,
    specs: Sequence[EntitySpec],
    sim_options: SimOptions,
    rigid_options: RigidOptions,
    n_envs: int,
    kind: Callable[[mujoco.MjModel, int], type[World]],
) -> World:
    """Compile entities to a world of `n_envs` copies (0: one, without the axis of the envs), labelled with `scene`.

    `kind`: the class of the world of a model that is stepped in so many substeps.

    Raises GenesisException for what the model cannot be built from.
    """
    composed = compose(specs, sim_options, rigid_options)
    model = Model(composed.mj_model, kinds.KINDS, rigid_options.max_contacts)
    n_worlds, device = max(n_envs, 1), runtime.device
    substeps, clip = sim_options.substeps, sim_options.gradient_clip
    dynamics: Dynamics
    if device.type == "cpu":
        dynamics = CpuDynamics(model, n_worlds, device, substeps, clip, runtime.num_threads)
    else:
        dynamics = GraphDynamics(model, n_worlds, device, substeps, clip)
    made = kind(composed.mj_model, substeps)
    world = made(scene, composed, model, dynamics, n_envs, sim_options, rigid_options.inverse_weights == "follow")
    if any(spec.variants for spec in specs):

        def compile_alone(others: list[EntitySpec]) -> tuple[Composed, Model]:
            alone = compose(others, sim_options, rigid_options)
            return alone, Model(alone.mj_model, kinds.KINDS, rigid_options.max_contacts)

        world.differ(differences(specs, composed, model, n_envs, compile_alone))
    return world


def _fingerprint(composed: Composed, model: Model) -> str:
    """Hash of a model's structure: names, joints, trees and actuators, without any floating-point number."""
    parts: list[Any] = [
        [p.name, p.link_names, p.joint_names, p.actuator_names, p.link_end, p.joint_end, p.q_end, p.dof_end]
        for p in composed.entities
    ]
    digest = hashlib.sha256(json.dumps(parts).encode())
    for name, values in sorted(model.indices.items()):
        digest.update(f"{name}{values.shape}".encode())
        digest.update(np.ascontiguousarray(values, dtype="<i4").tobytes())
    return digest.hexdigest()
