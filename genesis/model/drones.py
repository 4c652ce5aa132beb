"""Drones: a URDF whose propellers push and turn, by the square of their speed.

Each propeller is a site at the centre of mass of its link, and a motor that acts there: its control is the thrust f
along the link's z axis [N], and beside it turns the link about that axis by spin km / kf f [N m].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from genesis.errors import GenesisException
from genesis.model import diagnostics
from genesis.model.meshes import check_file
from genesis.model.robot_files import read_xml, unused_name
from genesis.model.xml_tree import line_of

INVERTED = "RACE"  # the model whose propellers turn the drone the other way, as in Genesis
_TAG = "properties"


def read_properties(file: str) -> dict[str, float]:
    """The numbers of a drone's <properties kf="..." km="..."/>: of thrust, kf [N / rpm^2], of torque, km [N m / rpm^2],
    and whatever else stands there (`thrust2weight`); NaN for what is none.

    Raises GenesisException for a file without it, and without a positive kf and a km in it.
    """
    path = check_file(file)
    _, root = read_xml(path, "robot")
    element = root.find(_TAG)
    if element is None:
        raise GenesisException(
            f'\'{path}\' has no <{_TAG} kf="..." km="..."/>, from which a drone\'s thrust (kf rpm^2 [N]) and torque '
            "(km rpm^2 [N m]) follow. Add it to <robot>."
        )
    values = {name: _number(text) for name, text in element.attrib.items()}
    for name, expected, good in (
        ("kf", "a number above zero", values.get("kf", math.nan) > 0),
        ("km", "a number", math.isfinite(values.get("km", math.nan))),
    ):
        if not good:
            raise GenesisException(
                f"'{path}'{line_of(element)}: <{_TAG}> says {name}={element.attrib.get(name)!r}; expected {expected}."
            )
    return values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def add_propellers(
    spec: mujoco.MjSpec, file: str, model: str, links: Sequence[str], spins: Sequence[int], properties: dict[str, float]
) -> None:
    """A motor for each propeller, in their order; raises GenesisException for a link that is not there."""
    known = [body.name for body in spec.bodies[1:]]
    for name in links:
        if name not in known:
            raise GenesisException(
                f"'{file}': propellers_link_name: there is no link '{name}'. {diagnostics.closest(name, known)}"
            )
    centres = _centres(spec, links)
    taken = {site.name for site in spec.sites}
    ratio = properties["km"] / properties["kf"] * (-1.0 if model == INVERTED else 1.0)
    for name, spin, centre in zip(links, spins, centres, strict=True):
        site = unused_name(f"{name}_thrust", taken)
        taken.add(site)
        spec.body(name).add_site(name=site, pos=centre)
        motor = spec.add_actuator(name=unused_name(name, {actuator.name for actuator in spec.actuators}))
        motor.set_to_motor()
        motor.trntype = mujoco.mjtTrn.mjTRN_SITE
        motor.target = site
        motor.gear = [0.0, 0.0, 1.0, 0.0, 0.0, ratio * spin]


def _centres(spec: mujoco.MjSpec, links: Sequence[str]) -> list[np.ndarray]:
    """Centres of mass of links, in their frames [m]."""
    compiled = spec.copy().compile()
    return [np.array(compiled.body_ipos[compiled.body(name).id]) for name in links]
