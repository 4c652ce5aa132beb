"""What can be measured of a scene: joint angles, poses of links, gyroscopes, accelerometers, and one's own functions.

Names read `entity.quantity`, or `entity.quantity[part, part]` for some parts only: joints (by name, or a dof's or q's
number in the entity) or links (name or number). `.component` behind it names one number of a part, as the header of a
column in a file does: `arm.links_pos[hand].x`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from genesis.entities.place import world_of
from genesis.errors import GenesisException
from genesis.math.rotation import quat_conj, quat_log, quat_mul, quat_normalize, quat_rotate
from genesis.trajectory import gravity_of

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_joint import RigidJoint
    from genesis.scene import Scene
    from genesis.trajectory import Trajectory

XYZ = ("x", "y", "z")
QUATERNION = ("qw", "qx", "qy", "qz")
TURN = ("rx", "ry", "rz")
WXYZ = ("w", "x", "y", "z")


@dataclass(frozen=True)
class Quantity:
    """One kind of measured number.

    Attributes:
        per: "q", "dof" or "link"
        unit: of its numbers; of joint quantities, that of a hinge (a slide's has m for rad)
        meaning: for tables
        components: of one link; joints have components of their own (`joint_components`)
    """

    per: str
    unit: str
    meaning: str
    components: tuple[str, ...] = XYZ


QUANTITIES = {
    "qpos": Quantity("q", "rad", "generalized positions"),
    "dofs_position": Quantity("dof", "rad", "positions of the dofs; of free and ball joints with Euler angles"),
    "dofs_velocity": Quantity("dof", "rad/s", "velocities of the dofs"),
    "links_pos": Quantity("link", "m", "position of the link's origin, world frame"),
    "links_quat": Quantity("link", "", "orientation of the link (w, x, y, z), world frame", WXYZ),
    "links_vel": Quantity("link", "m/s", "velocity of the link's origin, world frame"),
    "links_ang": Quantity("link", "rad/s", "angular velocity of the link, world frame"),
    "accelerometer": Quantity("link", "m/s^2", "acceleration of the link's origin less gravity, link's frame"),
    "gyro": Quantity("link", "rad/s", "angular velocity of the link, link's frame"),
}


def joint_components(joint: RigidJoint, per: str) -> tuple[str, ...]:
    """Names of a joint's qs or dofs; one empty name for a hinge or slide."""
    if joint.type == "free":
        return (*XYZ, *(QUATERNION if per == "q" else TURN))
    if joint.type == "ball":
        return QUATERNION if per == "q" else TURN
    return ("",)


@dataclass
class Output:
    """A measured vector of n numbers as a function of the motion.

    Orientations (quaternions) are compared in the tangent space: four measured numbers give three residuals, the
    rotation vector [rad] from the measured to the predicted orientation, in the measured body's frame (MuJoCo:
    mju_subQuat); q and -q are the same. Euler angles of free and ball joints are compared modulo 2 pi.

    Attributes:
        name: as in the log
        size: n
        labels: (n,) what each number is, as "arm.dofs_position[joint1]"
        units: (n,) their units, "" where there is none or it is not known
        quaternions: first of the four columns of each unit quaternion
        angles: columns that are compared modulo 2 pi
        function: trajectory -> (T + 1, N, n); the axis N may be missing where the scene has no envs
    """

    name: str
    size: int
    labels: tuple[str, ...]
    units: tuple[str, ...]
    function: Callable[[Trajectory], torch.Tensor]
    quaternions: tuple[int, ...] = ()
    angles: tuple[int, ...] = ()
    _plain: list[int] = field(init=False)

    def __post_init__(self) -> None:
        inside = {k for start in self.quaternions for k in range(start, start + 4)}
        self._plain = [k for k in range(self.size) if k not in inside]

    @property
    def residual_size(self) -> int:
        """m: numbers that are compared, n less one per quaternion."""
        return self.size - len(self.quaternions)

    @property
    def residual_labels(self) -> tuple[str, ...]:
        """(m,) what each residual is; the rotation of a quaternion is called rx, ry, rz."""
        return self._in_order(list(self.labels), lambda start: [f"{self._part_of(start)}.{c}" for c in TURN])

    @property
    def residual_units(self) -> tuple[str, ...]:
        """(m,) their units."""
        return self._in_order(list(self.units), lambda _: ["rad"] * 3)

    def evaluate(self, trajectory: Trajectory) -> torch.Tensor:
        """What would be measured, (T + 1, N, n), differentiable; N is 1 for a scene without envs.

        Raises GenesisException when a function of the user's fails or returns another shape.
        """
        values = self.function(trajectory)
        if not isinstance(values, torch.Tensor) or values.ndim not in (2, 3):
            shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
            raise GenesisException(
                f"output {self.name!r}: its function returned {shape}; expected a tensor ({trajectory.n_steps + 1}, N, "
                f"{self.size})."
            )
        if values.ndim == 2:
            values = values.unsqueeze(1)
        if values.shape[0] != trajectory.n_steps + 1 or values.shape[2] != self.size:
            raise GenesisException(
                f"output {self.name!r}: its function returned shape {tuple(values.shape)}; expected "
                f"({trajectory.n_steps + 1}, N, {self.size}): one row per state, and as many numbers as were measured."
            )
        return values

    def residual(self, predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
        """Predicted less measured, (..., n) each, broadcast -> (..., m).

        It is 0, with gradient 0, where nothing was measured (NaN); `present(measured)` says where that is.
        """
        predicted, measured = torch.broadcast_tensors(predicted, measured)
        # Replaced before any arithmetic: NaN times 0 is NaN, in the gradient as well.
        gap = torch.isnan(measured)
        difference = predicted - torch.where(gap, predicted.detach(), measured)
        if self.angles:
            turns = torch.zeros_like(difference)
            columns = list(self.angles)
            turns[..., columns] = torch.round(difference[..., columns].detach() / (2 * math.pi))
            difference = difference - 2 * math.pi * turns
        difference = torch.where(gap, torch.zeros_like(difference), difference)
        if not self.quaternions:
            return difference
        pieces: dict[int, torch.Tensor] = {}
        for start in self.quaternions:
            lost = gap[..., start : start + 4].any(-1, keepdim=True)
            q = predicted[..., start : start + 4]
            reference = torch.where(lost, q.detach(), measured[..., start : start + 4])
            turn = quat_log(quat_normalize(quat_mul(quat_conj(quat_normalize(reference)), q)))
            pieces[start] = torch.where(lost, torch.zeros_like(turn), turn)
        for column in self._plain:
            pieces[column] = difference[..., column : column + 1]
        return torch.cat([pieces[start] for start in sorted(pieces)], -1)

    def present(self, measured: torch.Tensor) -> torch.Tensor:
        """Which residuals were measured, (..., n) -> bool (..., m); a quaternion needs all four numbers."""
        found = ~torch.isnan(measured)
        pieces = {column: found[..., column : column + 1] for column in self._plain}
        for start in self.quaternions:
            pieces[start] = found[..., start : start + 4].all(-1, keepdim=True).expand(*found.shape[:-1], 3)
        if not pieces:
            return found
        return torch.cat([pieces[start] for start in sorted(pieces)], -1)

    def interpolate(self, before: torch.Tensor, after: torch.Tensor, fraction: torch.Tensor) -> torch.Tensor:
        """Between two values (..., n): linear, along the shorter arc for quaternions and Euler angles.

        `fraction`: from 0 (`before`) to 1 (`after`), (...) or (..., 1). Quaternions: normalised linear interpolation.
        """
        if fraction.ndim < before.ndim:
            fraction = fraction.unsqueeze(-1)
        step = after - before
        if self.angles:
            turns = torch.zeros_like(step)
            columns = list(self.angles)
            turns[..., columns] = torch.round(step[..., columns].detach() / (2 * math.pi))
            step = step - 2 * math.pi * turns
        mixed = before + fraction * step
        for start in self.quaternions:
            p, q = before[..., start : start + 4], after[..., start : start + 4]
            q = torch.where((p * q).sum(-1, keepdim=True) < 0, -q, q)
            unit = quat_normalize(p + fraction * (q - p))
            mixed = torch.cat([mixed[..., :start], unit, mixed[..., start + 4 :]], -1)
        return mixed

    def _part_of(self, column: int) -> str:
        """ "box.links_quat[base]" of "box.links_quat[base].w"."""
        return self.labels[column].rpartition(".")[0]

    def _in_order(self, plain: list[str], of_quaternion: Callable[[int], list[str]]) -> tuple[str, ...]:
        pieces = {column: [plain[column]] for column in self._plain}
        pieces.update({start: of_quaternion(start) for start in self.quaternions})
        return tuple(text for start in sorted(pieces) for text in pieces[start])


# -- names ------------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"(?P<base>[^\[\]]+)(?:\[(?P<parts>.*)\](?:\.(?P<component>\w+))?)?")


@dataclass(frozen=True)
class ChannelName:
    """A name taken apart: "arm.links_pos[hand].x" is base "arm.links_pos", parts ("hand",), component "x"."""

    base: str
    parts: tuple[str, ...] | None = None
    component: str = ""

    @staticmethod
    def parse(text: str) -> ChannelName:
        """Raises GenesisException for what has no such form."""
        match = _NAME.fullmatch(text.strip())
        if match is None:
            raise GenesisException(
                f"{text!r} is no name of a measured quantity; expected entity.quantity, entity.quantity[part, part], "
                "or entity.quantity[part].component."
            )
        parts = match["parts"]
        names = None if parts is None else tuple(part.strip() for part in parts.split(","))
        if names is not None and not all(names):
            raise GenesisException(f"{text!r}: a part has no name; expected [part] or [part, part].")
        return ChannelName(match["base"].strip(), names, match["component"] or "")


def base_of(name: str) -> str:
    """ "arm.dofs_position" of "arm.dofs_position[joint1]"; names of any other form as they are."""
    return name.partition("[")[0]


def near(name: str, known: Iterable[str]) -> str:
    """ " Did you mean 'a'?", or what there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, names[:20])) or "none"
    return f"there are {shown}{', ...' if len(names) > 20 else ''}."


def entity_and_rest(scene: Scene, base: str) -> tuple[RigidEntity, str]:
    """ "arm.qpos" -> the entity "arm" and "qpos"; raises GenesisException for an entity that there is not."""
    fitting = [e for e in scene.entities if base.startswith(f"{e.name}.")]
    if not fitting:
        given = base.rpartition(".")[0] or base
        raise GenesisException(
            f"{base!r}: the scene has no entity {given!r}; {near(given, (e.name for e in scene.entities))}"
        )
    entity = max(fitting, key=lambda e: len(e.name))
    return entity, base[len(entity.name) + 1 :]


@dataclass(frozen=True)
class Layout:
    """The numbers of a quantity that are measured.

    Attributes:
        entity, quantity: whose and which
        columns: of each number, its column in the quantity of the whole entity (flattened: link times component)
        labels: "arm.links_pos[hand].x" per number
        units: per number
        quaternions, angles: as in `Output`
    """

    entity: RigidEntity
    quantity: str
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    quaternions: tuple[int, ...] = ()
    angles: tuple[int, ...] = ()


def columns_of(scene: Scene, name: ChannelName) -> tuple[RigidEntity, str, list[int]]:
    """The entity, the quantity, and the columns of it that `name` means; all when it names no part.

    Raises GenesisException for an entity, quantity, part or component that there is not (with the near ones), and for
    a part named twice.
    """
    entity, kind = entity_and_rest(scene, name.base)
    if kind not in QUANTITIES:
        raise GenesisException(f"{name.base!r}: {kind!r} is no quantity that can be measured; {near(kind, QUANTITIES)}")
    numbers = numbers_of(entity, kind)
    if not numbers:
        raise GenesisException(f"{name.base!r}: the entity {entity.name!r} has no {QUANTITIES[kind].per}s to measure.")
    per = "link" if QUANTITIES[kind].per == "link" else "joint"
    return entity, kind, chosen_numbers(name, numbers, entity.name, per)


def layout(entity: RigidEntity, kind: str, columns: Sequence[int]) -> Layout:
    """The layout of these columns of a quantity.

    Raises GenesisException when some numbers of a quaternion are among them and others are not, or apart.
    """
    base = f"{entity.name}.{kind}"
    numbers = numbers_of(entity, kind)
    picked = [numbers[k] for k in columns]
    labels = tuple(f"{base}[{n.part}]" + (f".{n.component}" if n.component else "") for n in picked)
    starts = []
    for i, number in enumerate(picked):
        if not number.in_quaternion:
            continue
        first = columns[i] - number.in_quaternion + 1
        whole = list(range(first, first + 4))
        if list(columns[i - number.in_quaternion + 1 : i - number.in_quaternion + 5]) != whole:
            raise GenesisException(
                f"{labels[i]}: one number of a quaternion says nothing by itself; measure all four of {number.part!r}."
            )
        if number.in_quaternion == 1:
            starts.append(i)
    angles = tuple(i for i, n in enumerate(picked) if kind == "dofs_position" and n.component in TURN)
    return Layout(entity, kind, tuple(columns), labels, tuple(n.unit for n in picked), tuple(starts), angles)


@dataclass(frozen=True)
class Number:
    """One number of a quantity.

    Attributes:
        part: name of its joint, link or actuator
        index: what it also answers to: the number of the link, q, dof or actuator in the entity
        component: "x", "qw", ...; "" where the part has one number only
        unit: SI
        in_quaternion: 1 to 4 for w, x, y, z of a quaternion, else 0
    """

    part: str
    index: int
    component: str
    unit: str
    in_quaternion: int = 0


def numbers_of(entity: RigidEntity, kind: str) -> list[Number]:
    """The numbers of a quantity of the whole entity, in the order of its columns."""
    quantity = QUANTITIES[kind]
    numbers = []
    if quantity.per == "link":
        is_quaternion = quantity.components == WXYZ
        for link in entity.links:
            for i, c in enumerate(quantity.components):
                numbers.append(Number(link.name, link.idx_local, c, quantity.unit, i + 1 if is_quaternion else 0))
        return numbers
    for joint in entity.joints:
        for component in joint_components(joint, quantity.per):
            in_quaternion = QUATERNION.index(component) + 1 if component in QUATERNION else 0
            is_linear = joint.type == "slide" or component in XYZ
            unit = quantity.unit.replace("rad", "m") if is_linear else quantity.unit
            numbers.append(Number(joint.name, len(numbers), component, "" if in_quaternion else unit, in_quaternion))
    return numbers


def chosen_numbers(name: ChannelName, numbers: Sequence[Number], owner: str, per: str) -> list[int]:
    """Positions of the numbers that the parts of `name` mean, in their order; all without parts.

    `owner`: name of the entity, `per`: "link", "joint" or "actuator", for messages.
    """
    if name.parts is None:
        return list(range(len(numbers)))
    chosen: list[int] = []
    for part in name.parts:
        found = [k for k, number in enumerate(numbers) if number.part == part]
        if not found and part.isdecimal():
            found = [k for k, number in enumerate(numbers) if number.index == int(part)]
        if not found:
            names = dict.fromkeys(number.part for number in numbers)
            raise GenesisException(f"{name.base}[{part}]: {owner!r} has no {per} {part!r}; {near(part, names)}")
        if set(found) & set(chosen):
            raise GenesisException(f"{name.base}[{', '.join(name.parts)}]: {part!r} is named twice.")
        chosen += found
    if not name.component:
        return chosen
    known = list(dict.fromkeys(numbers[k].component for k in chosen if numbers[k].component))
    if name.component not in known:
        what = near(name.component, known) if known else "it is a single number: leave the component out."
        raise GenesisException(f"{name.base}[{', '.join(name.parts)}] has no component {name.component!r}; {what}")
    return [k for k in chosen if numbers[k].component == name.component]


# -- making them ------------------------------------------------------------------------------------------------------


def resolve(
    scene: Scene,
    names: Sequence[str],
    outputs: Mapping[str, Callable[[Trajectory], torch.Tensor] | Output] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> list[Output]:
    """The outputs of these names.

    `outputs`: functions of one's own, trajectory -> (T + 1, N, n), by name; `sizes`: their n (default 1).

    Raises GenesisException for a scene that is not built and for names that mean nothing, with the near ones.
    """
    world_of(scene, "tools.resolve")
    own = outputs or {}
    return [
        own_output(name, own[name], (sizes or {}).get(name, 1))
        if name in own
        else output_of(name, layout(*columns_of(scene, ChannelName.parse(name))))
        for name in names
    ]


def own_output(name: str, function: Any, size: int) -> Output:
    """The output of a function of the user's; `size`: n."""
    if isinstance(function, Output):
        if function.size != size:
            raise GenesisException(f"output {name!r} has {function.size} numbers, but {size} were measured.")
        return function
    if not callable(function):
        raise GenesisException(
            f"outputs[{name!r}] is {function!r:.80}; expected a function of the trajectory that returns (T + 1, N, n)."
        )
    labels = tuple(f"{name}[{k}]" for k in range(size)) if size > 1 else (name,)
    return Output(name, size, labels, ("",) * size, function)


def output_of(name: str, layout: Layout) -> Output:
    """The output that measures the numbers of a layout."""
    entity, kind = layout.entity, layout.quantity
    if QUANTITIES[kind].per == "link":
        width = len(QUANTITIES[kind].components)
        links = sorted({column // width for column in layout.columns})
        columns = [links.index(column // width) * width + column % width for column in layout.columns]
        read = _LINK_READERS[kind]

        def function(trajectory: Trajectory) -> torch.Tensor:
            return _select(read(trajectory, entity, links).flatten(-2), columns)
    else:

        def function(trajectory: Trajectory) -> torch.Tensor:
            return _select(_plain(getattr(trajectory, kind)(entity)), list(layout.columns))

    return Output(name, len(layout.columns), layout.labels, layout.units, function, layout.quaternions, layout.angles)


def _plain(values: torch.Tensor) -> torch.Tensor:
    """Without the scene's label: the numbers go into linear algebra, not back into the scene."""
    return values.as_subclass(torch.Tensor)


def _select(values: torch.Tensor, columns: list[int]) -> torch.Tensor:
    if columns == list(range(values.shape[-1])):
        return values
    return values[..., columns]


def _of_links(method: str) -> Callable[[Trajectory, RigidEntity, list[int]], torch.Tensor]:
    def read(trajectory: Trajectory, entity: RigidEntity, links: list[int]) -> torch.Tensor:
        """(T + 1, [N,] len(links), 3 or 4)."""
        return _plain(getattr(trajectory, method)(entity))[..., links, :]

    return read


def _accelerometer(trajectory: Trajectory, entity: RigidEntity, links: list[int]) -> torch.Tensor:
    """Specific force R^T (a - g) [m/s^2], (T + 1, [N,] len(links), 3): what a strapdown accelerometer measures."""
    acceleration = _of_links("links_acc")(trajectory, entity, links)
    gravity = gravity_of(trajectory)
    rows = gravity.unsqueeze(-2) if acceleration.ndim == 4 else gravity.reshape(-1, 3)[:1]
    return _in_link_frame(trajectory, entity, links, acceleration - rows)


def _gyro(trajectory: Trajectory, entity: RigidEntity, links: list[int]) -> torch.Tensor:
    """R^T omega [rad/s], (T + 1, [N,] len(links), 3)."""
    return _in_link_frame(trajectory, entity, links, _of_links("links_ang")(trajectory, entity, links))


def _in_link_frame(
    trajectory: Trajectory, entity: RigidEntity, links: list[int], vectors: torch.Tensor
) -> torch.Tensor:
    return quat_rotate(quat_conj(_of_links("links_quat")(trajectory, entity, links)), vectors)


_LINK_READERS: dict[str, Callable[[Trajectory, RigidEntity, list[int]], torch.Tensor]] = {
    **{kind: _of_links(kind) for kind in ("links_pos", "links_quat", "links_vel", "links_ang")},
    "accelerometer": _accelerometer,
    "gyro": _gyro,
}
