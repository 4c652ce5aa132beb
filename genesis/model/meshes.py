"""Mesh files, as triangles: what MuJoCo's loaders do not read goes through trimesh."""

from __future__ import annotations

import io
import os
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from genesis import asset_files
from genesis.errors import GenesisException

# Formats that MuJoCo's own loaders read.
MUJOCO_FORMATS = frozenset({".stl", ".obj", ".msh"})
MUJOCO_STL_TRIANGLES = 200_000  # the most that MuJoCo's STL loader takes


def check_file(path: str | os.PathLike[str]) -> Path:
    """`path` as an absolute `Path` to an existing file, where assets are looked for (`genesis.asset_files`), or a
    `GenesisException` that says what it is instead."""
    return asset_files.find(path)


def is_file(path: Path) -> bool:
    """Whether there is such a file that may be looked at; what cannot be a path (too long, a NUL) is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class TriangleMesh:
    """Triangles of a mesh file, in metres, in the file's own axes: vertices (n, 3) float64, faces (m, 3) int32.

    `is_solid`: they are a closed surface with consistent orientation, facing outwards, so that they enclose a volume.
    """

    vertices: np.ndarray
    faces: np.ndarray
    is_solid: bool


def read_mesh(path: Path) -> TriangleMesh:
    """All triangles of a mesh file, read by trimesh: scene-graph transforms and the file's unit of length are applied.

    Axes stay as the file has them (glTF's Y-up is not turned). Raises `GenesisException` for a file that is missing,
    cannot be read, needs a package that is not installed, or has no triangles.
    """
    path = check_file(path)
    return _read_mesh(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _read_mesh(path: Path, _modified: int) -> TriangleMesh:
    import trimesh

    _check_numbers(path)
    try:
        scene = _load_scene(path)
        mesh = scene.to_mesh()
    except ImportError as error:
        raise GenesisException(f"reading '{path}' needs a package that is not installed: {error}.") from None
    except Exception as error:  # trimesh's loaders raise whatever their parsers raise
        raise GenesisException(
            f"cannot read the mesh '{path}': {type(error).__name__}: {error}. Re-export it as .stl or .obj."
        ) from None
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
        raise GenesisException(f"the mesh '{path}' has no triangles. Re-export it as a triangle mesh.")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.vertices *= _metres_per_unit(scene)
    if not np.isfinite(mesh.vertices).all():
        raise GenesisException(f"the mesh '{path}' has vertices that are not finite numbers. Re-export it.")
    return _outwards(mesh)


def merged(vertices: np.ndarray, faces: np.ndarray) -> TriangleMesh:
    """Triangles (m, 3) of vertices (n, 3) [m]. Equal vertices become one, so that neighbouring triangles share them."""
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    mesh.merge_vertices()
    return _outwards(mesh)


def inertia_kind(triangles: TriangleMesh) -> mujoco.mjtMeshInertia:
    """How a mesh gets its mass: an open surface encloses no volume, and that of its hull is the nearest thing to it."""
    kinds = mujoco.mjtMeshInertia
    return kinds.mjMESH_INERTIA_EXACT if triangles.is_solid else kinds.mjMESH_INERTIA_CONVEX


def _outwards(mesh: Any) -> TriangleMesh:
    if mesh.is_watertight and mesh.volume < 0:
        mesh.invert()
    return TriangleMesh(
        np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int32), bool(mesh.is_volume)
    )


def _load_scene(path: Path) -> Any:
    """trimesh's scene of the file, without what only drawing needs: it is slow to read, and often broken.

    As it is in the file: trimesh would drop vertices that are no numbers without a word.
    """
    import trimesh

    kind = path.suffix.lower().removeprefix(".")
    options: dict[str, Any] = {"skip_materials": True} if kind in ("glb", "gltf", "obj") else {}
    if kind == "dae":
        return trimesh.load_scene(io.BytesIO(_bare_collada(path)), file_type="dae", process=False)
    if kind in _TEXT_FORMATS and not (kind == "stl" and _is_binary_stl(path)):
        return trimesh.load_scene(io.BytesIO(_in_utf8(path)), file_type=kind, process=False, **options)
    if kind == "stl":
        data = path.read_bytes()  # trimesh refuses a file that goes on after its triangles
        return trimesh.load_scene(io.BytesIO(data[: _stl_size(data)]), file_type=kind, process=False)
    return trimesh.load_scene(str(path), process=False, **options)


_TEXT_FORMATS = ("obj", "off", "stl")


def _in_utf8(path: Path) -> bytes:
    """A text file whose comments may be in an encoding of their own, which trimesh would guess with another package."""
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
    return data


def _check_numbers(path: Path) -> None:
    """Raises for an STL or OBJ file that is cut short, or has vertices that are no numbers.

    MuJoCo and trimesh take such numbers, or drop them, without a word.
    """
    if path.suffix.lower() == ".obj":
        _check_obj(path)
    elif path.suffix.lower() == ".stl" and _is_binary_stl(path):
        _check_stl(path)


_STL_HEADER, _STL_TRIANGLE = 84, 50  # bytes: a header of 80 with the number of triangles after it; one triangle


def _is_binary_stl(path: Path) -> bool:
    """By its first bytes: a text says "solid", and soon "facet" (or its end); binary headers may say "solid" too."""
    with path.open("rb") as file:
        start = file.read(1024).lstrip()
    return not (start.startswith(b"solid") and (b"facet" in start or b"endsolid" in start))


def _stl_size(data: bytes) -> int:
    """How long a binary STL that begins like this is, in bytes; at least as long as a header."""
    return _STL_HEADER + _STL_TRIANGLE * int.from_bytes(data[_STL_HEADER - 4 : _STL_HEADER], "little")


def _check_stl(path: Path) -> None:
    """Raises for a binary STL that ends before its triangles do, or has a corner that is no number."""
    data = path.read_bytes()
    if len(data) < _stl_size(data):
        raise GenesisException(
            f"the mesh '{path}' is cut short, or no STL: its header stands for {_stl_size(data)} bytes, and it has "
            f"{len(data)}. Copy or export it again."
        )
    triangles = (_stl_size(data) - _STL_HEADER) // _STL_TRIANGLE
    layout = np.dtype([("normal", "<f4", 3), ("corners", "<f4", 9), ("attribute", "<u2")])
    corners = np.frombuffer(data, layout, triangles, _STL_HEADER)["corners"]
    if not np.isfinite(corners).all():
        number = int(np.flatnonzero(~np.isfinite(corners).all(axis=1))[0])
        raise GenesisException(
            f"the mesh '{path}' has vertices that are not finite numbers (triangle {number}). Re-export it."
        )


_OBJ_VERTEX = re.compile(rb"(?:^|[\r\n])[ \t]*v[ \t]")
_NO_NUMBER = re.compile(rb"nan|inf")


def _check_obj(path: Path) -> None:
    """Raises for an OBJ without vertices, or with one that is no number."""
    data = path.read_bytes()
    if not _OBJ_VERTEX.search(data):
        raise GenesisException(f"the mesh '{path}' has no vertices. Re-export it as a triangle mesh.")
    data = data.lower()
    if b"nan" not in data and b"inf" not in data:  # as in nearly all, of many megabytes
        return
    for match in _NO_NUMBER.finditer(data):
        start = max(data.rfind(b"\n", 0, match.start()), data.rfind(b"\r", 0, match.start())) + 1
        if _OBJ_VERTEX.match(data[start : match.start()]):
            line = data.count(b"\n", 0, start) + 1
            raise GenesisException(
                f"the mesh '{path}' has vertices that are not finite numbers (line {line}). Re-export it."
            )


_COLLADA_APPEARANCE = ("library_effects", "library_materials", "library_images", "library_animations", "bind_material")


def _bare_collada(path: Path) -> bytes:
    """A COLLADA file without materials: trimesh drops the geometry of a file whose texture references are broken."""
    tree = ElementTree.parse(path)
    for parent in list(tree.iter()):
        for child in list(parent):
            if isinstance(child.tag, str) and child.tag.rsplit("}", 1)[-1] in _COLLADA_APPEARANCE:
                parent.remove(child)
    return ElementTree.tostring(tree.getroot())


def _metres_per_unit(scene: Any) -> float:
    """What one unit of the file is in metres. Only COLLADA declares it; other formats count as metres, as in ROS."""
    for geometry in scene.geometry.values():
        factor, _, unit = str(geometry.metadata.get("units", "meters")).rpartition("*")
        return float(factor or 1.0) if unit.strip() == "meters" else 1.0
    return 1.0


def mujoco_reads(path: Path) -> bool:
    """Whether MuJoCo's own mesh loader reads this file (of STL files, binary ones of moderate size)."""
    suffix = path.suffix.lower()
    if suffix != ".stl":
        return suffix in MUJOCO_FORMATS
    with path.open("rb") as file:
        size = _stl_size(file.read(_STL_HEADER))
    largest = _STL_HEADER + _STL_TRIANGLE * MUJOCO_STL_TRIANGLES
    return size <= largest and size == path.stat().st_size


def fill_mesh(mesh: mujoco.MjsMesh, path: Path) -> None:
    """Makes `mesh` hold the triangles of the file: by reference where MuJoCo reads the format, else in memory."""
    if mujoco_reads(path):
        _check_numbers(path)
        mesh.file = str(path)
        mesh.content_type = ""
        return
    triangles = read_mesh(path)
    mesh.file = ""
    mesh.content_type = ""
    mesh.uservert = triangles.vertices.astype(np.float32).ravel()
    mesh.userface = triangles.faces.ravel()
