"""The inertias that robot files give their links: what is degenerate, and what compiler settings change."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from genesis import runtime
from genesis.model import diagnostics

# The mass [kg] up to which a link counts as a placeholder: exporters give such links mass 1e-6 and any inertia.
PLACEHOLDER_MASS = 1e-5
# How far below zero a principal moment may be, relative to the largest, to count as a rounded zero.
_ROUNDED_ZERO = 1e-9


def admit_degenerate_inertias(path: Path, spec: mujoco.MjSpec) -> None:
    """Writes inertias that MuJoCo refuses only for being degenerate in a form that it accepts.

    A thin rod or a point mass has principal moments of zero: they are kept, as principal moments. A placeholder link
    (see `PLACEHOLDER_MASS`) whose inertia no body can have gets the mean of its moments about every axis, and is named
    in the log. Any other impossible inertia is left for the compiler to refuse.
    """
    balanced = []
    for body in spec.bodies[1:]:
        if not body.explicitinertial or not np.isfinite(body.fullinertia).all():
            continue
        xx, yy, zz, xy, xz, yz = body.fullinertia
        moments, axes = np.linalg.eigh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
        scale = moments[2]
        if scale <= 0 or (moments[0] > 0 and moments[2] <= moments[0] + moments[1]):
            continue
        if moments[0] >= -_ROUNDED_ZERO * scale:
            moments = np.maximum(moments, 0)
        possible = moments[0] >= 0 and moments[2] <= (moments[0] + moments[1]) * (1 + _ROUNDED_ZERO)
        if not possible and body.mass > PLACEHOLDER_MASS:
            continue
        if not possible:
            balanced.append(body.name)
            moments, axes = np.full(3, abs(moments).mean()), np.eye(3)
        _write_principal(body, moments, axes)
    if balanced:
        runtime.logger.warning(
            "'%s': the inertias of the placeholder links %s are impossible; the mean of their moments is used.",
            path,
            ", ".join(f"'{name}'" for name in balanced),
        )


def _write_principal(body: mujoco.MjsBody, moments: np.ndarray, axes: np.ndarray) -> None:
    """Principal moments (3,) and their axes (columns, 3 x 3) in the frame in which the body's inertia was given."""
    if np.linalg.det(axes) < 0:
        axes = axes * np.array([1.0, 1.0, -1.0])
    turn, quat = np.zeros(4), np.zeros(4)
    mujoco.mju_mat2Quat(turn, axes.ravel())
    mujoco.mju_mulQuat(quat, body.iquat, turn)
    body.iquat, body.inertia = quat, moments
    body.fullinertia = np.full(6, np.nan)


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
