"""`genesis demo`: optimise a control sequence through the physics of a robot, from rest to a target for one link.

The forces of the joints between the base and the link are free in every step; they start from those that hold the robot
up. The other joints are held in place by position control. The loss at the end of the motion is

    |p - p*|^2 + (SETTLING_TIME |v|)^2        p, v: position [m] and velocity [m/s] of the link, p*: the target

and L-BFGS follows its gradient, which `backward()` carries through every step of the simulation to every force.
Contacts, joint limits and friction loss are left out.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import genesis as gs
from genesis import files, runtime
from genesis.errors import GenesisException

DT = 0.01  # [s]
SETTLING_TIME = 0.1  # [s] weighs the link's velocity at the end against its distance from the target
HISTORY = 20  # steps from which the optimiser estimates the curvature
MAX_EVALUATIONS = 25  # of the loss, in one step of the optimiser
DIVERGED = 1e3  # what a motion that diverges counts as, in units of the first loss
HOLDING_BANDWIDTH = 20.0  # [rad/s] of the position control of the joints that do not move the link
DEFAULT_SHIFT = (
    0.3  # the default target: joints that move the link turned by this [rad], or by this part of their range
)
LEAST_DISTANCE = 1e-3  # [m] of the default target from where the link is
LIMIT_MARGIN = 0.05  # part of a joint's range that the pose at rest keeps from its ends

PANDA_LINK = "panda_hand"
# The pose in which the manufacturer's own programs start, fingers half open [rad, m].
PANDA_REST = (0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4, 0.02, 0.02)


def run(
    robot_file: Path | None,
    link_name: str | None,
    target: Sequence[float] | None,
    n_steps: int,
    n_epochs: int,
    directory: Path,
) -> int:
    """Runs the demo, reports on standard output, and returns the exit code: 0 if the loss fell.

    Args:
        robot_file: URDF or MJCF; None for the Franka Panda that comes with the package
        link_name: the link to move; None for the Panda's hand, or the end of the robot's longest chain
        target: where the link's origin shall be, world frame [m], shape (3,); None for a place that it can reach
        n_steps: steps of `DT`
        n_epochs: gradient steps
        directory: where `controls.npz` and `plot.png` are written; made if it is missing

    Raises:
        GenesisException: a file that cannot be loaded, an unknown link, a link that no joint moves, a directory that
            cannot be written, or matplotlib missing.
    """
    _require_matplotlib()
    _make_directory(directory)
    if not runtime.is_initialized():
        # 64 bits cost no time here, and the loss falls by ten orders of magnitude.
        gs.init(backend=gs.cpu, precision="64", logging_level="warning")
    task = Task(robot_file, link_name, target, n_steps)
    print(task.describe())
    forces, losses = optimise(task, n_epochs)
    motion = task.record(forces)
    result = Result(task, forces.numpy(force=True), losses, motion)
    print(f"loss before: {result.loss_before:.3e}   after: {result.loss_after:.3e}   (factor {result.factor:.1e})")
    print(f"the link ends {1e3 * result.distance:.2f} mm from its target")
    print(f"controls: {result.save(directory / 'controls.npz')}")
    print(f"plot:     {result.plot(directory / 'plot.png')}")
    return 0 if result.loss_after < result.loss_before else 1


def _require_matplotlib() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise GenesisException(
            "the demo draws with matplotlib, which is not installed: pip install 'genesis-grad[demo]'."
        )


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenesisException(f"cannot make the directory '{directory}' for the results: {error.strerror}.") from None


def panda_file() -> Path:
    """The Franka Panda's URDF: in the package when it is installed, else in the examples beside it."""
    here = Path(__file__).resolve().parent
    places = (here / "assets" / "panda.urdf", here.parent / "examples" / "assets" / "panda.urdf")
    for place in places:
        if place.is_file():
            return place
    raise GenesisException(
        f"the package is incomplete: neither '{places[0]}' nor '{places[1]}' exists. Install it again."
    )


# ------------------------------------------------------------------ the task


@dataclass(frozen=True)
class Motion:
    """What the robot does under a sequence of forces: qpos (T + 1, nq), path of the link (T + 1, 3) [m], the loss."""

    qpos: np.ndarray
    path: np.ndarray
    loss: float


class Task:
    """A robot at rest in a scene, the forces that may move it, and the loss of where they bring its link.

    Attributes:
        driven: local indices of the dofs whose forces are free, (n,)
        held: local indices of the dofs under position control
        dof_names: names of the driven dofs
        q_of_dof: local index of the q of each hinge or slide, by local index of its dof
        hold: forces that carry the weight of the robot at rest, (n,) [N m or N]
        unit: force that accelerates each driven dof through 1 rad (or 1 m) within the motion, (n,)
        force_range: (n, 2), lower and upper
        target: (3,), world frame [m]
    """

    def __init__(
        self, robot_file: Path | None, link_name: str | None, target: Sequence[float] | None, n_steps: int
    ) -> None:
        self.file = panda_file() if robot_file is None else robot_file
        self.n_steps = n_steps
        self.scene = gs.Scene(
            sim_options=gs.options.SimOptions(dt=DT, requires_grad=True),
            rigid_options=gs.options.RigidOptions(
                # Stable for any stiffness of the position control of the held joints.
                integrator=gs.integrator.implicitfast,
                # Free motion, so that a robot of any shapes will do: some have no closed-form contact.
                disable_constraint=True,
            ),
        )
        self.robot = self.scene.add_entity(_morph(self.file), name="robot")
        self.scene.build()
        self._tree = _Tree(self.robot)
        self.q_of_dof = self._tree.q_of_dof()
        if link_name is None and robot_file is None:
            link_name = PANDA_LINK
        self.link = self._tree.longest_chain() if link_name is None else self.robot.get_link(link_name)
        self._find_dofs()
        self._go_to_rest(PANDA_REST if robot_file is None else None)
        self._prepare_forces()
        self.target = self._reachable_point() if target is None else torch.tensor(target, device=gs.device)
        if not torch.isfinite(self.target).all():
            raise GenesisException(f"the target {list(target or ())} is not a place: give three finite numbers [m].")

    def describe(self) -> str:
        """Two lines that say what is being done."""
        with torch.no_grad():
            start = self.link.get_pos().tolist()
        shown = ["(" + ", ".join(f"{x:.3f}" for x in p) + ") m" for p in (start, self.target.tolist())]
        weightless = ", without gravity since its base is free" if self._tree.floats else ""
        return (
            f"{self.file.name}: {self.robot.n_links} links, {self.robot.n_dofs} dofs{weightless}\n"
            f"link '{self.link.name}' from {shown[0]} to {shown[1]} in {self.n_steps} steps of {DT} s, "
            f"by the forces of {len(self.driven)} joints: {self.n_steps * len(self.driven)} unknowns"
        )

    def forces(self, effort: torch.Tensor) -> torch.Tensor:
        """Forces (T, n) of a dimensionless effort (T, n), clipped to the force range. Zero holds the robot up."""
        return torch.clamp(self.hold + self.unit * effort, self.force_range[:, 0], self.force_range[:, 1])

    def simulate(self, forces: torch.Tensor, after_step: Callable[[], None] = lambda: None) -> torch.Tensor:
        """The loss of `forces` (T, n), differentiable; `after_step` is called at the start and after every step."""
        self.scene.reset(self.rest)
        if self.held:
            self.robot.control_dofs_position(self.held_at, self.held)
        after_step()
        for force in forces:
            self.robot.control_dofs_force(force, self.driven)
            self.scene.step()
            after_step()
        distance = self.link.get_pos() - self.target
        return distance.square().sum() + SETTLING_TIME**2 * self.link.get_vel().square().sum()

    def record(self, forces: torch.Tensor) -> Motion:
        """The motion under `forces` (T, n), without gradient."""
        qpos: list[np.ndarray] = []
        path: list[np.ndarray] = []

        def note() -> None:
            qpos.append(self.robot.get_qpos().numpy(force=True))
            path.append(self.link.get_pos().numpy(force=True))

        with torch.no_grad():
            loss = float(self.simulate(forces, note))
        return Motion(np.stack(qpos), np.stack(path), loss)

    # -- preparation

    def _find_dofs(self) -> None:
        self.driven = self._tree.dofs_above(self.link)
        self.held = self._tree.dofs_beside(self.link)
        self.dof_names = [self._tree.dof_name(dof) for dof in self.driven]
        if not self.driven:
            raise GenesisException(
                f"no joint moves the link '{self.link.name}'. Name another with --link: "
                f"{', '.join(self._tree.movable_links()) or 'this robot has no joints'}."
            )

    def _go_to_rest(self, pose: Sequence[float] | None) -> None:
        """Puts the robot where it starts: `pose`, or its own, with every joint moved inside its limits."""
        if self._tree.floats:
            self.scene.set_gravity((0.0, 0.0, 0.0))
        qpos = self.robot.get_qpos().numpy(force=True) if pose is None else np.asarray(pose)
        self.rest_qpos = self._tree.inside_limits(qpos)
        self.robot.set_qpos(torch.as_tensor(self.rest_qpos, dtype=gs.tc_float, device=gs.device))
        self.rest = self.scene.get_state()

    def _prepare_forces(self) -> None:
        weight = self._weight()
        with torch.no_grad():
            inertia = self.robot.get_mass_mat().diagonal()
            self.force_range = torch.stack(self.robot.get_dofs_force_range(self.driven), -1)
            if self.held:
                stiffness = HOLDING_BANDWIDTH**2 * inertia[self.held]
                self.robot.set_dofs_kp(stiffness, self.held)
                self.robot.set_dofs_kv(2 * HOLDING_BANDWIDTH * inertia[self.held], self.held)
                # As far beyond the pose at rest as makes the spring carry the weight.
                self.held_at = self.robot.get_dofs_position(self.held) + weight[self.held] / stiffness
        self.unit = inertia[self.driven] / (self.n_steps * DT) ** 2
        self.hold = weight[self.driven]

    def _weight(self) -> torch.Tensor:
        """Forces that hold the robot up at rest: the gradient of its potential energy, (n_dofs,); 0 at ball joints."""
        qpos = torch.as_tensor(self.rest_qpos, dtype=gs.tc_float, device=gs.device).requires_grad_()
        self.robot.set_qpos(qpos)
        (slope,) = torch.autograd.grad(self.robot.get_potential_energy().sum(), qpos)
        weight = torch.zeros(self.robot.n_dofs)
        for dof, q in self.q_of_dof.items():
            weight[dof] = slope[q]
        self.scene.reset(self.rest)
        return weight

    def _reachable_point(self) -> torch.Tensor:
        """Where the link is when every joint that moves it has turned by `DEFAULT_SHIFT`, from its nearer limit."""
        with torch.no_grad():
            start = self.link.get_pos()
            self.robot.set_dofs_position(self._tree.shifted(self.robot.get_dofs_position(), self.driven))
            point = self.link.get_pos().detach(sceneless=True)
        self.scene.reset(self.rest)
        if (point - start).norm() < LEAST_DISTANCE:
            raise GenesisException(
                f"the joints turn the link '{self.link.name}' in place: give a --target, or another --link."
            )
        return point


def _morph(file: Path) -> Any:
    suffix = file.suffix.lower()
    if suffix == ".urdf":
        return gs.morphs.URDF(file=str(file), fixed=True)
    if suffix in (".xml", ".mjcf"):
        return gs.morphs.MJCF(file=str(file))
    raise GenesisException(f"'{file}' is neither a .urdf nor an .xml (MJCF) file.")


class _Tree:
    """Which joints move which links of a robot, and how far its joints may go."""

    def __init__(self, robot: Any) -> None:
        self._links = robot.links
        self._scalar_joints = [joint for joint in robot.joints if joint.type in ("hinge", "slide")]
        self._free_dofs = {dof for joint in robot.joints if joint.type == "free" for dof in joint.dofs_idx_local}
        self._joint_of_dof = {dof: joint for joint in robot.joints for dof in joint.dofs_idx_local}
        lower, upper = (limit.tolist() for limit in robot.get_dofs_limit())
        self._limits = list(zip(lower, upper, strict=True))  # by dof; infinite where there is none

    @property
    def floats(self) -> bool:
        """Whether any part of the robot hangs on a free joint."""
        return bool(self._free_dofs)

    def _chain(self, link: Any) -> list[Any]:
        """The link and those between it and the world."""
        chain = [link]
        while chain[-1].parent_idx_local >= 0:
            chain.append(self._links[chain[-1].parent_idx_local])
        return chain

    def dofs_above(self, link: Any) -> list[int]:
        """The dofs that move a link, but for those of a free base."""
        dofs = {dof for above in self._chain(link) for joint in above.joints for dof in joint.dofs_idx_local}
        return sorted(dofs - self._free_dofs)

    def dofs_beside(self, link: Any) -> list[int]:
        """The dofs that do not move a link."""
        return sorted(self._joint_of_dof.keys() - self._free_dofs - set(self.dofs_above(link)))

    def longest_chain(self) -> Any:
        """The link that most dofs move; of several, the farthest from the base."""
        return max(self._links, key=lambda link: (len(self.dofs_above(link)), len(self._chain(link))))

    def movable_links(self) -> list[str]:
        return [link.name for link in self._links if self.dofs_above(link)]

    def dof_name(self, dof: int) -> str:
        joint = self._joint_of_dof[dof]
        return joint.name if joint.n_dofs == 1 else f"{joint.name}.{'xyz'[dof - joint.dofs_idx_local[0]]}"

    def q_of_dof(self) -> dict[int, int]:
        """The q of every dof of a hinge or slide joint."""
        return {joint.dofs_idx_local[0]: joint.qs_idx_local[0] for joint in self._scalar_joints}

    def inside_limits(self, qpos: np.ndarray) -> np.ndarray:
        """`qpos` (nq,) with every joint that is near or beyond a limit moved to the middle of its range."""
        qpos = np.array(qpos, dtype=float)
        for dof, q in self.q_of_dof().items():
            lower, upper = self._limits[dof]
            if math.isfinite(upper - lower):
                margin = LIMIT_MARGIN * (upper - lower)
                if not lower + margin <= qpos[q] <= upper - margin:
                    qpos[q] = 0.5 * (lower + upper)
        return qpos

    def shifted(self, position: torch.Tensor, dofs: Sequence[int]) -> torch.Tensor:
        """Dof positions (n_dofs,) with some of them moved by `DEFAULT_SHIFT`, away from the nearer limit."""
        position = position.clone()
        for dof in dofs:
            lower, upper = self._limits[dof]
            extent = upper - lower if math.isfinite(upper - lower) else 1.0
            shift = DEFAULT_SHIFT * extent if self._joint_of_dof[dof].type == "slide" else DEFAULT_SHIFT
            shift = min(shift, 0.5 * extent)
            position[dof] += shift if upper - position[dof] >= position[dof] - lower else -shift
        return position


# ------------------------------------------------------------------ optimisation


class _Search:
    """What the optimiser asks for: the loss at the present effort, and its gradient in `effort.grad`.

    Attributes:
        effort: the unknowns, (T, n)
        loss, forces: the least loss so far and the forces (T, n) that gave it
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.effort = torch.zeros(task.n_steps, len(task.driven), device=gs.device, requires_grad=True)
        self.forces = task.forces(self.effort).detach()
        with torch.no_grad():
            self.loss = float(task.simulate(self.forces))
        if not math.isfinite(self.loss):
            raise GenesisException(
                f"the robot does not stay at rest: it diverges within {task.n_steps} steps of {DT} s. Try fewer."
            )
        self._wall = DIVERGED * self.loss

    def __call__(self) -> torch.Tensor:
        self.effort.grad = None
        forces = self._task.forces(self.effort)
        loss = self._task.simulate(forces)
        loss.backward()
        gradient = self.effort.grad
        if gradient is None or not (torch.isfinite(loss) and torch.isfinite(gradient).all()):
            # The line search went so far that the motion diverged: a wall sends it back.
            self.effort.grad = torch.zeros_like(self.effort)
            return torch.tensor(self._wall, device=gs.device)
        loss = loss.detach(sceneless=True)
        if loss < self.loss:
            self.loss, self.forces = float(loss), forces.detach()
        return loss


def optimise(task: Task, n_epochs: int) -> tuple[torch.Tensor, np.ndarray]:
    """The best forces (T, n) of `n_epochs` iterations, and the least loss before each and after all, (n_epochs + 1,).

    Raises GenesisException if the robot's motion diverges before any force is changed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    search = _Search(task)
    # One iteration per call, and no tolerance: the loop below counts the epochs.
    optimizer = torch.optim.LBFGS(
        [search.effort],
        max_iter=1,
        max_eval=MAX_EVALUATIONS,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )
    columns = (
        TextColumn("optimising"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    losses = [search.loss]
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=n_epochs, loss=f"{search.loss:.3e}")
        for _ in range(n_epochs):
            optimizer.step(search)
            losses.append(search.loss)
            progress.update(bar, advance=1, loss=f"{search.loss:.3e}")
    return search.forces, np.array(losses)


# ------------------------------------------------------------------ results


@dataclass(frozen=True)
class Result:
    """The optimised forces (T, n) and what they do."""

    task: Task
    forces: np.ndarray
    losses: np.ndarray
    motion: Motion

    @property
    def loss_before(self) -> float:
        return float(self.losses[0])

    @property
    def loss_after(self) -> float:
        return self.motion.loss

    @property
    def factor(self) -> float:
        return self.loss_before / max(self.loss_after, np.finfo(float).tiny)

    @property
    def target(self) -> np.ndarray:
        return self.task.target.numpy(force=True)

    @property
    def distance(self) -> float:
        """From the link to the target at the end [m]."""
        return float(np.linalg.norm(self.motion.path[-1] - self.target))

    @property
    def times(self) -> np.ndarray:
        """Of the states, (T + 1,) [s]; the force of row k acts from time k to time k + 1."""
        return DT * np.arange(len(self.motion.qpos))

    def save(self, path: Path) -> Path:
        """Writes the `.npz` and returns where it is."""
        arrays = {
            "controls": self.forces,
            "control_dofs": np.array(self.task.driven),
            "control_names": np.array(self.task.dof_names),
            "times": self.times,
            "qpos": self.motion.qpos,
            "link_path": self.motion.path,
            "target": self.target,
            "losses": self.losses,
            "loss_before": self.loss_before,
            "loss_after": self.loss_after,
            "dt": DT,
            "link": self.task.link.name,
            "robot": str(self.task.file),
        }
        files.write_atomically(path, files.to_npz(arrays))
        return path.resolve()

    def plot(self, path: Path) -> Path:
        """Draws loss curve, joint trajectories, forces and path of the link; returns where the PNG is."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(13, 8.5), layout="constrained")
        figure.suptitle(f"{self.task.file.name}: link '{self.task.link.name}' to its target")
        self._plot_loss(figure.add_subplot(2, 2, 1))
        self._plot_path(figure.add_subplot(2, 2, 2, projection="3d"))
        self._plot_joints(figure.add_subplot(2, 2, 3))
        self._plot_forces(figure.add_subplot(2, 2, 4))
        figure.savefig(path, dpi=110)
        return path.resolve()

    def _plot_loss(self, axes: Any) -> None:
        axes.semilogy(self.losses)
        axes.set(xlabel="epoch", ylabel="loss [m²]", title="loss")
        axes.grid(alpha=0.3)

    def _plot_path(self, axes: Any) -> None:
        axes.plot(*self.motion.path.T, label="path of the link")
        axes.scatter(*self.motion.path[0], marker="o", label="start")
        axes.scatter(*self.target, marker="*", s=120, label="target")
        points = np.vstack([self.motion.path, self.target])
        centre = 0.5 * (points.min(0) + points.max(0))
        reach = 0.55 * float((points.max(0) - points.min(0)).max())
        bounds = np.stack([centre - reach, centre + reach], -1)
        axes.set(xlim=bounds[0], ylim=bounds[1], zlim=bounds[2], title="path of the link")
        axes.set(xlabel="x [m]", ylabel="y [m]", zlabel="z [m]")
        axes.locator_params(nbins=5)
        axes.legend(loc="upper left")

    def _plot_joints(self, axes: Any) -> None:
        for dof, name in zip(self.task.driven, self.task.dof_names, strict=True):
            if dof in self.task.q_of_dof:
                axes.plot(self.times, self.motion.qpos[:, self.task.q_of_dof[dof]], label=name)
        axes.set(xlabel="time [s]", ylabel="position [rad, m]", title="joints")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", ncols=2, framealpha=0.5)

    def _plot_forces(self, axes: Any) -> None:
        for column, name in zip(self.forces.T, self.task.dof_names, strict=True):
            axes.stairs(column, self.times, baseline=None, label=name)
        axes.set(xlabel="time [s]", ylabel="force [N m, N]", title="controls")
        axes.grid(alpha=0.3)
