"""What a scene has to do with drawing: cameras, lights, debug shapes and viewer. Nothing is drawn in this version."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from genesis import runtime
from genesis.compat.table import Explained
from genesis.vis.camera import Camera, checked
from genesis.vis.debug_shapes import DebugShapes
from genesis.vis.viewer import Viewer, nothing

if TYPE_CHECKING:
    from genesis.options import ViewerOptions
    from genesis.vis.protocols import Shown


class Visualizer(Explained):
    """`scene.visualizer`. It keeps what it is told, and says once in its life that nothing is drawn."""

    has_display = False
    renderer = rasterizer = raytracer = batch_renderer = None

    def __init__(self, scene: Shown, show_viewer: bool, viewer_options: ViewerOptions) -> None:
        self._scene = scene
        self._cameras: list[Camera] = []
        self._lights: list[dict[str, Any]] = []
        self._context = DebugShapes()
        self._has_said = False
        self._viewer = Viewer(self, viewer_options) if show_viewer else None

    def __repr__(self) -> str:
        return f"<Visualizer that draws nothing: {len(self._cameras)} cameras>"

    def say_nothing_is_drawn(self, what: str) -> None:
        """Warn once that this version draws nothing; `what` was asked for."""
        if not self._has_said:
            self._has_said = True
            runtime.logger.warning("This version draws nothing: %s. Images are None.", what)

    def add_camera(self, arguments: dict[str, Any]) -> Camera:
        """One more camera; `arguments` are those of `scene.add_camera`."""
        camera = Camera(self, len(self._cameras), checked(arguments))
        self._cameras.append(camera)
        return camera

    def add_light(self, **arguments: Any) -> None:
        """Keep a light."""
        self._lights.append(arguments)

    @property
    def follows(self) -> bool:
        """Whether a camera goes after something."""
        return any(camera.moves for camera in self._cameras)

    def update(self, force: bool = True, auto: bool | None = None) -> None:
        """In Genesis, draws. Takes cameras and viewer after what they follow."""
        for camera in self._cameras:
            camera.update_following()
        if self._viewer is not None:
            self._viewer.update()

    def update_visual_states(self, force_render: bool = False) -> None:
        """In Genesis, takes poses over into what is drawn."""

    def reset(self, refresh_viewer: bool = True) -> None:
        """In Genesis, draws anew after a reset of the scene."""

    @property
    def viewer_lock(self) -> contextlib.AbstractContextManager[None]:
        """In Genesis, keeps the window's thread away meanwhile."""
        return nothing()

    @property
    def scene(self) -> Shown:
        """The scene."""
        return self._scene

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""
        return self._scene.is_built

    @property
    def viewer(self) -> Viewer | None:
        """The viewer; None without `show_viewer=True`."""
        return self._viewer

    @property
    def cameras(self) -> list[Camera]:
        """The cameras, in the order in which they were added."""
        return list(self._cameras)

    @property
    def lights(self) -> list[dict[str, Any]]:
        """What `scene.add_light` and `scene.add_mesh_light` were told."""
        return list(self._lights)

    @property
    def context(self) -> DebugShapes:
        """The debug shapes."""
        return self._context

    @property
    def segmentation_idx_dict(self) -> dict[int, Any]:
        """In Genesis, what each number of a segmentation image means. Empty: there are no images."""
        return {}
