"""What a link has in the scene's numbering, and forces on it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis.entities.accessors import LinkAccessors
from genesis.errors import GenesisException
from genesis.world.arguments import fit, read_tensor, require_finite
from genesis.world.wrench import WrenchPoint

if TYPE_CHECKING:
    from genesis.grad.tensor import Tensor


class LinkParts(LinkAccessors):
    """Counts and ranges of a link's joints, qs and dofs, and the forces on it; Genesis's names."""

    _first = "link_start"

    @property
    def root_idx(self) -> int:
        """Scene number of the link at the root of its tree: the last one on the way to the world."""
        model, body = self._model, self.idx + 1
        while model.body_parentid[body]:
            body = int(model.body_parentid[body])
        return body - 1

    @property
    def n_joints(self) -> int:
        """How many joints it hangs on."""
        return int(self._model.body_jntnum[self.idx + 1])

    @property
    def n_dofs(self) -> int:
        """How many degrees of freedom these have."""
        return int(self._model.body_dofnum[self.idx + 1])

    @property
    def n_qs(self) -> int:
        """How many numbers of qpos these have."""
        return self.q_end - self.q_start

    @property
    def joint_start(self) -> int:
        """Scene number of its first joint, if it has any."""
        return int(self._model.body_jntnum[: self.idx + 1].sum())

    @property
    def joint_end(self) -> int:
        """One beyond its last joint."""
        return self.joint_start + self.n_joints

    @property
    def dof_start(self) -> int:
        """Scene number of its first dof, if it has any."""
        return int(self._model.body_dofnum[: self.idx + 1].sum())

    @property
    def dof_end(self) -> int:
        """One beyond its last dof."""
        return self.dof_start + self.n_dofs

    @property
    def q_start(self) -> int:
        """Column of its first q in the scene's qpos, if it has any."""
        return self._q_of(self.joint_start)

    @property
    def q_end(self) -> int:
        """One beyond its last q."""
        return self._q_of(self.joint_end)

    @property
    def is_free(self) -> bool:
        """Whether it hangs on a free joint."""
        return self.n_dofs == 6 and self.n_joints == 1

    @property
    def _model(self) -> Any:
        return self._built().world.composed.mj_model

    def _q_of(self, joint: int) -> int:
        return int(self._model.jnt_qposadr[joint]) if joint < self._model.njnt else int(self._model.nq)

    # -- forces -------------------------------------------------------------------------------------------------------

    def apply_external_wrench(
        self,
        force: Any = None,
        torque: Any = None,
        envs_idx: Any = None,
        *,
        pos: Any = None,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """Apply a force [N] and a torque [N m] for the next step, ([n_envs,] 3) each or None.

        `pos` [m], ([n_envs,] 3): the point at which the force acts, in the world frame; with `local`, from the point
        `ref`, in the link's frame. `ref` and `local` as for `RigidEntity.apply_links_external_force`.
        """
        place = self._built()
        method = f"{self._name}.apply_external_wrench"
        owner, world = place.owner(method), place.world
        envs = place.select_envs(method, envs_idx, unique=True)
        given = {"force": force, "torque": torque, "pos": pos}
        values = {}
        for name, value in given.items():
            if value is not None:
                values[name] = fit(world, read_tensor(world, value, name, owner), envs, (3,), name, owner, scalar=False)
                require_finite(values[name], name, owner, command=True)
        if pos is not None:
            if force is None:
                raise GenesisException(f"{owner}: `pos` is where a force acts, and there is none.")
            arm = values["pos"] if local else values["pos"] - self._entity.links[self._idx_local].get_pos(envs_idx)
            moment = torch.linalg.cross(*torch.broadcast_tensors(arm, values["force"]))
            values["torque"] = moment + values.get("torque", 0.0)
            ref = ref if local else "link_origin"
        zeros = torch.zeros(3, dtype=world.state.dtype, device=world.state.device)
        both = [values.get(name, zeros).unsqueeze(-2) for name in ("force", "torque")]
        self._entity.apply_links_external_wrench(both[0], both[1], [self._idx_local], envs_idx, ref=ref, local=local)

    def apply_external_force(
        self,
        force: Any,
        envs_idx: Any = None,
        *,
        pos: Any = None,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """Apply a force [N] for the next step, ([n_envs,] 3); see `apply_external_wrench`."""
        self.apply_external_wrench(force, None, envs_idx, pos=pos, ref=ref, local=local)

    def apply_external_torque(
        self, torque: Any, envs_idx: Any = None, *, ref: WrenchPoint = "link_origin", local: bool = False
    ) -> None:
        """Apply a torque [N m] for the next step, ([n_envs,] 3)."""
        self.apply_external_wrench(None, torque, envs_idx, ref=ref, local=local)

    # -- parameters ---------------------------------------------------------------------------------------------------

    def get_invweight(self, envs_idx: Any = None) -> Tensor:
        """Inverse weights of translation [1/kg] and rotation [1/(kg m^2)], ([n_envs,] 2)."""
        found = self._entity.get_links_invweight([self._idx_local], envs_idx)
        return self._built().world.label(found.squeeze(-2))
