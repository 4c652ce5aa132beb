"""The XML files of an MJCF model: the file itself, those that it includes and the models that it attaches, each read
once, and written anew as the texts that MuJoCo is given in their place.

In these texts includes are inserted, files of assets have absolute paths, entities and namespaces are resolved, and
each element has a line of its own, whose number no other text of the model has: what MuJoCo says of a line is said of
an element, whose file and line are known. What MuJoCo's parser would not survive is refused here.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from genesis.errors import GenesisException
from genesis.model.robot_files import ROOT_ELEMENTS
from genesis.model.xml_tree import read_text

_DEEPEST = 500  # elements within each other: MuJoCo's XML reader takes no more
_MOST_FILES_DEEP = 50  # files that include or attach each other, one within the other
_MOST_INCLUDED = 2000  # files that a model includes, each as often as it is
_MOST_ELEMENTS = 500_000  # of a model with all that it includes
MOST_COPIES = 20_000  # elements that <replicate> may make: MuJoCo's time grows with their square, to 10 s
_MOST_ATTACHED = 30_000  # elements that <attach> may make, for the same reason
# What a number that sizes a buffer may be at most, by element and the attributes whose product it is.
_MOST_OF = {
    "hfield": ((("nrow", "ncol"), 1 << 26),),
    "texture": ((("width", "height"), 1 << 26),),
    "composite": ((("count",), MOST_COPIES),),
    "flexcomp": ((("count",), MOST_COPIES),),
    "size": (
        *(((name,), 1_000_000) for name in ("njmax", "nconmax", "nuserdata")),
        (("nstack",), 1 << 30),
        (("nkey",), 10_000),
        *(
            ((f"nuser_{part}",), 1000)
            for part in ("body", "jnt", "geom", "site", "cam", "tendon", "actuator", "sensor")
        ),
    ),
    "lengthrange": ((("inttotal",), 1000.0),),  # [s] that MuJoCo simulates for the range of each muscle
    "option": ((("noslip_iterations",), 1000),),  # of each the forces before it are kept
    "contact": ((("num",), 10_000),),  # the sensor
    "user": ((("dim",), 10_000),),
}
_MOST_PARAMETER = 1000  # of a mesh's built-in shape: its number of vertices may be the square
# Attributes that name the file of an asset, by element.
_CUBE = ("fileright", "fileleft", "fileup", "filedown", "filefront", "fileback")
_ASSETS = {
    "mesh": ("file", "filename"),  # the second in a URDF that is attached
    "hfield": ("file",),
    "skin": ("file",),
    "flexcomp": ("file",),
    "texture": ("file", *_CUBE),
}
_FOLDERS = ("assetdir", "meshdir", "texturedir")
# MuJoCo's parser takes some names for formats of C's printf and reads memory that is not there.
FORMAT = re.compile(r"%[^%a-zA-Z]*(hh|h|ll|l|L|q|j|z|t)?[sn]")


@dataclass(eq=False, slots=True)
class Element:
    """An XML element, with the file and the line (from 1) in which it begins."""

    tag: str
    attrib: dict[str, str]
    file: Path
    line: int
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"'{self.file}', line {self.line}"


@dataclass
class ModelFiles:
    """What MuJoCo is to read: `texts` by path, of the model itself first and of those that it attaches; `elements` by
    line of these texts (line 1 first), across all of them; `asked`: each asset's path in its file's words."""

    texts: dict[str, bytes] = field(default_factory=dict)
    elements: list[Element] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)

    def element(self, info: str) -> Element | None:
        """The element that MuJoCo means by "line 7"."""
        found = _LINE.search(info)
        number = int(found.group(1)) if found else 0
        return self.elements[number - 1] if 0 < number <= len(self.elements) else None


_LINE = re.compile(r"\bline\D{0,3}(\d+)")


def read_model(path: Path) -> ModelFiles:
    """Reads an MJCF model with all that it includes and attaches.

    Raises `GenesisException`, with file and line, for files that are missing, unreadable, no XML or of another kind,
    that include or attach each other in a circle, and for what would crash or exhaust MuJoCo: formats of C in names,
    elements too deep or too many, sizes beyond all measure.
    """
    found = ModelFiles()
    _read_model(path, ("mujoco",), found, {}, ())
    return found


def _read_model(
    path: Path, kinds: tuple[str, ...], found: ModelFiles, copies: dict[str, int], above: tuple[str, ...]
) -> None:
    """Adds a model and those that it attaches to `found`, and to `copies` how many elements MuJoCo makes of each.

    `kinds`: what its root element may be; `above`: the models that attach it.
    """
    key = os.path.normpath(path)
    reader = _Reader(path, kinds)
    elements = reader.elements
    offset = len(found.elements)
    found.elements += elements
    found.texts[key] = b""  # the model comes before those that it attaches
    for element in elements:
        _check_element(element)
    _resolve_assets(path.parent, elements, found.asked)
    attached = {}
    for element in elements:
        if element.tag != "model":
            continue
        file = _locate(element, path.parent)
        name = element.attrib["file"] = os.path.normpath(file)
        if name in (*above, key):
            raise GenesisException(f"{element.place}, <model>: '{file}' attaches itself. Remove one of them.")
        if len(above) == _MOST_FILES_DEEP:
            raise GenesisException(f"{element.place}, <model>: more than {_MOST_FILES_DEEP} models attach one another.")
        if name not in copies:
            _read_model(file, ("mujoco", "robot"), found, copies, (*above, key))
        attached[element.attrib.get("name", "")] = copies[name]
    copies[key] = _count_copies(reader.steps, attached)
    found.texts[key] = _text(reader.steps, offset)


# ------------------------------------------------------------------ one model


class _Reader:
    """The elements of a file and of all that it includes: `elements` in order, `steps` their starts (True) and ends."""

    def __init__(self, path: Path, kinds: tuple[str, ...]):
        self.elements: list[Element] = []
        self.steps: list[tuple[bool, Element]] = []
        self._open: list[Element | None] = [None]
        self._files: list[Path] = []  # the one being read, last, and those that include it
        self._included: set[str] = set()  # by the model's own file
        self._count = 0  # of files read
        self._directory = path.parent
        self._parse(path, kinds)

    def _parse(self, path: Path, kinds: tuple[str, ...]) -> None:
        text = _read(path, kinds[0])
        parser = expat.ParserCreate()
        prefix = ""
        depth = 0
        including = False
        root = not self._files  # that of an included file is left out, whatever it is called

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal prefix, depth, including
            depth += 1
            if including:
                raise GenesisException(
                    f"'{path}', line {parser.CurrentLineNumber}, <{tag}>: <include> holds nothing. Move it behind it."
                )
            if depth == 1:
                prefix = tag.rpartition(":")[0]
                if root:
                    _check_kind(path, tag.rpartition(":")[2], kinds)
            # Namespaces: the root's is MJCF, and attributes of others are other programs'.
            tag = tag.removeprefix(f"{prefix}:") if prefix else tag
            attrib = {name: value for name, value in attributes.items() if name != "xmlns" and ":" not in name}
            element = Element(tag, attrib, path, parser.CurrentLineNumber, self._open[-1])
            if depth == 1 and not root:
                return
            if tag.lower() == "include":
                self._include(element)
                including = True
                return
            if len(self._open) > _DEEPEST:
                raise GenesisException(f"{element.place}, <{tag}>: more than {_DEEPEST} elements within each other.")
            if len(self.elements) == _MOST_ELEMENTS:
                raise GenesisException(
                    f"{element.place}, <{tag}>: the model has more than {_MOST_ELEMENTS} elements, those of its "
                    "included files counted."
                )
            if element.parent is not None:
                element.parent.children.append(element)
            self.elements.append(element)
            self.steps.append((True, element))
            self._open.append(element)

        def end(_tag: str) -> None:
            nonlocal depth, including
            depth -= 1
            if including or (depth == 0 and not root):
                including = False
                return
            element = self._open.pop()
            assert element is not None
            self.steps.append((False, element))

        def refuse_file(named: object) -> None:
            if named:
                raise GenesisException(
                    f"'{path}', line {parser.CurrentLineNumber}: <!DOCTYPE> with a part in another file, or a "
                    "parameter entity: neither is read. Write out what they stand for."
                )

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.StartDoctypeDeclHandler = lambda _name, system, _public, _internal: refuse_file(system)
        parser.EntityDeclHandler = lambda _name, parameter, _value, _base, system, *_: refuse_file(system or parameter)
        self._files.append(path)
        try:
            parser.Parse(text, True)
        except expat.ExpatError as error:
            raise GenesisException(
                f"'{path}', line {error.lineno}, column {error.offset + 1}: not well-formed XML "
                f"({expat.ErrorString(error.code)}). Correct the file there."
            ) from None
        self._files.pop()

    def _include(self, element: Element) -> None:
        """Reads the included file in the place of the element."""
        file = _locate(element, self._directory)
        if file in self._files:
            raise GenesisException(f"{element.place}, <include>: '{file}' includes itself. Remove this <include>.")
        if len(self._files) > _MOST_FILES_DEEP:
            raise GenesisException(
                f"{element.place}, <include>: more than {_MOST_FILES_DEEP} files include one another."
            )
        self._count += 1
        if self._count > _MOST_INCLUDED:
            raise GenesisException(f"{element.place}, <include>: the model includes more than {_MOST_INCLUDED} files.")
        if len(self._files) == 1:
            if str(file) in self._included:
                raise GenesisException(
                    f"{element.place}, <include>: '{file}' is already included. Remove this <include>."
                )
            self._included.add(str(file))
        self._parse(file, ("mujoco",))


def _read(path: Path, wanted: str) -> str:
    text = read_text(path)
    if not text.strip():
        raise GenesisException(f"'{path}' is empty. Expected {ROOT_ELEMENTS[wanted][0]}.")
    return text


def _check_kind(path: Path, tag: str, kinds: tuple[str, ...]) -> None:
    if tag not in kinds:
        is_a, advice = ROOT_ELEMENTS.get(tag, (f"XML with root element <{tag}>", "check the path"))
        raise GenesisException(f"'{path}' is {is_a}, not {ROOT_ELEMENTS[kinds[0]][0]}: {advice}.")


def _locate(element: Element, directory: Path) -> Path:
    """The file that an <include> or <model> names: beside the model's own file, else beside the element's."""
    name = element.attrib.get("file")
    if not name:
        raise GenesisException(f"{element.place}, <{element.tag}>: no file. Name it: file=...")
    tried = list(dict.fromkeys(folder / name.replace("\\", "/") for folder in (directory, element.file.parent)))
    for candidate in tried:
        if is_file(candidate):
            return candidate
    looked = " and ".join(f"'{candidate}'" for candidate in tried)
    raise GenesisException(f"{element.place}, <{element.tag}>: file '{name}' not found (looked at {looked}).")


def is_file(path: Path) -> bool:
    """Whether there is such a file; no name is so wrong that this raises."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _resolve_assets(directory: Path, elements: Sequence[Element], asked: dict[str, str]) -> None:
    """Makes the paths of assets absolute, and takes the folders that they are in out of <compiler>; to `asked` goes
    what the file says for each path.

    MuJoCo's rule: in the model's folder of such assets, else beside the included file that names them.
    """
    folders = {"meshdir": "", "texturedir": ""}
    strip = False
    for element in elements:
        if element.tag == "compiler":
            given = {name: element.attrib.pop(name) for name in _FOLDERS if name in element.attrib}
            if "assetdir" in given:
                folders = dict.fromkeys(folders, given["assetdir"])
            folders |= {name: given[name] for name in folders if name in given}
            if element.attrib.get("strippath") in ("true", "false"):
                strip = element.attrib.pop("strippath") == "true"
    for element in elements:
        for attribute in _ASSETS.get(element.tag, ()):
            name = element.attrib.get(attribute)
            if not name or "://" in name:
                continue
            relative = name.replace("\\", "/")
            relative = relative.rpartition("/")[2] if strip else relative
            folder = folders["texturedir" if element.tag == "texture" else "meshdir"].replace("\\", "/")
            candidates = [directory / folder / relative, element.file.parent / relative]
            located = next(filter(is_file, candidates), candidates[0])
            element.attrib[attribute] = os.path.normpath(located)
            asked[element.attrib[attribute]] = name


_SPECIAL = re.compile(r"[&<>\"\n\r\t]")


def _quoted(value: str) -> str:
    return quoteattr(value) if _SPECIAL.search(value) else f'"{value}"'


def _text(steps: Sequence[tuple[bool, Element]], offset: int) -> bytes:
    """The elements as XML, the first in line `offset` + 1, each in a line of its own."""
    parts = ["\n" * offset]
    for starts, element in steps:
        if starts:
            attributes = "".join(f" {name}={_quoted(value)}" for name, value in element.attrib.items())
            parts.append(f"<{element.tag}{attributes}>\n")
        else:
            parts.append(f"</{element.tag}>")
    return "".join(parts).encode()


# ------------------------------------------------------------------ what MuJoCo would not survive


def _check_element(element: Element) -> None:
    for name, value in element.attrib.items():
        if "%" in value and (found := FORMAT.search(value)) and element.tag != "text":
            raise GenesisException(
                f'{element.place}, <{element.tag} {name}="{value}">: MuJoCo would take "{found.group()}" for a format '
                "of C's printf. Choose another name."
            )
    if element.tag == "mesh":
        largest = max((_number(word, 0.0) for word in element.attrib.get("params", "").split()), default=0.0)
        if largest > _MOST_PARAMETER:
            raise GenesisException(
                f"{element.place}, <mesh>: params holds {largest:g}. At most {_MOST_PARAMETER} will do."
            )
    for names, most in _MOST_OF.get(element.tag, ()):
        words = [word for name in names for word in element.attrib.get(name, "").split()]
        product = math.prod(max(_number(word, 1.0), 1.0) for word in words)
        if product > most:
            raise GenesisException(
                f"{element.place}, <{element.tag}>: {' x '.join(names)} is {product:g}. At most {most:g} will do."
            )


def _number(word: str, otherwise: float) -> float:
    try:
        number = float(word)
    except ValueError:
        return otherwise
    return otherwise if math.isnan(number) else number


def _count_copies(steps: Sequence[tuple[bool, Element]], attached: dict[str, int]) -> int:
    """How many elements MuJoCo makes of a model; `attached`: the same for each <model> that it may attach, by name.

    Raises `GenesisException` where <replicate> and <attach> make too many, and for a body or frame that attaches
    itself.
    """
    sizes: dict[int, int] = {}  # by identity: how many elements each that has ended became
    named: dict[tuple[str, str], int] = {}
    made = {"replicate": 0, "attach": 0}
    most = {"replicate": MOST_COPIES, "attach": _MOST_ATTACHED}
    largest: dict[str, Element] = {}
    size = 0
    for starts, element in steps:
        if starts:
            continue
        size = (element.tag != "replicate") + sum(sizes[id(child)] for child in element.children)
        if element.tag in made:
            before = size
            if element.tag == "replicate":
                size *= int(min(max(_number(element.attrib.get("count", ""), 1.0), 0.0), 1e18))
            else:
                size += _attached_size(element, attached, named)
            made[element.tag] += size - before
            largest[element.tag] = element
        sizes[id(element)] = size
        named[element.tag, element.attrib.get("name", "")] = size
    for tag, element in largest.items():
        if made[tag] > most[tag]:
            raise GenesisException(
                f"{element.place}, <{tag}>: the model gets {made[tag]} more elements from such. MuJoCo would take "
                f"minutes or more: at most {most[tag]} will do."
            )
    return size


def _attached_size(element: Element, attached: dict[str, int], named: dict[tuple[str, str], int]) -> int:
    if "model" in element.attrib:
        return attached.get(element.attrib["model"], 0)
    kind = "body" if "body" in element.attrib else "frame"
    around = element.parent
    while around is not None:
        if around.tag == kind and around.attrib.get("name", "") == element.attrib.get(kind):
            raise GenesisException(f"{element.place}, <attach>: the {kind} '{around.attrib['name']}' attaches itself.")
        around = around.parent
    return named.get((kind, element.attrib.get(kind, "")), 0)
