"""Robot files: XML that is read, told apart by its root element and parsed by MuJoCo, and the files that it names.

Errors name the file, the line and what was looked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import mujoco

from genesis.errors import GenesisException
from genesis.model import diagnostics, xml_tree
from genesis.model.meshes import check_file, is_file
from genesis.model.xml_tree import XmlElement

HIDDEN_GROUP = 3  # the geom group that MuJoCo's viewers do not draw unasked: collision shapes

# The root link of this name stands for the world in a URDF (MuJoCo's convention, and Gazebo's).
WORLD_LINK = "world"

# The kinds of robot file that can be told by the root element of their XML, and how a user loads each.
ROOT_ELEMENTS = {
    "robot": ("a URDF file", "load it with gs.morphs.URDF(file=...)"),
    "mujoco": ("an MJCF file", "load it with gs.morphs.MJCF(file=...)"),
    "mujocoinclude": ("a part of an MJCF model", "load the MJCF file that includes it"),
    "sdf": ("an SDF file", "convert it to URDF or MJCF first"),
    "COLLADA": ("a COLLADA mesh", "load it with gs.morphs.Mesh(file=...)"),
}


def read_xml(path: Path, wanted: str) -> tuple[str, XmlElement]:
    """Text and root element of a robot file whose root element must be `wanted` ("robot" or "mujoco").

    Raises `GenesisException` for a missing or unreadable file, a directory, an empty file, XML that does not parse
    (with its line) and a file of another kind.
    """
    path = check_file(path)
    try:
        text = xml_tree.read_text(path)
    except GenesisException as error:
        raise GenesisException(f"{error} Expected {ROOT_ELEMENTS[wanted][0]} in XML.") from None
    if not text.strip():
        raise GenesisException(f"'{path}' is empty. Expected {ROOT_ELEMENTS[wanted][0]}.")
    root = xml_tree.parse_text(path, text)
    if root.tag != wanted:
        is_a, advice = ROOT_ELEMENTS.get(root.tag, (f"XML with root element <{root.tag}>", "check the path"))
        raise GenesisException(f"'{path}' is {is_a}, not {ROOT_ELEMENTS[wanted][0]}: {advice}.")
    return text, root


def resolve_uri(uri: str, directory: Path, asset_directory: str = "") -> tuple[Path | None, list[Path]]:
    """The file that a URDF's `filename` attribute means, and the places that were looked at.

    `directory` is that of the robot file; `asset_directory` is the `meshdir` of its <mujoco> extension. A
    `package://name/rest` is searched as `name/rest` beside every folder above the robot file, in ROS_PACKAGE_PATH and
    in AMENT_PREFIX_PATH, and, for a package that was checked out under another name, as `rest` in every folder above
    the robot file.
    """
    scheme, _, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    if scheme == "package":
        candidates = list(_package_candidates(unquote(rest), directory))
    elif scheme == "file":
        _host, slash, inside = rest.partition("/")
        candidates = [Path(unquote(slash + inside))]
    elif scheme:
        return None, []
    else:
        relative = _expanded(rest.removeprefix("file:"))
        candidates = [directory / asset_directory / relative, directory / relative]
    tried: list[Path] = []
    for candidate in candidates:
        if is_file(candidate):
            return candidate.absolute(), tried
        if candidate not in tried:
            tried.append(candidate)
    return None, tried


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user: a folder may be called so
        return Path(name)


def _package_candidates(rest: str, directory: Path) -> Iterable[Path]:
    package, _, inside = rest.partition("/")
    above = [directory, *directory.parents]
    for folder in above:
        if folder.name == package:
            yield folder / inside
        yield folder / package / inside
    for entry in filter(None, os.environ.get("ROS_PACKAGE_PATH", "").split(os.pathsep)):
        if Path(entry).name == package:
            yield Path(entry) / inside
        yield Path(entry) / package / inside
    for entry in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        yield Path(entry) / "share" / package / inside
    for folder in above[:-1]:
        yield folder / inside


def parse(path: Path, text: str) -> mujoco.MjSpec:
    """`MjSpec` of a file whose text is this, with MuJoCo's complaint turned into ours."""
    with diagnostics.log_mujoco_warnings(f"'{path}'"):
        try:
            return mujoco.MjSpec.from_string(text)
        except ValueError as error:
            raise GenesisException(diagnostics.parser_message(path, str(error))) from None


def unused_name(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name
