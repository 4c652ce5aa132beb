"""The collision geometry of a scene, as rays meet it."""

from __future__ import annotations

import mujoco
import numpy as np
import torch
import warp as wp

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import hulls
from genesis.model.arrays import Model
from genesis.rigid.door import native, refuse_transforms
from genesis.rigid.kernels import ray_casting
from genesis.sensors.meeting import meeting
from genesis.sensors.objects import Geoms
from genesis.sensors.present import Present, indices, numbers
from genesis.sensors.rays import triangles
from genesis.sensors.shapes import SHAPES
from genesis.types import load_kernels, mat33, real, vec3

_TRIANGLES = (int(mujoco.mjtGeom.mjGEOM_MESH), int(mujoco.mjtGeom.mjGEOM_HFIELD))
_SDF = int(mujoco.mjtGeom.mjGEOM_SDF)
_PLANE, _SPHERE, _CAPSULE, _CYLINDER = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("PLANE", "SPHERE", "CAPSULE", "CYLINDER")
)


class Scenery:
    """Geoms as rays and probes meet them.

    Args:
        chosen: their MuJoCo ids; None: those that can collide

    Attributes:
        ids: (G,) MuJoCo ids; geoms: their poses and sizes
        kind: (G,) mjtGeom; kinds: those that are simple shapes
        corner: (T, 3, 3) of all triangles, at the compiled size; first: (G,) of each geom
        scaled: (G,) bool, those that consist of triangles
    """

    def __init__(self, model: Model, chosen: np.ndarray | None = None) -> None:
        m = model.mj_model
        can_collide = (np.asarray(m.geom_contype) | np.asarray(m.geom_conaffinity)) != 0
        self.ids = np.flatnonzero(can_collide) if chosen is None else chosen
        kind = np.asarray(m.geom_type)[self.ids]
        if (kind == _SDF).any():
            raise GenesisException("a sensor would meet a signed distance field, which is not simulated.")
        self.geoms, self.kind = Geoms(model, self.ids), indices(kind)
        self.kinds = [int(k) for k in np.unique(kind) if k in SHAPES]
        self._flat = np.isin(kind, _TRIANGLES)
        self.scaled = torch.as_tensor(self._flat, device=runtime.device)
        self._unit = numbers(np.where(self._flat[:, None], hulls.units(m, self.ids), 1.0))
        self._device = wp.device_from_torch(runtime.device)
        self._gather(m, kind)

    def _gather(self, m: mujoco.MjModel, kind: np.ndarray) -> None:
        """Triangles of meshes and height fields, each of them once."""
        first, self._meshes, radius, parts = np.zeros(len(kind), dtype=np.int32), [], np.zeros(len(kind)), []
        made: dict[tuple[int, int], tuple[int, wp.Mesh, float]] = {}
        mesh, count = np.zeros(len(kind), dtype=np.uint64), 0
        for g in np.flatnonzero(self._flat):
            key = int(kind[g]), int(m.geom_dataid[self.ids[g]])
            if key not in made:
                corner = triangles(m, int(self.ids[g]))
                points = _on(self._device, corner.reshape(-1, 3).astype(np.float32), wp.vec3)
                numbering = _on(self._device, np.arange(3 * len(corner), dtype=np.int32), int)
                made[key] = count, wp.Mesh(points, numbering), float(np.linalg.norm(corner, axis=-1).max())
                parts.append(corner)
                count += len(corner)
            first[g], warp_mesh, radius[g] = made[key]
            mesh[g] = warp_mesh.id
        self._meshes = [one for _, one, _ in made.values()]  # they live as long as their numbers are used
        self.corner = numbers(np.concatenate(parts) if parts else np.zeros((1, 3, 3)))
        self._radius, self.first = numbers(radius), indices(first)
        table = ray_casting.Geoms()
        table.kind = _on(self._device, kind.astype(np.int32), int)
        self._mesh, table.mesh = mesh, _on(self._device, mesh, wp.uint64)
        table.first = _on(self._device, first, int)
        table.corner = wp.from_torch(self.corner, dtype=vec3)
        self.table = table

    def mesh_ids(self, place: torch.Tensor) -> wp.array:
        """Warp's numbers of the hierarchies of these geoms."""
        return _on(self._device, self._mesh[place.cpu().numpy()], wp.uint64)

    def places(self, now: Present) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Positions [m], (N, G, 3), orientations and sizes of all geoms; of triangles how much larger than compiled."""
        pos, mat = self.geoms.frames(now)
        size = self.geoms.sizes(now)
        return pos, mat, torch.where(self.scaled[:, None], size / self._unit, size)

    def posed(self, places: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> ray_casting.Posed:
        """The same for kernels."""
        pos, mat, size = (native(values.detach()) for values in places)
        posed = ray_casting.Posed()
        posed.pos, posed.mat = wp.from_torch(pos, dtype=vec3), wp.from_torch(mat, dtype=mat33)
        posed.size, posed.bound = wp.from_torch(size, dtype=vec3), wp.from_torch(native(self._bounds(size)), dtype=real)
        self._held = pos, mat, size
        return posed

    def _bounds(self, size: torch.Tensor) -> torch.Tensor:
        """Radii of spheres around the geoms' origins that hold them, (N, G), a little larger; -1: of a plane."""
        kind = self.kind
        longest = torch.where(kind == _SPHERE, size[..., 0], size.norm(dim=-1))
        longest = torch.where((kind == _CAPSULE), size[..., 0] + size[..., 1], longest)
        longest = torch.where((kind == _CYLINDER), size[..., :2].norm(dim=-1), longest)
        longest = torch.where(self.scaled, self._radius * size.amax(-1), longest)
        return torch.where(kind == _PLANE, -1.0, 1.001 * longest)

    def cast(
        self, now: Present, origin: torch.Tensor, ray: torch.Tensor, nearest: float, reach: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Whether rays (N, R, 3) of unit length meet anything from `nearest` to `reach` [m] away, and how far, (N, R).

        The distance is differentiable by ray, poses and sizes; which surface is met is not.
        """
        refuse_transforms("a sensor that casts rays")
        places = self.places(now)
        far, geom, face = self._first(places, origin, ray, nearest, reach)
        hit = geom >= 0
        if not (torch.is_grad_enabled() and any(x.requires_grad for x in (origin, ray, *places))):
            return hit, torch.where(hit, far, 0.0)
        env = torch.arange(now.n, device=geom.device)[:, None]
        geom = geom.clamp(min=0)
        pos, mat, size = (values[env, geom] for values in places)
        corner = self.corner[face.clamp(min=0)]
        # Normals of a mesh that is stretched along its axes.
        flat = torch.linalg.cross(corner[..., 1, :] - corner[..., 0, :], corner[..., 2, :] - corner[..., 0, :]) / size
        flat = torch.nn.functional.normalize(flat, dim=-1).detach()
        distance, _ = meeting(self.kinds, self.kind[geom], (pos, mat, size), flat, origin, ray, far)
        return hit, torch.where(hit, distance, 0.0)

    @torch.no_grad()
    def _first(
        self,
        places: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        origin: torch.Tensor,
        ray: torch.Tensor,
        nearest: float,
        reach: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """How far the first surface is (infinity: none), its geom (-1: none) and triangle, (N, R)."""
        n, count = origin.shape[:2]
        far = origin.new_full((n, count), torch.inf)
        geom, face = (torch.full((n, count), -1, dtype=torch.int32, device=origin.device) for _ in range(2))
        if len(self.ids) and count:
            load_kernels(self._device, [ray_casting.cast_rays])
            origin, ray = native(origin.detach()), native(ray.detach())
            given = [
                self.table,
                self.posed(places),
                wp.from_torch(origin, dtype=vec3),
                wp.from_torch(ray, dtype=vec3),
                real(nearest),
                real(reach),
            ]
            found = [wp.from_torch(far), wp.from_torch(geom), wp.from_torch(face)]
            launch(ray_casting.cast_rays, (n, count), [*given, *found], self._device)
        return far, geom.long(), face.long()


def launch(kernel: wp.Kernel, dim: tuple[int, ...], inputs: list, device: wp.Device) -> None:
    """Run a kernel on torch's stream."""
    stream = wp.stream_from_torch(torch.cuda.current_stream()) if device.is_cuda else None
    wp.launch(kernel, dim=dim, inputs=inputs, device=device, stream=stream, record_tape=False)


def _on(device: wp.Device, values: np.ndarray, dtype: type) -> wp.array:
    return wp.array(values, dtype=dtype, device=device)
