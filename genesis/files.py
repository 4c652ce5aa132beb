"""Files: written whole or not at all, and archives of arrays, in which nothing is believed that was not checked."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_SUFFIX = ".npy"  # of the members of an .npz archive


class ArchiveError(Exception):
    """Why an archive cannot be read."""


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file that appears, or is replaced, whole or not at all.

    Of a symbolic link, the file that it points to is written, or made; a file that is there keeps its permissions.

    Raises OSError, with the reason in `strerror`, where that cannot be done: also for a path that names a directory, a
    device or anything else that is no regular file, and for a file that is write-protected. They stay as they are.
    """
    try:
        path = os.fsdecode(path)
        mode = _permissions(path)
        target = Path(os.path.realpath(path))
        # In the same directory, to be on the same file system. Not named after the file, whose name may be as long as
        # a name can be.
        temporary = target.with_name(f".genesis-{os.getpid()}-{secrets.token_hex(8)}.tmp")
        try:
            with open(temporary, "xb", opener=partial(os.open, mode=0o666 if mode is None else mode)) as file:
                if mode is not None and stat.S_IMODE(os.fstat(file.fileno()).st_mode) != mode:  # umask took some away
                    os.chmod(temporary, mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise _of_path(error, path) from None


def _of_path(error: Exception, path: str | os.PathLike[str]) -> OSError:
    """An error as that of the path which was given; ValueError: it has a null character, or cannot be encoded."""
    if not isinstance(error, OSError):
        return OSError(errno.EINVAL, str(error), path)
    return OSError(error.errno or errno.EIO, error.strerror or str(error), path)


def _permissions(path: str) -> int | None:
    """Of the file that may be replaced; None where there is none yet."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    _require_regular(status)
    if not os.access(path, os.W_OK):  # a file can be replaced although it is write-protected
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(status.st_mode)


def _require_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Is a device, pipe or socket; expected a regular file")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Content of a regular file: a device may never end, and a pipe may never begin.

    Raises OSError, with the reason in `strerror`.
    """
    try:
        path = os.fsdecode(path)
        _require_regular(os.stat(path))
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise _of_path(error, path) from None
    except MemoryError:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), path) from None


# -- archives of arrays -----------------------------------------------------------------------------------------------


def to_npz(arrays: Mapping[str, Any]) -> bytes:
    """Content of an .npz file, as of numpy.savez, for arrays of any name ("file" is one that savez does not take).

    Raises ValueError for Python objects and for a name that cannot be one of a file in an archive.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            if "\0" in name:  # it would end there
                raise ValueError(f"the name {name!r} has a null character")
            with archive.open(name + _SUFFIX, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(values), allow_pickle=False)
    return buffer.getvalue()


def from_npz(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, of whatever type and byte order they are.

    Raises ArchiveError for what is no archive, is damaged, holds something else than arrays, or two of one name.
    """
    arrays: dict[str, np.ndarray] = {}
    name = ""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(_SUFFIX)
                if name in arrays:
                    raise ArchiveError(f"{name!r} is there twice")
                with archive.open(info) as member:
                    arrays[name] = _array(name, member)  # type: ignore[arg-type]
    except ArchiveError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy each have errors of their own for damaged bytes
        if "Object arrays" in str(error):
            raise ArchiveError(f"{name!r} holds Python objects, which are not loaded from files") from None
        place = f"{name!r}: " if name else ""
        raise ArchiveError(f"{place}{type(error).__name__}: {str(error)[:200]}") from None
    return arrays


def _array(name: str, member: BinaryIO) -> np.ndarray:
    found = np.lib.format.read_array(member, allow_pickle=False)
    # The archive's checksum is compared only when a member is read to its end: a header that was damaged may say that
    # the array ends before.
    if member.read(1):
        raise ArchiveError(f"{name!r} goes on after the end of its array")
    return found


def real_numbers(values: np.ndarray) -> np.ndarray | None:
    """In float64 and the machine's byte order, rows contiguous; None for what are no integers or real numbers."""
    if values.dtype.kind not in "fiu":
        return None
    with np.errstate(over="ignore"):  # of a wider type: infinite, as a number of float64 would be
        return np.ascontiguousarray(values, dtype=np.float64).reshape(values.shape)
