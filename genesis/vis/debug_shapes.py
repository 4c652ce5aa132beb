"""Shapes that programs draw into a scene to see what they do. Nothing is drawn in this version: they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genesis.errors import GenesisException
from genesis.vis.poses import numbers

Color = tuple[float, ...]
_RED: Color = (1.0, 0.0, 0.0, 0.5)


class DebugShape:
    """A shape that was to be drawn: its `kind`, and what it was given, checked. Lengths in metres, world frame."""

    def __init__(self, kind: str, **given: Any) -> None:
        self.kind = kind
        self.given = given
        self.pose: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"<DebugShape '{self.kind}'>"


class DebugShapes:
    """The shapes of a scene. `clear_debug_object` forgets one of them."""

    def __init__(self) -> None:
        self._shapes: list[DebugShape] = []

    @property
    def debug_objects(self) -> tuple[DebugShape, ...]:
        """The shapes that are there."""
        return tuple(self._shapes)

    def _add(self, kind: str, **given: Any) -> DebugShape:
        shape = DebugShape(kind, **given)
        self._shapes.append(shape)
        return shape

    def draw_debug_line(self, start: Any, end: Any, radius: float = 0.002, color: Color = _RED) -> DebugShape:
        """A line between two points, (3,)."""
        return self._add(
            "line", start=_point(start, "start"), end=_point(end, "end"), radius=radius, color=_rgba(color)
        )

    def draw_debug_arrow(self, pos: Any, vec: Any = (0, 0, 1), radius: float = 0.01, color: Color = _RED) -> DebugShape:
        """An arrow from `pos` along `vec`, (3,)."""
        return self._add("arrow", pos=_point(pos, "pos"), vec=_point(vec, "vec"), radius=radius, color=_rgba(color))

    def draw_debug_frame(
        self,
        T: Any,
        axis_length: float = 1.0,
        origin_size: float = 0.015,
        axis_radius: float = 0.01,
        color: Color | None = None,
    ) -> DebugShape:
        """The axes of a frame, (4, 4)."""
        pose = numbers(T, (4, 4), "T", "draw_debug_frame", batch=False)
        sizes = {"axis_length": axis_length, "origin_size": origin_size, "axis_radius": axis_radius}
        return self._add("frame", T=pose, color=color, **sizes)

    def draw_debug_frames(
        self,
        Ts: Any,
        axis_length: float = 1.0,
        origin_size: float = 0.015,
        axis_radius: float = 0.01,
        color: Color | None = None,
    ) -> DebugShape:
        """The axes of frames, (N, 4, 4)."""
        poses = numbers(Ts, (4, 4), "Ts", "draw_debug_frames")
        sizes = {"axis_length": axis_length, "origin_size": origin_size, "axis_radius": axis_radius}
        return self._add("frames", Ts=poses, color=color, **sizes)

    def draw_debug_mesh(self, mesh: Any, pos: Any = (0.0, 0.0, 0.0), T: Any = None) -> DebugShape:
        """A mesh of the package trimesh, at `pos`, (3,), or in the pose `T`, (4, 4)."""
        pose = None if T is None else numbers(T, (4, 4), "T", "draw_debug_mesh", batch=False)
        return self._add("mesh", mesh=mesh, pos=_point(pos, "pos"), T=pose)

    def draw_debug_sphere(self, pos: Any, radius: float = 0.01, color: Color = _RED) -> DebugShape:
        """A sphere around `pos`, (3,), or (N, 3) for one in each env."""
        return self._add("sphere", pos=_point(pos, "pos"), radius=radius, color=_rgba(color))

    def draw_debug_spheres(self, poss: Any, radius: float = 0.01, color: Color = _RED) -> DebugShape:
        """Spheres around points, (N, 3)."""
        return self._add("spheres", poss=_point(poss, "poss"), radius=radius, color=_rgba(color))

    def draw_debug_box(
        self,
        bounds: Any,
        color: Color = (1.0, 0.0, 0.0, 1.0),
        wireframe: bool = True,
        wireframe_radius: float = 0.0015,
    ) -> DebugShape:
        """A box along the axes, by its lowest and its highest corner, (2, 3)."""
        corners = numbers(bounds, (2, 3), "bounds", "draw_debug_box", batch=False)
        return self._add(
            "box", bounds=corners, color=_rgba(color), wireframe=wireframe, wireframe_radius=wireframe_radius
        )

    def draw_debug_points(self, poss: Any, colors: Any = _RED) -> DebugShape:
        """Points, (N, 3)."""
        return self._add("points", poss=_point(poss, "poss"), colors=colors)

    def draw_debug_frustum(self, camera: Any, color: Color = (1.0, 1.0, 1.0, 0.3)) -> DebugShape:
        """What a camera sees, as a pyramid."""
        return self._add("frustum", camera=camera, color=_rgba(color))

    def draw_debug_trajectory(
        self, poss: Any, radius: float = 0.002, color: Color = (1.0, 0.5, 0.0, 0.8)
    ) -> DebugShape | None:
        """A line through points, (N, 3); None for less than two."""
        points = _point(poss, "poss")
        return self._add("trajectory", poss=points, radius=radius, color=_rgba(color)) if len(points) > 1 else None

    def draw_debug_path(
        self, qposs: Any, entity: Any, link_idx: int = -1, density: float = 0.3, frame_scaling: float = 1.0
    ) -> DebugShape:
        """The frames of a link of an entity at configurations, (N, n_qs); `density`: which part of them is drawn."""
        given = {"entity": entity, "link_idx": link_idx, "density": density, "frame_scaling": frame_scaling}
        return self._add("path", qposs=qposs, **given)

    def update_debug_objects(self, objs: Sequence[DebugShape], poses: Sequence[Any]) -> None:
        """Move shapes to poses, (4, 4) each."""
        if len(objs) != len(poses):
            raise GenesisException(
                f"update_debug_objects: {len(objs)} shapes and {len(poses)} poses; give one for each."
            )
        checked = [numbers(pose, (4, 4), "poses", "update_debug_objects") for pose in poses]
        for shape, pose in zip(objs, checked, strict=True):
            shape.pose = pose

    def clear_debug_object(self, obj: DebugShape | None) -> None:
        """Forget a shape; one that is not there any more, or None, is nothing to do."""
        if obj in self._shapes:
            self._shapes.remove(obj)

    def clear_debug_objects(self) -> None:
        """Forget every shape."""
        self._shapes.clear()


def _point(value: Any, name: str) -> np.ndarray:
    """A point, (3,), or one for each env, (N, 3)."""
    return numbers(value, (3,), name, "draw_debug")


def _rgba(color: Any) -> Color:
    values = numbers(color, np.shape(color), "color", "draw_debug", batch=False).ravel()
    if len(values) not in (3, 4):
        raise GenesisException(f"draw_debug: `color` is {color!r}; expected three or four numbers.")
    return tuple(values.tolist())
