"""URDF files, loaded into `mujoco.MjSpec`.

MuJoCo parses them itself. This module adds what it lacks: `package://` and `file://` paths, mesh formats that only
trimesh reads, a free base, and errors that name the file, the line and the link.
"""

from __future__ import annotations

import copy
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr, unescape

import mujoco

from genesis.errors import GenesisException
from genesis.model import diagnostics
from genesis.model.inertias import admit_degenerate_inertias, write_out_inertias
from genesis.model.meshes import check_file, fill_mesh
from genesis.model.robot_files import HIDDEN_GROUP, WORLD_LINK, parse, read_xml, resolve_uri, unused_name

# What URDF calls a joint, and the joints that MuJoCo makes of it.
URDF_JOINT_TYPES = frozenset({"revolute", "continuous", "prismatic", "fixed", "floating", "planar", "spherical"})


_MUJOCO_ELEMENT = re.compile(r"<mujoco\b[^>]*?(?:/>|>.*?</mujoco\s*>)", re.DOTALL)
_ROBOT_TAG = re.compile(r"<robot\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SHAPE_NAME = re.compile(r"(<(?:visual|collision)\b[^>]*?)\s+name\s*=\s*(\"[^\"]*\"|'[^']*')", re.DOTALL)
_MESH_FILENAME = re.compile(r"(<mesh\b[^>]*?\bfilename\s*=\s*)(\"[^\"]*\"|'[^']*')", re.DOTALL)


def load_urdf(
    file: str | os.PathLike[str],
    *,
    fixed: bool = False,
    visualization: bool = True,
    collision: bool = True,
    links_to_keep: Iterable[str] = (),
) -> mujoco.MjSpec:
    """A URDF file as an `MjSpec` in which every link is a body, and the base is free unless `fixed`.

    Fixed joints are not fused. A root link named `world` is the world: the robot hangs on its root joints, and neither
    a free nor a fixed base is added. Visual shapes carry no mass, whatever the file; a link without <inertial> takes
    its mass from its collision shapes at 1000 kg/m3, as in MuJoCo. An `effort` of 0, or none, limits nothing, as in
    MuJoCo. All `links_to_keep` are kept, as every link is.

    Raises `GenesisException` as `read_xml` does, and for a missing or unreadable mesh (naming the link), an unknown
    joint type (naming the joint), a tree that is not one, what `diagnostics.check_urdf` finds, a link to keep that
    does not exist, and whatever else MuJoCo finds wrong (with its line).
    """
    path = check_file(file)
    text, root = read_xml(path, "robot")
    if any(_is_tag(element) and element.tag.partition("}")[0].endswith("xacro") for element in root.iter()):
        raise GenesisException(f"'{path}' is a xacro file: run `xacro` on it and load the URDF that it writes.")
    _check_urdf_tree(path, root)
    diagnostics.check_urdf(path, root)
    links = [link.attrib["name"] for link in root.findall("link")]
    for name in links_to_keep:
        if name not in links:
            raise GenesisException(
                f"'{path}': links_to_keep: there is no link '{name}'. {diagnostics.closest(name, links)}"
            )
    extension = root.find("mujoco")
    settings = root.find("mujoco/compiler")
    compiler = {} if settings is None else dict(settings.attrib)
    meshes = _urdf_meshes(path, root, compiler, visualization=visualization, collision=collision)

    spec = parse(path, _urdf_for_mujoco(text, extension, compiler, meshes))
    _drop_urdf_shapes(spec, visualization=visualization, collision=collision)
    _fill_urdf_meshes(spec, meshes)
    admit_degenerate_inertias(path, spec)
    if not fixed and root_link(root) != WORLD_LINK:
        base = spec.worldbody.first_body()
        base.add_freejoint(name=unused_name("root_joint", {joint.name for joint in spec.joints}))
    for equality in spec.equalities:
        # MuJoCo turns <mimic> into a nameless equality; the name says where it came from.
        equality.name = f"mimic of {equality.name1}"
    write_out_inertias(path, spec)
    return spec


def root_link(robot: ElementTree.Element) -> str:
    """The name of the link of a URDF that is no joint's child."""
    children = {child.attrib["link"] for child in robot.iterfind("joint/child")}
    return next(link.attrib["name"] for link in robot.findall("link") if link.attrib["name"] not in children)


def _is_tag(element: ElementTree.Element) -> bool:
    return isinstance(element.tag, str)


def _check_urdf_tree(path: Path, robot: ElementTree.Element) -> None:
    """Raises for what would make MuJoCo's own message useless: it names no link in these cases."""
    links = [link.attrib.get("name", "") for link in robot.findall("link")]
    if not links:
        raise GenesisException(f"'{path}' has no links: a URDF needs at least one <link name=...>.")
    _check_unique(path, "link", links)
    _check_unique(path, "joint", [joint.attrib.get("name", "") for joint in robot.findall("joint")])
    parent_of: dict[str, str] = {}
    for joint in robot.findall("joint"):
        name, kind = joint.attrib["name"], joint.attrib.get("type", "")
        if kind not in URDF_JOINT_TYPES:
            raise GenesisException(
                f"'{path}', joint '{name}': unknown joint type '{kind}'. Known types: "
                f"{', '.join(sorted(URDF_JOINT_TYPES))}."
            )
        ends = []
        for end in ("parent", "child"):
            element = joint.find(end)
            link = element.attrib.get("link", "") if element is not None else ""
            if link not in links:
                raise GenesisException(
                    f"'{path}', joint '{name}': its {end} link '{link}' does not exist. "
                    "Add the link or correct the name."
                )
            ends.append(link)
        parent, child = ends
        if child in parent_of:
            raise GenesisException(
                f"'{path}', joint '{name}': link '{child}' already hangs on '{parent_of[child]}'. A URDF is a tree: "
                "each link is the child of one joint (close loops with MJCF equality constraints)."
            )
        parent_of[child] = parent
    roots = [link for link in links if link not in parent_of]
    if len(roots) != 1:
        found = ", ".join(f"'{link}'" for link in roots) or "none (the joints form a loop)"
        raise GenesisException(
            f"'{path}': a URDF has exactly one root link, this file has: {found}. Connect them by joints."
        )
    reached = {roots[0]}
    remaining = dict(parent_of)
    while grown := [child for child, parent in remaining.items() if parent in reached]:
        for child in grown:
            reached.add(child)
            del remaining[child]
    if remaining:
        raise GenesisException(f"'{path}': the links {sorted(remaining)} form a loop that hangs on no root link.")


def _check_unique(path: Path, what: str, names: list[str]) -> None:
    if "" in names:
        raise GenesisException(f"'{path}': {what} number {names.index('') + 1} has no name. Give it one.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise GenesisException(f"'{path}': several {what}s are called '{repeated[0]}'. Names must be unique.")


def _urdf_meshes(
    path: Path, robot: ElementTree.Element, compiler: dict[str, str], *, visualization: bool, collision: bool
) -> dict[str, Path]:
    """The mesh file behind each `filename` of the URDF that will be used."""
    wanted = [kind for kind, used in (("visual", visualization), ("collision", True)) if used]
    found: dict[str, Path] = {}
    for link in robot.findall("link"):
        needs_mass = link.find("inertial") is None
        for kind in wanted:
            if kind == "collision" and not (collision or needs_mass):
                continue
            for mesh in link.iterfind(f"{kind}/geometry/mesh"):
                uri = mesh.attrib.get("filename", "")
                if uri in found:
                    continue
                name = uri.replace("\\", "/").rsplit("/", 1)[-1] if compiler.get("strippath") == "true" else uri
                resolved, tried = resolve_uri(name, path.parent, compiler.get("meshdir", compiler.get("assetdir", "")))
                if resolved is None:
                    raise GenesisException(_missing_mesh(path, link.attrib["name"], kind, uri, tried))
                found[uri] = resolved
    return found


def _missing_mesh(path: Path, link: str, kind: str, uri: str, tried: list[Path]) -> str:
    places = ", ".join(f"'{place}'" for place in tried[:4]) or "no place: the scheme is not supported"
    more = f" and {len(tried) - 4} more" if len(tried) > 4 else ""
    in_package = uri.startswith("package://")
    advice = "put the package's parent folder into ROS_PACKAGE_PATH" if in_package else "correct the path"
    if kind == "visual":
        advice += ", or pass visualization=False"
    return f"'{path}', link '{link}': {kind} mesh '{uri}' not found. Looked at {places}{more}; {advice}."


# Attributes of a URDF's own <compiler> that this loader decides: every link and shape is kept, paths are resolved.
_OUR_COMPILER = {"discardvisual": "false", "fusestatic": "false", "strippath": "false"}
_RESOLVED_COMPILER = ("meshdir", "texturedir", "assetdir")


def _urdf_for_mujoco(
    text: str, extension: ElementTree.Element | None, compiler: dict[str, str], meshes: dict[str, Path]
) -> str:
    """The URDF's text with our compiler settings, and each mesh under a key of its own.

    Lines stay where they are, so that MuJoCo's line numbers are those of the file.
    """
    text = _COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    ours = ElementTree.Element("mujoco") if extension is None else copy.deepcopy(extension)
    element = ours.find("compiler")
    if element is None:
        element = ElementTree.SubElement(ours, "compiler")
    element.attrib.clear()
    element.attrib.update(
        {key: value for key, value in compiler.items() if key not in _RESOLVED_COMPILER} | _OUR_COMPILER
    )
    ours.tail = ""
    inserted = ElementTree.tostring(ours, encoding="unicode").replace("\n", " ")
    text = _MUJOCO_ELEMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    keys = {uri: _mesh_key(index) for index, uri in enumerate(meshes)}

    def rename(match: re.Match[str]) -> str:
        uri = unescape(match.group(2)[1:-1], {"&quot;": '"', "&apos;": "'"})
        return match.group(1) + quoteattr(keys.get(uri, _mesh_key(-1)))

    seen: set[str] = set()

    def keep_first(match: re.Match[str]) -> str:
        # MuJoCo drops a shape's name that came before, and says so on the console.
        again = match.group(2)[1:-1] in seen
        seen.add(match.group(2)[1:-1])
        removed = match.group()[len(match.group(1)) :]
        return match.group(1) + "\n" * removed.count("\n") if again else match.group()

    text = _SHAPE_NAME.sub(keep_first, _MESH_FILENAME.sub(rename, text))
    return _ROBOT_TAG.sub(lambda match: match.group() + inserted, text, count=1)


def _mesh_key(index: int) -> str:
    # The underscore keeps the digits apart from those that MuJoCo appends for a second scale. -1: unused.
    return f"mesh{index}_.stl" if index >= 0 else "unused_.stl"


def _drop_urdf_shapes(spec: mujoco.MjSpec, *, visualization: bool, collision: bool) -> None:
    """Removes what the morph does not want; a collision shape that gives a link mass stays, but touches nothing."""
    for geom in list(spec.geoms):
        is_visual = geom.contype == 0 and geom.conaffinity == 0
        has_inertial = geom.parent.explicitinertial or geom.parent.name == WORLD_LINK
        if is_visual:
            if not visualization:
                spec.delete(geom)
        elif not collision:
            if has_inertial:
                spec.delete(geom)
            else:
                geom.contype = geom.conaffinity = 0
                geom.group = HIDDEN_GROUP


def _fill_urdf_meshes(spec: mujoco.MjSpec, meshes: dict[str, Path]) -> None:
    files = {_mesh_key(index): path for index, path in enumerate(meshes.values())}
    users: dict[str, list[mujoco.MjsGeom]] = {}
    for geom in spec.geoms:
        if geom.meshname:
            users.setdefault(geom.meshname, []).append(geom)
    names: set[str] = set()
    for mesh in list(spec.meshes):
        if mesh.name not in users:
            spec.delete(mesh)
            continue
        path = files[mesh.file]
        if not any(_gives_mass(geom) for geom in users[mesh.name]):
            # Inertia by surface also exists for open and flat meshes, and is never used here.
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        fill_mesh(mesh, path)
        name = unused_name(path.stem, names)
        names.add(name)
        for geom in users[mesh.name]:
            geom.meshname = name
        mesh.name = name


def _gives_mass(geom: mujoco.MjsGeom) -> bool:
    return geom.density != 0 and not geom.parent.explicitinertial
