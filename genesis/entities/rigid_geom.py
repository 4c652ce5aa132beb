"""A geom of an entity: a shape attached to a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis.entities.access import N_SIZES, read_one, write_one
from genesis.entities.accessors import GeomAccessors
from genesis.entities.part_shapes import GeomShape
from genesis.world.arguments import fit, read_tensor
from genesis.world.catalogue import CONSTRAINT_PARAMETERS

if TYPE_CHECKING:
    from genesis.entities import RigidEntity, RigidLink
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor

_SIZE = CONSTRAINT_PARAMETERS["geoms_size"]


class RigidGeom(GeomShape, GeomAccessors):
    """A shape attached to a link, solid or visual only. `idx` is its number in the scene (MuJoCo's geom).

    Its parameters are differentiable inputs of the step, as those of the entity; setters raise GenesisException for a
    geom that touches nothing.
    """

    _first = "geom_start"

    def __init__(
        self, entity: RigidEntity, place: Place, name: str, idx_local: int, link: RigidLink, kind: str
    ) -> None:
        super().__init__(entity, place, name, idx_local)
        self._called = name or kind
        self._link = link
        self._type = kind

    def __repr__(self) -> str:
        return f"<RigidGeom '{self._name}' ({self._type}) of '{self._entity.name}', idx_local {self._idx_local}>"

    @property
    def link(self) -> RigidLink:
        """The link that it is attached to."""
        return self._link

    @property
    def type(self) -> str:
        """ "plane", "sphere", "capsule", "ellipsoid", "cylinder", "box", "mesh" or "hfield"."""
        return self._type

    @property
    def can_touch(self) -> bool:
        """Whether there is anything in the scene that it can touch: shapes, filters and flags allow it."""
        return bool(self._built().world.model.cgeom_of_geom[self.idx] >= 0)

    @property
    def is_fluid_ellipsoid(self) -> bool:
        """Whether a fluid, if there is one, acts on it as on an ellipsoid (`fluidshape="ellipsoid"` of the file)."""
        return self.idx in self._built().world.model.ellipsoid_geoms

    @property
    def is_wrapped(self) -> bool:
        """Whether a spatial tendon may run around it."""
        return self.idx in self._built().world.model.wrapped_geoms

    @property
    def metadata(self) -> dict[str, Any]:
        """Of a `gs.morphs.Terrain`: "height_field" (n_x, n_y) in units of "vertical_scale" [m], and "horizontal_scale"
        [m]; of other shapes empty."""
        morph = self._entity.morph
        names = ("height_field", "horizontal_scale", "vertical_scale") if self._type == "hfield" else ()
        return {name: getattr(morph, name) for name in names if hasattr(morph, name)}

    # -- parameters ---------------------------------------------------------------------------------------------------

    def get_size(self, envs_idx: Any = None) -> Tensor:
        """Its size [m], ([n_envs,] k), as `set_size` takes it; of a plane, MuJoCo's three numbers."""
        place = self._built()
        size = read_one(place, _SIZE, self._idx_local, envs_idx)
        return place.world.label(size[..., : N_SIZES.get(self._type, 3)].clone())

    def set_size(self, size: Any, envs_idx: Any = None) -> None:
        """Set its size [m], ([n_envs,] k), as MuJoCo counts it; masses and inertias do not follow.

        Sphere: (radius,). Capsule and cylinder: (radius, half length). Box: half sides. Ellipsoid: semi-axes. Mesh and
        height field: MuJoCo's three numbers, which `get_size` gives; a multiple of each scales it along the geom's
        axes, about the geom's place (`set_offset_pos` moves that). Raises GenesisException, too, for planes.
        """
        place = self._built()
        world, owner = place.world, f"{place.name}.{self._called}.set_size"
        if self._type in N_SIZES:
            envs = place.select_envs("set_size", envs_idx, unique=True)
            value = read_tensor(world, size, "size", owner)
            value = fit(world, value, envs, (N_SIZES[self._type],), "size", owner, scalar=self._type == "sphere")
            given = torch.nn.functional.pad(value, (0, 3 - value.shape[-1]))
        else:
            given = read_tensor(world, [0.0, 0.0, 0.0], "size", owner)  # refused below, with the reason
        write_one(place, _SIZE, self._called, "set_size", self._idx_local, given, envs_idx, source=size)
