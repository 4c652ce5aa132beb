"""What is wrong with an MJCF model: its numbers, and what MuJoCo's parser says of it."""

from __future__ import annotations

import re

from genesis.errors import GenesisException
from genesis.model import diagnostics
from genesis.model.mjcf_files import Element, ModelFiles

# Parts of an MJCF whose numbers are free, or do not enter the motion.
_FREE_NUMBERS = frozenset({"visual", "statistic", "sensor", "custom", "extension"})

# Attributes of MJCF that define a name or a text, which may be "nan" or "inf".
_TEXTS = frozenset({"name", "class", "model", "file", "prefix", "content_type", "user"})


def check_numbers(files: ModelFiles) -> None:
    """Raises for NaN, and for infinity where it means nothing, in an MJCF model with all that it includes and attaches.

    MuJoCo warns of NaN, takes infinity, and lets both vanish in what it computes from them.
    """
    named: set[str] = set()
    for element in files.elements:
        named.update(value for key, value in element.attrib.items() if key in ("name", "class"))
    for element in files.elements:
        for key, value in element.attrib.items():
            # What names another element is no number.
            if key not in _TEXTS and _SUSPICIOUS.search(value) and value not in named and not _is_free(element):
                place = f"{element.place}{_named_around(element)}"
                diagnostics.check_number(place, element, key, value)
                _check_size(place, element, key, value)


_SUSPICIOUS = re.compile(r"nan|inf|e\+?\d{3}|\d{100}", re.IGNORECASE)
_LARGEST = 1e100  # squares and products of larger numbers have none


def _check_size(place: str, element: Element, key: str, value: str) -> None:
    for word in value.split():
        try:
            number = float(word)
        except ValueError:
            continue  # a name, or MuJoCo says what is wrong
        if abs(number) > _LARGEST and not diagnostics.MAY_BE_INFINITE.fullmatch(key):
            raise GenesisException(
                f'{place}: <{element.tag} {key}="{value}">: {word} is beyond all that can be computed with. Correct it '
                "there."
            )


def _is_free(element: Element) -> bool:
    around: Element | None = element
    while around is not None:
        if around.tag in _FREE_NUMBERS:
            return True
        around = around.parent
    return False


def _named_around(element: Element) -> str:
    """The nearest named element that an element is, or is in."""
    around: Element | None = element
    while around is not None:
        if around.parent is not None and (name := around.attrib.get("name")):
            return f", {around.tag} '{name}'"
        around = around.parent
    return ""


def parser_message(files: ModelFiles, message: str) -> str:
    """What MuJoCo's parser says of an MJCF model, "XML Error: what\\nElement 'e', line 7", where a model that attaches
    another repeats what it says of that one, and adds a line of its own."""
    what = message.strip().splitlines()[0].rpartition("Error: ")[2].rstrip(". ")
    if "unknown exception" in what:
        what = "MuJoCo's parser gives up and does not say why; a size may be beyond all measure"
    element = files.element(message)
    place = f"{element.place}, <{element.tag}>" if element is not None else f"'{next(iter(files.texts))}'"
    return f"{place}: {what}. Correct the file there."
