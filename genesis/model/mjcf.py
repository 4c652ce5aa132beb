"""MJCF files, loaded into `mujoco.MjSpec`: parsed by MuJoCo, with every file that they name found and read here."""

from __future__ import annotations

import os
from pathlib import Path

import mujoco

from genesis.errors import GenesisException
from genesis.model import diagnostics, mjcf_checks, references, support
from genesis.model.drives import write_out_drives
from genesis.model.inertias import write_out_inertias
from genesis.model.meshes import check_file, fill_mesh
from genesis.model.mjcf_files import ModelFiles, is_file, read_model


def load_mjcf(
    file: str | os.PathLike[str], *, visualization: bool = True, collision: bool = True, leaves_out: bool = False
) -> mujoco.MjSpec:
    """An MJCF file as an `MjSpec`, its joints and options as written, with every asset path absolute.

    `visualization=False` drops the geoms that do not collide (the inertia that they gave their bodies stays);
    `collision=False` keeps all geoms, and lets none collide. `leaves_out`: what is not simulated is left out later.

    Raises `GenesisException` as `read_model` does, and for a missing or unreadable asset (naming the bodies that use
    it), numbers that are none, elements that name others which do not exist, kinds of actuators that are not simulated,
    and whatever MuJoCo finds wrong (with its file and line).
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

    def located(asset: mujoco.MjsMesh, name: str, what: str) -> Path:
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
    for assets, what in ((spec.hfields, "height field"), (spec.skins, "skin"), (spec.textures, "texture")):
        for asset in assets:
            sides = [side for side in getattr(asset, "cubefiles", ()) if side]
            if asset.file:
                asset.name = asset.name or Path(asset.file).stem
            for name in filter(None, (asset.file, *sides)):
                located(asset, name, f"{what} '{asset.name}'")
