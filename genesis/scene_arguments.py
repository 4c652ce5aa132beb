"""The arguments of `Scene`: what each may be, and what they mean together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from genesis import runtime
from genesis.errors import GenesisException
from genesis.options import Options, RigidOptions, SimOptions
from genesis.other_options import SceneOptions

_ROUNDING = 1e-9
# Argument of Scene -> field of SceneOptions.
FIELDS = {f"{name}_options": name for name in SceneOptions.model_fields if name != "renderer"} | {
    "renderer": "renderer"
}


def read(options: SceneOptions | None, given: dict[str, Any], show_FPS: Any) -> SceneOptions:
    """All options of a scene, those left out with their defaults.

    `RigidOptions.dt` and `gravity` are worked into `SimOptions`, which then hold for the whole scene.

    Raises GenesisException for an argument of the wrong type, and for what contradicts each other.
    """
    unknown = [name for name in given if name not in FIELDS]
    if unknown:
        raise GenesisException(_unknown_arguments(unknown))
    given = {name: value for name, value in given.items() if value is not None}
    if options is not None:
        if not isinstance(options, SceneOptions):
            raise GenesisException(f"Scene: `options` is {options!r}; expected gs.options.SceneOptions(...).")
        if given:
            raise GenesisException(f"Scene: `options` holds all options; leave out {', '.join(given)}.")
    else:
        for name, value in given.items():
            kind: Any = SceneOptions.model_fields[FIELDS[name]].annotation
            if not isinstance(value, kind):
                place = "gs.renderers.Rasterizer" if name == "renderer" else f"gs.options.{kind.__name__}"
                raise GenesisException(f"Scene: `{name}` is {value!r}; expected {place}(...).")
        options = SceneOptions(**{FIELDS[name]: value for name, value in given.items()})
    if show_FPS is not None and not isinstance(show_FPS, bool):
        raise GenesisException(f"Scene: `show_FPS` is {show_FPS!r}; expected True, False or None.")
    changed: dict[str, Any] = {"sim": _one_clock(options.sim, options.rigid)}
    if show_FPS is not None:
        changed["profiling"] = options.profiling.model_copy(update={"show_FPS": show_FPS})
    return options.model_copy(update=changed)


def _one_clock(sim: SimOptions, rigid: RigidOptions) -> SimOptions:
    """`SimOptions` with what `RigidOptions` says of time and gravity.

    A solver's own `dt` is its integration step in Genesis 1.4; before, and where `SimOptions` says no `dt`, it is the
    scene's. The two meanings agree where both are the same.
    """
    changed: dict[str, Any] = {} if rigid.gravity is None else {"gravity": rigid.gravity}
    if rigid.dt is not None and "dt" not in sim.model_fields_set:
        changed["dt"] = rigid.dt
    elif rigid.dt is not None and rigid.dt != sim.dt:
        substeps = round(sim.dt / rigid.dt)
        wanted = sim.substeps if "substeps" in sim.model_fields_set else substeps
        if substeps < 1 or abs(sim.dt / rigid.dt - substeps) > _ROUNDING * substeps or wanted != substeps:
            raise GenesisException(
                f"Scene: RigidOptions(dt={rigid.dt:g}) is the duration of a substep, and SimOptions(dt={sim.dt:g}, "
                f"substeps={sim.substeps}) makes it {sim.dt / sim.substeps:g}; leave it out of RigidOptions."
            )
        changed["substeps"] = substeps
    return sim.model_copy(update=changed) if changed else sim


def tell_of_idle(named: Iterable[tuple[str, Options | None]]) -> None:
    """Name, in one debug line, every argument given that has no effect here. `named`: owner and description."""
    parts = []
    for owner, description in named:
        idle = description.idle_arguments() if isinstance(description, Options) else []
        if idle:
            parts.append(f"{owner}{type(description).__name__}({', '.join(idle)})")
    if parts:
        runtime.logger.debug(
            "These arguments tune Genesis's own algorithms, or what is not here, and have no effect: %s.",
            "; ".join(dict.fromkeys(parts)),
        )


def _unknown_arguments(unknown: Iterable[str]) -> str:
    known = (*FIELDS, "show_viewer", "show_FPS", "options")
    parts = []
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1)
        parts.append(f"{name} (did you mean {close[0]}?)" if close else name)
    return f"Scene() does not take {', '.join(parts)}; it takes {', '.join(known)}."
