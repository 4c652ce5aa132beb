"""A camera of a scene: where it is, what it looks at, and how it would draw. It draws nothing in this version."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.compat.table import Explained
from genesis.errors import GenesisException
from genesis.small_names import UID, assert_built
from genesis.vis.poses import look_at, numbers, quat_of, rotation_of

if TYPE_CHECKING:
    from genesis.vis.protocols import Owner

_FILM = (0.036, 0.024)  # [m]
_MODELS = ("pinhole", "thinlens", "fisheye")


class Camera(Explained):
    """Made by `scene.add_camera`. Frames: the camera looks along its -z axis, y is up. Lengths in metres, angles in
    degrees.

    Poses are those of the scene's first env, or one for each: positions then have the shape (N, 3).
    """

    def __init__(self, visualizer: Owner, idx: int, arguments: dict[str, Any]) -> None:
        owner = "scene.add_camera"
        self._visualizer = visualizer
        self._idx = idx
        self._uid = UID()
        self._arguments = arguments
        self._pos = numbers(arguments["pos"], (3,), "pos", owner)
        self._lookat = numbers(arguments["lookat"], (3,), "lookat", owner)
        self._transform = look_at(self._pos, self._lookat, numbers(arguments["up"], (3,), "up", owner), owner)
        self._up = self._transform[..., :3, 1]
        self._attached: tuple[Any, np.ndarray] | None = None
        self._followed: tuple[Any, tuple[float | None, ...], float | None, bool] | None = None
        self._distance: np.ndarray | None = None  # of the camera from the entity that it follows
        self._recording: dict[str, Any] | None = None
        self._is_recording = False

    def __repr__(self) -> str:
        return f"<Camera {self._idx}: pos {self.pos.tolist()}, lookat {self.lookat.tolist()}>"

    # -- what it sees -------------------------------------------------------------------------------------------------

    @assert_built
    def render(
        self,
        rgb: bool = True,
        depth: bool = False,
        segmentation: bool = False,
        colorize_seg: bool = False,
        normal: bool = False,
        antialiasing: bool = False,
        force_render: bool = False,
    ) -> tuple[None, None, None, None]:
        """Images: color, depth, segmentation, normals. All are None: this version renders nothing, and says so once."""
        self.update_following()
        self._visualizer.say_nothing_is_drawn(f"camera {self._idx} was asked to render")
        return None, None, None, None

    @assert_built
    def render_pointcloud(self, world_frame: bool = True) -> tuple[None, None]:
        """Points that it sees, and which are there. Both None, as in `render`."""
        self.render(rgb=False, depth=True)
        return None, None

    @assert_built
    def start_recording(self, save_to_filename: str | None = None, fps: float | None = None) -> None:
        """Begin a film, or go on with one that was paused. Nothing is recorded by this version."""
        if self._is_recording:
            raise GenesisException(
                f"camera {self._idx}: start_recording was called already; call stop_recording first."
            )
        if fps is not None and not fps > 0:
            raise GenesisException(f"camera {self._idx}: start_recording(fps={fps!r}): expected a number above zero.")
        if self._recording is not None and (save_to_filename is not None or fps is not None):
            raise GenesisException(
                f"camera {self._idx}: a film that goes on keeps its file and its fps; leave them out."
            )
        self._recording = self._recording or {"save_to_filename": save_to_filename, "fps": fps}
        self._is_recording = True

    @assert_built
    def pause_recording(self) -> None:
        """Stop adding to the film until `start_recording` is called again."""
        if not self._is_recording:
            raise GenesisException(
                f"camera {self._idx}: pause_recording: there is no film; call start_recording first."
            )
        self._is_recording = False

    @assert_built
    def stop_recording(self, save_to_filename: str | None = None, fps: float | None = None) -> None:
        """End the film. No file is written by this version, which it says once. Older versions name the file here."""
        if self._recording is None:
            raise GenesisException(f"camera {self._idx}: stop_recording: there is no film; call start_recording first.")
        self._recording = None
        self._is_recording = False
        self._visualizer.say_nothing_is_drawn(f"the film of camera {self._idx} is not written")

    # -- where it is --------------------------------------------------------------------------------------------------

    def set_pose(
        self, transform: Any = None, pos: Any = None, lookat: Any = None, up: Any = None, envs_idx: Any = None
    ) -> None:
        """Place it: by `transform`, ([N,] 4, 4), or by `pos`, `lookat` and `up`, ([N,] 3); what is left out stays.

        `envs_idx`: which envs these N are; needs a camera with a pose of its own in each.
        """
        owner = f"camera {self._idx}: set_pose"
        if transform is not None:
            if any(value is not None for value in (pos, lookat, up)):
                raise GenesisException(f"{owner}: give `transform`, or `pos`, `lookat` and `up`, not both.")
            new = numbers(transform, (4, 4), "transform", owner)
            new_pos = new[..., :3, 3]
            new_lookat = new_pos - new[..., :3, 2]
        elif pos is None and lookat is None and up is None:
            return
        else:
            old = (self._pos, self._lookat, self._up)
            given = zip((pos, lookat, up), ("pos", "lookat", "up"), old, strict=True)
            new_pos, new_lookat, new_up = (
                before if value is None else numbers(value, (3,), name, owner) for value, name, before in given
            )
            new = look_at(new_pos, new_lookat, new_up, owner)
        if envs_idx is not None:
            new_pos, new_lookat, new = (
                self._of_envs(old, part, envs_idx, owner)
                for old, part in ((self._pos, new_pos), (self._lookat, new_lookat), (self._transform, new))
            )
        self._pos, self._lookat, self._transform = new_pos, new_lookat, new
        self._up = new[..., :3, 1]

    def _of_envs(self, old: np.ndarray, new: np.ndarray, envs_idx: Any, owner: str) -> np.ndarray:
        """`old`, one for each env, with those of some envs replaced."""
        n_envs = max(self._visualizer.scene.n_envs, 1)
        item = 2 if old.shape[-2:] == (4, 4) else 1
        every = np.array(np.broadcast_to(old, (n_envs, *old.shape[-item:])))
        try:
            every[torch.as_tensor(envs_idx).cpu().numpy()] = new
        except (IndexError, ValueError, TypeError, RuntimeError) as error:
            raise GenesisException(f"{owner}: `envs_idx` {envs_idx!r} and the pose do not fit ({error}).") from None
        return every

    def attach(self, rigid_link: Any, offset_T: Any) -> None:
        """Fix it to a link; `offset_T`, (4, 4): where it is in the link's frame."""
        if self._followed is not None:
            raise GenesisException(f"camera {self._idx}: attach: it follows an entity; call unfollow_entity first.")
        offset = numbers(offset_T, (4, 4), "offset_T", f"camera {self._idx}: attach", batch=False)
        self._attached = (rigid_link, offset)

    def detach(self) -> None:
        """Leave the link that it is fixed to."""
        self._attached = None

    @assert_built
    def move_to_attach(self) -> None:
        """Go where the link is now that it is fixed to."""
        if self._attached is None:
            raise GenesisException(f"camera {self._idx}: move_to_attach: it is fixed to no link; call attach first.")
        link, offset = self._attached
        pos, quat = self._read(link.get_pos()), self._read(link.get_quat())
        transform = np.zeros((*pos.shape[:-1], 4, 4))
        transform[..., :3, :3], transform[..., :3, 3], transform[..., 3, 3] = rotation_of(quat), pos, 1.0
        self.set_pose(transform=transform @ offset)

    def follow_entity(
        self,
        entity: Any,
        fixed_axis: Sequence[float | None] = (None, None, None),
        smoothing: float | None = None,
        fix_orientation: bool = False,
    ) -> None:
        """Keep its distance from an entity. `fixed_axis`: coordinates that stay; `smoothing`, 0 to 1: how slowly it
        follows; `fix_orientation`: whether it goes on looking the same way."""
        if self._attached is not None:
            raise GenesisException(f"camera {self._idx}: follow_entity: it is fixed to a link; call detach first.")
        if len(fixed_axis) != 3:
            raise GenesisException(
                f"camera {self._idx}: follow_entity: `fixed_axis` has three entries, each may be None."
            )
        self._followed = (entity, tuple(fixed_axis), smoothing, fix_orientation)
        self._distance = None

    def unfollow_entity(self) -> None:
        """Stay where it is."""
        self._followed = None

    @property
    def moves(self) -> bool:
        """Whether it goes after an entity or a link."""
        return self._followed is not None or self._attached is not None

    def update_following(self) -> None:
        """Go after the entity that it follows, or the link that it is fixed to."""
        if self._attached is not None:
            self.move_to_attach()
        if self._followed is None:
            return
        entity, fixed, smoothing, fix_orientation = self._followed
        base = self._read(entity.get_pos())
        if self._distance is None:
            self._distance = self._pos - base
        pos = base + self._distance
        if smoothing is not None:
            pos = smoothing * self._pos + (1.0 - smoothing) * pos
        for axis, value in enumerate(fixed):
            if value is not None:
                pos[..., axis] = value
        lookat = pos + self._lookat - self._pos if fix_orientation else base
        self.set_pose(pos=pos, lookat=lookat)

    def _read(self, value: torch.Tensor) -> np.ndarray:
        """A reading of the scene as numbers, of the env that the camera is bound to, or its first one."""
        array = value.detach().cpu().numpy().astype(np.float64)
        if array.ndim > 1 and (self._pos.ndim == 1 or self.env_idx is not None):
            return array[self.env_idx or 0]
        return array

    def get_pos(self, envs_idx: Any = None) -> torch.Tensor:
        """Where it is [m], ([N,] 3)."""
        return self._tensor(self._pos, envs_idx)

    def get_lookat(self, envs_idx: Any = None) -> torch.Tensor:
        """The point that it looks at [m], ([N,] 3)."""
        return self._tensor(self._lookat, envs_idx)

    def get_up(self, envs_idx: Any = None) -> torch.Tensor:
        """Its upward direction, ([N,] 3)."""
        return self._tensor(self._up, envs_idx)

    def get_quat(self, envs_idx: Any = None) -> torch.Tensor:
        """Its orientation, ([N,] 4), (w, x, y, z)."""
        return self._tensor(quat_of(self._transform[..., :3, :3]), envs_idx)

    def get_transform(self, envs_idx: Any = None) -> torch.Tensor:
        """Its pose, ([N,] 4, 4)."""
        return self._tensor(self._transform, envs_idx)

    def _tensor(self, array: np.ndarray, envs_idx: Any) -> torch.Tensor:
        tensor = torch.as_tensor(np.array(array), dtype=runtime.tc_float, device=runtime.device)
        return tensor if envs_idx is None else tensor[envs_idx]

    def distance_center_to_plane(self, center_dis: float) -> np.ndarray:
        """Depth along the view, (height, width), of points at the distance `center_dis` [m] from its center."""
        width, height = self.res
        u, v = np.meshgrid(np.arange(width) + 0.5 - self.cx, np.arange(height) + 0.5 - self.cy)
        return center_dis / np.sqrt((u / self.f) ** 2 + (v / self.f) ** 2 + 1.0)

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""
        return self._visualizer.is_built

    @property
    def idx(self) -> int:
        """Its number among the cameras."""
        return self._idx

    @property
    def uid(self) -> UID:
        """A number that no other camera has."""
        return self._uid

    @property
    def model(self) -> str:
        """ "pinhole", "thinlens" or "fisheye"."""
        return self._arguments["model"]

    @property
    def res(self) -> tuple[int, int]:
        """Width and height of the image [pixel]."""
        return self._arguments["res"]

    @property
    def fov(self) -> float:
        """Vertical field of view [degree]."""
        return self._arguments["fov"]

    @property
    def aperture(self) -> float:
        """Of a thin lens."""
        return self._arguments["aperture"]

    @property
    def spp(self) -> int:
        """Samples per pixel, of ray tracing."""
        return self._arguments["spp"]

    @property
    def denoise(self) -> bool:
        """Whether noise of ray tracing would be removed."""
        return self._arguments["denoise"]

    @property
    def near(self) -> float:
        """Where what is seen begins [m]."""
        return self._arguments["near"]

    @property
    def far(self) -> float:
        """Where what is seen ends [m]."""
        return self._arguments["far"]

    @property
    def env_idx(self) -> int | None:
        """The env that it is bound to, or None."""
        return self._arguments["env_idx"]

    @property
    def debug(self) -> bool:
        """Whether it is for looking at the simulation only."""
        return self._arguments["debug"]

    @property
    def pos(self) -> np.ndarray:
        """Where it is [m], ([N,] 3)."""
        return self._pos.astype(np.float32)

    @property
    def lookat(self) -> np.ndarray:
        """The point that it looks at [m], ([N,] 3)."""
        return self._lookat.astype(np.float32)

    @property
    def up(self) -> np.ndarray:
        """Its upward direction, ([N,] 3)."""
        return self._up.astype(np.float32)

    @property
    def transform(self) -> np.ndarray:
        """Its pose, ([N,] 4, 4)."""
        return self._transform.astype(np.float32)

    @property
    def extrinsics(self) -> np.ndarray:
        """World to camera, ([N,] 4, 4), in the frame of computer vision: z forward, y down."""
        pose = self._transform.copy()
        pose[..., :3, 1:3] *= -1
        return np.linalg.inv(pose)

    @property
    def f(self) -> float:
        """Focal length [pixel]."""
        return 0.5 * self.res[1] / math.tan(math.radians(0.5 * self.fov))

    @property
    def cx(self) -> float:
        """Middle of the image along its width [pixel]."""
        return 0.5 * self.res[0]

    @property
    def cy(self) -> float:
        """Middle of the image along its height [pixel]."""
        return 0.5 * self.res[1]

    @property
    def intrinsics(self) -> np.ndarray:
        """Camera to pixels, (3, 3)."""
        return np.array([[self.f, 0.0, self.cx], [0.0, self.f, self.cy], [0.0, 0.0, 1.0]])

    @property
    def projection_matrix(self) -> np.ndarray:
        """OpenGL's projection, (4, 4)."""
        t, n, f = math.tan(math.radians(0.5 * self.fov)), self.near, self.far
        matrix = np.zeros((4, 4))
        matrix[0, 0], matrix[1, 1] = 1.0 / (self.aspect_ratio * t), 1.0 / t
        matrix[2, 2], matrix[2, 3], matrix[3, 2] = (f + n) / (n - f), 2 * f * n / (n - f), -1.0
        return matrix

    @property
    def aspect_ratio(self) -> float:
        """Width by height of the image."""
        return self.res[0] / self.res[1]

    @property
    def focal_len(self) -> float:
        """Focal length: in pixels of the width; of a thin lens in metres, with a film of 36 by 24 mm behind it."""
        half, (width, height) = math.tan(math.radians(0.5 * self.fov)), self.res
        if self.model != "thinlens":
            return width / (2.0 * half)
        pixel = min(_FILM[0] / max(width, height), _FILM[1] / min(width, height))
        image_distance = height * pixel / (2.0 * half)
        return 1.0 / (1.0 / image_distance + 1.0 / self.focus_dist)

    @property
    def focus_dist(self) -> float:
        """Distance at which the image is sharp [m]."""
        given = self._arguments["focus_dist"]
        return float(np.linalg.norm(self._lookat - self._pos)) if given is None else given

    @property
    def GUI(self) -> bool:
        """Whether Genesis would show its images in a window."""
        return self._arguments["GUI"]

    @GUI.setter
    def GUI(self, value: bool) -> None:
        self._arguments["GUI"] = bool(value)


def checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `scene.add_camera`, checked."""
    owner = "scene.add_camera"

    def refuse(name: str, expected: str) -> None:
        raise GenesisException(f"{owner}: `{name}` is {arguments[name]!r}; expected {expected}.")

    if arguments["model"] not in _MODELS:
        refuse("model", " or ".join(map(repr, _MODELS)))
    try:
        width, height = (int(side) for side in arguments["res"])
    except (TypeError, ValueError):
        width = height = 0
    if min(width, height) < 1:
        refuse("res", "width and height in pixels")
    for name, most in (("fov", 180.0), ("near", math.inf), ("far", math.inf), ("aperture", math.inf)):
        value = arguments[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < most:
            refuse(name, f"a number above zero{'' if most == math.inf else ' and below 180'}")
    env_idx = arguments["env_idx"]
    return {**arguments, "res": (width, height), "env_idx": None if env_idx is None else int(env_idx)}
