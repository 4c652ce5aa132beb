"""Keys of a viewer and what they call. There is no window in this version: key bindings are kept, and never called.

The codes are pyglet's, which are those of X11's keysyms.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from genesis.errors import GenesisException

_NAMED = """
BACKSPACE:ff08 TAB:ff09 LINEFEED:ff0a CLEAR:ff0b RETURN:ff0d ENTER:ff0d PAUSE:ff13 SCROLLLOCK:ff14 SYSREQ:ff15
ESCAPE:ff1b HOME:ff50 LEFT:ff51 UP:ff52 RIGHT:ff53 DOWN:ff54 PAGEUP:ff55 PAGEDOWN:ff56 END:ff57 BEGIN:ff58
DELETE:ffff SELECT:ff60 PRINT:ff61 EXECUTE:ff62 INSERT:ff63 UNDO:ff65 REDO:ff66 MENU:ff67 FIND:ff68
CANCEL:ff69 HELP:ff6a BREAK:ff6b MODESWITCH:ff7e SCRIPTSWITCH:ff7e FUNCTION:ffd2 NUMLOCK:ff7f NUM_SPACE:ff80
NUM_TAB:ff89 NUM_ENTER:ff8d NUM_F1:ff91 NUM_F2:ff92 NUM_F3:ff93 NUM_F4:ff94 NUM_HOME:ff95 NUM_LEFT:ff96
NUM_UP:ff97 NUM_RIGHT:ff98 NUM_DOWN:ff99 NUM_PRIOR:ff9a NUM_PAGE_UP:ff9a NUM_NEXT:ff9b NUM_PAGE_DOWN:ff9b
NUM_END:ff9c NUM_BEGIN:ff9d NUM_INSERT:ff9e NUM_DELETE:ff9f NUM_EQUAL:ffbd NUM_MULTIPLY:ffaa NUM_ADD:ffab
NUM_SEPARATOR:ffac NUM_SUBTRACT:ffad NUM_DECIMAL:ffae NUM_DIVIDE:ffaf LSHIFT:ffe1 RSHIFT:ffe2 LCTRL:ffe3
RCTRL:ffe4 CAPSLOCK:ffe5 LMETA:ffe7 RMETA:ffe8 LALT:ffe9 RALT:ffea LWINDOWS:ffeb RWINDOWS:ffec LCOMMAND:ffed
RCOMMAND:ffee LOPTION:ffef ROPTION:fff0 SPACE:20 EXCLAMATION:21 DOUBLEQUOTE:22 HASH:23 POUND:23 DOLLAR:24
PERCENT:25 AMPERSAND:26 APOSTROPHE:27 PARENLEFT:28 PARENRIGHT:29 ASTERISK:2a PLUS:2b COMMA:2c MINUS:2d
PERIOD:2e SLASH:2f COLON:3a SEMICOLON:3b LESS:3c EQUAL:3d GREATER:3e QUESTION:3f AT:40 BRACKETLEFT:5b
BACKSLASH:5c BRACKETRIGHT:5d ASCIICIRCUM:5e UNDERSCORE:5f GRAVE:60 QUOTELEFT:60 BRACELEFT:7b BAR:7c
BRACERIGHT:7d ASCIITILDE:7e
"""


def _codes() -> dict[str, int]:
    codes = {name: int(code, 16) for name, code in (word.split(":") for word in _NAMED.split())}
    codes.update({f"NUM_{k}": 0xFFB0 + k for k in range(10)})
    codes.update({f"F{k}": 0xFFBD + k for k in range(1, 25)})
    codes.update({f"_{k}": ord("0") + k for k in range(10)})
    codes.update({chr(code).upper(): code for code in range(ord("a"), ord("z") + 1)})
    return codes


Key = enum.IntEnum("Key", _codes())  # type: ignore[misc]
Key.__doc__ = "Keys of a keyboard: `Key.A`, `Key._1`, `Key.UP`, ..."


class KeyMod(enum.IntEnum):
    """Keys that are held while another is pressed."""

    SHIFT = 1 << 0
    CTRL = 1 << 1
    ALT = 1 << 2
    CAPSLOCK = 1 << 3
    NUMLOCK = 1 << 4
    WINDOWS = 1 << 5
    COMMAND = 1 << 6
    OPTION = 1 << 7
    SCROLLLOCK = 1 << 8
    FUNCTION = 1 << 9


class KeyAction(enum.IntEnum):
    """When a key calls: as it goes down, while it is down, as it comes up."""

    PRESS = 0
    HOLD = 1
    RELEASE = 2


class MouseButton(enum.IntEnum):
    """Buttons of a mouse."""

    LEFT = 1 << 0
    MIDDLE = 1 << 1
    RIGHT = 1 << 2


def get_key_hash(key_code: int, modifiers: int | None, action: KeyAction) -> int:
    """A number for a key, the keys held with it (None: whichever) and the action."""
    return hash((key_code, modifiers, action))


@dataclass
class Keybind:
    """What a key calls: ``callback(*args, **kwargs)``.

    ``key_mods``: keys that must be held with it; None: whichever are. ``protected``: it cannot be replaced, only
    removed. ``allow_overload``: others may bind the same key with another action.
    """

    name: str
    key: Any
    key_action: KeyAction = KeyAction.RELEASE
    key_mods: tuple[KeyMod, ...] | None = None
    callback: Callable[..., None] | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    protected: bool = False
    allow_overload: bool = True

    def __post_init__(self) -> None:
        self.kwargs = self.kwargs or {}

    @property
    def modifiers(self) -> int | None:
        """`key_mods` as one number."""
        return None if self.key_mods is None else sum(set(self.key_mods))

    def __hash__(self) -> int:
        return get_key_hash(self.key, self.modifiers, self.key_action)


class Keybindings:
    """Key bindings by name."""

    def __init__(self, keybinds: tuple[Keybind, ...] = ()) -> None:
        self._keybinds = {keybind.name: keybind for keybind in keybinds}

    def __len__(self) -> int:
        return len(self._keybinds)

    @property
    def keybinds(self) -> tuple[Keybind, ...]:
        """All of them."""
        return tuple(self._keybinds.values())

    def register(self, keybind: Keybind, overwrite: bool = False) -> None:
        """Add one. Raises GenesisException where its name or key is taken, unless `overwrite` may replace the other."""
        if not isinstance(keybind, Keybind):
            raise GenesisException(
                f"register_keybinds: {keybind!r} is no key binding; expected Keybind(name, key, ...)."
            )
        for other in self.keybinds:
            alone = not (keybind.allow_overload and other.allow_overload) and keybind.key == other.key
            if not (hash(other) == hash(keybind) or alone or other.name == keybind.name):
                continue
            if not overwrite or other.protected:
                raise GenesisException(
                    f"register_keybinds: '{keybind.name}' meets '{other.name}', which has its name or key; "
                    f"{'it is protected' if other.protected else 'pass overwrite=True to replace it'}."
                )
            del self._keybinds[other.name]
        self._keybinds[keybind.name] = keybind

    def remove(self, name: str) -> None:
        """Take one away."""
        self._named(name)
        del self._keybinds[name]

    def rebind(
        self, name: str, new_key: Any, new_key_mods: tuple[KeyMod, ...] | None, new_key_action: KeyAction | None = None
    ) -> None:
        """Give what one calls to another key."""
        old = self._named(name)
        action = old.key_action if new_key_action is None else new_key_action
        self._keybinds[name] = Keybind(
            name, new_key or old.key, action, new_key_mods, old.callback, old.args, old.kwargs
        )

    def get(self, key: int, modifiers: int, key_action: KeyAction) -> Keybind | None:
        """What a key calls, or None."""
        wanted = (get_key_hash(key, modifiers, key_action), get_key_hash(key, None, key_action))
        return next((k for number in wanted for k in self.keybinds if hash(k) == number), None)

    def get_by_name(self, name: str) -> Keybind | None:
        """The one of that name, or None."""
        return self._keybinds.get(name)

    def _named(self, name: str) -> Keybind:
        if name not in self._keybinds:
            known = ", ".join(self._keybinds) or "none"
            raise GenesisException(f"there is no key binding {name!r}. There are: {known}.")
        return self._keybinds[name]
