"""The viewer of a scene, without a window: it keeps its camera, its keys and its plugins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.compat.table import Explained
from genesis.errors import GenesisException
from genesis.vis.keybindings import Key, KeyAction, Keybind, Keybindings, KeyMod
from genesis.vis.poses import look_at, numbers

if TYPE_CHECKING:
    from genesis.options import ViewerOptions
    from genesis.vis.protocols import Owner

_DEFAULT_RES = (960, 720)


class Viewer(Explained):
    """Stands where Genesis's window is. `is_alive()` is False, so that loops that wait for its end do."""

    def __init__(self, visualizer: Owner, options: ViewerOptions) -> None:
        self._visualizer = visualizer
        self._options = options
        self._realtime_factor = options.realtime_factor
        self._keybinds = Keybindings()
        self._plugins: list[Any] = []
        self._followed: tuple[Any, tuple[float | None, ...], float | None, bool] | None = None
        self._lookat = np.array(options.camera_lookat)
        self._pose = look_at(np.array(options.camera_pos), self._lookat, np.array(options.camera_up), "ViewerOptions")

    def __repr__(self) -> str:
        return f"<Viewer without a window: {len(self._keybinds)} key bindings, {len(self._plugins)} plugins>"

    # -- the window, which is not there -------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        """False: there is no window."""
        return False

    def start(self) -> None:
        """In Genesis, opens the window, or waits for it. Returns at once."""
        self._visualizer.say_nothing_is_drawn("the viewer was started")

    run = setup_camera = start

    def stop(self) -> None:
        """In Genesis, closes the window."""

    def update(self, auto_refresh: bool | None = None, force: bool = False) -> None:
        """In Genesis, draws the scene as it is now. Takes the camera after the entity that it follows."""
        self.update_following()

    @property
    def lock(self) -> contextlib.AbstractContextManager[None]:
        """In Genesis, keeps the window's thread away meanwhile."""
        return nothing()

    # -- its camera ---------------------------------------------------------------------------------------------------

    def set_camera_pose(self, pose: Any = None, pos: Any = None, lookat: Any = None) -> None:
        """Place the camera: by `pose`, (4, 4), or by where it is and what it looks at [m], (3,); None: as in the
        options."""
        owner = "viewer.set_camera_pose"
        if pose is not None:
            self._pose = numbers(pose, (4, 4), "pose", owner, batch=False)
            self._lookat = self._pose[:3, 3] - self._pose[:3, 2]
            return
        at = numbers(self._options.camera_pos if pos is None else pos, (3,), "pos", owner, batch=False)
        to = numbers(self._options.camera_lookat if lookat is None else lookat, (3,), "lookat", owner, batch=False)
        self._pose, self._lookat = look_at(at, to, self.camera_up, owner), to

    def follow_entity(
        self,
        entity: Any,
        fixed_axis: Sequence[float | None] = (None, None, None),
        smoothing: float | None = None,
        fix_orientation: bool = False,
    ) -> None:
        """Keep the camera's distance from an entity; see `Camera.follow_entity`."""
        if len(fixed_axis) != 3:
            raise GenesisException("viewer.follow_entity: `fixed_axis` has three entries, each may be None.")
        self._followed = (entity, tuple(fixed_axis), smoothing, fix_orientation)

    def update_following(self) -> None:
        """Take the camera after the entity that it follows."""
        if self._followed is None or not self.is_built:
            return
        entity, fixed, smoothing, fix_orientation = self._followed
        base = entity.get_pos().detach().cpu().numpy().astype(np.float64)
        base = base[0] if base.ndim > 1 else base
        away = np.array(self._options.camera_pos) - np.array(self._options.camera_lookat)
        pos = base + away
        if smoothing is not None:
            pos = smoothing * self.camera_pos + (1.0 - smoothing) * pos
        for axis, value in enumerate(fixed):
            if value is not None:
                pos[axis] = value
        self.set_camera_pose(pos=pos, lookat=pos - away if fix_orientation else base)

    @property
    def camera_pose(self) -> np.ndarray:
        """Where its camera is, (4, 4)."""
        return self._pose.copy()

    @property
    def camera_pos(self) -> np.ndarray:
        """Where its camera is [m], (3,)."""
        return self._pose[:3, 3].copy()

    @property
    def camera_lookat(self) -> np.ndarray:
        """The point that its camera looks at [m], (3,)."""
        return self._lookat.copy()

    @property
    def camera_up(self) -> np.ndarray:
        """Upward direction of its camera, (3,)."""
        return self._pose[:3, 1].copy()

    @property
    def camera_fov(self) -> float:
        """Vertical field of view of its camera [degree]."""
        return self._options.camera_fov

    # -- keys and plugins ---------------------------------------------------------------------------------------------

    def register_keybinds(self, /, *keybinds: Keybind, overwrite: bool = False) -> None:
        """Keep what keys call. Raises GenesisException where a name or key is taken, unless `overwrite`."""
        for keybind in keybinds:
            self._keybinds.register(keybind, overwrite)

    def remap_keybind(
        self,
        keybind_name: str,
        new_key: Key,
        new_key_mods: tuple[KeyMod, ...] | None,
        new_key_action: KeyAction = KeyAction.PRESS,
    ) -> None:
        """Give what a key calls to another one."""
        self._keybinds.rebind(keybind_name, new_key, new_key_mods, new_key_action)

    def remove_keybind(self, keybind_name: str) -> None:
        """Forget a key binding."""
        self._keybinds.remove(keybind_name)

    @property
    def keybinds(self) -> tuple[Keybind, ...]:
        """The key bindings that are kept."""
        return self._keybinds.keybinds

    def add_plugin(self, plugin: Any) -> Any:
        """Keep a plugin, and return it. It gets no events."""
        self._plugins.append(plugin)
        return plugin

    def remove_plugin(self, plugin: Any) -> None:
        """Forget a plugin."""
        if plugin in self._plugins:
            self._plugins.remove(plugin)

    @property
    def plugins(self) -> tuple[Any, ...]:
        """The plugins that are kept."""
        return tuple(self._plugins)

    def toggle_recording(self) -> bool:
        """False: there is no window that could be filmed."""
        self._visualizer.say_nothing_is_drawn("the viewer was to be filmed")
        return False

    @property
    def recording(self) -> bool:
        """False: there is no window that could be filmed."""
        return False

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""
        return self._visualizer.is_built

    @property
    def res(self) -> tuple[int, int]:
        """Width and height that the window would have [pixel]."""
        return self._options.res or _DEFAULT_RES

    @property
    def refresh_rate(self) -> int:
        """Frames per second that it would draw."""
        return self._options.refresh_rate

    @property
    def max_FPS(self) -> int | None:
        """The most steps per second that it would allow."""
        return self._options.max_FPS

    @property
    def realtime_factor(self) -> float | None:
        """How much faster than time itself it would show the simulation."""
        return self._realtime_factor

    @realtime_factor.setter
    def realtime_factor(self, value: float | None) -> None:
        if value is not None and not value > 0:
            raise GenesisException(f"viewer.realtime_factor = {value!r}: expected a number above zero, or None.")
        self._realtime_factor = value


@contextlib.contextmanager
def nothing() -> Iterator[None]:
    yield  # it guards nothing
