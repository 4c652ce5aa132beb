"""The inertias that robot files give their links: what is degenerate, and what compiler settings change."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from genesis.model import diagnostics

# ------------------------------------------------------------------ masses and inertias that cannot be

# MuJoCo's bounds: the smallest principal moment [kg m^2] that its compiler takes as part of a full inertia, and the
# smallest mass and moment with which a link may move.
_SMALLEST_GIVEN = 1e-14
_SMALLEST_MOVING = 1e-15
# How far below zero a principal moment may be, relative to the largest, to count as a rounded zero.
_ROUNDED_ZERO = 1e-9
# What a link without mass gets, relative to the usual mass of the robot's links, and what a moment of zero becomes,
# relative to the largest. Little enough to change no motion by more than the file's other numbers are off, and enough
# for the joints between which such links stand: docs/urdf.md has the figures.
_SMALL = 1e-2
_USUAL_MASS, _USUAL_RADIUS = 1.0, 0.05  # kg and m, for a robot none of whose links has a mass


def repair_inertias(spec: mujoco.MjSpec) -> list[str]:
    """Gives each link of a URDF a mass and inertia that MuJoCo compiles; returns what it became, a text for each link.

    What MuJoCo takes stays as it is, bit for bit. Of the rest:
    - An inertia that is only degenerate (a thin rod, a point mass: principal moments of zero) is kept, as principal
      moments, and is no repair.
    - One that no body can have (a moment above the sum of the others, or a negative one) becomes the mean of its
      moments about every axis, as with MuJoCo's `balanceinertia`; negative ones count as 0.
    - A link that moves needs a mass and moments, itself or a link fixed to it. Without mass, it takes both from its
      collision shapes at 1000 kg/m3, at their centre; without shapes it gets `_SMALL` of the median mass of the robot's
      links. With mass and without inertia, it has that of its collision shapes for this mass; without shapes, that of
      a ball with the median radius of gyration. A moment of zero beside others becomes `_SMALL` of the largest.

    A negative mass is left for the compiler to refuse.
    """
    repairs = []
    usual = _usual(spec)
    for body in spec.bodies[1:]:
        if body.explicitinertial and not _is_accepted(spec, body):
            repairs += _repair_moments(body)
    for body in spec.bodies[1:]:
        if body.joints and not _can_move(spec, body):
            repairs += _repair_moving(spec, body, usual)
    return repairs


def _repair_moments(body: mujoco.MjsBody) -> list[str]:
    if body.mass < 0 or not np.isfinite([body.mass, *body.fullinertia]).all():
        return []
    moments, axes = _principal(body)
    largest = moments[2]
    if abs(moments).max() < _SMALLEST_GIVEN and moments[0] < _SMALLEST_MOVING:
        _write_principal(body, np.zeros(3), np.eye(3))  # rounding of nothing
        return []
    if abs(moments[0]) <= _ROUNDED_ZERO * largest:
        moments[0] = 0
    highest = moments[0] + moments[1]
    if moments[0] >= 0 and largest <= highest * (1 + _ROUNDED_ZERO):
        if moments[0] == 0:
            moments[2] = moments[1]
        else:  # below the bound by more than the rounding of what is computed from them
            moments[2] = min(largest, highest * (1 - _ROUNDED_ZERO))
        _write_principal(body, moments, axes)
        return []
    mean = np.maximum(moments, 0).mean()
    _write_principal(body, np.full(3, mean), np.eye(3))
    return [
        f"link '{body.name}': no body has the principal moments of inertia {_listed(moments)} kg m^2 (none can be "
        f"negative, or above the sum of the others): became their mean, {mean:.3g} kg m^2 about every axis"
    ]


def _repair_moving(spec: mujoco.MjSpec, body: mujoco.MjsBody, usual: Callable[[], tuple[float, float]]) -> list[str]:
    given = body.explicitinertial
    mass, moments = (float(body.mass), _moments(body)) if given else (0.0, np.zeros(3))
    if mass < 0:
        return []
    has_mass, has_moments = mass >= _SMALLEST_MOVING, moments[2] >= _SMALLEST_MOVING
    what = f"link '{body.name}' moves, and has "
    if has_moments:
        if moments[0] < _SMALLEST_MOVING:
            low = _SMALL * moments[2]
            body.inertia = np.maximum(body.inertia, low)
            what += f"the principal moments of inertia {_listed(moments)} kg m^2: those of 0 became {low:.3g}"
        if not has_mass:
            body.mass = _SMALL * usual()[0]
            what += f"{'' if what.endswith(' ') else ', and '}no mass: it became {body.mass:.3g} kg"
        return [what]
    what += f"a mass of {mass:.3g} kg without inertia" if has_mass else "no mass"
    shapes = _from_shapes(spec, body)
    if shapes is None:
        usual_mass, radius = usual()
        body.mass = mass if has_mass else _SMALL * usual_mass
        if not given:
            body.ipos = np.zeros(3)
        body.iquat, body.inertia = (1, 0, 0, 0), np.full(3, body.mass * radius**2)
        of = "there are no collision shapes to tell them"
    else:
        body.mass = mass if has_mass else shapes.mass
        if not has_mass:
            body.ipos = shapes.ipos
        body.iquat, body.inertia = shapes.iquat, shapes.inertia * (body.mass / shapes.mass)
        of = "of its collision shapes"
    body.fullinertia = np.full(6, np.nan)
    body.explicitinertial = True
    became = f"became {body.mass:.3g} kg with the moments {_listed(body.inertia)} kg m^2 ({of})"
    is_base = body.joints[0].type == mujoco.mjtJoint.mjJNT_FREE
    return [f"{what}: {became}{'; pass fixed=True if it is a base that does not move' if is_base else ''}"]


def _listed(moments: np.ndarray) -> str:
    return "(" + ", ".join(f"{moment:.3g}" for moment in moments) + ")"


def _principal(body: mujoco.MjsBody) -> tuple[np.ndarray, np.ndarray]:
    """Principal moments (3,), ascending, and their axes (columns, 3 x 3) of a body's full inertia."""
    xx, yy, zz, xy, xz, yz = body.fullinertia
    moments, axes = np.linalg.eigh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return moments, axes


def _moments(body: mujoco.MjsBody) -> np.ndarray:
    """The principal moments (3,) that a body is given, ascending."""
    return np.sort(body.inertia) if np.isnan(body.fullinertia).any() else _principal(body)[0]


def _has_all(body: mujoco.MjsBody, least: float) -> bool:
    """Whether the mass that a body is given, and each of its moments, is `least` or more."""
    return bool(min(body.mass, *_moments(body)) >= least)


def _write_principal(body: mujoco.MjsBody, moments: np.ndarray, axes: np.ndarray) -> None:
    """Principal moments (3,) and their axes (columns, 3 x 3) in the frame in which the body's inertia was given."""
    if np.linalg.det(axes) < 0:
        axes = axes * np.array([1.0, 1.0, -1.0])
    turn, quat = np.zeros(4), np.zeros(4)
    mujoco.mju_mat2Quat(turn, axes.ravel())
    mujoco.mju_mulQuat(quat, body.iquat, turn)
    body.iquat, body.inertia = quat, moments
    body.fullinertia = np.full(6, np.nan)


def _is_accepted(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> bool:
    """Whether MuJoCo compiles the inertia of a body that is written as its file gives it."""
    trial = mujoco.MjSpec()
    for name in ("balanceinertia", "boundmass", "boundinertia"):
        setattr(trial.compiler, name, getattr(spec.compiler, name))
    copy = trial.worldbody.add_body(mass=body.mass, explicitinertial=True)
    copy.inertia, copy.fullinertia = body.inertia, body.fullinertia
    try:
        trial.compile()
    except ValueError:
        return False
    return True


def _can_move(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> bool:
    """Whether a body, or one that is fixed to it, has mass and moments: else MuJoCo lets it have no joint."""
    if spec.compiler.boundmass > 0 and spec.compiler.boundinertia > 0:
        return True
    waiting = [body]
    while waiting:
        part = waiting.pop()
        if part.explicitinertial:
            if _has_all(part, _SMALLEST_MOVING):
                return True
        elif any(map(gives_mass, part.geoms)):
            return True
        waiting += [child for child in part.bodies if not child.joints]
    return False


def gives_mass(geom: mujoco.MjsGeom) -> bool:
    """Whether a shape of a URDF counts for the mass of its link, which has no <inertial>."""
    return geom.density != 0 and not geom.parent.explicitinertial


@dataclass(frozen=True)
class _Inertial:
    """Mass [kg], centre [m] (3,), principal axes (quaternion) and moments [kg m^2] (3,) in the body's frame."""

    mass: float
    ipos: np.ndarray
    iquat: np.ndarray
    inertia: np.ndarray


def _from_shapes(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> _Inertial | None:
    """What a body's collision shapes weigh; meshes without a volume of their own count as their convex hulls. None
    where there are none, or none with a volume."""
    geoms = [geom for geom in body.geoms if geom.density != 0]
    for how in (mujoco.mjtMeshInertia.mjMESH_INERTIA_LEGACY, mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX):
        trial = mujoco.MjSpec()
        for name in {geom.meshname for geom in geoms} - {""}:
            mesh = spec.mesh(name)
            copy = trial.add_mesh(name=name, file=mesh.file, scale=mesh.scale, inertia=how)
            copy.uservert, copy.userface = mesh.uservert, mesh.userface
        part = trial.worldbody.add_body()
        for geom in geoms:
            part.add_geom(
                type=geom.type,
                size=geom.size,
                pos=geom.pos,
                quat=geom.quat,
                meshname=geom.meshname,
                density=geom.density,
            )
        try:
            model = trial.compile()
        except ValueError:
            continue
        if min(model.body_mass[1], *model.body_inertia[1]) >= _SMALLEST_MOVING:
            return _Inertial(float(model.body_mass[1]), model.body_ipos[1], model.body_iquat[1], model.body_inertia[1])
    return None


def _usual(spec: mujoco.MjSpec) -> Callable[[], tuple[float, float]]:
    """The median mass [kg] and radius of gyration [m] of the links that have both by their file, when asked for."""
    links = [body for body in spec.bodies[1:] if not body.explicitinertial or _has_all(body, _SMALLEST_GIVEN)]

    @functools.cache
    def usual() -> tuple[float, float]:
        masses, radii = [], []
        for body in links:
            if body.explicitinertial:
                mass, moments = float(body.mass), _moments(body)
            elif (shapes := _from_shapes(spec, body)) is not None:
                mass, moments = shapes.mass, shapes.inertia
            else:
                continue
            masses.append(mass)
            radii.append(math.sqrt(moments.mean() / mass))
        return (float(np.median(masses)), float(np.median(radii))) if masses else (_USUAL_MASS, _USUAL_RADIUS)

    return usual


# ------------------------------------------------------------------ compiler settings

# Compiler settings that change the inertias which MuJoCo computes, with their defaults in an attached model.
_INERTIA_SETTINGS = {
    "inertiafromgeom": mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO,
    "boundmass": 0.0,
    "boundinertia": 0.0,
    "balanceinertia": False,
    "settotalmass": -1.0,
}
_EVERY_GROUP = (0, 5)


def write_out_inertias(path: Path, spec: mujoco.MjSpec) -> None:
    """If the file's compiler settings change inertias, writes the outcome into the links and resets the settings.

    `settotalmass` speaks of a whole model, which in a scene is no longer the file; and one MJCF (`to_mjcf`) has room
    for one set of settings only.
    """
    bodies = spec.bodies[1:]
    # Attached models keep the settings of their own files, but for the total mass, which is the whole model's.
    owners = [spec.compiler, *(body.compiler for body in bodies)]
    compilers = list({id(compiler): compiler for compiler in owners}.values())
    if all(_keeps_inertias(compiler) for compiler in compilers):
        return
    model = diagnostics.compile_alone(spec, f"'{path}'")
    for body in bodies:
        low, high = body.compiler.inertiagrouprange
        compiled = model.body(body.id)
        body.explicitinertial = True
        body.mass = float(compiled.mass[0])
        body.ipos, body.iquat, body.inertia = compiled.ipos, compiled.iquat, compiled.inertia
        body.fullinertia = np.full(6, np.nan)
        body.ialt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        for geom in body.geoms:
            if not low <= geom.group <= high:
                geom.mass = 0  # counts for nothing, also when a density is given later
    for compiler in compilers:
        for name, value in _INERTIA_SETTINGS.items():
            setattr(compiler, name, value)
        compiler.inertiagrouprange = _EVERY_GROUP


def _keeps_inertias(compiler: mujoco.MjsCompiler) -> bool:
    default = all(getattr(compiler, name) == value for name, value in _INERTIA_SETTINGS.items())
    return default and tuple(compiler.inertiagrouprange) == _EVERY_GROUP
