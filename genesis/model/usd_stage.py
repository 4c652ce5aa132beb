"""USD stages, opened by the package usd-core and read in metres, kilograms, radians and with z up.

What every part of the USD importer shares: poses, attributes, units, and the list of what was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mujoco
import numpy as np

from genesis import runtime
from genesis.errors import GenesisException

_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # a stage with y up, turned so that z is up
# The letters of joint and shape axes, with the rotation that takes z to each.
AXES = {
    "X": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    "Y": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    "Z": np.eye(3),
}
ROUNDING = 1e-5  # relative: USD keeps scales and joint frames in 32 bits
_LARGEST_UNIT = 1e12  # [m, kg]: its powers stay numbers
_SMALLEST_SCALE = 1e-9  # metres per unit of a prim; MuJoCo's smallest sizes are far above


class Frame(NamedTuple):
    """A pose in the world: the rotation's matrix (3, 3) and the position [m] (3,)."""

    rotation: np.ndarray
    position: np.ndarray

    def __matmul__(self, other: Frame) -> Frame:
        return Frame(self.rotation @ other.rotation, self.rotation @ other.position + self.position)

    def inverse(self) -> Frame:
        return Frame(self.rotation.T, -self.rotation.T @ self.position)

    @property
    def quat(self) -> np.ndarray:
        """The rotation as a unit quaternion (w, x, y, z)."""
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, np.ascontiguousarray(self.rotation).ravel())
        return quat


IDENTITY = Frame(np.eye(3), np.zeros(3))


def quat_matrix(quat: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) of a quaternion (w, x, y, z) of any length."""
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, quat / np.linalg.norm(quat))
    return matrix.reshape(3, 3)


class Stage:
    """A file, `opened` by `open_stage`. `root` is the prim under which is read what belongs to the entity.

    `length` and `mass` are metres and kilograms per unit of the file. `notes` collects, by what was left out or
    changed, the prims to which that happened; `tell()` says it all in one warning.
    """

    def __init__(self, path: Path, opened: Any, prim_path: str | None) -> None:
        self.path, self._stage = path, opened
        from pxr import Usd, UsdGeom, UsdPhysics

        self.notes: dict[str, dict[str, None]] = {}
        self.time = Usd.TimeCode.EarliestTime()
        self.length = self._unit("metersPerUnit", UsdGeom.GetStageMetersPerUnit(self._stage))
        self.mass = self._unit("kilogramsPerUnit", UsdPhysics.GetStageKilogramsPerUnit(self._stage))
        up = UsdGeom.GetStageUpAxis(self._stage)
        self._axes = _Y_UP if up == UsdGeom.Tokens.y else np.eye(3)
        self._transforms = UsdGeom.XformCache(self.time)
        self.root = self._find_root(prim_path)

    def prims(self) -> Iterator[Any]:
        """Every active prim of the entity, those of instances included, parents before children."""
        yield from self._range(self.root)

    def of_type(self, schema: Any) -> Iterator[Any]:
        """Every prim of a type, wherever it stands in the stage."""
        for prim in self._range(self._stage.GetPseudoRoot()):
            if prim.IsA(schema):
                yield prim

    def prim_at(self, path: Any) -> Any:
        """The prim at a path; not valid if there is none."""
        return self._stage.GetPrimAtPath(path)

    def error(self, prim: Any, what: str) -> GenesisException:
        return GenesisException(f"'{self.path}', <{prim.GetPath()}>: {what}")

    def note(self, what: str, prim: Any) -> None:
        self.notes.setdefault(what, {})[str(prim.GetPath())] = None

    def tell(self) -> None:
        """One warning that names what was not taken over from the file, and where it stands."""
        if not self.notes:
            return
        lines = []
        for what, paths in self.notes.items():
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            lines.append(f"{what}: {', '.join(list(paths)[:_NAMED])}{more}")
        runtime.logger.warning("'%s': not taken over as the file says: %s.", self.path, "; ".join(lines))

    # ------------------------------------------------------------------ poses

    def matrix(self, prim: Any | None) -> tuple[np.ndarray, np.ndarray]:
        """Where the points of a prim are in the world: x -> A x + b, A (3, 3) [m per unit], b (3,) [m].

        Of None: the world's own. Raises for transforms that are no numbers, or flat.
        """
        local = np.eye(4) if prim is None else np.array(self._transforms.GetLocalToWorldTransform(prim)).T
        if not np.isfinite(local).all():
            raise self.error(prim, "its transform has numbers that are not finite. Correct its xformOps.")
        linear = self.length * self._axes @ local[:3, :3]
        if prim is not None and abs(np.linalg.det(linear)) < _SMALLEST_SCALE**3:
            raise self.error(prim, "its transform scales a direction to nothing. Correct its xformOps.")
        return linear, self.length * self._axes @ local[:3, 3]

    def frame(self, prim: Any | None) -> Frame:
        """The pose of a prim without its scale: the rotation that is nearest to its transform."""
        linear, position = self.matrix(prim)
        return Frame(rotation_and_scale(linear)[0], position)

    def is_mirrored(self, prim: Any) -> bool:
        return bool(np.linalg.det(self.matrix(prim)[0]) < 0)

    # ------------------------------------------------------------------ attributes

    def value(self, prim: Any, name: str, default: Any = None) -> Any:
        """The value of an attribute, or `default` where the file and the schema say nothing."""
        attribute = prim.GetAttribute(name)
        value = attribute.Get(self.time) if attribute else None
        return default if value is None else value

    def number(self, prim: Any, name: str, default: float = 0.0, *, infinite: bool = False) -> float:
        """A number, refused if it is NaN, or infinite where that means nothing."""
        given = self.value(prim, name, default)
        try:
            value = float(given)
        except (TypeError, ValueError, OverflowError):
            raise self.error(prim, f"{name} = {given}: expected a number.") from None
        if np.isnan(value) or (np.isinf(value) and not infinite):
            raise self.error(prim, f"{name} = {value}: expected a finite number.")
        return value

    def array(self, prim: Any, name: str, default: Any, kind: type = float) -> np.ndarray:
        """An array of numbers; what the file has, or `default`."""
        given = self.value(prim, name, default)
        try:
            return np.atleast_1d(np.array(given, dtype=kind))
        except (TypeError, ValueError, OverflowError):
            raise self.error(prim, f"{name} = {str(given)[:40]}: expected an array of numbers.") from None

    def vector(self, prim: Any, name: str) -> np.ndarray:
        """Three finite numbers; zero where nothing is said."""
        value = self.array(prim, name, (0.0, 0.0, 0.0))
        if value.shape != (3,) or not np.isfinite(value).all():
            raise self.error(prim, f"{name} = {value}: expected three finite numbers.")
        return value

    def axis(self, prim: Any, name: str, default: str) -> str:
        """The letter of an axis, a key of `AXES`."""
        axis = str(self.value(prim, name, default))
        if axis not in AXES:
            raise self.error(prim, f'{name} = "{axis}": expected "X", "Y" or "Z".')
        return axis

    def rotation(self, prim: Any, name: str) -> np.ndarray:
        """A quaternion as a matrix (3, 3); the identity where nothing is said, or the schema's zero."""
        given = self.value(prim, name)
        if given is not None and not hasattr(given, "GetReal"):
            raise self.error(prim, f"{name} = {given}: expected a quaternion.")
        quat = np.array([1.0, 0.0, 0.0, 0.0] if given is None else [given.GetReal(), *given.GetImaginary()])
        if not np.isfinite(quat).all():
            raise self.error(prim, f"{name} = {given}: expected a quaternion of finite numbers.")
        return quat_matrix(quat) if np.linalg.norm(quat) > 0 else np.eye(3)

    # ------------------------------------------------------------------ opening

    def _range(self, prim: Any) -> Iterator[Any]:
        from pxr import Usd

        yield from Usd.PrimRange(prim, Usd.TraverseInstanceProxies())

    def _unit(self, name: str, value: float) -> float:
        if not 1 / _LARGEST_UNIT <= value <= _LARGEST_UNIT:
            raise GenesisException(
                f"'{self.path}': {name} = {value:g}: expected a positive number, of {1 / _LARGEST_UNIT:g} to "
                f"{_LARGEST_UNIT:g}."
            )
        return float(value)

    def _find_root(self, prim_path: str | None) -> Any:
        from pxr import Sdf

        if prim_path is None:
            return self._stage.GetDefaultPrim() or self._stage.GetPseudoRoot()
        prim = self._stage.GetPrimAtPath(prim_path) if Sdf.Path.IsValidPathString(prim_path) else None
        if not prim:
            top = ", ".join(str(child.GetPath()) for child in self._stage.GetPseudoRoot().GetChildren())
            raise GenesisException(
                f"'{self.path}': prim_path='{prim_path}': there is no such prim. At the top there are: {top or 'none'}."
            )
        return prim


_NAMED = 5  # so many prims of one kind are named in a warning


def open_stage(path: Path) -> Any:
    """USD's own stage of a file, complete: raises for a missing package, and for what it refers to and is not there."""
    try:
        from pxr import Usd
    except ImportError:
        raise GenesisException(
            f"reading '{path}' needs a package that is not installed: pip install usd-core (or genesis-grad[usd])."
        ) from None
    with usd_errors(path):
        stage = Usd.Stage.Open(str(path))
    broken = stage.GetCompositionErrors()
    if broken:
        raise GenesisException(f"'{path}': what it refers to cannot be put together: {_one_line(str(broken[0]))}")
    if not stage.GetPseudoRoot().GetChildren():
        raise GenesisException(f"'{path}' has no prims. Expected a stage with rigid bodies.")
    return stage


@contextmanager
def usd_errors(path: Path) -> Iterator[None]:
    """Turns what USD itself finds wrong with a file, on opening it or later, into a `GenesisException`."""
    from pxr import Tf

    try:
        yield
    except Tf.ErrorException as error:
        raise GenesisException(f"cannot read '{path}' as a USD file: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """The message inside a USD error, which also says where in USD's own source it arose."""
    lines = str(error).strip().splitlines()
    message = lines[0].rpartition(" : ")[2].strip("'") if lines else "unknown reason"
    return _one_line(message.partition(" matching pxr")[0])  # the rest is the grammar of its parser


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".'") + "."


def rotation_and_scale(linear: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """A matrix (3, 3) as a rotation R and lengths s with A = R diag(s) up to the sign of s; s is None for a shear.

    For a shear R is the rotation nearest to A (polar decomposition). A mirroring A has the rotation of -A.
    """
    lengths = np.linalg.norm(linear, axis=0)
    rotation: np.ndarray = linear / lengths
    scale: np.ndarray | None = lengths
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > ROUNDING:
        left, _, right = np.linalg.svd(linear)
        rotation, scale = left @ right, None
    if np.linalg.det(rotation) < 0:
        rotation = -rotation
    return rotation, scale
