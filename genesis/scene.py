"""The scene: entities are added, it is built once, then it steps."""

from __future__ import annotations

import itertools
import math
import operator
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from genesis import asset_files, runtime, scene_arguments
from genesis.eager import keep_eager
from genesis.entities import keyframes
from genesis.entities.access import read_scene_parameter, write_scene_parameter
from genesis.entities.drone_entity import DroneEntity
from genesis.entities.kinematic_entity import KinematicEntity
from genesis.entities.place import world_of
from genesis.entities.rigid_entity import RigidEntity
from genesis.entities.rigid_link import RigidLink
from genesis.entities.rigid_solver import RigidSolver
from genesis.entities.rolling import field_of, read_controls
from genesis.entities.simulator import Simulator
from genesis.entities.variants import read_variants
from genesis.errors import GenesisException
from genesis.garbage import not_collected
from genesis.materials import Kinematic, Rigid
from genesis.morphs import Drone, FileMorph, Morph
from genesis.options import RigidOptions, SimOptions, ViewerOptions, VisOptions
from genesis.recorders.recording import Recording
from genesis.rigid.door import refuse_transforms
from genesis.states import SimState, reset_to
from genesis.surfaces import Default, Surface
from genesis.trajectory import Trajectory
from genesis.vis.drawing import Drawing
from genesis.vis.visualizer import Visualizer
from genesis.world.arguments import plain_tensors, select_envs
from genesis.world.catalogue import DENSITY, GRAVITY, VISCOSITY, WIND
from genesis.world.checkpoint import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    import mujoco

    from genesis.entities.base import EntityBase
    from genesis.grad.tensor import Tensor
    from genesis.other_options import ProfilingOptions, SceneOptions
    from genesis.renderers import RendererOptions
    from genesis.sensors.attached.attached import Attached
    from genesis.sensors.attached.options.base import SensorOptions
    from genesis.sensors.attached.sensor import Sensor
    from genesis.sensors.reading import Sensors
    from genesis.world.arguments import Selection
    from genesis.world.world import World

_uids = itertools.count(1)
# Which backward pass of torch runs in this thread; -1: none. Torch's own code (FSDP, checkpointing) asks in this way.
_graph_task = torch._C._current_graph_task_id
_NO_GRAPH_TASK = -1

# Ghosts touch nothing and need no solver.
OF_GHOSTS = RigidOptions(disable_constraint=True)


class Scene(Drawing):
    """Entities, their state, their physical parameters and the commands they are under.

    Args:
        sim_options: time step, substeps, gravity, and whether gradients are recorded (`gs.options.SimOptions`)
        rigid_options: of the rigid-body solver (`gs.options.RigidOptions`)
        vis_options, viewer_options, renderer: kept with the scene; nothing is drawn by this version
        show_viewer: True: a warning, and `scene.viewer` is a stand-in without a window
        kinematic_options, tool_options, mpm_options, sph_options, fem_options, sf_options, pbd_options, avatar_options,
            coupler_options, profiling_options, show_FPS: of what is not here; kept in `scene.options`
        options: all options as one (`gs.options.SceneOptions`), instead of the others

    A scene is used in one order: `add_entity` as often as needed, `build` once, then `step`, `reset` and the entities'
    getters, setters and controls. Anything out of order raises GenesisException.
    """

    def __init__(
        self,
        sim_options: SimOptions | None = None,
        rigid_options: RigidOptions | None = None,
        vis_options: VisOptions | None = None,
        viewer_options: ViewerOptions | None = None,
        show_viewer: bool | None = False,
        show_FPS: bool | None = None,
        options: SceneOptions | None = None,
        **others: Any,
    ) -> None:
        runtime.require_init()
        given = {
            "sim_options": sim_options,
            "rigid_options": rigid_options,
            "vis_options": vis_options,
            "viewer_options": viewer_options,
        }
        self.options: SceneOptions = scene_arguments.read(options, {**given, **others}, show_FPS)
        self._visualizer = Visualizer(self, bool(show_viewer), self.options.viewer)
        if show_viewer:
            runtime.logger.warning("show_viewer=True: this version has no viewer; scene.viewer has no window.")
        self.sim_options: SimOptions = self.options.sim
        self.rigid_options: RigidOptions = self.options.rigid
        self.vis_options: VisOptions = self.options.vis
        self.viewer_options: ViewerOptions = self.options.viewer
        self.uid = next(_uids)
        self._requires_grad = self.sim_options.requires_grad
        self._entities: list[RigidEntity] = []
        self._ghosts: list[KinematicEntity] = []
        self._rigid_solver = RigidSolver(self)
        self._world: World | None = None
        self._sensors: Sensors | None = None
        self._is_destroyed = False
        self._attached: Attached | None = None
        self._recording = Recording(self.sim_options.dt)

    def __copy__(self):
        raise GenesisException(
            "A scene cannot be copied or pickled. scene.get_state() and scene.reset(state) go back in one scene, "
            "scene.save_checkpoint(path) keeps it on disk; build a second scene for a second one."
        )

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __reduce__(self):
        return self.__copy__()

    def __repr__(self) -> str:
        stage = f"built, n_envs {self.n_envs}, step {self.cur_step}" if self._world is not None else "not built"
        return f"<Scene {self.uid}: {len(self._entities)} entities, {stage}>"

    # -- making it ----------------------------------------------------------------------------------------------------

    def add_entity(
        self,
        morph: Morph | Sequence[Morph],
        material: Rigid | Kinematic | None = None,
        surface: Surface | None = None,
        visualize_contact: bool = False,
        vis_mode: str | None = None,
        name: str | None = None,
    ) -> RigidEntity:
        """Add an entity and return its handle.

        Several morphs are variants of one entity: each env has one of them, in blocks of envs of the same size (with
        fewer envs than morphs, env i has the i-th). They share their links and joints.

        `visualize_contact`: whether contact forces are drawn; `vis_mode`: the surface's, "visual", "collision" or
        "sdf". Nothing is drawn by this version. `name`: unique in the scene, without "/"; None: made from the kind of
        morph and its number ("urdf_0").

        Raises GenesisException after `build()`, for a name taken, a wrong type, and a file that does not exist.
        """
        if self._world is not None:
            raise GenesisException("add_entity: the scene is built already; add every entity before build().")
        variants = read_variants(morph)
        morph = variants[0]
        if material is not None and not isinstance(material, (Rigid, Kinematic)):
            raise GenesisException(
                f"add_entity: `material` is {material!r}; expected gs.materials.Rigid(...), Kinematic() or None."
            )
        if surface is not None and not isinstance(surface, Surface):
            raise GenesisException(f"add_entity: `surface` is {surface!r}; expected a gs.surfaces surface or None.")
        if vis_mode is not None:
            surface = (surface or Default()).model_copy(update={"vis_mode": _vis_mode(vis_mode)})
        if name is None:
            name = self._free_name(type(morph).__name__.lower())
        if not isinstance(name, str) or not name or "/" in name:
            raise GenesisException(f'add_entity: `name` is {name!r}; expected text that is not empty and has no "/".')
        if any(entity.name == name for entity in (*self._entities, *self._ghosts)):
            raise GenesisException(f"add_entity: the name {name!r} is taken by another entity of this scene.")
        for one in variants:
            if isinstance(one, FileMorph):
                asset_files.find(one.file)
                if one.convexify is False:
                    runtime.logger.warning(
                        "'%s': convexify=False: a mesh that is not convex collides as convex parts here, not as it is.",
                        name,
                    )
        if len(variants) > 1 and isinstance(material, Kinematic):
            raise GenesisException("add_entity: variants of a kinematic entity are not supported; add one for each.")
        if isinstance(material, Kinematic):
            ghost = KinematicEntity(self, len(self._ghosts), name, morph, material, surface)
            self._ghosts.append(ghost)
            return ghost
        kind = DroneEntity if isinstance(morph, Drone) else RigidEntity
        entity = kind(self, len(self._entities), name, morph, material, surface)
        entity.vary(variants)
        self._entities.append(entity)
        return entity

    def link_entities(
        self,
        parent_entity: RigidEntity,
        child_entity: RigidEntity,
        parent_link_name: str = "",
        child_link_name: str = "",
    ) -> None:
        """Let one entity hang on a link of another, as `child_entity.attach(parent_entity, parent_link_name)`.

        `child_link_name`: its base link, or "".
        """
        if not isinstance(child_entity, RigidEntity) or child_entity.scene is not self:
            raise GenesisException(f"link_entities: `child_entity` is {child_entity!r}; expected one of this scene.")
        child_entity.attach(parent_entity, parent_link_name or None, base_link_name=child_link_name or None)

    def _free_name(self, kind: str) -> str:
        taken = {entity.name for entity in (*self._entities, *self._ghosts)}
        return next(name for k in itertools.count(len(taken)) if (name := f"{kind}_{k}") not in taken)

    def build(
        self,
        n_envs: int = 0,
        env_spacing: tuple[float, float] = (0.0, 0.0),
        n_envs_per_row: int | None = None,
        center_envs_at_origin: bool = True,
    ) -> None:
        """Compile the model and allocate its buffers.

        `n_envs` copies are simulated side by side; with 0, one copy, and no tensor has the axis of the envs.

        `env_spacing` [m], `n_envs_per_row` and `center_envs_at_origin` say how envs are laid out when they are drawn;
        each env keeps its own origin in the simulation. They are kept with the scene.

        Raises GenesisException at a second call, for a bad argument, and for what the model cannot be built from.
        """
        if self._world is not None:
            raise GenesisException("build: the scene is built already; make a new Scene to build another.")
        if self._is_destroyed:
            raise GenesisException("build: the scene was destroyed; make a new Scene.")
        refuse_transforms("scene.build()")
        n_envs = _integer("n_envs", n_envs, 0)
        if n_envs_per_row is not None:
            n_envs_per_row = _integer("n_envs_per_row", n_envs_per_row, 1)
        env_spacing = _spacing(env_spacing)
        runtime.require_init()
        with plain_tensors():
            with not_collected():
                # Only here: they bring MuJoCo and the kernels along.
                from genesis.model.compose import EntitySpec
                from genesis.world.remembering import RememberingWorld, kind_of_world
                from genesis.world.world import build_world

            specs = [
                EntitySpec(e.morph, e.material, e.surface, e.name, e.attachment, e.variants) for e in self._entities
            ]
            world = build_world(self, specs, self.sim_options, self.rigid_options, n_envs, kind_of_world)
            for ghost in self._ghosts:
                alone = [EntitySpec(ghost.morph, None, ghost.surface, ghost.name)]
                ghost.enter(build_world(self, alone, self.sim_options, OF_GHOSTS, n_envs, kind_of_world))
        if self._attached is not None:
            self._attached.build(world)
        self._recording.begin()
        self._world = world
        described = [(f"'{e.name}': ", part) for e in self._entities for part in (e.morph, e.material, e.surface)]
        every = [("", option) for _, option in self.options]
        scene_arguments.tell_of_idle([*every, *described])
        if isinstance(world, RememberingWorld):
            world.measure = self._sensors_of(world).look_back
        runtime.logger.info(
            "Scene %d built: %d entities, %d links, %d dofs, n_envs %d.",
            self.uid,
            len(self._entities),
            world.model.nbody - 1,
            world.nv,
            n_envs,
        )
        keep_eager()
        self.env_spacing, self.n_envs_per_row = env_spacing, n_envs_per_row
        self.center_envs_at_origin = center_envs_at_origin

    def destroy(self) -> None:
        """Let go of the model and its buffers. The scene is not to be used afterwards."""
        self._world = self._sensors = None
        self._is_destroyed = True

    # -- running it ---------------------------------------------------------------------------------------------------

    def step(self, update_visualizer: bool = True, refresh_visualizer: bool = True) -> None:
        """Advance by `dt` under the commands in force; recorded with `requires_grad`, but not under `torch.no_grad()`.

        `update_visualizer=False`: cameras that follow something stay. `refresh_visualizer` is about Genesis's window.

        External forces and torques on links act for one step and are gone after it; other commands hold.

        Raises GenesisException, and keeps the state before the step, when the state after it is not finite or an env
        has more contacts than room for them (on the CPU only: on CUDA the host would have to wait for the device), and
        when it is called while a backward pass runs.
        """
        world = self._built("step")
        if _graph_task() != _NO_GRAPH_TASK:
            raise GenesisException(
                "scene.step: called while a backward pass runs, as torch.utils.checkpoint or a hook does. It would "
                "advance the scene once more, from its present state, and the gradient would be of another motion. A "
                "long horizon needs no checkpointing of torch's: a recorded step keeps its state and controls only."
            )
        command = world.commands.command
        world.step()
        if self._attached is not None:
            self._attached.stepped(command)
        self._recording.stepped(world.cur_step)
        if update_visualizer and self._visualizer.follows:
            self._visualizer.update()

    def rollout(
        self,
        controls: Mapping[RigidEntity | RigidLink, Any] | Any = None,
        control: str = "force",
        *,
        n_steps: int | None = None,
        memory_limit: int | str | None = None,
    ) -> Trajectory:
        """Run many steps as one node of the graph: exactly the loop of `control_*` and `step()`, without the Python.

        `controls`: entity -> one row of controls per step, (T, [n_envs,] n_dofs), or (T, [n_envs,] n_controls); a
        single tensor where one entity is meant. `control`: what they are, "force", "position", "velocity",
        "actuators", or, of drones, "propellers_rpm" (each row acts for its step alone). A mocap link may be a key as
        well: its positions, (T, [n_envs,] 3), or positions and quaternions, (T, [n_envs,] 7). None: the commands in
        force hold for `n_steps` steps. Afterwards the last controls are in force.

        `memory_limit` [bytes, or text as "512MB"]: what may be kept for the backward pass. Without it, and if all
        fits, every state is kept. Else the backward pass computes the steps twice, and the trajectory is not kept; the
        gradient is the same, bit by bit. With a limit the controls are not copied: leave them as they are until then.

        Raises GenesisException, and keeps state and commands, as `step()` does, and for controls that do not fit.
        """
        world = self._built("rollout")
        if _graph_task() != _NO_GRAPH_TASK:
            raise GenesisException("scene.rollout: called while a backward pass runs; it would advance the scene anew.")
        from genesis.grad import rollout

        owner = "scene.rollout"
        self._recording.refuse_rollout(owner)
        if self._attached is not None:
            self._attached.refuse_rollout(owner)
        limit = rollout.read_memory_limit(memory_limit, owner)
        given = read_controls(world, self._entities, controls, control, n_steps, owner, sparing=limit is not None)
        if limit is not None and world.commands.acts_once:
            limit //= 2  # the first step is a run of its own, and the states of both are put together
        plan = rollout.plan(world.dynamics, given.n_steps, limit, owner)
        saved = world.commands.saved()
        try:
            with plain_tensors():
                command = given.install(world)
                final, states, solution = world.roll(command, plan)
        except BaseException:
            world.commands.go_back(saved)
            raise
        world.arrive(final, solution, given.n_steps)
        if self._attached is not None:
            last = rollout.command_of_step(command, 0) if given.n_steps == 1 else world.commands.command
            self._attached.rolled(last, given.n_steps)
        return Trajectory(self._entities, world, world.dynamics, states, world.theta.packed(), given.n_steps, command)

    def linearize(self, control: str = "actuators") -> tuple[Tensor, Tensor]:
        """Exact derivatives `A, B` of the next step at the present state and commands: dx' = A dx + B du.

        `A`: ([n_envs,] 2 nv + na, 2 nv + na), `B`: ([n_envs,] 2 nv + na, nu), of all entities together. A change of
        state is (dq, dv, dact) as `mjd_transitionFD` orders it: rotations of free and ball joints change by a rotation
        vector in the link's frame; past controls of actuators with a history count as activations, behind the others.
        `control`: what `B` is the derivative by: "actuators" (`ctrl`, nu columns), or the "force", "position" or
        "velocity" that dofs are commanded (nv columns). Columns of what is not in force (an actuator that was never
        commanded, a dof that is idle or under another command) are zero. At the limit of a clipped
        control or a contact that is about to open, the derivative is the one-sided one of a backward pass.

        Neither has a graph. Steps with substeps or RK4 cost more: one adjoint of the whole step per row.

        Raises GenesisException when the step diverges, or an env has more contacts than room.
        """
        world = self._built("linearize")
        field = field_of(control, "scene.linearize")
        refuse_transforms("scene.linearize()")
        by_state, by_control = world.linearize(field)
        return world.wrap(by_state), world.wrap(by_control)

    def reset(self, state: SimState | None = None, envs_idx: Any = None, *, keyframe: str | None = None) -> None:
        """Back to the state at build, or to `state` with its gradient; the graph of what was is dropped.

        `keyframe`: the name of a keyframe of model files, as "home": every entity that has one of this name goes there,
        with its controls (`ctrl`) in force, as in MuJoCo; the others, and mocap bodies, are as at build. See
        `entity.get_keyframe`.

        Commands are cleared. Mocap bodies, welds made at run time and the switches of equality constraints belong to
        the state: they are as they were at `state`, or as the files have them. Physical parameters stay as they were
        set. With `envs_idx`, only these envs; the step counter is put to zero when all are.

        Raises GenesisException, and changes nothing, for a `state` that is none or does not fit this scene, a keyframe
        that no entity has, both at once, and a bad index.
        """
        world = self._built("reset")
        refuse_transforms("scene.reset()")
        envs = select_envs(world, envs_idx, "scene.reset", unique=True)
        if keyframe is not None:
            if state is not None:
                raise GenesisException("scene.reset: `state` and `keyframe` are given; pass one of them.")
            self._reset_to_keyframe(world, keyframe, envs, envs_idx)
        elif state is None:
            for one in (world, *(ghost.own_world for ghost in self._ghosts)):
                one.reset(one.start, envs)
        else:
            target, placement, past = reset_to(state, world, "scene.reset")
            world.reset(target, envs, placement)
            if past is not None:
                world.recall(past, envs)
        if self._attached is not None:
            self._attached.reset(envs)
        self._recording.reset()

    def _reset_to_keyframe(self, world: World, name: str, envs: Selection | None, envs_idx: Any) -> None:
        found = keyframes.find(world, self._entities, name, "scene.reset")
        target = world.start.clone()
        for entity, keyframe in found:
            place = world.composed.entities[entity.idx]
            acts = world.nq + world.nv + place.act_start, world.nq + world.nv + place.act_end
            target[:, place.q_start : place.q_end] = keyframe.qpos
            target[:, world.nq + place.dof_start : world.nq + place.dof_end] = keyframe.qvel
            target[:, acts[0] : acts[1]] = keyframe.act
            target[:, target.shape[1] - world.model.nplastic + keyframe.plastic_places] = keyframe.plastic
        world.reset(target, envs)
        for entity, keyframe in found:
            entity.control_actuators(keyframe.ctrl, envs_idx=envs_idx)

    def detach(self) -> None:
        """Cut the graph here (truncated backpropagation): later losses do not reach earlier steps and commands.

        Physical parameters stay attached to the tensors they were set from.
        """
        world = self._built("detach")
        refuse_transforms("scene.detach()")
        for one in (world, *(ghost.own_world for ghost in self._ghosts)):
            one.detach()
        if self._attached is not None:
            self._attached.detach()

    def get_state(self) -> SimState:
        """The present state, with gradient (not under `torch.no_grad()`); `reset(state)` returns to it."""
        world = self._built("get_state")
        packed, theta, placement = world.read_state(), world.theta.packed(), world.commands.idle
        state = SimState(self, world, packed, theta, placement, world.model.weld_pairs, world.cur_step, world.past)
        if torch.is_grad_enabled():
            return state
        with plain_tensors():
            return state.detach()

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write state, parameters, commands and step counter to a file, which appears whole or not at all.

        A symbolic link stays one: the file that it points to is written. Permissions of a file that is there are kept.

        Raises GenesisException, and writes nothing, when `path` is a directory, a device, a pipe or write-protected,
        when the state is not finite, and when positions or velocities are above 1e10, where MuJoCo too takes a
        simulation for diverged.
        """
        world = self._built("save_checkpoint")
        refuse_transforms("scene.save_checkpoint()")
        save_checkpoint(world, _path("save_checkpoint", path))

    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Continue from a file of `save_checkpoint` of the same scene, exactly; no graph leads to what is restored.

        Raises GenesisException, and leaves the scene as it is, for a missing, truncated, changed or pickled file, and
        for one of another scene, number of envs, precision, time step or integrator.
        """
        world = self._built("load_checkpoint")
        refuse_transforms("scene.load_checkpoint()")
        load_checkpoint(world, _path("load_checkpoint", path))
        if self._attached is not None:
            self._attached.reset(None)

    def set_gravity(self, gravity: Any, envs_idx: Any = None) -> None:
        """Set the acceleration of gravity [m/s^2], world frame, (3,) or (n_envs, 3); it outlives `reset()`."""
        write_scene_parameter(self._built("set_gravity"), GRAVITY, gravity, envs_idx, "scene.set_gravity")

    def get_gravity(self, envs_idx: Any = None) -> Tensor:
        """The acceleration of gravity in force [m/s^2], world frame, ([n_envs,] 3)."""
        return read_scene_parameter(self._built("get_gravity"), GRAVITY, envs_idx, "scene.get_gravity")

    def set_fluid_density(self, density: Any, envs_idx: Any = None) -> None:
        """Set the density of the fluid around all bodies [kg/m^3], a number or (n_envs,); 0: none."""
        write_scene_parameter(self._built("set_fluid_density"), DENSITY, density, envs_idx, "scene.set_fluid_density")

    def get_fluid_density(self, envs_idx: Any = None) -> Tensor:
        """The density of the fluid [kg/m^3], ([n_envs])."""
        return read_scene_parameter(self._built("get_fluid_density"), DENSITY, envs_idx, "scene.get_fluid_density")

    def set_fluid_viscosity(self, viscosity: Any, envs_idx: Any = None) -> None:
        """Set the viscosity of the fluid [Pa s], a number or (n_envs,); 0: none."""
        owner = "scene.set_fluid_viscosity"
        write_scene_parameter(self._built("set_fluid_viscosity"), VISCOSITY, viscosity, envs_idx, owner)

    def get_fluid_viscosity(self, envs_idx: Any = None) -> Tensor:
        """The viscosity of the fluid [Pa s], ([n_envs])."""
        owner = "scene.get_fluid_viscosity"
        return read_scene_parameter(self._built("get_fluid_viscosity"), VISCOSITY, envs_idx, owner)

    def set_wind(self, wind: Any, envs_idx: Any = None) -> None:
        """Set the velocity of the fluid [m/s], world frame, (3,) or (n_envs, 3); without a fluid, without effect."""
        write_scene_parameter(self._built("set_wind"), WIND, wind, envs_idx, "scene.set_wind")

    def get_wind(self, envs_idx: Any = None) -> Tensor:
        """The velocity of the fluid [m/s], world frame, ([n_envs,] 3)."""
        return read_scene_parameter(self._built("get_wind"), WIND, envs_idx, "scene.get_wind")

    # -- sensors ------------------------------------------------------------------------------------------------------

    def add_sensor(self, sensor_options: SensorOptions) -> Sensor:
        """Attach a sensor, as `gs.sensors.IMU(entity_idx=robot.idx)`, and return it; see the page on attached sensors.

        Raises GenesisException after `build()`, for what describes no sensor, and for an entity that is not there.
        """
        if self._world is not None:
            raise GenesisException("add_sensor: the scene is built already; add every sensor before build().")
        from genesis.sensors.attached.attached import Attached  # only here, for programs without any

        attached = self._attached or Attached(self.start_recording)
        sensor = attached.add(sensor_options, len(self._entities))
        self._attached = attached
        return sensor

    @property
    def sensors(self) -> list[Sensor]:
        """The attached sensors, in the order in which they were added."""
        return [] if self._attached is None else list(self._attached.sensors)

    def read_sensors(self, envs_idx: Any = None) -> dict[int, Tensor]:
        """What all attached sensors measured: kind (`gs.sensors.types.IMU`, ...) -> ([n_envs,] [history,] numbers),
        those of the sensors of that kind one after the other, ordered by entity."""
        world = self._built("read_sensors")
        envs = select_envs(world, envs_idx, "scene.read_sensors", unique=False)
        found = {} if self._attached is None else self._attached.read_all()
        return {kind: _of_envs(world, values, envs) for kind, values in found.items()}

    # -- recording ----------------------------------------------------------------------------------------------------

    def start_recording(self, data_func: Any, rec_options: Any = None) -> Any:
        """Record what `data_func()` returns after each step, as `gs.recorders.NPZFile(filename="run.npz")` says.

        Recording begins with `build()` and ends with `stop_recording()`. Raises GenesisException after `build()`, and
        for what describes no recorder.
        """
        if self._world is not None:
            raise GenesisException(
                "start_recording: the scene is built already; ask for every recording before build()."
            )
        return self._recording.add(data_func, rec_options)

    add_recorder = start_recording

    def stop_recording(self) -> None:
        """End every recording and write what is left to be written. Raises GenesisException before `build()`."""
        self._built("stop_recording")
        self._recording.stop()

    # -- sensors of model files ---------------------------------------------------------------------------------------

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors that the model files define, "entity/sensor"; a nameless one is called by its number."""
        return self._sensors_of(self._built("sensor_names")).names

    def get_sensor_data(
        self, name: str | None = None, entity: EntityBase | None = None, envs_idx: Any = None
    ) -> Tensor | dict[str, Tensor]:
        """What the sensors of the model files measure: a dictionary by `sensor_names`, ([n_envs,] dim) each, or the
        values of the one called `name`. With an `entity`, of its sensors only, by their names in its file.

        The values are those of the present state under the present commands: MuJoCo's `sensordata` after `mj_forward`
        with this state and these controls. (After `mj_step`, MuJoCo's are those of the state before the step.) An
        actuator that was never commanded is off; forces of `control_dofs_*` are no actuators'. Noise is not added. They
        are differentiable with respect to everything that led to the state, parameters and commands; which contacts
        there are and what a ray meets is discrete.

        Sensors that are not measured (see the page on sensors) are left out, with a warning once per scene. Raises
        GenesisException for a `name` that there is not, or that is one of those, and an `entity` of another scene.
        """
        owner = "scene.get_sensor_data" if entity is None else f"{getattr(entity, 'name', entity)}.get_sensor_data"
        world = self._built("get_sensor_data")
        if entity is not None and getattr(entity, "scene", None) is not self:
            raise GenesisException(f"{owner}: `entity` is {entity!r}; give one of this scene.")
        envs = select_envs(world, envs_idx, owner, unique=False)
        sensors, of = self._sensors_of(world), None if entity is None else entity.name
        if name is not None:
            return _of_envs(world, sensors.read_one(name, of, owner), envs)
        return {one: _of_envs(world, value, envs) for one, value in sensors.read(of).items()}

    def _sensors_of(self, world: World) -> Sensors:
        if self._sensors is None:
            from genesis.sensors.reading import Sensors  # only here: MuJoCo comes along

            self._sensors = Sensors(world)
        return self._sensors

    def to_mjcf(self, env: int | None = None) -> str:
        """The scene as one MJCF text, with the physical parameters in force: `mujoco` steps it as this scene.

        `env`: whose parameters, where those of the envs differ. Gains of `control_dofs_*`, welds made at run time and
        the state are no part of it. The inverse inertias that scale the softness of constraints are MuJoCo's own, of
        the masses in force, as with `RigidOptions(inverse_weights="follow")`; a warning says where the scene's differ.

        Raises GenesisException for an env that there is not, parameters that differ without `env`, and what MJCF cannot
        say: a size of a mesh or height field that was set, or different dampings of the dofs of one joint.
        """
        world = self._built("to_mjcf")
        if world.variants is not None:
            raise GenesisException(
                "scene.to_mjcf: envs have different variants of an entity, which is more than one model. Build a scene "
                "with the variant that is meant."
            )
        from genesis.model import compose, export

        values = world.theta.values_of_env(env, "scene.to_mjcf")
        text = compose.to_mjcf(world.composed)
        return text if values is None else export.with_parameters(text, world.model, values)

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def entities(self) -> list[RigidEntity]:
        """The entities, in the order in which they were added."""
        return list(self._entities)

    @property
    def kinematic_entities(self) -> list[KinematicEntity]:
        """The entities of `gs.materials.Kinematic`, which no physics knows; they are not among `entities`."""
        return list(self._ghosts)

    def get_entity(self, name: str) -> RigidEntity:
        """The entity of that name, kinematic ones too; raises GenesisException, listing the names, if there is none."""
        every = (*self._entities, *self._ghosts)
        for entity in every:
            if isinstance(name, str) and entity.name == name:
                return entity
        known = ", ".join(repr(entity.name) for entity in every) or "none"
        raise GenesisException(f"get_entity: there is no entity {name!r}. Entities: {known}.")

    @property
    def is_built(self) -> bool:
        """Whether `build()` has been called."""
        return self._world is not None

    @property
    def n_envs(self) -> int:
        """Number of envs; 0 when built without."""
        return 0 if self._world is None else self._world.n_envs

    @property
    def dt(self) -> float:
        """Duration of a step [s]."""
        return self.sim_options.dt

    @property
    def substeps(self) -> int:
        """Integration steps per step."""
        return self.sim_options.substeps

    @property
    def cur_step(self) -> int:
        """Steps made since build, the last full reset or the checkpoint's beginning."""
        return 0 if self._world is None else self._world.cur_step

    @property
    def t(self) -> float:
        """Simulated time [s]: `cur_step * dt`."""
        return self.cur_step * self.dt

    @property
    def show_FPS(self) -> bool:
        """Whether Genesis would print how many steps a second it makes; nothing is printed here."""
        return self.options.profiling.show_FPS

    @property
    def profiling_options(self) -> ProfilingOptions:
        """`options.profiling`."""
        return self.options.profiling

    @property
    def renderer_options(self) -> RendererOptions:
        """`options.renderer`."""
        return self.options.renderer

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are recorded."""
        return self._requires_grad

    @property
    def rigid_solver(self) -> RigidSolver:
        """All rigid bodies as a whole."""
        return self._rigid_solver

    @property
    def sim(self) -> Simulator:
        """Clock, entities and solvers under the names that Genesis's simulator has."""
        return Simulator(self)

    @property
    def solvers(self) -> list[RigidSolver]:
        """The solvers: the rigid solver."""
        return [self._rigid_solver]

    @property
    def mj_model(self) -> mujoco.MjModel:
        """The compiled MuJoCo model, with the numbers of the build: parameters that are set later do not change it."""
        return self._built("mj_model").composed.mj_model

    @property
    def world(self) -> World:
        """What stands below the scene and its entities: for those who extend the simulator."""
        if self._world is None:
            raise GenesisException("scene.world needs the built scene: call scene.build() first.")
        return self._world

    def _built(self, asked_for: str) -> World:
        world = self._world
        if world is None:
            return world_of(self, asked_for)  # which raises
        runtime.require_init()
        return world


def _vis_mode(value: Any) -> str:
    if value not in ("visual", "collision", "sdf"):
        raise GenesisException(f'add_entity: `vis_mode` is {value!r}; expected "visual", "collision", "sdf" or None.')
    return value


def _integer(name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise GenesisException(f"build: `{name}` is {value!r}; expected an integer, at least {least}.")
    return number


def _path(method: str, path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise GenesisException(f"scene.{method}: `path` is {path!r}; expected the path of a file.")
    return os.fspath(path)


def _of_envs(world: World, values: torch.Tensor, envs: Selection | None) -> Tensor:
    """A copy of what a getter read, of the chosen envs."""
    return world.wrap(values.clone() if envs is None else values.index_select(0, envs.tensor()))


def _spacing(value: Any) -> tuple[float, float]:
    """Two finite numbers."""
    try:
        x, y = (float(v) for v in value)
    except (TypeError, ValueError):
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise GenesisException(f"build: `env_spacing` is {value!r}; expected two numbers [m], as (1.0, 1.0).")
    return x, y
