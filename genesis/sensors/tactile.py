"""Tactile sensors: at each vertex of a mesh that is fixed to a geom, how deep it is in the shapes that its link
touches, and how fast they slide.

Which shapes are touched is discrete, as are the vertices that are inside of one. Meshes that are touched have no depth
(MuJoCo knows one only of those that are distance fields), nor have height fields.
"""

from __future__ import annotations

import mujoco
import numpy as np
import torch

from genesis.sensors.group import Group, Measure
from genesis.sensors.objects import Geoms
from genesis.sensors.present import Present, indices, numbers, turn, turn_back
from genesis.sensors.shapes import SHAPES
from genesis.world.contacts import Contacts


def tactile(group: Group) -> Measure:
    """Depths of all vertices [m], and sliding speeds along both tangents [m/s] where the mesh has them, else zeros."""
    if not group.model.has_contacts:
        return lambda now: now.state.new_zeros((now.n, len(group.number), group.dim))
    skins = [_Skin(group, int(mesh), int(geom)) for mesh, geom in zip(group.objid, group.refid, strict=True)]
    return lambda now: torch.stack([skin.feel(now) for skin in skins], 1)


class _Skin:
    """The vertices of one sensor, and the shapes that it may feel."""

    def __init__(self, group: Group, mesh: int, geom: int) -> None:
        m = group.model.mj_model
        weld = np.asarray(m.body_weldid)[m.geom_bodyid]
        self._link = int(weld[geom])
        felt = np.isin(m.geom_type, list(SHAPES)) & (group.model.cgeom_of_geom >= 0) & (weld != self._link)
        self._type = np.asarray(m.geom_type)[felt]
        self._mine = torch.as_tensor(weld == self._link, device=indices([]).device)
        self._number = indices(np.flatnonzero(felt))
        self._shapes, self._skin = Geoms(group.model, np.flatnonzero(felt)), Geoms(group.model, np.array([geom]))
        count = int(m.mesh_vertnum[mesh])
        self._vertex = numbers(m.mesh_vert[m.mesh_vertadr[mesh] :][:count])
        self._tangents = numbers(_tangents(m, mesh, count))

    def feel(self, now: Present) -> torch.Tensor:
        """(N, dim): all depths, then all speeds along the first tangent, and along the second."""
        pos, mat = self._skin.frames(now)
        place = pos + turn(mat, self._vertex)
        tangents = turn(mat.unsqueeze(2), self._tangents)
        # Zero, with a graph also where nothing is touched.
        depth = torch.where(torch.zeros_like(place[..., 0], dtype=torch.bool), place[..., 0], 0.0)
        speed = depth.new_zeros((*depth.shape, 2))
        touched = self._touched(now.contacts)
        centre, turned = self._shapes.frames(now)
        size = self._shapes.sizes(now)
        motion, motion_of = self._skin.velocities(now, place)[0], self._shapes.velocities(now, centre)[0]
        for k in torch.nonzero(touched.any(0)).flatten().tolist():
            inside = turn_back(turned[:, None, k], place - centre[:, None, k])
            shape, extent = SHAPES[int(self._type[k])], size[:, None, k].expand_as(inside)
            deep = shape.depth(extent, inside)
            feels = touched[:, None, k] & shape.contains(extent, inside) & (deep > 0)
            depth = torch.maximum(depth, torch.where(feels, deep, 0.0))
            along = ((motion - motion_of[:, None, k]).unsqueeze(-2) * tangents).sum(-1)
            speed = speed + torch.where(feels.unsqueeze(-1), along.abs(), 0.0)
        return torch.cat([depth, speed.mT.flatten(1)], -1)

    @torch.no_grad()
    def _touched(self, contacts: Contacts) -> torch.Tensor:
        """Which shapes its link is in contact with, (N, shapes) bool."""
        geom = contacts.geom.clamp(min=0)
        mine = self._mine[geom] & contacts.valid.unsqueeze(-1)
        other = geom.flip(-1).unsqueeze(-1) == self._number
        return (mine.unsqueeze(-1) & other).flatten(1, 2).any(1)


def _tangents(m: mujoco.MjModel, mesh: int, count: int) -> np.ndarray:
    """Both tangents at each vertex, (count, 2, 3), in the geom's frame; zero where the mesh has none."""
    if m.mesh_normalnum[mesh] != 3 * count:
        return np.zeros((count, 2, 3))
    return m.mesh_normal[m.mesh_normaladr[mesh] :][: 3 * count].reshape(count, 3, 3)[:, 1:]
