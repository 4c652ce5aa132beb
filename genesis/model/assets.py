"""Robot and mesh files, loaded into `mujoco.MjSpec`.

MuJoCo parses URDF and MJCF itself. This module adds what it lacks: `package://` and `file://` paths, mesh formats that
only trimesh reads, a free base for URDF robots, and errors that name the file, the line and the link.
"""

from __future__ import annotations

import copy
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.sax.saxutils import quoteattr, unescape

import mujoco
import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import diagnostics, support
from genesis.model.meshes import check_file, fill_mesh

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

# What URDF calls a joint, and the joints that MuJoCo makes of it.
URDF_JOINT_TYPES = frozenset({"revolute", "continuous", "prismatic", "fixed", "floating", "planar", "spherical"})

_ENCODING = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([\w.-]+)[\"']")
_MUJOCO_ELEMENT = re.compile(r"<mujoco\b[^>]*?(?:/>|>.*?</mujoco\s*>)", re.DOTALL)
_ROBOT_TAG = re.compile(r"<robot\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SHAPE_NAME = re.compile(r"(<(?:visual|collision)\b[^>]*?)\s+name\s*=\s*(\"[^\"]*\"|'[^']*')", re.DOTALL)
_MESH_FILENAME = re.compile(r"(<mesh\b[^>]*?\bfilename\s*=\s*)(\"[^\"]*\"|'[^']*')", re.DOTALL)


# ------------------------------------------------------------------ files and paths


def read_xml(path: Path, wanted: str) -> tuple[str, ElementTree.Element]:
    """Text and root element of a robot file whose root element must be `wanted` ("robot" or "mujoco").

    Raises `GenesisException` for a missing or unreadable file, a directory, an empty file, XML that does not parse
    (with its line) and a file of another kind.
    """
    path = check_file(path)
    try:
        data = path.read_bytes()
        declared = _ENCODING.match(data)
        text = data.decode(declared.group(1).decode() if declared else "utf-8-sig")
    except (OSError, UnicodeDecodeError, LookupError) as error:
        raise GenesisException(
            f"cannot read '{path}' as text ({error}). Expected {ROOT_ELEMENTS[wanted][0]} in XML."
        ) from None
    if not text.strip():
        raise GenesisException(f"'{path}' is empty. Expected {ROOT_ELEMENTS[wanted][0]}.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        what = str(error).split(":")[0]
        raise GenesisException(
            f"'{path}', line {line}, column {column + 1}: not well-formed XML ({what}). Correct the file there."
        ) from None
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
        candidates = [Path(unquote(urlparse(uri).path))]
    elif scheme:
        return None, []
    else:
        relative = Path(rest.removeprefix("file:")).expanduser()
        candidates = [directory / asset_directory / relative, directory / relative]
    tried: list[Path] = []
    for candidate in candidates:
        if candidate.is_file():
            return candidate.absolute(), tried
        if candidate not in tried:
            tried.append(candidate)
    return None, tried


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


# ------------------------------------------------------------------ URDF


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

    spec = _parse(path, _urdf_for_mujoco(text, extension, compiler, meshes))
    _drop_urdf_shapes(spec, visualization=visualization, collision=collision)
    _fill_urdf_meshes(spec, meshes)
    _admit_degenerate_inertias(path, spec)
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


def unused_name(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


# ------------------------------------------------------------------ MJCF


def load_mjcf(file: str | os.PathLike[str], *, visualization: bool = True, collision: bool = True) -> mujoco.MjSpec:
    """An MJCF file as an `MjSpec`, its joints and options as written, with every asset path absolute.

    `visualization=False` drops the geoms that do not collide (the inertia that they gave their bodies stays);
    `collision=False` keeps all geoms, and lets none collide.

    Raises `GenesisException` as `read_xml` does, and for a missing or unreadable asset (naming the bodies that use it),
    numbers that are none, kinds of actuators that are not simulated, and whatever MuJoCo finds wrong (with its line).
    """
    path = check_file(file)
    _, root = read_xml(path, "mujoco")
    diagnostics.check_mjcf_numbers(path, root)
    spec = _parse(path, None)
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


# ------------------------------------------------------------------ inertias

# The mass [kg] up to which a link counts as a placeholder: exporters give such links mass 1e-6 and any inertia.
PLACEHOLDER_MASS = 1e-5
# How far below zero a principal moment may be, relative to the largest, to count as a rounded zero.
_ROUNDED_ZERO = 1e-9


def _admit_degenerate_inertias(path: Path, spec: mujoco.MjSpec) -> None:
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
    compiler = spec.compiler
    default = all(getattr(compiler, name) == value for name, value in _INERTIA_SETTINGS.items())
    if default and tuple(compiler.inertiagrouprange) == _EVERY_GROUP:
        return
    with diagnostics.log_mujoco_warnings(f"'{path}'"):
        try:
            model = spec.compile()
        except ValueError as error:
            raise GenesisException(diagnostics.compiler_message(str(error), f"'{path}'")) from None
    low, high = compiler.inertiagrouprange
    for body in spec.bodies[1:]:
        compiled = model.body(body.id)
        body.explicitinertial = True
        body.mass = float(compiled.mass[0])
        body.ipos, body.iquat, body.inertia = compiled.ipos, compiled.iquat, compiled.inertia
        body.fullinertia = np.full(6, np.nan)
        body.ialt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        for geom in body.geoms:
            if not low <= geom.group <= high:
                geom.mass = 0  # counts for nothing, also when a density is given later
    for name, value in _INERTIA_SETTINGS.items():
        setattr(compiler, name, value)
    compiler.inertiagrouprange = _EVERY_GROUP


def _parse(path: Path, text: str | None) -> mujoco.MjSpec:
    """`MjSpec` of the file, or of `text` in its place, with MuJoCo's complaint turned into ours."""
    with diagnostics.log_mujoco_warnings(f"'{path}'"):
        try:
            return mujoco.MjSpec.from_file(str(path)) if text is None else mujoco.MjSpec.from_string(text)
        except ValueError as error:
            raise GenesisException(diagnostics.parser_message(path, str(error))) from None
