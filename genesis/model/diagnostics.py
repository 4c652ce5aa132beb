"""What MuJoCo's parser and compiler say, in our words: whose fault it is, and what to do about it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import mujoco

from genesis import runtime

# What MuJoCo's compiler says, and what a user can do about it.
_ADVICE = (
    (
        "mass and inertia of moving bodies",
        "give the link an <inertial> with positive mass and inertia or a collision shape, or, if it is a base that "
        "does not move, pass fixed=True",
    ),
    (
        "inertia must satisfy A + B >= C",
        "correct the link's inertia (no principal moment can be above the sum of the others), or let MuJoCo balance "
        'it: <compiler balanceinertia="true"/> in MJCF, the same within <mujoco> in URDF',
    ),
    ("positive eigenvalues", "correct the link's inertia: all its principal moments must be positive"),
    ("volume is too small", "the mesh is flat or inside out: repair it, or use a simple shape"),
    ("coplanar vertices", "the mesh is flat: repair it, or use a simple shape"),
    ("at least 4 vertices", "the mesh is flat: repair it, or use a simple shape"),
    ("faces have inconsistent orientation", "repair the mesh's face orientation"),
    ("qhull error", "the mesh has no convex hull (it is flat or degenerate): repair it, or use a simple shape"),
    (
        "free joint can only be used on top level",
        "a floating joint must hang on the root link, which must be called 'world'",
    ),
)


def compiler_message(message: str, source: str) -> str:
    """An error of MuJoCo's compiler ("Error: what", "Element name 'arm', id 2") in our words; `source`: whose it is."""
    what = first_line(ValueError(message))
    named = re.search(r"name '([^']*)'", message)
    element = f", '{named.group(1)}'" if named else ""
    advice = next((text for pattern, text in _ADVICE if pattern in message), "correct the model")
    return f"{source}{element}: {what}: {advice}."


@contextlib.contextmanager
def log_mujoco_warnings(source: str) -> Iterator[None]:
    """Sends what MuJoCo's parser and compiler warn of to the engine's log, as one message that `source` begins.

    MuJoCo would write to the console and to MUJOCO_LOG.TXT in the working directory; its binding also warns in Python.
    """
    before, ours = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    descriptor, name = tempfile.mkstemp(prefix="genesis_mujoco_", suffix=".log")
    os.close(descriptor)
    ours.logto_console, ours.logto_file, ours.logfile = False, True, name
    mujoco.MjLogConfig.set(ours)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        text = Path(name).read_text(encoding="utf-8", errors="replace")
        messages = [" ".join(entry.split()) for entry in _LOG_ENTRY.split(text)] + [
            str(item.message) for item in caught
        ]
        if messages := list(dict.fromkeys(filter(None, messages))):
            runtime.logger.warning("%s: MuJoCo warns: %s", source, "; ".join(messages))
    finally:
        mujoco.MjLogConfig.set(before)
        os.unlink(name)


_LOG_ENTRY = re.compile(r"^WARNING [^:]*\d\d:\d\d:\d\d \d{4}: ", re.MULTILINE)


def parser_message(path: Path, message: str) -> str:
    """MuJoCo says "XML Error: what\\nElement 'e', line 7"."""
    lines = [line for line in message.splitlines() if line.strip()]
    where = re.search(r"Element '([^']*)', line (\d+)", message)
    what = lines[0].removeprefix("XML Error: ").removeprefix("Error: ").rstrip(".")
    place = f", line {where.group(2)}, <{where.group(1)}>" if where else ""
    return f"'{path}'{place}: {what}. Correct the file there."


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without MuJoCo's "Error: " and its full stop."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return text[0].removeprefix("XML Error: ").removeprefix("Error: ").split("; use '")[0].rstrip(".")
