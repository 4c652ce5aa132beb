"""Files that programs name relative to a folder of assets: `xml/franka_emika_panda/panda.xml`, `meshes/axis.obj`.

They are looked for in this order: the working directory; the folders of `gs.init(assets=...)`; those of the
environment variable GENESIS_ASSETS; the user's folder, which ``genesis assets install`` fills from the public package
genesis-world; and what this package ships.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genesis.errors import GenesisException

VARIABLE = "GENESIS_ASSETS"
SHIPPED = Path(__file__).with_name("assets")
COMMAND = "genesis assets install"

_of_init: tuple[Path, ...] = ()


def user_folder() -> Path:
    """The folder that ``genesis assets install`` fills: below XDG_DATA_HOME, or ~/.local/share."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "genesis-grad" / "assets"


def check_folders(folders: Any) -> tuple[Path, ...]:
    """The folders of `gs.init(assets=...)`, a path or several; raises `GenesisException` for what is no folder."""
    if folders is None:
        return ()
    given = [folders] if isinstance(folders, (str, os.PathLike)) else folders
    try:
        paths = tuple(Path(folder).expanduser().absolute() for folder in given)
    except TypeError:
        raise GenesisException(f"gs.init(assets={folders!r}): expected the path of a folder, or several.") from None
    for path in paths:
        if not path.is_dir():
            raise GenesisException(f"gs.init(assets=...): '{path}' is not a folder.")
    return paths


def set_folders(paths: Sequence[Path]) -> None:
    """Put the folders of `gs.init(assets=...)` in force."""
    global _of_init
    _of_init = tuple(paths)


def folders() -> list[tuple[str, Path]]:
    """Where assets are looked for, in this order: what the place is called, and the folder."""
    named = [Path(part).expanduser() for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    return [
        ("the working directory", Path.cwd()),
        *(("gs.init(assets=...)", path) for path in _of_init),
        *((f"{VARIABLE} in the environment", path) for path in named),
        ("the user's assets", user_folder()),
        ("assets of this package", SHIPPED),
    ]


def find(file: str | os.PathLike[str], kind: str = "file") -> Path:
    """`file` as an absolute path to a file (`kind` "folder": to a folder) that exists, in the first place that has it.

    Raises `GenesisException` that names every place that was looked at.
    """
    try:
        path = Path(file).expanduser()
        places = [("", path)] if path.is_absolute() else [(name, place / path) for name, place in folders()]
        for _, place in places:
            if place.is_dir() if kind == "folder" else place.is_file():
                return place.absolute()
        is_directory = kind == "file" and any(place.is_dir() for _, place in places[:1])
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, an unknown user
        raise GenesisException(f"'{file}' cannot be the path of a file ({error}). Correct it.") from None
    if is_directory:
        raise GenesisException(f"'{file}' is a directory, not a file: name the file in it.")
    looked = f"'{path}'" if path.is_absolute() else "; ".join(f"{name}: '{place}'" for name, place in places)
    raise GenesisException(
        f"{kind} not found: '{file}' (looked at {looked}). Give an absolute path, or one relative to the working "
        f"directory '{Path.cwd()}'; assets of Genesis are there after `{COMMAND}`."
    )
