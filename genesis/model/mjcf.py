"""MJCF files, loaded into `mujoco.MjSpec`: parsed by MuJoCo, with every file that they name found and read here."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mujoco

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import diagnostics, mjcf_checks, references, support
from genesis.model.drives import write_out_drives
from genesis.model.inertias import write_out_inertias
from genesis.model.meshes import check_file, fill_mesh
from genesis.model.mjcf_files import ModelFiles, is_file, read_model
from genesis.model.skins import fill_skin

_Located = Callable[[Any, str, str], Path]  # the file of an asset, by the name that it is given and what it is called


def load_mjcf(
    file: str | os.PathLike[str], *, visualization: bool = True, collision: bool = True, leaves_out: bool = False
) -> mujoco.MjSpec:
    """An MJCF file as an `MjSpec`, its joints and options as written, with every asset path absolute.

    `visualization=False` drops the geoms that do not collide (the inertia that they gave their bodies stays);
    `collision=False` keeps all geoms, and lets none collide. `leaves_out`: what is not simulated is left out later.
    Textures and skins whose files are missing or broken are left out with a warning.

    Raises `GenesisException` as `read_model` does, and for another missing or unreadable asset (naming the bodies that
    use it), numbers that are none, elements that name others which do not exist, kinds of actuators that are not
    simulated, and whatever MuJoCo finds wrong (with its file and line).
    """
    path = check_file(file)
    files = read_model(path)
    mjcf_checks.check_numbers(files)
    spec = _parse(files)
    references.refuse_missing(spec, files)
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
    _read_assets(spec, files)
    write_out_inertias(path, spec)
    write_out_drives(path, spec)
    if spec.keys and any(element.tag == "attach" for element in files.elements):
        # Keyframes of attached models are made when the model is compiled, and without that lose their names' prefix.
        diagnostics.compile_alone(spec, f"'{path}'")
    return spec


def _parse(files: ModelFiles) -> mujoco.MjSpec:
    """The model's spec. Models that it attaches are parsed alone first: what they name and is not there would be gone
    in it."""
    own, *attached = files.texts
    for name in reversed(attached):
        references.refuse_missing(_parse_one(name, files), files)
    return _parse_one(own, files)


def _parse_one(name: str, files: ModelFiles) -> mujoco.MjSpec:
    with diagnostics.log_mujoco_warnings(f"'{name}'"):
        try:
            return mujoco.MjSpec.from_file(name, include=files.texts)
        except (ValueError, RuntimeError, mujoco.FatalError) as error:
            raise GenesisException(mjcf_checks.parser_message(files, str(error))) from None


def _read_assets(spec: mujoco.MjSpec, files: ModelFiles) -> None:
    """Looks for the files of assets, and reads the meshes that MuJoCo cannot."""

    def located(asset: Any, name: str, what: str) -> Path:
        path = Path(name)
        if not is_file(path):
            written = files.element(asset.info)
            place = written.place if written is not None else f"'{next(iter(files.texts))}'"
            raise GenesisException(
                f"{place}, {what}: file '{files.asked.get(name, name)}' not found (looked at '{path}'). Correct "
                "the path."
            )
        return path

    users: dict[str, set[str]] = {}
    for geom in spec.geoms:
        users.setdefault(geom.meshname, set()).add(geom.parent.name)
    for mesh in spec.meshes:
        if not mesh.file:
            continue
        mesh.name = mesh.name or Path(mesh.file).stem
        bodies = sorted(users.get(mesh.name, ()))
        used_by = f" (of link {', '.join(repr(body) for body in bodies)})" if bodies else ""
        fill_mesh(mesh, located(mesh, mesh.file, f"mesh '{mesh.name}'{used_by}"))
    for hfield in spec.hfields:
        if hfield.file:
            hfield.name = hfield.name or Path(hfield.file).stem
            located(hfield, hfield.file, f"height field '{hfield.name}'")
    _read_drawn(spec, located)


def _read_drawn(spec: mujoco.MjSpec, located: _Located) -> None:
    """The same of what is only drawn: what has no file, or a broken one, is left out with a warning."""
    links = {body.name for body in spec.bodies}
    for skin in list(spec.skins):
        if not skin.file:
            continue
        skin.name = skin.name or Path(skin.file).stem
        if _is_broken(skin, f"skin '{skin.name}'", [skin.file], located, partial(fill_skin, skin, links=links)):
            spec.delete(skin)
    for texture in list(spec.textures):
        files = [name for name in (texture.file, *texture.cubefiles) if name]
        if texture.file:
            texture.name = texture.name or Path(texture.file).stem
        if not _is_broken(texture, f"texture '{texture.name}'", files, located, _check_texture):
            continue
        for material in spec.materials:
            material.textures = ["" if name == texture.name else name for name in material.textures]
        for light in spec.lights:
            light.texture = "" if light.texture == texture.name else light.texture
        spec.delete(texture)


def _is_broken(asset: Any, what: str, files: list[str], located: _Located, read: Callable[[Path], None]) -> bool:
    for name in files:
        try:
            path = located(asset, name, what)
        except GenesisException as error:
            runtime.logger.warning(f"{error} It is only drawn, and left out.")
            return True
        try:
            read(path)
        except GenesisException as error:
            runtime.logger.warning(f"{what}: '{path}': {error}. It is only drawn, and left out.")
            return True
    return False


def _check_texture(path: Path) -> None:
    """Raises for a PNG that is none, or is cut short."""
    data = path.read_bytes() if path.suffix.lower() == ".png" else _PNG_START + _PNG_END
    if not data.startswith(_PNG_START) or _PNG_END not in data[-_PNG_TAIL:]:
        raise GenesisException("it is no PNG, or cut short")


_PNG_START, _PNG_END, _PNG_TAIL = b"\x89PNG\r\n\x1a\n", b"IEND", 64  # some programs write a few bytes behind the end
