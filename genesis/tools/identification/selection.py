"""Which parameters are looked for, by name: "arm.links_mass[hand]" is a module, a setter and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.entities.access import N_SIZES
from genesis.errors import GenesisException
from genesis.tools.identification.coordinate_modules import Direction, Free, InertiaAboutCOM
from genesis.tools.identification.outputs import ChannelName, near
from genesis.world.catalogue import SHAPE_PARAMETERS

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.scene import Scene

SIX = ("xx", "yy", "zz", "xy", "xz", "yz")
# What stands for a zero where the logarithm is looked for, in SI units; used when the log says nothing better.
_SMALL = 0.01


@dataclass
class Parameter:
    """A group of numbers to be found.

    After `identify` the module holds the estimate, from which another `identify` with it begins; if that was refused or
    failed, it is as before. The Parameter itself is not changed.

    Args:
        name: for tables
        setter: puts the module's value in force, as `robot.set_links_mass` or `lambda v: robot.set_friction(v, [0])`
        module: its call gives the value, a tensor or a named tuple of tensors, from its own `parameters()`, which have
            no bounds (`gs.parameters`)
        prior: (mean, standard deviation) of the value, broadcast over its numbers; an infinite standard deviation:
            nothing known

    Attributes:
        labels: what each number of the value is called; made from the name unless given
        sizes: (n,) what counts as a large change of each number; its own size unless given
        writes: of one that was named: what it sets, as "links_mass of link 'hand' of 'arm'"
    """

    name: str
    setter: Callable[[Any], Any]
    module: torch.nn.Module
    prior: tuple[Any, Any] | None = None
    labels: Sequence[str] | None = None
    sizes: torch.Tensor | None = None
    scene: Scene | None = field(default=None, repr=False)  # of one that was named: the scene in which it was
    writes: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if not callable(self.setter):
            raise GenesisException(f"Parameter {self.name!r}: `setter` is {self.setter!r:.80}; expected a function.")
        if not isinstance(self.module, torch.nn.Module):
            raise GenesisException(
                f"Parameter {self.name!r}: `module` is {self.module!r:.80}; expected a torch.nn.Module, as "
                "gs.parameters.positive(1.0)."
            )
        if not self.coordinates():
            raise GenesisException(f"Parameter {self.name!r}: its module has no parameters that require a gradient.")

    def coordinates(self) -> list[torch.nn.Parameter]:
        """The module's own numbers, without bounds."""
        return [value for value in self.module.parameters() if value.requires_grad]

    def has_natural_coordinates(self) -> bool:
        """Whether 1 is a large change of each coordinate, as of a logarithm or an angle."""
        from genesis.parameters import ParameterModule

        return isinstance(self.module, (ParameterModule, Direction, InertiaAboutCOM))

    def value(self) -> Any:
        """What the module gives now."""
        return self.module()

    def apply(self) -> None:
        """Put the module's value in force."""
        self.setter(self.value())

    def numbers(self, value: Any = None) -> torch.Tensor:
        """All numbers of the value in a row, (n,), with graph; the tensors of a tuple one after the other, link by link
        where they have as many rows."""
        return _flat(self.value() if value is None else value)

    def names(self) -> list[str]:
        """What each of these numbers is called."""
        if self.labels is not None:
            return list(self.labels)
        return _labels(self.name, self.value())

    def value_of(self, numbers: torch.Tensor) -> Any:
        """The value with these numbers, (n,): the inverse of `numbers`."""
        like = self.value()
        numbers = numbers.to(device=runtime.device, dtype=runtime.tc_float)
        if isinstance(like, torch.Tensor):
            return numbers.reshape(like.shape)
        parts = list(like)
        rows = parts[0].shape[0] if parts[0].ndim else 0
        if rows and all(part.ndim and part.shape[0] == rows for part in parts):
            split = numbers.reshape(rows, -1).split([part.numel() // rows for part in parts], 1)
        else:
            split = numbers.split([part.numel() for part in parts])
        pieces = [piece.reshape(part.shape) for piece, part in zip(split, parts, strict=True)]
        return type(like)(*pieces) if hasattr(like, "_fields") else type(like)(pieces)

    def typical(self) -> torch.Tensor:
        """(n,) what counts as a large change of each number: `sizes`, or its own size; of a number that is small beside
        the others of the group, that of the largest (a centre of mass on an axis), and 1 if all are zero."""
        if self.sizes is not None:
            return self.sizes.to(device=runtime.device, dtype=torch.float64).flatten()
        value = self.numbers().detach().double().abs()
        largest = float(value.max()) or 1.0
        return torch.where(value > 1e-3 * largest, value, torch.full_like(value, largest))

    def prior_of_numbers(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(mean, standard deviation), (n,) each."""
        if self.prior is None:
            return None
        count = self.numbers().numel()
        both = []
        for what, value in zip(("mean", "standard deviation"), _pair(self.prior, self.name), strict=True):
            try:
                tensor = torch.as_tensor(value, dtype=torch.float64, device=runtime.device).detach().flatten()
            except (TypeError, ValueError, RuntimeError):  # RuntimeError: rows of different lengths, too large numbers
                tensor = torch.empty(0)
            if tensor.numel() not in (1, count) or bool(torch.isnan(tensor).any()):
                raise GenesisException(
                    f"the {what} of the prior of {self.name!r} is {value!r:.80}; expected one number or {count}."
                )
            both.append(tensor.expand(count))
        if not bool(torch.isfinite(both[0]).all()):
            raise GenesisException(
                f"the mean of the prior of {self.name!r} is {self.prior[0]!r:.80}; expected finite numbers. Where "
                "nothing is known, the standard deviation is infinite."
            )
        if not bool((both[1] > 0).all()):
            raise GenesisException(f"the standard deviation of the prior of {self.name!r} must be above zero.")
        return both[0], both[1]


def _pair(prior: Any, name: str) -> tuple[Any, Any]:
    try:
        mean, deviation = prior
    except (TypeError, ValueError):
        raise GenesisException(
            f"the prior of {name!r} is {prior!r:.80}; expected a pair (mean, standard deviation)."
        ) from None
    return mean, deviation


def _flat(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.as_subclass(torch.Tensor).flatten()
    parts = list(value)
    rows = parts[0].shape[0] if parts[0].ndim else 0
    if rows and all(part.ndim and part.shape[0] == rows for part in parts):
        return torch.cat([part.as_subclass(torch.Tensor).reshape(rows, -1) for part in parts], 1).flatten()
    return torch.cat([part.as_subclass(torch.Tensor).flatten() for part in parts])


def _labels(name: str, value: Any) -> list[str]:
    if isinstance(value, torch.Tensor):
        if value.numel() == 1:
            return [name]
        shape = value.shape
        places = [torch.unravel_index(torch.tensor(k), shape) for k in range(value.numel())]
        return [f"{name}[{', '.join(str(int(i)) for i in place)}]" for place in places]
    fields = getattr(value, "_fields", None) or [str(k) for k in range(len(value))]
    rows = value[0].shape[0] if value[0].ndim else 0
    if rows and all(part.ndim and part.shape[0] == rows for part in value):
        return [
            label
            for row in range(rows)
            for what, part in zip(fields, value, strict=True)
            for label in _labels(f"{name}[{row}].{what}" if rows > 1 else f"{name}.{what}", part[row])
        ]
    return [label for what, part in zip(fields, value, strict=True) for label in _labels(f"{name}.{what}", part)]


# -- by name ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A parameter of entities that can be looked for by name.

    Attributes:
        axis: of its parts: "dofs", "links", "joints", "actuators", "geoms", "sites", "tendons", or "entity"
        form: how it is varied: "positive", "free", "direction", "rotation", "inertia", "inertial" or "size"
        components: names of the numbers of one part
        meaning: for tables
        scale: of a zero of a joint's parameter: "force" [N m], or "force per velocity"
    """

    axis: str
    form: str
    components: tuple[str, ...] = ()
    meaning: str = ""
    scale: str = ""


_XYZ, _WXYZ, _3 = ("x", "y", "z"), ("w", "x", "y", "z"), ("0", "1", "2")
KINDS: dict[str, Kind] = {
    "dofs_kp": Kind("dofs", "positive", meaning="position gains"),
    "dofs_kv": Kind("dofs", "positive", meaning="velocity gains"),
    "dofs_stiffness": Kind("dofs", "positive", meaning="joint springs", scale="force"),
    "dofs_damping": Kind("dofs", "positive", meaning="viscous damping", scale="force per velocity"),
    "dofs_armature": Kind("dofs", "positive", meaning="inertia of the rotors"),
    "dofs_frictionloss": Kind("dofs", "positive", meaning="dry friction of the joints", scale="force"),
    "links_mass": Kind("links", "positive", meaning="masses; the inertias stay"),
    "links_scaled_mass": Kind("links", "positive", meaning="masses, inertias in proportion"),
    "links_COM": Kind("links", "free", _XYZ, "centres of mass"),
    "links_inertia": Kind("links", "inertia", SIX, "inertias about the centres of mass"),
    "links_inertial": Kind(
        "links",
        "inertial",
        ("mass", *(f"COM.{c}" for c in _XYZ), *(f"inertia.{c}" for c in SIX)),
        "masses, centres of mass and inertias together",
    ),
    "links_offset_pos": Kind("links", "free", _XYZ, "where links sit on their parents"),
    "links_offset_quat": Kind("links", "rotation", _WXYZ, "how links are turned on their parents"),
    "links_gravity_compensation": Kind("links", "free", meaning="fraction of the weight that is carried"),
    "joints_axis": Kind("joints", "direction", _XYZ, "joint axes"),
    "joints_anchor": Kind("joints", "free", _XYZ, "points on the axes"),
    "actuators_gain": Kind("actuators", "free", _3, "gainprm of actuators"),
    "actuators_bias": Kind("actuators", "free", _3, "biasprm of actuators"),
    "actuators_gear": Kind("actuators", "free", tuple(map(str, range(6))), "gears of actuators"),
    "actuators_time_constant": Kind("actuators", "positive", ("0",), "time constants of filters"),
    "tendons_stiffness": Kind("tendons", "positive", meaning="springs of tendons"),
    "tendons_damping": Kind("tendons", "positive", meaning="viscous damping of tendons"),
    "tendons_armature": Kind("tendons", "positive", meaning="inertia of the tendons' motors"),
    "tendons_frictionloss": Kind("tendons", "positive", meaning="dry friction of tendons"),
    "sites_offset_pos": Kind("sites", "free", _XYZ, "where sites sit on their links"),
    "sites_offset_quat": Kind("sites", "rotation", _WXYZ, "how sites are turned on their links"),
    "dofs_stiffness_poly": Kind("dofs", "free", ("k1", "k2"), "what joint springs gain with their extension"),
    "dofs_damping_poly": Kind("dofs", "free", ("d1", "d2"), "what damping gains with the speed"),
    "tendons_stiffness_poly": Kind("tendons", "free", ("k1", "k2"), "what springs of tendons gain with their length"),
    "tendons_damping_poly": Kind("tendons", "free", ("d1", "d2"), "what damping of tendons gains with the speed"),
    "geoms_fluid_coef": Kind(
        "geoms", "free", ("blunt", "slender", "angular", "kutta", "magnus"), "drag and lift of shapes in a fluid"
    ),
    "friction": Kind("geoms", "positive", meaning="sliding friction"),
    "friction_torsional": Kind("geoms", "positive", meaning="torsional friction"),
    "friction_rolling": Kind("geoms", "positive", meaning="rolling friction"),
    "geoms_size": Kind("geoms", "size", _3, "sizes of shapes"),
    "geoms_offset_pos": Kind("geoms", "free", _XYZ, "where shapes sit on their links"),
    "geoms_offset_quat": Kind("geoms", "rotation", _WXYZ, "how shapes are turned on their links"),
    "mass": Kind("entity", "positive", meaning="total mass, inertias scaled with it"),
}
# Parameters of the scene that can be looked for by name, and how each is varied.
_OF_SCENE = {"gravity": "free", "wind": "free", "fluid_density": "positive", "fluid_viscosity": "positive"}
# Kinds that set others.
_SETS = {
    "mass": ("links_mass", "links_inertia"),
    "links_scaled_mass": ("links_mass", "links_inertia"),
    "links_inertial": ("links_mass", "links_COM", "links_inertia"),
}
_PART = {axis: axis.removesuffix("s") for axis in ("joints", "links", "actuators", "geoms", "sites", "tendons")} | {
    "dofs": "joint"
}


@dataclass
class Magnitudes:
    """What the log says of sizes, for joints' parameters that are zero.

    Attributes:
        force, velocity: of each dof of the scene, root mean square [N m, N; rad/s, m/s]; 0 where it is not known
        noted: what was done about zeros
    """

    force: Sequence[float] = ()
    velocity: Sequence[float] = ()
    noted: list[str] = field(default_factory=list)

    def starts_of(self, scale: str, dofs: Sequence[int]) -> list[float]:
        """Small values to begin with, of dofs of the scene: a hundredth of the force that acts."""
        return [self._start_of(scale, dof) for dof in dofs]

    def _start_of(self, scale: str, dof: int) -> float:
        force = self.force[dof] if dof < len(self.force) else 0.0
        velocity = self.velocity[dof] if dof < len(self.velocity) else 0.0
        if not scale or not force > 0:
            return _SMALL
        return 0.01 * force / (velocity or 1.0) if scale == "force per velocity" else 0.01 * force


def select_unknowns(
    scene: Scene,
    parameters: Sequence[Parameter | str] | Parameter | str,
    priors: Mapping[str, tuple[Any, Any]] | None = None,
    magnitudes: Magnitudes | None = None,
) -> list[Parameter]:
    """The parameters meant by names and those given as such, starting from the values in force.

    Those given as such are copied (with the same module), so that priors are set in the copies.

    Raises GenesisException for names that mean nothing, with the near ones, for a parameter given twice, for two that
    set the same, and for priors of what is not looked for.
    """
    if isinstance(parameters, Mapping) or not isinstance(parameters, (str, Parameter, Iterable)):
        raise GenesisException(
            f'identify: `parameters` is {parameters!r:.80}; expected a list of names, as ["arm.links_mass[hand]"], or '
            "of gs.tools.Parameters."
        )
    given = [parameters] if isinstance(parameters, (str, Parameter)) else list(parameters)
    if not given:
        raise GenesisException('identify: `parameters` is empty; name at least one, as "arm.links_mass[hand]".')
    found: list[Parameter] = []
    for one in given:
        if isinstance(one, str):
            one = by_name(scene, one, magnitudes or Magnitudes())
        elif not isinstance(one, Parameter):
            raise GenesisException(
                f'identify: a parameter is {one!r:.80}; expected text, as "arm.links_mass[hand]", or a '
                "gs.tools.Parameter."
            )
        found.append(replace(one))
    seen: dict[str, str] = {}
    for one in found:
        for label in one.names():
            if label in seen:
                by = f"twice by {one.name!r}" if one.name == seen[label] else f"by {seen[label]!r} and by {one.name!r}"
                raise GenesisException(f"identify: {label!r} is meant {by}; name it once.")
            seen[label] = one.name
    _refuse_overlaps(found)
    if not (priors is None or isinstance(priors, Mapping)):
        raise GenesisException(
            f"identify: `priors` is {priors!r:.80}; expected a dictionary, name -> (mean, standard deviation)."
        )
    for name, prior in (priors or {}).items():
        _add_prior(found, name, prior)
    for one in found:
        one.prior_of_numbers()
    return found


def _refuse_overlaps(parameters: Sequence[Parameter]) -> None:
    """Of two that set the same, the later one would override the earlier one, or scale it."""
    for k, one in enumerate(parameters):
        for other in parameters[:k]:
            if shared := sorted(one.writes & other.writes):
                more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
                raise GenesisException(
                    f"identify: {other.name!r} and {one.name!r} both set {shared[0]}{more}; look for one of them, or "
                    "for parts of which they do not share any."
                )


def _add_prior(parameters: list[Parameter], name: Any, prior: Any) -> None:
    for one in parameters:
        if one.name == name:
            one.prior = prior
            return
        labels = one.names()
        if name in labels:
            mean, deviation = _pair(prior, name)
            known = one.prior_of_numbers()
            count = len(labels)
            means = known[0].tolist() if known else [0.0] * count
            deviations = known[1].tolist() if known else [float("inf")] * count
            k = labels.index(name)
            means[k] = _one_number(mean, "mean", name)
            deviations[k] = _one_number(deviation, "standard deviation", name)
            one.prior = (means, deviations)
            return
    names = [one.name for one in parameters] + [label for one in parameters for label in one.names()]
    raise GenesisException(
        f"identify: `priors` names {name!r}, which is not looked for; {near(str(name), dict.fromkeys(names))}"
    )


def _one_number(value: Any, what: str, name: str) -> float:
    """Of the prior of one number."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("text")
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: a tensor of several numbers
        raise GenesisException(f"the {what} of the prior of {name!r} is {value!r:.80}; expected one number.") from None


def by_name(scene: Scene, text: str, magnitudes: Magnitudes) -> Parameter:
    """The parameter of that name: "gravity", "arm.dofs_damping", "arm.links_mass[hand, 3]"."""
    found = _by_name(scene, text, magnitudes)
    found.scene = scene
    return found


def _by_name(scene: Scene, text: str, magnitudes: Magnitudes) -> Parameter:
    name = ChannelName.parse(text)
    if name.base in _OF_SCENE and name.parts is None:
        return _parameter_of_scene(scene, name.base)
    entity = next((e for e in scene.entities if name.base.startswith(f"{e.name}.")), None)
    if entity is None:
        names = [f"{e.name}.<parameter>" for e in scene.entities] + list(_OF_SCENE)
        raise GenesisException(f"identify: {text!r} is no parameter: {near(name.base, names)}")
    kind_name = name.base[len(entity.name) + 1 :]
    if kind_name not in KINDS or name.component:
        listed = "\n".join(f"  {entity.name}.{k:28}{v.meaning}" for k, v in KINDS.items())
        raise GenesisException(
            f"identify: {entity.name!r} has no parameter {text[len(entity.name) + 1 :]!r} that can be looked for by "
            f"name; {near(kind_name, KINDS)} There are, each also with [part, part]:\n{listed}\n  "
            + ", ".join(_OF_SCENE)
        )
    kind = KINDS[kind_name]
    if kind.axis == "entity":
        if name.parts is not None:
            raise GenesisException(f"identify: {text!r}: {name.base!r} is one number; leave the brackets out.")
        total = _plain(entity.get_mass()).reshape(-1)[0]
        one = Parameter(text, entity.set_mass, _positive(total), labels=[name.base])
        numbers = list(range(entity.n_links))
    else:
        numbers, labels = _parts(entity, kind_name, kind, name)
        one = _parameter(entity, text, kind_name, kind, numbers, labels, magnitudes)
    one.writes = frozenset(_written(entity, kind_name, kind, numbers))
    return one


def _parameter_of_scene(scene: Scene, name: str) -> Parameter:
    value = _plain(getattr(scene, f"get_{name}")())
    setter = getattr(scene, f"set_{name}")
    if _OF_SCENE[name] == "free":
        return Parameter(name, setter, Free(value.reshape(-1, 3)[0]), labels=[f"{name}.{c}" for c in _XYZ])
    return Parameter(name, setter, _positive(value.reshape(-1)[0]), labels=[name])


def _written(entity: RigidEntity, kind_name: str, kind: Kind, numbers: Sequence[int]) -> Iterator[str]:
    """What a parameter of these parts sets, in words."""
    axis = "links" if kind.axis == "entity" else kind.axis
    names = _part_names(entity, axis)
    for one in _SETS.get(kind_name, (kind_name,)):
        for k in numbers:
            same_name = f" (number {k})" if names.count(names[k]) > 1 else ""
            yield f"{one} of {_PART[axis]} {names[k]!r}{same_name} of {entity.name!r}"


def _parts(entity: RigidEntity, kind_name: str, kind: Kind, name: ChannelName) -> tuple[list[int], list[str]]:
    """Local numbers of the parts, and their names."""
    everything = _part_names(entity, kind.axis)
    able = list(range(len(everything)))
    if kind.axis == "geoms":
        in_fluid = [geom.idx_local for geom in entity.geoms if geom.is_fluid_ellipsoid]
        wrapped = [geom.idx_local for geom in entity.geoms if geom.is_wrapped]
        able = [geom.idx_local for geom in entity.geoms if geom.can_touch]
        if kind_name == "geoms_fluid_coef":
            able = in_fluid
        elif kind_name in SHAPE_PARAMETERS:
            able = sorted({*able, *in_fluid, *wrapped})
        if kind.form == "size":
            able = [k for k in able if entity.geoms[k].type in N_SIZES]
    elif kind.axis == "links" and kind.form in ("positive", "inertia", "inertial"):
        masses = _plain(entity.get_links_mass()).reshape(-1, entity.n_links)[0]
        able = [k for k in able if float(masses[k]) > 0]
    what = _PART[kind.axis]
    if name.parts is None:
        chosen = able
    else:
        chosen = []
        for part in name.parts:
            hits = [k for k, known in enumerate(everything) if known == part]
            if not hits and part.isdecimal() and int(part) < len(everything):
                hits = [int(part)]
            if not hits:
                raise GenesisException(
                    f"identify: {name.base}[{part}]: {entity.name!r} has no {what} {part!r}; "
                    f"{near(part, dict.fromkeys(everything))}"
                )
            missing = [k for k in hits if k not in able]
            if missing:
                why = "has no mass" if kind.axis == "links" else "touches nothing in this scene, or has none to set"
                raise GenesisException(
                    f"identify: {name.base}[{part}]: the {what} {why}, so that there is nothing to find."
                )
            chosen += [k for k in hits if k not in chosen]
    if not chosen:
        raise GenesisException(f"identify: {name.base!r}: {entity.name!r} has no {what} of which it could be found.")
    return chosen, [f"{entity.name}.{kind_name}[{everything[k]}]" for k in chosen]


def _part_names(entity: RigidEntity, axis: str) -> list[str]:
    if axis == "links":
        return [link.name for link in entity.links]
    if axis == "joints":
        return [joint.name for joint in entity.joints]
    if axis == "actuators":
        return list(entity.actuator_names)
    if axis == "sites":
        return list(entity.site_names)
    if axis == "tendons":
        return list(entity.tendon_names)
    if axis == "geoms":
        return [geom.name or str(geom.idx_local) for geom in entity.geoms]
    names = []
    for joint in entity.joints:
        names += [joint.name] if joint.n_dofs == 1 else [f"{joint.name}.{k}" for k in range(joint.n_dofs)]
    return names


def _plain(value: torch.Tensor) -> torch.Tensor:
    """Numbers only: without graph and scene."""
    return value.detach().as_subclass(torch.Tensor)


def _positive(initial: torch.Tensor) -> torch.nn.Module:
    from genesis import parameters

    return parameters.positive(initial)


def _parameter(
    entity: RigidEntity,
    text: str,
    kind_name: str,
    kind: Kind,
    numbers: list[int],
    labels: list[str],
    magnitudes: Magnitudes,
) -> Parameter:
    from genesis import parameters

    if kind.form == "inertial":
        bodies = parameters.inertia.of(entity, numbers)
        full = [f"{label}.{c}" for label in labels for c in kind.components]

        def set_bodies(value: Any) -> None:
            entity.set_links_mass(value.mass, numbers)
            entity.set_links_COM(value.com, numbers)
            entity.set_links_inertia(value.inertia, numbers)

        return Parameter(text, set_bodies, bodies, labels=full, sizes=_body_sizes(entity, numbers))
    getter, setter = getattr(entity, f"get_{kind_name}"), getattr(entity, f"set_{kind_name}")
    value = _plain(getter(numbers))
    per_part = 1 if kind.components else 0
    value = value[0] if value.ndim > 1 + per_part else value
    full = [f"{label}.{c}" for label in labels for c in kind.components] if kind.components else labels
    if kind.form == "size":
        return _sizes(entity, text, numbers, labels, value)
    if kind.form == "positive":
        zero = value <= 0
        if bool((value < 0).any()):
            raise GenesisException(f"identify: {text!r} is {value.tolist()}; it can be looked for above zero only.")
        if bool(zero.any()):
            dofs = [entity.dof_start + k for k in numbers] if kind.axis == "dofs" else [0] * len(numbers)
            starts = torch.tensor(magnitudes.starts_of(kind.scale, dofs)).to(value).view(-1, *[1] * (value.ndim - 1))
            value = torch.where(zero, starts.expand_as(value), value)
            shown = ", ".join(
                f"{label} at {start:.3g}"
                for label, start, was in zip(full, value.flatten().tolist(), zero.flatten().tolist(), strict=True)
                if was
            )
            magnitudes.noted.append(
                f"{text}: zero cannot be varied by its logarithm; it starts above zero instead: {shown}."
            )
        module: torch.nn.Module = _positive(value)
    elif kind.form == "inertia":
        module = InertiaAboutCOM(value, text)
    elif kind.form == "direction":
        module = Direction(value)
    elif kind.form == "rotation":
        module = parameters.rotation(value)
    else:
        module = Free(value)
    sizes = _body_sizes(entity, numbers)[:, 1:4] if kind_name == "links_COM" else None
    return Parameter(text, lambda v: setter(v, numbers), module, labels=full, sizes=sizes)


def _body_sizes(entity: RigidEntity, numbers: list[int]) -> torch.Tensor:
    """(n, 10): mass, radius of gyration three times, mean moment of inertia six times, of links."""
    mass = _plain(entity.get_links_mass(numbers)).reshape(-1, len(numbers))[0].double()
    moment = _plain(entity.get_links_inertia(numbers)).reshape(-1, len(numbers), 6)[0, :, :3].mean(-1).double()
    radius = (1.5 * moment / mass).sqrt()
    return torch.stack([mass, *[radius] * 3, *[moment] * 6], -1)


def _sizes(entity: RigidEntity, text: str, numbers: list[int], labels: list[str], value: torch.Tensor) -> Parameter:
    """Of each geom as many numbers as its shape has."""
    counts = [N_SIZES[entity.geoms[k].type] for k in numbers]
    used = torch.tensor([i < count for count in counts for i in range(3)], device=value.device)
    place = used.nonzero()[:, 0]

    def setter(sizes: torch.Tensor) -> None:
        full = sizes.new_zeros(3 * len(numbers)).index_copy(0, place, sizes)
        entity.set_geoms_size(full.view(len(numbers), 3), numbers)

    full = [f"{label}.{i}" for label, count in zip(labels, counts, strict=True) for i in range(count)]
    return Parameter(text, setter, _positive(value.reshape(-1)[place]), labels=full)
