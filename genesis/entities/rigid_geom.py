"""A geom of an entity: a shape attached to a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis.entities.constraint_parameters import N_SIZES
from genesis.entities.indexing import fit, read_tensor
from genesis.entities.part import EntityPart

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_link import RigidLink
    from genesis.grad.tensor import Tensor


class RigidGeom(EntityPart):
    """A shape attached to a link, solid or visual only. `idx` is its number in the scene (MuJoCo's geom).

    Its parameters are differentiable inputs of the step, as those of the entity; setters raise GenesisException for a
    geom that touches nothing.
    """

    _first = "geom_start"

    def __init__(self, entity: RigidEntity, name: str, idx_local: int, link: RigidLink, kind: str) -> None:
        super().__init__(entity, name, idx_local)
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
        return bool(self._entity.scene._model.cgeom_of_geom[self.idx] >= 0)

    # -- parameters ---------------------------------------------------------------------------------------------------

    def get_friction(self, envs_idx: Any = None) -> Tensor:
        """Its coefficient of sliding friction, ([n_envs])."""
        return self._entity._get_geom("friction", self._idx_local, envs_idx)

    def set_friction(self, friction: Any, envs_idx: Any = None) -> None:
        """Set its coefficient of sliding friction, a number or ([n_envs],)."""
        self._set("friction", "set_friction", friction, envs_idx)

    def get_sol_params(self, envs_idx: Any = None) -> Tensor:
        """Softness of its contacts, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] 7)."""
        return self._entity._get_geom("sol_params", self._idx_local, envs_idx)

    def set_sol_params(self, sol_params: Any, envs_idx: Any = None) -> None:
        """Set the softness of its contacts, ([n_envs,] 7); see `RigidEntity.set_sol_params`."""
        self._set("sol_params", "set_sol_params", sol_params, envs_idx)

    def get_size(self, envs_idx: Any = None) -> Tensor:
        """Its size [m], ([n_envs,] k), as `set_size` takes it; of a plane or a mesh, MuJoCo's three numbers."""
        size = self._entity._get_geom("geoms_size", self._idx_local, envs_idx)
        return self._entity.scene._label(size[..., : N_SIZES.get(self._type, 3)].clone())

    def set_size(self, size: Any, envs_idx: Any = None) -> None:
        """Set its size [m], ([n_envs,] k), as MuJoCo counts it; masses and inertias do not follow.

        Sphere: (radius,). Capsule and cylinder: (radius, half length). Box: half sides. Ellipsoid: semi-axes. Raises
        GenesisException, too, for planes and meshes.
        """
        scene, owner = self._entity.scene, f"{self._entity.name}.{self._name or self._type}.set_size"
        if self._type in N_SIZES:
            envs = self._entity._select_envs("set_size", envs_idx, unique=True)
            value = read_tensor(scene, size, "size", owner)
            value = fit(scene, value, envs, (N_SIZES[self._type],), "size", owner, scalar=self._type == "sphere")
            given = torch.nn.functional.pad(value, (0, 3 - value.shape[-1]))
        else:
            given = read_tensor(scene, [0.0, 0.0, 0.0], "size", owner)  # refused below, with the reason
        self._entity._set_geom("geoms_size", owner, self._idx_local, given, envs_idx, source=size)

    def get_offset_pos(self, envs_idx: Any = None) -> Tensor:
        """Where it sits in its link's frame [m], ([n_envs,] 3)."""
        return self._entity._get_geom("geoms_offset_pos", self._idx_local, envs_idx)

    def set_offset_pos(self, pos: Any, envs_idx: Any = None) -> None:
        """Set where it sits in its link's frame [m], ([n_envs,] 3); see `RigidEntity.set_geoms_offset_pos`."""
        self._set("geoms_offset_pos", "set_offset_pos", pos, envs_idx)

    def get_offset_quat(self, envs_idx: Any = None) -> Tensor:
        """How it is turned on its link (w, x, y, z), unit, ([n_envs,] 4)."""
        return self._entity._get_geom("geoms_offset_quat", self._idx_local, envs_idx)

    def set_offset_quat(self, quat: Any, envs_idx: Any = None) -> None:
        """Set how it is turned on its link (w, x, y, z), ([n_envs,] 4); normalised here, with gradient."""
        self._set("geoms_offset_quat", "set_offset_quat", quat, envs_idx)

    def _set(self, name: str, method: str, value: Any, envs_idx: Any) -> None:
        owner = f"{self._entity.name}.{self._name or self._type}.{method}"
        self._entity._set_geom(name, owner, self._idx_local, value, envs_idx)
