"""Names of a model's parts, for messages: which joint, link, actuator or pair an element of an array belongs to."""

from __future__ import annotations

import mujoco
import numpy as np

from genesis.model.arrays import Model
from genesis.model.controls import input_names


def _named(mj_model: mujoco.MjModel, kind: mujoco.mjtObj, number: int, word: str) -> str:
    name = mujoco.mj_id2name(mj_model, int(kind), int(number))
    return f"{word} {name!r}" if name else f"{word} {number}"


def link(model: Model, body: int) -> str:
    """Of a body."""
    return "the world" if body == 0 else _named(model.mj_model, mujoco.mjtObj.mjOBJ_BODY, body, "link")


def joint(model: Model, number: int) -> str:
    """Of a joint; one without a name is called by its link."""
    m = model.mj_model
    if mujoco.mj_id2name(m, int(mujoco.mjtObj.mjOBJ_JOINT), int(number)):
        return _named(m, mujoco.mjtObj.mjOBJ_JOINT, number, "joint")
    return f"the joint of {link(model, int(m.jnt_bodyid[number]))}"


def dof(model: Model, number: int) -> str:
    """Of a dof: its joint, and which of its dofs."""
    m = model.mj_model
    j = int(m.dof_jntid[number])
    count = int(model.indices["jnt_dofnum"][j])
    return joint(model, j) + (f" (dof {number - int(m.jnt_dofadr[j])})" if count > 1 else "")


def coordinate(model: Model, number: int) -> str:
    """Of an entry of qpos: its joint, and which of its coordinates."""
    m = model.mj_model
    j = int(np.searchsorted(m.jnt_qposadr, number, side="right")) - 1
    end = m.jnt_qposadr[j + 1] if j + 1 < m.njnt else m.nq
    first = int(m.jnt_qposadr[j])
    return joint(model, j) + (f" (coordinate {number - first})" if end - first > 1 else "")


def geom(model: Model, cgeom: int) -> str:
    """Of a geom that can touch: its own name, or its link's."""
    m = model.mj_model
    number = int(model.indices["cgeom_id"][cgeom])
    name = mujoco.mj_id2name(m, int(mujoco.mjtObj.mjOBJ_GEOM), number)
    return f"geom {name!r}" if name else link(model, int(m.geom_bodyid[number]))


def pair(model: Model, cpair: int) -> str:
    """Of a pair of geoms that can touch."""
    first, second = model.indices["cpair_geom"][cpair]
    return f"{geom(model, first)} and {geom(model, second)}"


def actuator(model: Model, number: int) -> str:
    """Of an actuator."""
    return _named(model.mj_model, mujoco.mjtObj.mjOBJ_ACTUATOR, number, "actuator")


def control(model: Model, number: int) -> str:
    """Of a control: its actuator, and which of its inputs."""
    m = model.mj_model
    u = int(np.searchsorted(m.actuator_ctrladr + m.actuator_ctrlnum, number, side="right"))
    which = input_names(m, u)[number - int(m.actuator_ctrladr[u])]
    return actuator(model, u) + (f" (input {which!r})" if which else "")


def equality(model: Model, number: int) -> str:
    """Of an equality constraint."""
    return _named(model.mj_model, mujoco.mjtObj.mjOBJ_EQUALITY, number, "equality constraint")


def weld(model: Model, number: int) -> str:
    """Of a weld made at run time."""
    one, two = model.weld_pairs[number]
    return f"the weld of {link(model, one)} and {link(model, two)}"


def tendon(model: Model, number: int) -> str:
    """Of a tendon."""
    return _named(model.mj_model, mujoco.mjtObj.mjOBJ_TENDON, number, "tendon")


def row(model: Model, number: int) -> str:
    """Of a row of the table of constraints: what it is, and of what."""
    words, kind, owner = model.rows.owners[number]
    return f"{words} {_OF_KIND[kind](model, owner)}".strip()


def parameter(model: Model, column: int) -> str:
    """Of an entry of the packed parameters: the parameter, and of what it is."""
    for name, field in model.theta_fields.items():
        if field.offset <= column < field.offset + field.size:
            row = (column - field.offset) // max(1, field.size // max(1, field.shape[0] if field.shape else 1))
            return f"{name}[{row}]{_owner(model, name, row)}"
    return f"parameter {column}"


def _owner(model: Model, field: str, row: int) -> str:
    known = None if field.startswith("weld_") else _OF_KIND.get(field.split("_", maxsplit=1)[0])
    return f" of {known(model, row)}" if known else ""


_OF_KIND = {
    "body": link,
    "link": link,
    "dof": dof,
    "jnt": joint,
    "joint": joint,
    "actuator": actuator,
    "eq": equality,
    "equality": equality,
    "weld": weld,
    "tendon": tendon,
}
