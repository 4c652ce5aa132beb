"""The scene's rigid bodies as a whole, under the names that Genesis's rigid solver has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genesis.compat.table import Explained
from genesis.entities import access
from genesis.entities.accessors import SolverAccessors
from genesis.entities.place import world_of
from genesis.entities.scene_wide import SceneWide
from genesis.errors import GenesisException
from genesis.world.arguments import read_flag, select, select_envs
from genesis.world.catalogue import CONSTRAINT_PARAMETERS, WELD_SOL_PARAMS
from genesis.world.contacts import ContactTable, contacts_of
from genesis.world.welds import add_weld, delete_weld, held_welds
from genesis.world.wrench import WrenchPoint, apply_wrench

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.entities import RigidEntity, RigidGeom, RigidJoint, RigidLink
    from genesis.grad.tensor import Tensor
    from genesis.states import RigidSolverState
    from genesis.world.world import World

_SOL_PARAMS, _JOINTS_SOL_PARAMS = CONSTRAINT_PARAMETERS["sol_params"], CONSTRAINT_PARAMETERS["joints_sol_params"]


class RigidSolver(SceneWide, SolverAccessors, Explained):
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

    def get_contacts(self) -> ContactTable:
        """Every contact of the scene at the present state; the dictionary of `RigidEntity.get_contacts`."""
        world = world_of(self._scene, "rigid_solver.get_contacts")
        contacts = contacts_of(world)
        return contacts.as_table(world, contacts.valid)

    # -- parameters of contact, limits and friction loss --------------------------------------------------------------

    def set_global_sol_params(self, sol_params: Any, envs_idx: Any = None) -> None:
        """Softness of all constraints, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] 7).

        Of contacts, limits, friction loss and equality, of joints, tendons and links, and of welds made at run time.
        """
        owner = "rigid_solver.set_global_sol_params"
        access.write_global_sol_params(world_of(self._scene, owner), owner, sol_params, envs_idx)

    def set_sol_params(
        self,
        sol_params: Any,
        geoms_idx: Any = None,
        envs_idx: Any = None,
        *,
        joints_idx: Any = None,
        eqs_idx: Any = None,
    ) -> None:
        """Softness of geoms' contacts, of joints' limits and friction loss, or of equalities, (7,) or ([n_envs,] n, 7).

        Without indices: of all geoms that can touch something. `eqs_idx`: of the equality constraints of model files.
        See `RigidEntity.set_sol_params`. Raises GenesisException when more than one kind is given.
        """
        owner = "rigid_solver.set_sol_params"
        world = self._of_one_kind(owner, geoms_idx, joints_idx, eqs_idx)
        if eqs_idx is not None:
            access.write_equalities_sol_params(world, owner, eqs_idx, sol_params, envs_idx)
            return
        if joints_idx is not None:
            joints = select(joints_idx, self.n_joints, "joints_idx", owner, unique=True).positions()
            access.write_joints_sol_params(world, owner, joints, sol_params, envs_idx)
            return
        count = len(access.select_geoms_of_scene(world, geoms_idx, owner, unique=True))
        envs = select_envs(world, envs_idx, owner, unique=True)
        value = access.one_for_all(world, sol_params, count, envs, owner)
        access.write_geoms_of_scene(world, _SOL_PARAMS, value, geoms_idx, envs_idx, owner, source=sol_params)

    def get_sol_params(
        self, geoms_idx: Any = None, envs_idx: Any = None, *, joints_idx: Any = None, eqs_idx: Any = None
    ) -> Tensor:
        """Softness of geoms' contacts, joints' limits, or equalities, ([n_envs,] n, 7); see `set_sol_params`."""
        owner = "rigid_solver.get_sol_params"
        world = self._of_one_kind(owner, geoms_idx, joints_idx, eqs_idx)
        if eqs_idx is not None:
            return access.read_equalities_sol_params(world, owner, eqs_idx, envs_idx)
        if joints_idx is None:
            return access.read_geoms_of_scene(world, _SOL_PARAMS, geoms_idx, envs_idx, owner)
        joints = select(joints_idx, self.n_joints, "joints_idx", owner, unique=False).positions()
        envs = select_envs(world, envs_idx, owner, unique=False)
        return world.label(access.read_numbers(world, _JOINTS_SOL_PARAMS, joints, envs))

    @property
    def n_equalities(self) -> int:
        """Number of equality constraints of model files, entity after entity; welds made at run time do not count."""
        return int(world_of(self._scene, "rigid_solver.n_equalities").composed.mj_model.neq)

    @property
    def n_pairs(self) -> int:
        """Number of contact pairs that model files define explicitly, and the scene simulates."""
        world = world_of(self._scene, "rigid_solver.n_pairs")
        return int(world.model.theta_fields["pair_friction"].shape[0])

    def _of_one_kind(self, owner: str, *idx: Any) -> World:
        world = world_of(self._scene, owner)
        if sum(one is not None for one in idx) > 1:
            raise GenesisException(f"{owner}: give one of `geoms_idx`, `joints_idx` and `eqs_idx`, not several.")
        return world

    # -- welds --------------------------------------------------------------------------------------------------------

    def add_weld_constraint(self, link1_idx: int | RigidLink, link2_idx: int | RigidLink, envs_idx: Any = None) -> None:
        """Weld two links (or their numbers, `link.idx`) as they are now, until `delete_weld_constraint`.

        The pose of the second in the frame of the first is held from the next step on, in `envs_idx` (None: all), with
        its gradient: what led to the pose at this moment is reached by what follows from the weld. It is soft as
        `set_weld_sol_params` says, and released by `scene.reset()`.

        Raises GenesisException for a link that is not of this scene, a link with itself, two links neither of which
        can move, two that are welded already in one of these envs, and where constraints are disabled.
        """
        owner = "rigid_solver.add_weld_constraint"
        world = world_of(self._scene, owner)
        one, two = self._link(owner, "link1_idx", link1_idx), self._link(owner, "link2_idx", link2_idx)
        add_weld(world, owner, one, two, select_envs(world, envs_idx, owner, unique=True))

    def delete_weld_constraint(
        self, link1_idx: int | RigidLink, link2_idx: int | RigidLink, envs_idx: Any = None
    ) -> None:
        """Release two links that `add_weld_constraint` has welded, in `envs_idx` (None: all).

        Raises GenesisException where they are not welded in any of these envs.
        """
        owner = "rigid_solver.delete_weld_constraint"
        world = world_of(self._scene, owner)
        one, two = self._link(owner, "link1_idx", link1_idx), self._link(owner, "link2_idx", link2_idx)
        delete_weld(world, owner, one, two, select_envs(world, envs_idx, owner, unique=True))

    def get_weld_constraints(self, as_tensor: bool = True, to_torch: bool = True) -> dict[str, Any]:
        """The welds that hold now, those of model files as well: `link_a`, `link_b` and `force`, of n in each env.

        Links are by their numbers in the scene, `force` (6) is that of the weld's rows [N, N m] at the present state,
        MuJoCo's efc_force, with gradient. `as_tensor`: (n_envs or 1, n[, 6]) with n the most of any env, links of -1
        where an env has fewer; else a tuple with the ones of each env. `to_torch`: tensors, else numpy arrays.
        """
        owner = "rigid_solver.get_weld_constraints"
        world = world_of(self._scene, owner)
        as_tensor, to_torch = read_flag(as_tensor, "as_tensor", owner), read_flag(to_torch, "to_torch", owner)
        return held_welds(world, as_tensor, to_torch)

    def set_weld_sol_params(self, sol_params: Any, envs_idx: Any = None) -> None:
        """Softness of all welds made at run time, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] 7).

        Without it MuJoCo's defaults, (0.02, 1, 0.9, 0.95, 0.001, 0.5, 2).
        """
        owner = "rigid_solver.set_weld_sol_params"
        world = world_of(self._scene, owner)
        access.write_scene_parameter(world, WELD_SOL_PARAMS, sol_params, envs_idx, owner)

    def get_weld_sol_params(self, envs_idx: Any = None) -> Tensor:
        """Softness of all welds made at run time, ([n_envs,] 7)."""
        owner = "rigid_solver.get_weld_sol_params"
        world = world_of(self._scene, owner)
        return access.read_scene_parameter(world, WELD_SOL_PARAMS, envs_idx, owner)

    def _link(self, owner: str, argument: str, given: Any) -> int:
        """Number in the scene of a link, given as such or by its number."""
        idx = getattr(given, "idx", given)
        if hasattr(given, "idx") and not any(given is link for link in self.links):
            raise GenesisException(f"{owner}: `{argument}` is {given!r}, which is no link of this scene.")
        chosen = select(idx, self.n_links, argument, owner, unique=True).positions()
        if len(chosen) != 1:
            raise GenesisException(f"{owner}: `{argument}` names {len(chosen)} links; expected one.")
        return int(chosen[0])

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
        owner = f"rigid_solver.{method}"
        chosen = select(links_idx, self.n_links, "links_idx", owner, unique=True)
        world = world_of(self._scene, owner)
        envs = select_envs(world, envs_idx, owner, unique=True)
        apply_wrench(world, owner, 0, chosen, envs, force, torque, ref, local)
