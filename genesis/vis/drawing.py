"""What a scene offers for drawing, under Genesis's names. Nothing is drawn in this version."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from genesis.compat.table import Explained
from genesis.errors import GenesisException
from genesis.renderers import BatchRenderer, RayTracer
from genesis.vis.debug_shapes import DebugShapes

if TYPE_CHECKING:
    from genesis.other_options import SceneOptions
    from genesis.vis.camera import Camera
    from genesis.vis.viewer import Viewer
    from genesis.vis.visualizer import Visualizer

P = ParamSpec("P")
R = TypeVar("R")


def _of_shapes(
    method: Callable[Concatenate[DebugShapes, P], R],
) -> Callable[Concatenate[Drawing, P], R]:
    """A method of the scene's debug shapes, to be called after `build`."""

    @functools.wraps(method)
    def draw(self: Drawing, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self.is_built:
            raise GenesisException(f"scene.{method.__name__} needs the built scene: call scene.build() first.")
        if method.__name__.startswith("draw"):
            self._visualizer.say_nothing_is_drawn(f"scene.{method.__name__} was called")
        return method(self._visualizer.context, *args, **kwargs)

    return draw


class Drawing(Explained):
    """Base of `Scene`: cameras, lights, debug shapes, viewer."""

    _visualizer: Visualizer
    options: SceneOptions

    @property
    def is_built(self) -> bool:
        """Whether `build()` has been called."""
        raise NotImplementedError

    @property
    def visualizer(self) -> Visualizer:
        """Cameras, lights, debug shapes and viewer of the scene."""
        return self._visualizer

    @property
    def viewer(self) -> Viewer | None:
        """The viewer: a stand-in without a window with `show_viewer=True`, else None."""
        return self._visualizer.viewer

    @property
    def segmentation_idx_dict(self) -> dict[int, Any]:
        """In Genesis, what each number of a segmentation image means. Empty: there are no images."""
        return self._visualizer.segmentation_idx_dict

    def add_camera(
        self,
        model: str = "pinhole",
        res: Any = (320, 320),
        pos: Any = (0.5, 2.5, 3.5),
        lookat: Any = (0.5, 0.5, 0.5),
        up: Any = (0.0, 0.0, 1.0),
        fov: float = 30,
        aperture: float = 2.0,
        focus_dist: float | None = None,
        GUI: bool = False,
        spp: int = 256,
        denoise: bool | None = None,
        near: float = 0.1,
        far: float = 20.0,
        env_idx: int | None = None,
        debug: bool = False,
    ) -> Camera:
        """Add a camera before `build()`, and return it. It keeps its pose and renders nothing in this version.

        `res`: width and height [pixel]; `pos`, `lookat` [m] and `up`, (3,): where it is, what it looks at, its upward
        direction; `fov`: vertical field of view [degree]; `near`, `far` [m]: what it sees; `env_idx`: the env whose
        entities it follows. The others are kept for the ray tracer and the window of Genesis.

        Raises GenesisException after `build()` and for arguments that cannot be.
        """
        self._refuse_built("add_camera")
        given = {
            "model": model,
            "res": res,
            "pos": pos,
            "lookat": lookat,
            "up": up,
            "fov": fov,
            "aperture": aperture,
            "focus_dist": focus_dist,
            "GUI": GUI,
            "spp": spp,
            "denoise": True if denoise is None else denoise,
            "near": near,
            "far": far,
            "env_idx": env_idx,
            "debug": debug,
        }
        return self._visualizer.add_camera(given)

    def add_light(
        self,
        pos: Any,
        dir: Any,
        color: Any = (1.0, 1.0, 1.0),
        intensity: float = 1.0,
        directional: bool = False,
        castshadow: bool = True,
        cutoff: float = 45.0,
        attenuation: float = 0.0,
    ) -> None:
        """Add a light, for the `BatchRenderer` only as in Genesis. It is kept; nothing is drawn in this version."""
        self._refuse_built("add_light")
        if not isinstance(self.options.renderer, BatchRenderer):
            raise GenesisException(
                "scene.add_light is for Scene(renderer=gs.renderers.BatchRenderer()), as in Genesis."
            )
        shape = {"directional": directional, "castshadow": castshadow, "cutoff": cutoff, "attenuation": attenuation}
        self._visualizer.add_light(pos=pos, dir=dir, color=color, intensity=intensity, **shape)

    def add_mesh_light(
        self,
        morph: Any = None,
        color: Any = (1.0, 1.0, 1.0, 1.0),
        intensity: float = 20.0,
        revert_dir: bool | None = False,
        double_sided: bool | None = False,
        cutoff: float | None = 180.0,
    ) -> None:
        """Add a body that gives light, for the `RayTracer` only as in Genesis. It is kept; nothing is drawn."""
        self._refuse_built("add_mesh_light")
        if not isinstance(self.options.renderer, RayTracer):
            raise GenesisException(
                "scene.add_mesh_light is for Scene(renderer=gs.renderers.RayTracer()), as in Genesis."
            )
        shape = {"revert_dir": revert_dir, "double_sided": double_sided, "cutoff": cutoff}
        self._visualizer.add_light(morph=morph, color=color, intensity=intensity, **shape)

    def render_all_cameras(
        self,
        rgb: bool = True,
        depth: bool = False,
        segmentation: bool = False,
        colorize_seg: bool = False,
        normal: bool = False,
        antialiasing: bool = False,
        force_render: bool = False,
    ) -> tuple[None, None, None, None]:
        """Images of every camera, for the `BatchRenderer` only as in Genesis. All are None, as of `Camera.render`."""
        if not isinstance(self.options.renderer, BatchRenderer):
            raise GenesisException("scene.render_all_cameras is for Scene(renderer=gs.renderers.BatchRenderer()).")
        self._visualizer.say_nothing_is_drawn("scene.render_all_cameras was called")
        return None, None, None, None

    def _refuse_built(self, method: str) -> None:
        if self.is_built:
            raise GenesisException(f"scene.{method}: the scene is built already; call it before build().")

    draw_debug_line = _of_shapes(DebugShapes.draw_debug_line)
    draw_debug_arrow = _of_shapes(DebugShapes.draw_debug_arrow)
    draw_debug_frame = _of_shapes(DebugShapes.draw_debug_frame)
    draw_debug_frames = _of_shapes(DebugShapes.draw_debug_frames)
    draw_debug_mesh = _of_shapes(DebugShapes.draw_debug_mesh)
    draw_debug_sphere = _of_shapes(DebugShapes.draw_debug_sphere)
    draw_debug_spheres = _of_shapes(DebugShapes.draw_debug_spheres)
    draw_debug_box = _of_shapes(DebugShapes.draw_debug_box)
    draw_debug_points = _of_shapes(DebugShapes.draw_debug_points)
    draw_debug_frustum = _of_shapes(DebugShapes.draw_debug_frustum)
    draw_debug_trajectory = _of_shapes(DebugShapes.draw_debug_trajectory)
    draw_debug_path = _of_shapes(DebugShapes.draw_debug_path)
    update_debug_objects = _of_shapes(DebugShapes.update_debug_objects)
    clear_debug_object = _of_shapes(DebugShapes.clear_debug_object)
    clear_debug_objects = _of_shapes(DebugShapes.clear_debug_objects)
