"""MJCF files, loaded into `mujoco.MjSpec`: parsed by MuJoCo, with every file that they name found and read here."""

from __future__ import annotations

import os
from pathlib import Path

import mujoco

from genesis.errors import GenesisException
from genesis.model import diagnostics, support
from genesis.model.inertias import write_out_inertias
from genesis.model.length_ranges import write_out_length_ranges
from genesis.model.meshes import check_file, fill_mesh
from genesis.model.robot_files import parse, read_xml


def load_mjcf(
    file: str | os.PathLike[str], *, visualization: bool = True, collision: bool = True, leaves_out: bool = False
) -> mujoco.MjSpec:
    """An MJCF file as an `MjSpec`, its joints and options as written, with every asset path absolute.

    `visualization=False` drops the geoms that do not collide (the inertia that they gave their bodies stays);
    `collision=False` keeps all geoms, and lets none collide. `leaves_out`: what is not simulated is left out later.

    Raises `GenesisException` as `read_xml` does, and for a missing or unreadable asset (naming the bodies that use it),
    numbers that are none, kinds of actuators that are not simulated, and whatever MuJoCo finds wrong (with its line).
    """
    path = check_file(file)
    _, root = read_xml(path, "mujoco")
    diagnostics.check_mjcf_numbers(path, root)
    spec = parse(path, None)
    if not leaves_out:
        support.refuse_actuators(spec, f"'{path}'")
    if not visualization:
        try:
            spec.discard_visual()
        except ValueError as error:
            raise GenesisException(
                f"'{path}': visualization=False cannot be honoured: {diagnostics.first_line(error)}."
            ) from None
    if not collision:
        for geom in spec.geoms:
            geom.contype = geom.conaffinity = 0
        for pair in list(spec.pairs):
            spec.delete(pair)
    _resolve_mjcf_assets(path, spec)
    write_out_inertias(path, spec)
    write_out_length_ranges(path, spec)
    return spec


def _resolve_mjcf_assets(path: Path, spec: mujoco.MjSpec) -> None:
    mesh_directory, texture_directory = path.parent / spec.meshdir, path.parent / spec.texturedir
    strip = bool(spec.strippath)

    def resolve(name: str, directory: Path, what: str) -> Path:
        located = directory / (Path(name).name if strip else name)
        if not located.is_file():
            raise GenesisException(
                f"'{path}', {what}: file '{name}' not found (looked at '{located}'). Correct the path."
            )
        return located.absolute()

    for mesh in spec.meshes:
        if not mesh.file:
            continue
        name = mesh.name or Path(mesh.file).stem
        bodies = sorted({geom.parent.name for geom in spec.geoms if geom.meshname == name})
        used_by = f" (of link {', '.join(repr(body) for body in bodies)})" if bodies else ""
        located = resolve(mesh.file, mesh_directory, f"mesh '{name}'{used_by}")
        mesh.name = name
        fill_mesh(mesh, located)
    for field in spec.hfields:
        if field.file:
            field.name = field.name or Path(field.file).stem
            field.file = str(resolve(field.file, mesh_directory, f"height field '{field.name}'"))
    for skin in spec.skins:
        if skin.file:
            skin.name = skin.name or Path(skin.file).stem
            skin.file = str(resolve(skin.file, mesh_directory, f"skin '{skin.name}'"))
    for texture in spec.textures:
        if texture.file:
            texture.name = texture.name or Path(texture.file).stem
            texture.file = str(resolve(texture.file, texture_directory, f"texture '{texture.name}'"))
        sides = list(texture.cubefiles)
        if any(sides):
            texture.cubefiles = [
                str(resolve(side, texture_directory, f"texture '{texture.name}'")) if side else side for side in sides
            ]
    spec.meshdir = spec.texturedir = ""
    spec.strippath = False
