"""URDF files, loaded into `mujoco.MjSpec`.

MuJoCo parses them itself. This module adds what it lacks: `package://` and `file://` paths, mesh formats that only
trimesh reads, a free base, and errors that name the file, the line and the link.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import mujoco

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import diagnostics, fixed_links, xml_tree
from genesis.model.inertias import gives_mass, repair_inertias, write_out_inertias
from genesis.model.meshes import check_file, fill_mesh
from genesis.model.robot_files import HIDDEN_GROUP, WORLD_LINK, parse, read_xml, resolve_uri, unused_name
from genesis.model.xml_tree import XmlElement, line_of

# What URDF calls a joint, and the joints that MuJoCo makes of it.
_PLANAR_PARTS = ("_TX", "_TY", "_RZ")
URDF_JOINT_TYPES = frozenset({"revolute", "continuous", "prismatic", "fixed", "floating", "planar", "spherical"})


# More links take MuJoCo's parser minutes, and a longer chain of them is more than its compiler takes.
_MOST_LINKS = 10_000
_LONGEST_CHAIN = 1000


def load_urdf(
    file: str | os.PathLike[str],
    *,
    fixed: bool = False,
    visualization: bool = True,
    collision: bool = True,
    links_to_keep: Iterable[str] = (),
    repair: bool = True,
    merge_fixed_links: bool = False,
) -> mujoco.MjSpec:
    """A URDF file as an `MjSpec` in which every link is a body, and the base is free unless `fixed`.

    With `merge_fixed_links`, links that fixed joints hold become part of others, but for `links_to_keep` (see
    `fixed_links`); else every link stays one. A root link named `world` is the world: the robot hangs on its root
    joints, and neither a free nor a fixed base is added. Visual shapes carry no mass, whatever the file; a link without
    <inertial> takes its mass from its collision shapes at 1000 kg/m3, as in MuJoCo. An `effort` of 0, or none, limits
    nothing, as in MuJoCo.

    `repair`: masses and inertias that cannot be (see `inertias.repair_inertias`) or are not given, visual meshes that
    are missing or unreadable, and the <mimic> of a joint that cannot be followed are repaired or left out, with one
    warning that lists them; else they are refused.

    Raises `GenesisException` as `read_xml` does, and for a missing or unreadable mesh (naming the link), an unknown
    joint type (naming the joint), a tree that is not one, what `diagnostics.check_urdf` finds, a link to keep that
    does not exist, and whatever else MuJoCo finds wrong (with its line).
    """
    path = check_file(file)
    _, root = read_xml(path, "robot")
    if _is_xacro(root):
        raise GenesisException(f"'{path}' is a xacro file: run `xacro` on it and load the URDF that it writes.")
    _check_urdf_tree(path, root)
    diagnostics.check_urdf(path, root)
    links = [link.attrib["name"] for link in root.findall("link")]
    links_to_keep = tuple(links_to_keep)
    for name in links_to_keep:
        if name not in links:
            raise GenesisException(
                f"'{path}': links_to_keep: there is no link '{name}'. {diagnostics.closest(name, links)}"
            )
    compiler = _take_compiler(path, root)
    repairs = _complete_inertials(root) + _drop_mimics(root)
    _warn_of_limits(path, root)
    bare = set() if collision else _links_without_mass(root)
    used = {"visual": set(links) if visualization else set(), "collision": set(links) if collision else bare}
    meshes = _take_meshes(path, root, compiler, used, repairs)

    spec = _parsed(path, root, used, meshes, fixed, collision, repairs)
    if repairs:
        _report(path, repairs, repair)
    if merge_fixed_links:
        fixed_links.merge(root, set(links_to_keep), fixed_links.inertials(spec))
        spec = _parsed(path, root, used, meshes, fixed, collision, [])  # what is repaired was told already
    return spec


def merged_links(file: str | os.PathLike[str], links_to_keep: Iterable[str]) -> dict[str, str]:
    """Names of the links of a URDF that merging makes part of another one, and of that."""
    _, root = read_xml(check_file(file), "robot")
    where = fixed_links.places(root, set(links_to_keep))
    return {name: place.link for name, place in where.items() if place.link != name}


def _parsed(
    path: Path,
    root: XmlElement,
    used: dict[str, set[str]],
    meshes: list[Path],
    fixed: bool,
    collision: bool,
    repairs: list[str],
) -> mujoco.MjSpec:
    """The prepared tree as a spec; adds to `repairs` what is repaired in it."""
    spec = parse(path, xml_tree.to_text(root))
    _drop_shapes(spec, used)
    _fill_meshes(path, spec, meshes, repairs)
    if not fixed and root_link(root) != WORLD_LINK:
        base = spec.worldbody.first_body()
        base.add_freejoint(name=unused_name("root_joint", {joint.name for joint in spec.joints}))
    repairs += repair_inertias(spec)
    if not collision:
        _hide_shapes(spec)
    for equality in spec.equalities:
        # MuJoCo turns <mimic> into a nameless equality; the name says where it came from.
        equality.name = f"mimic of {equality.name1}"
    write_out_inertias(path, spec)
    return spec


def _report(path: Path, repairs: list[str], repair: bool) -> None:
    listed = "".join(f"\n- {text}" for text in repairs)
    if not repair:
        raise GenesisException(
            f"'{path}' is refused (repair=False). Correct the file, or load it with repair=True, with which:{listed}"
        )
    runtime.logger.warning("'%s' was repaired (repair=False refuses it instead):%s", path, listed)


def root_link(robot: ElementTree.Element) -> str:
    """The name of the link of a URDF that is no joint's child."""
    children = {child.attrib["link"] for child in robot.iterfind("joint/child")}
    return next(link.attrib["name"] for link in robot.findall("link") if link.attrib["name"] not in children)


def _is_xacro(robot: ElementTree.Element) -> bool:
    prefixes = {key.removeprefix("xmlns:") for key, value in robot.attrib.items() if value.endswith("xacro")} | {
        "xacro"
    }
    return any(element.tag.partition(":")[0] in prefixes for element in robot.iter() if ":" in element.tag)


def _check_urdf_tree(path: Path, robot: ElementTree.Element) -> None:
    """Raises for what would make MuJoCo's own message useless: it names no link in these cases."""
    links = [link.attrib.get("name", "") for link in robot.findall("link")]
    if not links:
        raise GenesisException(f"'{path}' has no links: a URDF needs at least one <link name=...>.")
    if len(links) > _MOST_LINKS:
        raise GenesisException(f"'{path}' has {len(links)} links: expected at most {_MOST_LINKS}. Split the model.")
    _check_unique(path, "link", links)
    known = set(links)
    joints = [(joint.attrib.get("name", ""), joint.attrib.get("type")) for joint in robot.findall("joint")]
    _check_unique(path, "joint", [name for name, _ in joints])
    made = [f"{name}{part}" for name, kind in joints for part in (_PLANAR_PARTS if kind == "planar" else ("",))]
    _check_unique(path, "joint", made)
    parent_of: dict[str, str] = {}
    for joint in robot.findall("joint"):
        name, kind = joint.attrib["name"], joint.attrib.get("type", "")
        if kind not in URDF_JOINT_TYPES:
            raise GenesisException(
                f"'{path}'{line_of(joint)}, joint '{name}': unknown joint type '{kind}'. Known types: "
                f"{', '.join(sorted(URDF_JOINT_TYPES))}."
            )
        ends = []
        for end in ("parent", "child"):
            element = joint.find(end)
            link = element.attrib.get("link", "") if element is not None else ""
            if link not in known:
                raise GenesisException(
                    f"'{path}'{line_of(joint)}, joint '{name}': its {end} link '{link}' does not exist. "
                    "Add the link or correct the name."
                )
            ends.append(link)
        parent, child = ends
        if child in parent_of:
            raise GenesisException(
                f"'{path}'{line_of(joint)}, joint '{name}': link '{child}' already hangs on "
                f"'{parent_of[child]}'. A URDF is a tree: each link is "
                "the child of one joint (close loops with MJCF equality constraints)."
            )
        parent_of[child] = parent
    roots = [link for link in links if link not in parent_of]
    if len(roots) != 1:
        found = ", ".join(f"'{link}'" for link in roots) or "none (the joints form a loop)"
        raise GenesisException(
            f"'{path}': a URDF has exactly one root link, this file has: {found}. Connect them by joints."
        )
    if WORLD_LINK in parent_of:
        raise GenesisException(
            f"'{path}': link '{WORLD_LINK}' hangs on '{parent_of[WORLD_LINK]}'. The name stands for the world: make "
            "it the root link, or rename it."
        )
    children: dict[str, list[str]] = {}
    for child, parent in parent_of.items():
        children.setdefault(parent, []).append(child)
    reached = level = {roots[0]}
    depth = 0
    while level := {child for link in level for child in children.get(link, ())}:
        reached = reached | level
        depth += 1
        if depth > _LONGEST_CHAIN:
            raise GenesisException(
                f"'{path}': over {_LONGEST_CHAIN} links hang on each other in a row. Shorten the chain."
            )
    if lost := sorted(known - reached):
        raise GenesisException(f"'{path}': the links {lost} form a loop that hangs on no root link.")


def _check_unique(path: Path, what: str, names: list[str]) -> None:
    if "" in names:
        raise GenesisException(f"'{path}': {what} number {names.index('') + 1} has no name. Give it one.")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise GenesisException(f"'{path}': several {what}s are called '{repeated[0]}'. Names must be unique.")


# ------------------------------------------------------------------ what is altered before MuJoCo reads it

# Attributes of a URDF's own <compiler> that this loader decides: every link and shape is kept, paths are resolved.
_OUR_COMPILER = {"discardvisual": "false", "fusestatic": "false", "strippath": "false"}
_RESOLVED_COMPILER = ("meshdir", "texturedir", "assetdir")


def _take_compiler(path: Path, robot: XmlElement) -> dict[str, str]:
    """The settings of the file's own <mujoco><compiler>, which is replaced by one with ours."""
    extensions = robot.findall("mujoco")
    if len(extensions) > 1:
        raise GenesisException(f"'{path}'{line_of(extensions[1])}: a second <mujoco>. Write all settings into one.")
    extension = extensions[0] if extensions else _added(robot, "mujoco", {})
    compiler = extension.find("compiler")
    if compiler is None:
        compiler = _added(extension, "compiler", {})
    given = dict(compiler.attrib)
    for name in _RESOLVED_COMPILER:
        compiler.attrib.pop(name, None)
    compiler.attrib.update(_OUR_COMPILER)
    for size in extension.findall("size"):
        extension.remove(size)  # of MuJoCo's arrays, which scenes choose themselves
    return given


def _added(parent: ElementTree.Element, tag: str, attributes: dict[str, str]) -> XmlElement:
    element = XmlElement(tag, attributes)
    if isinstance(parent, XmlElement):
        element.line = parent.line
    parent.insert(0, element)
    return element


_ZERO_INERTIA = {"ixx": "0", "iyy": "0", "izz": "0", "ixy": "0", "ixz": "0", "iyz": "0"}


def _complete_inertials(robot: XmlElement) -> list[str]:
    """Writes what each <inertial> leaves out, as 0; returns what that was."""
    repairs = []
    for link in robot.iterfind("link"):
        for inertial in link.findall("inertial"):
            for tag, attributes in (("inertia", _ZERO_INERTIA), ("mass", {"value": "0"})):
                element = inertial.find(tag)
                if element is None:
                    element = _added(inertial, tag, {})
                if missing := [name for name in attributes if name not in element.attrib]:
                    element.attrib.update(dict.fromkeys(missing, "0"))
                    repairs.append(f"link '{link.attrib['name']}': <{tag}> lacks {', '.join(missing)}: became 0")
    return repairs


def _drop_mimics(robot: XmlElement) -> list[str]:
    """Removes each <mimic> that MuJoCo would drop: of or by a joint that is not of one degree of freedom."""
    kinds = {joint.attrib["name"]: joint.attrib["type"] for joint in robot.iterfind("joint")}
    repairs = []
    for joint in robot.iterfind("joint"):
        name = joint.attrib["name"]
        for mimic in joint.findall("mimic"):
            followed = mimic.attrib.get("joint", "")
            if kinds[name] == "fixed" or {kinds[name], kinds.get(followed)} <= _ONE_DOF:
                continue
            if followed not in kinds:
                why = f"there is no such joint. {diagnostics.closest(followed, kinds)}"
            else:
                why = f"one of them is no hinge or slide, but {kinds[name]} or {kinds[followed]}."
            joint.remove(mimic)
            repairs.append(f"joint '{name}': <mimic joint=\"{followed}\"> was left out: {why}")
    return repairs


_ONE_DOF = {"revolute", "continuous", "prismatic"}
_HELD = 1e-6  # rad or m to both sides of 0: MuJoCo ignores a range without any width


def _warn_of_limits(path: Path, robot: XmlElement) -> None:
    """Writes the limits that URDF's specification means where a joint does not give them, and warns of that."""
    found = []
    for joint in robot.iterfind("joint"):
        if joint.attrib["type"] not in ("revolute", "prismatic"):
            continue
        name, limit = joint.attrib["name"], joint.find("limit")
        if limit is None:
            found.append(f"joint '{name}' has no <limit>, which URDF requires: it moves without limits")
            continue
        missing = [end for end in ("lower", "upper") if end not in limit.attrib]
        if len(missing) == 2:
            limit.attrib.update(lower=str(-_HELD), upper=str(_HELD))
            found.append(
                f"joint '{name}': lower and upper are not given, and 0 is their default: it is held at 0 "
                '(type="continuous" turns freely)'
            )
        elif missing:
            limit.attrib[missing[0]] = "0"
            held = not any(_is_nonzero(limit.attrib[end]) for end in ("lower", "upper"))
            if held:
                limit.attrib.update(lower=str(-_HELD), upper=str(_HELD))
            end = ": it is held at 0" if held else ""
            found.append(f"joint '{name}': {missing[0]} is not given, and 0 is its default{end}")
    if found:
        runtime.logger.warning("'%s', limits of joints:%s", path, "".join(f"\n- {text}" for text in found))


def _links_without_mass(robot: XmlElement) -> set[str]:
    """The links whose collision shapes may be asked for their mass."""
    found = set()
    for link in robot.iterfind("link"):
        numbers = [link.find("inertial/mass"), link.find("inertial/inertia")]
        if any(element is None or not any(map(_is_nonzero, element.attrib.values())) for element in numbers):
            found.add(link.attrib["name"])
    return found


def _is_nonzero(text: str) -> bool:
    """Also of what is no number, which MuJoCo's compiler will complain of."""
    try:
        return float(text) != 0
    except ValueError:
        return True


def _take_meshes(
    path: Path, robot: XmlElement, compiler: dict[str, str], used: dict[str, set[str]], repairs: list[str]
) -> list[Path]:
    """The mesh files that `used` links (by kind of shape) name; each `filename` becomes the key of its file.

    A visual shape without its file is removed and added to `repairs`.
    """
    directory = compiler.get("meshdir", compiler.get("assetdir", ""))
    numbers: dict[str, int] = {}
    found: list[Path] = []
    shape_names: set[str] = set()
    for link in robot.iterfind("link"):
        for shape in [child for child in link if child.tag in used]:
            name = shape.attrib.get("name")
            if name in shape_names:
                del shape.attrib["name"]  # MuJoCo would drop it, and say so on the console
            elif name is not None:
                shape_names.add(name)
            for mesh in shape.iterfind("geometry/mesh"):
                uri = mesh.attrib.get("filename", "")
                if link.attrib["name"] not in used[shape.tag]:
                    mesh.attrib["filename"] = _mesh_key(-1)
                    continue
                if uri not in numbers:
                    wanted = uri.replace("\\", "/").rsplit("/", 1)[-1] if compiler.get("strippath") == "true" else uri
                    resolved, tried = resolve_uri(wanted, path.parent, directory)
                    if resolved is None:
                        missing = f"link '{link.attrib['name']}': {_missing_mesh(shape.tag, uri, tried)}"
                        if shape.tag == "visual":
                            repairs.append(f"{missing}: left out")
                            link.remove(shape)
                            break
                        raise GenesisException(f"'{path}'{line_of(mesh)}, {missing}.")
                    numbers[uri] = len(found)
                    found.append(resolved)
                mesh.attrib["filename"] = _mesh_key(numbers[uri])
    return found


def _missing_mesh(kind: str, uri: str, tried: list[Path]) -> str:
    places = ", ".join(f"'{place}'" for place in tried[:4]) or "no place: the scheme is not supported"
    more = f" and {len(tried) - 4} more" if len(tried) > 4 else ""
    in_package = uri.startswith("package://")
    advice = "put the package's parent folder into ROS_PACKAGE_PATH" if in_package else "correct the path"
    return f"{kind} mesh '{uri}' not found. Looked at {places}{more}; {advice}"


def _mesh_key(index: int) -> str:
    # The underscore keeps the digits apart from those that MuJoCo appends for a second scale. -1: unused.
    return f"mesh{index}_.stl" if index >= 0 else "unused_.stl"


# ------------------------------------------------------------------ what is altered after it


def _drop_shapes(spec: mujoco.MjSpec, used: dict[str, set[str]]) -> None:
    """Removes the shapes that are neither drawn nor touched, nor needed for a link's mass."""
    for geom in list(spec.geoms):
        kind = "visual" if geom.contype == 0 and geom.conaffinity == 0 else "collision"
        if geom.parent.name not in used[kind]:
            spec.delete(geom)


def _hide_shapes(spec: mujoco.MjSpec) -> None:
    """Lets no shape touch anything: those that give their link mass stay, unseen, the others go."""
    for geom in list(spec.geoms):
        if geom.contype == 0 and geom.conaffinity == 0:
            continue
        if gives_mass(geom):
            geom.contype = geom.conaffinity = 0
            geom.group = HIDDEN_GROUP
        else:
            spec.delete(geom)


def _fill_meshes(path: Path, spec: mujoco.MjSpec, files: list[Path], repairs: list[str]) -> None:
    """Gives each mesh its triangles and name; visual shapes whose mesh cannot be read are removed and listed."""
    keys = {_mesh_key(index): file for index, file in enumerate(files)}
    users: dict[str, list[mujoco.MjsGeom]] = {}
    for geom in spec.geoms:
        if geom.meshname:
            users.setdefault(geom.meshname, []).append(geom)
    names: set[str] = set()
    for mesh in list(spec.meshes):
        if mesh.name not in users:
            spec.delete(mesh)
            continue
        geoms = users[mesh.name]
        file = keys[mesh.file]
        if not any(map(gives_mass, geoms)):
            # Inertia by surface also exists for open and flat meshes, and is never used here.
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        try:
            fill_mesh(mesh, file)
        except GenesisException as error:
            links = ", ".join(f"'{name}'" for name in dict.fromkeys(geom.parent.name for geom in geoms))
            if any(geom.contype or geom.conaffinity for geom in geoms):
                raise GenesisException(f"'{path}', link {links}: {error}") from None
            repairs.append(f"link {links}: {error} Left out")
            for geom in geoms:
                spec.delete(geom)
            spec.delete(mesh)
            continue
        name = unused_name(file.stem, names)
        names.add(name)
        for geom in geoms:
            geom.meshname = name
        mesh.name = name
