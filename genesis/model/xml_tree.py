"""XML as a tree whose elements know their lines, and back to text that keeps them.

One reading, by expat, for every robot file: entities and character references are resolved, any encoding that Python
knows is read, and what would take a machine down (a billion laughs, endless nesting) is refused while it is read.
"""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from genesis import runtime
from genesis.errors import GenesisException

# What a robot file can need: MuJoCo's own parser refuses deeper nesting, and the rest takes minutes.
_MOST_BYTES = 2**28
_MOST_ELEMENTS = 1_000_000
_DEEPEST = 490


class XmlElement(ElementTree.Element):
    """An element that began on `line` of its file (from 1)."""

    line: int = 1


def read_text(path: Path) -> str:
    """The characters of an XML file, in the encoding that its byte order mark or declaration names, else UTF-8; text
    that is not in it and names none is read as ISO-8859-1, with a warning.

    Raises `GenesisException` for a file that cannot be read, is too large, or is not text.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise GenesisException(
                f"'{path}' has {size} bytes: expected at most {_MOST_BYTES} in an XML file. Put meshes into files of "
                "their own."
            )
        data = path.read_bytes()
        encoding = _encoding(data)
        if encoding == "latin-1":
            runtime.logger.warning("'%s' is not in UTF-8 and names no encoding: read as ISO-8859-1.", path)
        return data.decode(encoding)
    except (OSError, ValueError, LookupError) as error:
        raise GenesisException(
            f"cannot read '{path}' as text ({error}). The first line of an XML file names its encoding: "
            '<?xml version="1.0" encoding="..."?>.'
        ) from None


_DECLARED = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _encoding(data: bytes) -> str:
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    declared = _DECLARED.match(data)
    if marked:
        return marked
    if not declared:
        return "latin-1" if data.lstrip().startswith(b"<") and not _is_utf8(data) else "utf-8"
    name = declared.group(1).decode()
    # A declaration that can be read byte by byte is in no encoding of wider units, whatever it says.
    return "utf-8" if name.lower().startswith(("utf-16", "utf-32", "ucs")) else name


def parse_text(path: Path, text: str) -> XmlElement:
    """The root element of XML text. Texts between tags and comments are left out: robot files say nothing there.

    Names stay as they are written (`xmlns` is an attribute as any other), but for the prefix of the root element's own
    namespace, which is removed: with it or without, these elements are the file's own.

    Raises `GenesisException`, with the line, for XML that is not well-formed, and for what only serves to exhaust a
    reader; `path` is only named.
    """
    parser = expat.ParserCreate()
    roots: list[XmlElement] = []
    ancestors: list[XmlElement] = []
    count = 0

    def place() -> str:
        return f"'{path}', line {parser.CurrentLineNumber}"

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(ancestors) >= _DEEPEST or count > _MOST_ELEMENTS:
            what = f"nested over {_DEEPEST} deep" if count <= _MOST_ELEMENTS else f"more than {_MOST_ELEMENTS}"
            raise GenesisException(f"{place()}: the elements are {what}. Simplify the file.")
        element = XmlElement(tag, attributes)
        element.line = parser.CurrentLineNumber
        (ancestors[-1] if ancestors else roots).append(element)
        ancestors.append(element)

    def skipped(name: str, _is_parameter: bool) -> None:
        raise GenesisException(f"{place()}: the entity &{name}; is not declared in the file. Write what it stands for.")

    def outside(_context: str, _base: str | None, system: str | None, _public: str | None) -> int:
        raise GenesisException(
            f"{place()}: an entity of another file ('{system}') is not read. Write what it stands for."
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: ancestors.pop()
    parser.SkippedEntityHandler = skipped
    parser.ExternalEntityRefHandler = outside
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise GenesisException(
            f"'{path}', line {error.lineno}, column {error.offset + 1}: not well-formed XML "
            f"({expat.ErrorString(error.code)}). Correct the file there."
        ) from None
    except UnicodeError as error:
        raise GenesisException(f"'{path}': not well-formed XML ({error}). Correct its encoding.") from None
    root = roots[0]
    _remove_own_prefixes(root)
    return root


def _remove_own_prefixes(root: XmlElement) -> None:
    prefix = root.tag.rpartition(":")[0]
    namespace = root.get(f"xmlns:{prefix}" if prefix else "xmlns")
    own = {key.removeprefix("xmlns:") for key, value in root.attrib.items() if value == namespace} | {prefix}
    for element in root.iter():
        before, _, name = element.tag.rpartition(":")
        if before and before in own:
            element.tag = name


def is_foreign(name: str) -> bool:
    """Whether an element or attribute of this name is another program's: it has a prefix, or declares a namespace."""
    return ":" in name or name == "xmlns"


def line_of(element: ElementTree.Element) -> str:
    """Where an element is, for a message: ", line 7", or nothing where that is not known."""
    return f", line {element.line}" if isinstance(element, XmlElement) else ""


def to_text(root: XmlElement) -> str:
    """XML text of the tree in which each element begins on its own `line`, without what `is_foreign`."""
    parts: list[str] = []
    line = 1
    waiting: list[XmlElement | str] = [root]  # elements to write, and closing tags
    while waiting:
        element = waiting.pop()
        if isinstance(element, str):
            parts.append(element)
            continue
        if is_foreign(element.tag):
            continue
        parts.append("\n" * (element.line - line))
        line = max(line, element.line)
        named = (f" {key}={quoteattr(value)}" for key, value in element.attrib.items() if not is_foreign(key))
        parts.append(f"<{element.tag}{''.join(named)}>")
        waiting.append(f"</{element.tag}>")
        waiting.extend(child for child in reversed(element) if isinstance(child, XmlElement))
    return "".join(parts)
