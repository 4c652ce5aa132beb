"""A joint of an entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genesis.entities import access
from genesis.entities.joint_names import JointNames
from genesis.entities.limits import read_joint_limit, write_joint_limit
from genesis.world.arguments import fit, read_tensor, select_envs
from genesis.world.catalogue import CONSTRAINT_PARAMETERS

if TYPE_CHECKING:
    from genesis.entities import RigidEntity, RigidLink
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor

# MuJoCo's names, numbers of qs and dofs, in the order of its enumeration of joint types.
JOINT_TYPES = (("free", 7, 6), ("ball", 4, 3), ("slide", 1, 1), ("hinge", 1, 1))


class RigidJoint(JointNames):
    """A joint that moves. `idx` is its number in the scene, `idx_local` that in the entity."""

    _first = "joint_start"

    def __init__(
        self,
        entity: RigidEntity,
        place: Place,
        name: str,
        idx_local: int,
        link: RigidLink,
        kind: int,
        q: int,
        dof: int,
    ) -> None:
        super().__init__(entity, place, name, idx_local)
        self._link = link
        self._type, self._n_qs, self._n_dofs = JOINT_TYPES[kind]
        self._q = q
        self._dof = dof

    def __repr__(self) -> str:
        return f"<RigidJoint '{self._name}' ({self._type}) of '{self._entity.name}', idx_local {self._idx_local}>"

    @property
    def link(self) -> RigidLink:
        """The link that it moves."""
        return self._link

    @property
    def type(self) -> str:
        """ "free", "ball", "slide" or "hinge"."""
        return self._type

    @property
    def n_qs(self) -> int:
        """How many numbers of qpos are its own."""
        return self._n_qs

    @property
    def n_dofs(self) -> int:
        """How many degrees of freedom it has."""
        return self._n_dofs

    @property
    def q_start(self) -> int:
        """Its first q in the scene."""
        return self._q

    @property
    def dof_start(self) -> int:
        """Its first dof in the scene."""
        return self._dof

    # -- parameters ---------------------------------------------------------------------------------------------------

    def get_limit(self, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) ends [rad, m], ([n_envs]) each; infinite where it has none.

        Of a ball joint: 0 and the largest angle of its rotation [rad].
        """
        return read_joint_limit(self._built(), self.idx, envs_idx)

    def set_limit(self, lower: Any, upper: Any, envs_idx: Any = None) -> None:
        """Set its ends [rad, m], a number or ([n_envs],) each; `lower` of a ball joint is 0.

        Raises GenesisException, too, for a joint without limit: state a range in the model file.
        """
        owner = f"{self._entity.name}.{self._name}.set_limit"
        write_joint_limit(self._built(), owner, self.idx, lower, upper, envs_idx)

    def get_sol_params(self, envs_idx: Any = None) -> Tensor:
        """Softness of its limits, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] 7)."""
        return access.read_one(self._built(), CONSTRAINT_PARAMETERS["joints_sol_params"], self._idx_local, envs_idx)

    def set_sol_params(self, sol_params: Any, envs_idx: Any = None) -> None:
        """Set the softness of its limits and of its friction loss, (7,) or (n_envs, 7), as in Genesis.

        Each by itself: `RigidEntity.set_joints_sol_params` and `set_dofs_sol_params`.
        """
        world, owner = self._built().world, f"{self._entity.name}.{self._name}.set_sol_params"
        envs = select_envs(world, envs_idx, owner, unique=True)
        value = read_tensor(world, sol_params, "sol_params", owner)
        value = fit(world, value, envs, (7,), "sol_params", owner, scalar=False).unsqueeze(-2)
        access.write_joints_sol_params(world, owner, [self.idx], value, envs_idx, sol_params)
