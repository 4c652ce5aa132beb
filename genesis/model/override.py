"""Option flag `override`: the contact parameters of <option>, which take the place of those of all geoms and pairs.

They are written into the geoms and pairs, and the flag goes: contacts are the same, and each geom's numbers can be set
and differentiated as always (MuJoCo: mj_assignFriction, mj_assignRef, mj_assignImp, mj_assignMargin).
"""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np

FLAG = int(mujoco.mjtEnableBit.mjENBL_OVERRIDE)
_OF_GEOM = [0, 2, 3]  # of the option's five frictions those that a geom has: sliding, torsional, rolling


def write_override(spec: mujoco.MjSpec, compiled: Callable[[], mujoco.MjModel]) -> None:
    """Write the option's parameters into the geoms and pairs, if the flag is set and geoms can have them: they have one
    friction for both tangents (see `has_two_frictions`). `compiled()` compiles the spec."""
    option = spec.option
    if not option.enableflags & FLAG or has_two_frictions(option):
        return
    shared = {"solref": option.o_solref, "solimp": option.o_solimp}
    of_geom = {**shared, "friction": option.o_friction[_OF_GEOM], "margin": 0.5 * option.o_margin}  # a contact has both
    of_pair = {
        **shared,
        "friction": option.o_friction,
        "solreffriction": option.o_solref,
        "margin": option.o_margin,
    }
    for elements, numbers in ((spec.geoms, of_geom), (spec.pairs, of_pair)):
        for element in elements:
            for name, value in numbers.items():
                setattr(element, name, value)
    option.enableflags &= ~FLAG
    m = compiled()
    # The scale of an entity has multiplied lengths among them; the option's stay.
    for elements, kind, numbers in ((spec.geoms, "geom", of_geom), (spec.pairs, "pair", of_pair)):
        for element in elements:
            for name, wanted in numbers.items():
                found = np.asarray(getattr(m, f"{kind}_{name}")[element.id])
                exact = wanted * np.divide(wanted, found, out=np.ones_like(found), where=found != 0)
                setattr(element, name, exact if exact.ndim else exact.item())


def has_two_frictions(option: mujoco.MjOption) -> bool:
    """Whether `o_friction` differs between the two tangents, sliding or rolling."""
    first, second = np.asarray(option.o_friction)[[0, 3]], np.asarray(option.o_friction)[[1, 4]]
    return bool((first != second).any())
