"""What meshes collide as, where a morph wants something else than their convex hulls: fitted primitives, or several
convex parts.

A mesh that is replaced stays in the model, to be seen and for its mass; it touches nothing any more, and the shapes in
its place weigh nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from genesis import files, runtime
from genesis.errors import GenesisException
from genesis.model import robot_files

FITTED = ("sphere", "capsule", "ellipsoid", "cylinder", "box")
# How much larger a hull may be than its mesh before a line of the log says so.
LARGER = 0.2
_MESH = int(mujoco.mjtGeom.mjGEOM_MESH)
# What a shape that stands in for another one takes from it.
_OF_CONTACT = "contype conaffinity condim priority friction solmix solref solimp margin gap adhesion rgba".split()


def replace_meshes(spec: mujoco.MjSpec, morph: Any) -> None:
    """Gives the colliding meshes of an entity the shapes that the morph asks for: `collision`, `decompose...`.

    Raises `GenesisException` if the model does not compile, or a package is needed that is not installed.
    """
    kind = morph.collision if isinstance(morph.collision, str) and morph.collision != "mesh" else None
    threshold = morph.decomposition_threshold
    if kind is None and threshold is None:
        return
    fitted = spec.copy()
    stand_ins = _colliding(fitted)
    if kind is not None:
        for geom in stand_ins:
            geom.type = geom_type(kind)
    try:
        m = fitted.compile()
    except (ValueError, mujoco.FatalError) as error:
        raise GenesisException(f"the model does not compile: {str(error).splitlines()[0]}.") from None
    taken = {geom.name for geom in spec.geoms}
    named = {name for pair in spec.pairs for name in (pair.geomname1, pair.geomname2)}
    for geom, number in zip(_colliding(spec), [geom.id for geom in stand_ins], strict=True):
        if geom.name and geom.name in named:
            runtime.logger.warning(
                "geom '%s' stays a mesh in contact: a <pair> of the file speaks of its own shape.", geom.name
            )
        elif np.any(geom.surfacevel):
            runtime.logger.warning(
                "geom '%s' stays a mesh in contact: its surface velocity is in the mesh's own axes.", geom.name
            )
        elif kind is not None:
            _replace(geom, m, number, [{"type": geom_type(kind), "size": m.geom_size[number]}], taken)
        elif threshold is not None and (parts := _parts(spec, geom, m, number, threshold, morph)):
            _replace(geom, m, number, parts, taken)


def warn_of_idle_thresholds(morphs: Iterable[tuple[str, Any]]) -> None:
    """One warning for all entities, by name and morph, that are given the threshold of the other kind of morph."""
    idle: dict[tuple[str, str], list[str]] = {}
    for name, morph in morphs:
        if getattr(morph, "has_idle_threshold", False):
            idle.setdefault(morph.thresholds, []).append(f"'{name}'")
    for (own, other), names in idle.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        runtime.logger.warning("%s has no effect on %s: there %s counts.", other, shown, own)


def geom_type(kind: str) -> mujoco.mjtGeom:
    """MuJoCo's number of a kind of shape."""
    return getattr(mujoco.mjtGeom, f"mjGEOM_{kind.upper()}")


def _colliding(spec: mujoco.MjSpec) -> list[mujoco.MjsGeom]:
    """Its meshes that may touch something."""
    return [geom for geom in spec.geoms if geom.type == _MESH and (geom.contype or geom.conaffinity)]


def _replace(
    geom: mujoco.MjsGeom, m: mujoco.MjModel, number: int, shapes: Sequence[dict[str, Any]], taken: set[str]
) -> None:
    """Puts shapes of contact in the place of a mesh, which keeps its looks and its mass; `taken`: the names of the
    file's geoms."""
    of_contact = {name: getattr(m, f"geom_{name}")[number] for name in _OF_CONTACT}
    for k, shape in enumerate(shapes):
        made = geom.parent.add_geom(
            pos=m.geom_pos[number],
            quat=m.geom_quat[number],
            mass=0,
            group=robot_files.HIDDEN_GROUP,
            **{name: value if np.ndim(value) else value.item() for name, value in of_contact.items()},
            **shape,
        )
        if geom.name:
            wanted = f"{geom.name}_{k}" if len(shapes) > 1 else f"{geom.name}_fitted"
            made.name = robot_files.unused_name(wanted, taken)
            taken.add(made.name)
    geom.contype = geom.conaffinity = 0


# ------------------------------------------------------------------ convex parts


def _parts(
    spec: mujoco.MjSpec, geom: mujoco.MjsGeom, m: mujoco.MjModel, number: int, threshold: float, morph: Any
) -> list[dict[str, Any]]:
    """Geoms of the convex parts of a mesh; none if its hull is hardly larger than it."""
    mesh = int(m.geom_dataid[number])
    vertices, faces = triangles_of(m, mesh)
    if _is_closed(faces) and _is_one_piece(faces) and excess_of_hull(m, mesh) <= threshold:
        return []
    parts = convex_parts(vertices, faces, morph.coacd_options.model_dump(), geom.meshname)
    taken = {mesh.name for mesh in spec.meshes}
    shapes: list[dict[str, Any]] = []
    for k, (points, triangles) in enumerate(parts):
        part = spec.add_mesh(name=robot_files.unused_name(f"{geom.meshname}_{number}_{k}", taken))
        part.uservert = points.astype(np.float32).ravel()
        part.userface = triangles.astype(np.int32).ravel()
        part.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        shapes.append({"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": part.name})
    return shapes


def triangles_of(m: mujoco.MjModel, mesh: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) [m] and triangles (k, 3) of a compiled mesh, in its geoms' frame."""
    vertices = m.mesh_vert[m.mesh_vertadr[mesh] :][: m.mesh_vertnum[mesh]].astype(np.float64)
    return vertices, m.mesh_face[m.mesh_faceadr[mesh] :][: m.mesh_facenum[mesh]].astype(np.int64)


def convex_parts(
    vertices: np.ndarray, faces: np.ndarray, options: dict[str, Any], name: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Convex hulls that fill about the same space, each vertices and triangles (X. Wei et al., "Approximate convex
    decomposition for 3D meshes with collision-aware concavity and tree search", SIGGRAPH 2022; package coacd).

    Kept on disk, by what goes in and the package's version: the second time costs nothing, and without the package
    those of any version will do. Raises `GenesisException` where it is needed and not installed.
    """
    file = _kept(_key(vertices, faces, options))
    try:
        kept = files.from_npz(files.read_bytes(file))
        found = [(kept[f"vertices{k}"], kept[f"faces{k}"]) for k in range(len(kept) // 2)]
        if found:
            return found
    except (OSError, KeyError, files.ArchiveError):
        pass  # not there yet, or not whole
    parts = _run_coacd(vertices, faces, options, name)
    arrays = {f"vertices{k}": points for k, (points, _) in enumerate(parts)}
    arrays |= {f"faces{k}": triangles for k, (_, triangles) in enumerate(parts)}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(file, files.to_npz(arrays))
    except OSError as error:
        runtime.logger.warning("convex parts are not kept for the next time: %s", error)
    return parts


def _run_coacd(
    vertices: np.ndarray, faces: np.ndarray, options: dict[str, Any], name: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    try:
        import coacd
    except ImportError:
        raise GenesisException(
            f"mesh '{name}': splitting it into convex parts takes a package that is not installed: pip install coacd. "
            "Or let it collide as its convex hull: leave out the decompose... options."
        ) from None
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    coacd.set_log_level("error")
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(f"convex parts of '{name}' ({len(faces)} triangles)", total=None)
        try:
            found = coacd.run_coacd(coacd.Mesh(vertices, faces), **options)
        except Exception as error:  # whatever the library raises
            raise GenesisException(f"mesh '{name}' cannot be split into convex parts: {error}") from None
    parts = [(np.asarray(points, dtype=np.float64), np.asarray(corners, dtype=np.int32)) for points, corners in found]
    if not parts:
        raise GenesisException(f"mesh '{name}' cannot be split into convex parts: none were found. Repair the mesh.")
    runtime.logger.info("mesh '%s' collides as %d convex parts.", name, len(parts))
    return parts


def _key(vertices: np.ndarray, faces: np.ndarray, options: dict[str, Any]) -> str:
    digest = hashlib.sha256(repr(sorted(options.items())).encode())
    content = io.BytesIO()
    for array in (vertices.astype("<f8"), faces.astype("<i8")):
        content.write(repr(array.shape).encode() + array.tobytes())
    digest.update(content.getvalue())
    return digest.hexdigest()


def _kept(key: str) -> Path:
    """The file of what is kept under a key, whether it is there or not."""
    try:
        return _cache() / f"{key}-{metadata.version('coacd')}.npz"
    except metadata.PackageNotFoundError:
        return max(_cache().glob(f"{key}-*.npz"), default=_cache() / f"{key}.npz")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "genesis-grad" / "convex"


# ------------------------------------------------------------------ hulls


def _is_closed(faces: np.ndarray) -> bool:
    """Whether each edge of a triangle is one of another triangle, the other way round."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = (np.sort(pairs @ [1 << 32, 1]) for pairs in (edges, edges[:, ::-1]))
    return bool((there == back).all())


def _is_one_piece(faces: np.ndarray) -> bool:
    """Whether the triangles hang together as one surface: pieces may overlap, and then their volume counts twice."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    if np.unique(edges, axis=0, return_counts=True)[1].max() > 2:
        return False
    labels = np.arange(faces.max() + 1)
    while True:
        before = labels.copy()
        np.minimum.at(labels, faces, labels[faces].min(axis=1)[:, None])
        labels = labels[labels]
        if (labels == before).all():
            return bool((labels[faces] == labels[faces[0, 0]]).all())


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def excess_of_hull(m: mujoco.MjModel, mesh: int) -> float:
    """By which part of a mesh's volume its convex hull is larger; infinite for a mesh that encloses none."""
    vertices, faces = triangles_of(m, mesh)
    polygons = slice(int(m.mesh_polyadr[mesh]), int(m.mesh_polyadr[mesh] + m.mesh_polynum[mesh]))
    # Each polygon as a fan of triangles around its first corner.
    inner = m.mesh_polyvertnum[polygons] - 2
    first = np.repeat(m.mesh_polyvertadr[polygons], inner)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(inner) - inner, inner)
    hull = _volume(vertices, m.mesh_polyvert[np.stack([first, second, second + 1], axis=1)])
    volume = _volume(vertices, faces)
    return abs(hull) / volume - 1 if volume > 0 else float("inf")


def tell_of_large_hulls(m: mujoco.MjModel, names: Sequence[str]) -> None:
    """One line of the log for each entity with colliding meshes of which the hull is much larger."""
    found: dict[str, dict[str, float]] = {}
    collides = (m.geom_type == _MESH) & ((m.geom_contype != 0) | (m.geom_conaffinity != 0))
    for mesh in dict.fromkeys(m.geom_dataid[collides].tolist()):
        owner, _, own = m.mesh(mesh).name.partition("/")
        excess = excess_of_hull(m, mesh) if _is_closed(triangles_of(m, mesh)[1]) else 0.0
        if owner in names and excess > LARGER and np.isfinite(excess):
            found.setdefault(owner, {})[own] = excess
    for owner, meshes in found.items():
        largest = sorted(meshes, key=lambda name: -meshes[name])
        shown = ", ".join(f"{name} by {meshes[name]:.0%}" for name in largest[:3])
        more = f" and {len(largest) - 3} more" if len(largest) > 3 else ""
        runtime.logger.info(
            "'%s': meshes collide as their convex hulls, which are larger than they are: %s%s. The decompose... "
            "options of the morph split them into convex parts.",
            owner,
            shown,
            more,
        )
