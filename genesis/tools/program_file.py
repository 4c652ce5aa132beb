"""Load a program file that makes a scene, for the commands that work on a user's own scene."""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.scene import Scene

_numbers = itertools.count()
# Endings of what is often given in place of the program.
_OTHER_FILES = {
    ".urdf": "a robot",
    ".xml": "a robot",
    ".mjcf": "a robot",
    ".csv": "a log",
    ".npz": "a log",
    ".ipynb": "a notebook",
}


def load_program(path: str | Path) -> dict[str, Any]:
    """Run the Python file `path` and return its globals.

    It runs as an imported module does: `__name__` is not "__main__", so that what stands under
    `if __name__ == "__main__":` is left out. Its directory is put first on `sys.path` and stays there, as when Python
    runs the file, because functions that are called later may import from it.

    Raises GenesisException for a file that is missing, is no Python program, or fails: with the file and the line.
    """
    path = Path(path)
    source = _source(path)
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{path}, line {error.lineno}" if error.lineno else f"{path}"
        raise GenesisException(f"{place}: {error.msg}; correct the program.") from None
    except ValueError as error:  # null bytes
        raise GenesisException(f"{path}: {error}; expected the text of a Python program.") from None

    # A module of its own: dataclasses and pickle look for the names of a class in sys.modules.
    name = f"_genesis_program_{next(_numbers)}"
    module = ModuleType(name)
    module.__file__ = str(path.resolve())
    sys.modules[name] = module
    directory = str(path.resolve().parent)
    sys.path.insert(0, directory)
    try:
        _reporting(path, lambda: exec(code, module.__dict__))
    except BaseException:
        del sys.modules[name]
        sys.path.remove(directory)
        raise
    return module.__dict__


def scene_of(namespace: dict[str, Any], path: str | Path) -> Scene:
    """The built scene that a program made: its global `scene`, or what its function `build()` returns.

    `build()` may return the scene alone, or a dictionary with "scene" and other names; they are added to `namespace`.

    Raises GenesisException when there is neither, when it is no scene or not built, and when `build()` fails.
    """
    from genesis.scene import Scene

    scene, source = namespace.get("scene"), "its global `scene`"
    if scene is None and "build" in namespace:
        scene, source = call(namespace, "build", path), "what its `build()` returned"
        if isinstance(scene, Mapping):
            namespace.update(scene)
            scene, source = namespace.get("scene"), 'the entry "scene" of what its `build()` returned'
    if scene is None and source == "its global `scene`":
        others = sorted(name for name, value in namespace.items() if isinstance(value, Scene))
        hint = f" It has a scene called {', '.join(map(repr, others))}." if others else ""
        raise GenesisException(
            f"{path}: expected a global `scene`, or a function `build()` that returns the built scene (outside of "
            f'`if __name__ == "__main__":`).{hint}'
        )
    if not isinstance(scene, Scene):
        raise GenesisException(f"{path}: {source} is {scene!r:.100}; expected a built gs.Scene.")
    if not scene.is_built:
        raise GenesisException(f"{path}: {source} is not built; call scene.build() in the program.")
    namespace["scene"] = scene
    return scene


def call(namespace: Mapping[str, Any], name: str, path: str | Path) -> Any:
    """What the program's function `name` returns, called without arguments.

    Raises GenesisException if it is no function, and when it fails: with the file and the line.
    """
    function = namespace.get(name)
    if not callable(function):
        raise GenesisException(f"{path}: `{name}` is {function!r:.100}; expected a function without arguments.")
    return _reporting(Path(path), function)


def _source(path: Path) -> bytes:
    if path.suffix.lower() in _OTHER_FILES:
        raise GenesisException(
            f"{path} is {_OTHER_FILES[path.suffix.lower()]}; expected a Python program (.py) that makes the scene."
        )
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise GenesisException(
            f"{path}: there is no such file; expected a Python program that makes the scene."
        ) from None
    except OSError as error:
        raise GenesisException(f"{path}: cannot be read ({error.strerror}).") from None


def _reporting(path: Path, action: Callable[[], Any]) -> Any:
    """What `action` returns; its exceptions become GenesisExceptions with the last line of `path` on the way."""
    try:
        return action()
    except SystemExit as error:
        raise GenesisException(
            f"{_place(path, error)}: the program ended itself (sys.exit, code {error.code!r}) before the scene was "
            'made; leave that out, or put it under `if __name__ == "__main__":`.'
        ) from error
    except Exception as error:
        kind = "" if isinstance(error, GenesisException) else f"{type(error).__name__}: "
        raise GenesisException(f"{_place(path, error)}: {kind}{error}") from error


def _place(path: Path, error: BaseException) -> str:
    """ "scene.py, line 12": the deepest frame that is in the file."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}, line {own[-1].lineno}" if own else f"{path}"
