"""`genesis assets install`: the assets of the public package genesis-world, unpacked into the user's folder.

Nothing of that package runs: pip downloads its wheel, which is a zip archive, and only what lies below `genesis/assets`
in it is taken out, with the licences.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from genesis import asset_files
from genesis.errors import GenesisException

PACKAGE = "genesis-world"
VERSION = "1.4.5"
_ROOT = PurePosixPath("genesis/assets")
_LICENCE_LINES = 12  # of the licence text that are shown
_MOST_BYTES = 4 * 2**30  # unpacked; the package has a tenth of a gigabyte


def install(wheel: Path | None = None, version: str = VERSION, folder: Path | None = None) -> int:
    """Fill the user's folder of assets from a wheel of genesis-world; pip downloads it where none is given.

    Shows the licence. Files that are there are replaced one by one; others stay. Returns the exit code, 0.

    Raises GenesisException where pip fails, and for a file that is no such wheel, before anything was unpacked.
    """
    target = asset_files.user_folder() if folder is None else folder
    with tempfile.TemporaryDirectory() as temporary:
        path = download(version, Path(temporary)) if wheel is None else wheel
        count, licence = unpack(path, target)
    print(f"{count} files of {path.name} are in '{target}'.")
    print("They are under the licence of genesis-world; some robots have one of their own beside their files.\n")
    print("\n".join(licence.strip().splitlines()[:_LICENCE_LINES]))
    print(f"\nThe whole text: '{target / 'LICENSE'}'.")
    return 0


def download(version: str, folder: Path) -> Path:
    """The wheel of genesis-world of that version, by pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    try:
        subprocess.run([*command, f"{PACKAGE}=={version}"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise GenesisException(
            f"genesis assets install: pip cannot download {PACKAGE}=={version} ({error}). Download its wheel elsewhere "
            "and pass --wheel FILE."
        ) from None
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, target: Path) -> tuple[int, str]:
    """Take the assets out of a wheel into a folder: how many files, and the text of the licence.

    Every name in the archive is checked before anything is written: none may lead out of the folder.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            chosen = {}
            for entry in archive.infolist():
                place = _place(entry.filename)
                if place is not None and not entry.is_dir():
                    _refuse_links(entry)
                    chosen[entry] = place
            licences = [e for e in archive.infolist() if PurePosixPath(e.filename).name.upper().startswith("LICENSE")]
            licences = [e for e in licences if ".dist-info/" in e.filename]
            if not chosen:
                raise GenesisException(f"'{wheel}' has no assets of {PACKAGE} in it (below {_ROOT}).")
            if sum(entry.file_size for entry in chosen) > _MOST_BYTES:
                raise GenesisException(f"'{wheel}': its assets would be larger than {_MOST_BYTES / 2**30:g} GiB.")
            licence = archive.read(licences[0]).decode(errors="replace") if licences else "No licence is in the wheel."
            for entry, place in chosen.items():
                path = target / place
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (OSError, zipfile.BadZipFile) as error:
        raise GenesisException(f"'{wheel}' cannot be unpacked: {error}.") from None
    (target / "LICENSE").write_text(licence, encoding="utf-8")
    return len(chosen), licence


def _place(name: str) -> Path | None:
    """Where a file of the archive goes, below the folder; None for what is no asset."""
    path = PurePosixPath(name)
    # A backslash and a drive's colon would be parts of a name here and mean a path elsewhere.
    if path.is_absolute() or ".." in path.parts or "\\" in name or any(":" in part for part in path.parts):
        raise GenesisException(
            f"the archive holds the name {name!r}, which leads out of the folder; nothing was unpacked."
        )
    return Path(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else None


def _refuse_links(entry: zipfile.ZipInfo) -> None:
    if (entry.external_attr >> 28) == 0o12:  # the file type of Unix, in the upper half
        raise GenesisException(f"the archive holds a link, {entry.filename!r}; nothing was unpacked.")


def show() -> int:
    """Print where assets are looked for, in this order, and what is there. Returns the exit code, 0."""
    for name, folder in asset_files.folders():
        state = f"{sum(1 for path in folder.rglob('*') if path.is_file())} files" if folder.is_dir() else "not there"
        print(f"{name}: {folder}" + ("" if name == "the working directory" else f" ({state})"))
    return 0
