"""Plugins of a viewer. There is no window in this version: they are made and kept, and get no events."""

from __future__ import annotations

from typing import Any

__path__: list[str] = []  # Genesis has a package here: its modules are looked for in genesis.compat

EVENT_HANDLED = True
EVENT_HANDLE_STATE = bool | None


class ViewerPlugin:
    """Base of plugins, whose methods Genesis calls for what happens in its window."""

    def __init__(self) -> None:
        self.viewer: Any = None
        self.camera: Any = None
        self.scene: Any = None

    def build(self, viewer: Any, camera: Any, scene: Any) -> None:
        """In Genesis, called when the window is opened."""
        self.viewer, self.camera, self.scene = viewer, camera, scene

    def _event(self, *arguments: Any) -> bool | None:
        """In Genesis, called for an event; True: nobody else is to see it."""
        return None

    on_mouse_motion = on_mouse_drag = on_mouse_press = on_mouse_release = on_mouse_scroll = _event
    on_key_press = on_key_release = on_resize = _event

    def update_on_sim_step(self) -> None:
        """In Genesis, called after a step."""

    def on_draw(self) -> None:
        """In Genesis, called after a frame."""

    def on_close(self) -> None:
        """In Genesis, called when the window is closed."""


class DefaultControlsPlugin(ViewerPlugin):
    """Genesis's keys for what is shown."""


class RaycasterViewerPlugin(ViewerPlugin):
    """Base of plugins that ask what is under the mouse. ``use_visual_geom``: among what is drawn."""

    def __init__(self, use_visual_geom: bool = False) -> None:
        super().__init__()
        self.use_visual_geom = bool(use_visual_geom)


class MouseInteractionPlugin(RaycasterViewerPlugin):
    """Pulling bodies with the mouse: by a spring (``use_force``) that begins to pull at ``spring_slack`` [m]."""

    def __init__(
        self,
        use_force: bool = True,
        spring_slack: float = 0.02,
        color: tuple[float, float, float, float] = (0.2, 0.8, 0.8, 0.6),
        use_visual_geom: bool = False,
        spring_const: float | None = None,
    ) -> None:
        super().__init__(use_visual_geom)
        self.use_force, self.spring_slack, self.color = bool(use_force), float(spring_slack), tuple(color)
        self.spring_const = spring_const
