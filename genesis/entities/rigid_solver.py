"""The scene's rigid bodies as a whole, under the names that Genesis's rigid solver has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities import constraint_parameters as constraint
from genesis.entities.contacts import contacts_of
from genesis.entities.indexing import select, select_envs
from genesis.entities.parameters import CONSTRAINT_PARAMETERS
from genesis.entities.wrench import WrenchPoint, apply_wrench
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_geom import RigidGeom
    from genesis.entities.rigid_joint import RigidJoint
    from genesis.entities.rigid_link import RigidLink
    from genesis.grad.tensor import Tensor
    from genesis.scene import Scene
    from genesis.states import RigidSolverState


class RigidSolver:
    """Counts and lists over all entities of a built scene; `scene.rigid_solver`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    @property
    def entities(self) -> list[RigidEntity]:
        """All entities."""
        return self._scene.entities

    @property
    def links(self) -> list[RigidLink]:
        """All links, by `idx`."""
        return [link for entity in self.entities for link in entity.links]

    @property
    def joints(self) -> list[RigidJoint]:
        """All joints that move, by `idx`."""
        return [joint for entity in self.entities for joint in entity.joints]

    @property
    def geoms(self) -> list[RigidGeom]:
        """All geoms, by `idx`."""
        return [geom for entity in self.entities for geom in entity.geoms]

    @property
    def n_envs(self) -> int:
        """Number of envs; 0 when the scene was built without."""
        return self._scene.n_envs

    @property
    def n_entities(self) -> int:
        """Number of entities."""
        return len(self.entities)

    @property
    def n_links(self) -> int:
        """Number of links."""
        return int(self._scene.mj_model.nbody) - 1

    @property
    def n_joints(self) -> int:
        """Number of joints that move."""
        return int(self._scene.mj_model.njnt)

    @property
    def n_geoms(self) -> int:
        """Number of geoms."""
        return int(self._scene.mj_model.ngeom)

    @property
    def n_qs(self) -> int:
        """Length of qpos."""
        return int(self._scene.mj_model.nq)

    @property
    def n_dofs(self) -> int:
        """Number of degrees of freedom."""
        return int(self._scene.mj_model.nv)

    def get_state(self) -> RigidSolverState:
        """The state of all rigid bodies, with gradient; see `genesis.states.RigidSolverState`."""
        return self._scene.get_state().solvers_state[0]

    def get_contacts(self) -> dict[str, Tensor]:
        """Every contact of the scene at the present state; the dictionary of `RigidEntity.get_contacts`."""
        self._scene._require_built("rigid_solver.get_contacts")
        contacts = contacts_of(self._scene)
        return contacts.as_dict(self._scene, contacts.valid)

    # -- parameters of contact, limits and friction loss --------------------------------------------------------------

    def set_geoms_friction(self, friction: Any, geoms_idx: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of sliding friction, a number for all or ([n_envs,] n_geoms); as `RigidEntity.set_friction`."""
        self._set_geoms("friction", "set_geoms_friction", friction, geoms_idx, envs_idx)

    def get_geoms_friction(self, geoms_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of sliding friction, ([n_envs,] n_geoms); None: of the geoms that can touch something."""
        return self._get_geoms("friction", "get_geoms_friction", geoms_idx, envs_idx)

    def set_global_sol_params(self, sol_params: Any, envs_idx: Any = None) -> None:
        """Softness of all contacts, limits and friction loss, (timeconst, dampratio, dmin, dmax, width, mid, power)."""
        self._scene._require_built("rigid_solver.set_global_sol_params")
        constraint.set_global_sol_params(self._scene, "rigid_solver.set_global_sol_params", sol_params, envs_idx)

    def set_sol_params(
        self, sol_params: Any, geoms_idx: Any = None, envs_idx: Any = None, *, joints_idx: Any = None
    ) -> None:
        """Softness of the geoms' contacts, or of the joints' limits and friction loss, (7,) or ([n_envs,] n, 7).

        Without indices: of all geoms that can touch something. See `RigidEntity.set_sol_params`. Raises
        GenesisException when both geoms and joints are given.
        """
        owner = self._one_kind("set_sol_params", geoms_idx, joints_idx)
        if joints_idx is not None:
            joints = select(joints_idx, self.n_joints, "joints_idx", owner, unique=True).positions()
            constraint.set_joints_sol_params(self._scene, owner, joints, sol_params, envs_idx)
            return
        count = len(self._geoms(geoms_idx, owner, unique=True))
        envs = select_envs(self._scene, envs_idx, owner, unique=True)
        value = constraint.seven_each(self._scene, sol_params, count, envs, owner)
        self._set_geoms("sol_params", "set_sol_params", value, geoms_idx, envs_idx, source=sol_params)

    def get_sol_params(self, geoms_idx: Any = None, envs_idx: Any = None, *, joints_idx: Any = None) -> Tensor:
        """Softness of the geoms' contacts, or of the joints' limits, ([n_envs,] n, 7); see `set_sol_params`."""
        owner = self._one_kind("get_sol_params", geoms_idx, joints_idx)
        if joints_idx is None:
            return self._get_geoms("sol_params", "get_sol_params", geoms_idx, envs_idx)
        joints = select(joints_idx, self.n_joints, "joints_idx", owner, unique=False).positions()
        envs = select_envs(self._scene, envs_idx, owner, unique=False)
        return self._scene._label(constraint.read_joints_sol_params(self._scene, joints, envs))

    @property
    def n_pairs(self) -> int:
        """Number of contact pairs that model files define explicitly, and the scene simulates."""
        self._scene._require_built("rigid_solver.n_pairs")
        return int(self._scene._model.theta_fields["pair_friction"].shape[0])

    def set_pairs_friction(self, friction: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """Friction of explicit contact pairs, ([n_envs,] n_pairs, 5): two of sliding, one torsional, two rolling."""
        self._set_pairs("pairs_friction", friction, pairs_idx, envs_idx)

    def get_pairs_friction(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Friction of explicit contact pairs, ([n_envs,] n_pairs, 5)."""
        return self._get_pairs("pairs_friction", pairs_idx, envs_idx)

    def set_pairs_sol_params(self, sol_params: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """Softness of explicit contact pairs, ([n_envs,] n_pairs, 7); see `RigidEntity.set_sol_params`."""
        self._set_pairs("pairs_sol_params", sol_params, pairs_idx, envs_idx)

    def get_pairs_sol_params(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of explicit contact pairs, ([n_envs,] n_pairs, 7)."""
        return self._get_pairs("pairs_sol_params", pairs_idx, envs_idx)

    def set_pairs_solref_friction(self, solref: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """MuJoCo's solreffriction of explicit contact pairs, ([n_envs,] n_pairs, 2); used with elliptic cones."""
        self._set_pairs("pairs_solref_friction", solref, pairs_idx, envs_idx)

    def get_pairs_solref_friction(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """MuJoCo's solreffriction of explicit contact pairs, ([n_envs,] n_pairs, 2)."""
        return self._get_pairs("pairs_solref_friction", pairs_idx, envs_idx)

    def _set_pairs(self, name: str, value: Any, pairs_idx: Any, envs_idx: Any) -> None:
        owner = f"rigid_solver.set_{name}"
        self._scene._require_built(owner)
        constraint.write_pairs(self._scene, name, value, pairs_idx, envs_idx, owner)

    def _get_pairs(self, name: str, pairs_idx: Any, envs_idx: Any) -> Tensor:
        owner = f"rigid_solver.get_{name}"
        self._scene._require_built(owner)
        return self._scene._label(constraint.read_pairs(self._scene, name, pairs_idx, envs_idx, owner))

    def _geoms(self, geoms_idx: Any, owner: str, *, unique: bool) -> np.ndarray:
        """Numbers of the chosen geoms; None: of those that can touch something."""
        if geoms_idx is None:
            geoms_idx = np.flatnonzero(self._scene._model.cgeom_of_geom >= 0)
        return select(geoms_idx, self.n_geoms, "geoms_idx", owner, unique=unique).positions()

    def _set_geoms(self, name: str, method: str, value: Any, geoms_idx: Any, envs_idx: Any, source: Any = None) -> None:
        owner = f"rigid_solver.{method}"
        self._scene._require_built(owner)
        geoms = self._geoms(geoms_idx, owner, unique=True)
        envs = select_envs(self._scene, envs_idx, owner, unique=True)
        parameter = CONSTRAINT_PARAMETERS[name]
        constraint.write_geoms(self._scene, parameter, geoms, envs, value, owner, value if source is None else source)

    def _get_geoms(self, name: str, method: str, geoms_idx: Any, envs_idx: Any) -> Tensor:
        owner = f"rigid_solver.{method}"
        self._scene._require_built(owner)
        geoms = self._geoms(geoms_idx, owner, unique=False)
        envs = select_envs(self._scene, envs_idx, owner, unique=False)
        return self._scene._label(constraint.read_geoms(self._scene, CONSTRAINT_PARAMETERS[name], geoms, envs))

    def _one_kind(self, method: str, geoms_idx: Any, joints_idx: Any) -> str:
        owner = f"rigid_solver.{method}"
        self._scene._require_built(owner)
        if geoms_idx is not None and joints_idx is not None:
            raise GenesisException(f"{owner}: give `geoms_idx` or `joints_idx`, not both.")
        return owner

    # -- external forces ----------------------------------------------------------------------------------------------

    def apply_links_external_force(
        self,
        force: Any,
        links_idx: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """As `RigidEntity.apply_links_external_force`, with the scene's link numbers (`link.idx`)."""
        self._apply("apply_links_external_force", force, None, links_idx, envs_idx, ref, local)

    def apply_links_external_torque(
        self,
        torque: Any,
        links_idx: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """As `RigidEntity.apply_links_external_torque`, with the scene's link numbers (`link.idx`)."""
        self._apply("apply_links_external_torque", None, torque, links_idx, envs_idx, ref, local)

    def _apply(
        self, method: str, force: Any, torque: Any, links_idx: Any, envs_idx: Any, ref: str, local: bool
    ) -> None:
        scene, owner = self._scene, f"rigid_solver.{method}"
        chosen = select(links_idx, self.n_links, "links_idx", owner, unique=True)
        envs = select_envs(scene, envs_idx, owner, unique=True)
        apply_wrench(scene, owner, 0, chosen, envs, force, torque, ref, local)
