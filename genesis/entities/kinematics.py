"""Kinematics and dynamics of an entity at states that it need not be in: nothing here changes the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis.entities import reaching
from genesis.entities.base import EntityBase
from genesis.errors import GenesisException
from genesis.world.arguments import Selection, gather, require_state, select_range
from genesis.world.posed import state_with, without

if TYPE_CHECKING:
    from genesis.entities import RigidLink
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor


class Kinematics(EntityBase):
    """Forward and inverse kinematics, inverse dynamics. See `docs/inverse_kinematics.md`."""

    # -- kinematics ---------------------------------------------------------------------------------------------------

    def forward_kinematics(
        self, qpos: Any, qs_idx_local: Any = None, links_idx_local: Any = None, envs_idx: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Poses that the links would have: positions ([n_envs,] n_links, 3) [m] and quaternions ([n_envs,] n_links, 4).

        `qpos` ([n_envs,] n_qs) [m, rad]; with `qs_idx_local` of these qs only, the others are as they are. World frame,
        link origins; differentiable with respect to `qpos` and to parameters. The scene does not change.

        Raises GenesisException for a wrong shape, an index out of range, and numbers that are not finite.
        """
        method = "forward_kinematics"
        place = self._built(method)
        chosen = place.select(method, "qs", qs_idx_local, unique=True)
        links = place.select(method, "links", links_idx_local, unique=False)
        envs = place.select_envs(method, envs_idx, unique=True)
        values = _state_value(place, method, "qpos", qpos, chosen.count, envs)
        pieces: list[tuple[Selection, int, torch.Tensor | None]] = [(chosen, place.ranges.q_start, values)]
        if chosen.count < place.counts["qs"]:
            pieces.insert(0, (_all(place, "qs"), place.ranges.q_start, None))
        world = place.world
        state = state_with(world, envs, pieces)
        found = world.observe_at(("xpos", "xquat"), state, world.theta.packed(), world.commands.idle)
        pos, quat = (world.wrap(gather(one, envs, links, place.ranges.link_start)) for one in found)
        return pos, quat

    def inverse_kinematics(
        self,
        link: RigidLink,
        pos: Any = None,
        quat: Any = None,
        local_point: Any = None,
        init_qpos: Any = None,
        respect_joint_limit: bool = True,
        max_samples: int = 50,
        max_solver_iters: int = 20,
        damping: float = 0.01,
        pos_tol: float = 5e-4,
        rot_tol: float = 5e-3,
        pos_mask: Any = (True, True, True),
        rot_mask: Any = (True, True, True),
        max_step_size: float = 0.5,
        seed: int | None = None,
        dofs_idx_local: Any = None,
        return_error: bool = False,
        envs_idx: Any = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Joint positions ([n_envs,] n_qs) [m, rad] that put a link where it is wanted; the scene does not change.

        - `pos` ([n_envs,] 3) [m] and `quat` ([n_envs,] 4): where the link's origin, or its `local_point` ([n_envs,] 3)
          [m] in its own frame, shall be, and how the link shall be turned, in the world. None: it does not matter
        - `init_qpos` ([n_envs,] n_qs): where to start; None: at the present positions
        - `respect_joint_limit`: whether hinges and slides stay within their limits (`get_dofs_limit`)
        - `max_samples`: how many starts at most, those after the first by chance, drawn between the limits with `seed`
        - `max_solver_iters`: steps from each start at most; `damping`: of these, in proportion to the error;
          `max_step_size`: of a dof [m, rad]
        - `pos_tol` [m], `rot_tol` [rad]: lengths of the errors that are good enough. A solution that has met them is
          polished to rounding error
        - `pos_mask`: axes of the world along which the position counts
        - `rot_mask`: axes of the link that shall point as those of `quat`: none, one, or all three
        - `dofs_idx_local`: dofs that may move, others stay as in `init_qpos`; None: all
        - `return_error`: also what is missing, ([n_envs,] 6): position [m] in the world, rotation vector [rad] in the
          link's frame; what does not count is zero, and none of it has a gradient

        Differentiable with respect to `pos`, `quat`, `local_point` and parameters of the kinematics: the least-norm
        solution of the linearised equations. Dofs at their limits have derivative zero, and so have all dofs of an env
        in which the tolerances are not met; it returns the best that was found.

        Raises GenesisException, before anything is solved, for a link of another entity, a wrong shape or index,
        numbers that are not finite, `rot_mask` with two axes, settings that are not positive, and dofs of which none
        moves the link.
        """
        place = self._built("inverse_kinematics")
        qpos, error = reaching.reach(
            place,
            "inverse_kinematics",
            [_body(self, link, place.owner("inverse_kinematics"))],
            [pos],
            [quat],
            [local_point],
            (init_qpos, envs_idx, dofs_idx_local, respect_joint_limit),
            (pos_mask, rot_mask),
            (max_samples, max_solver_iters, damping, pos_tol, rot_tol, max_step_size, seed),
        )
        found = place.world.wrap(qpos)
        return (found, place.world.wrap(error[:, 0])) if return_error else found

    def inverse_kinematics_multilink(
        self,
        links: list[RigidLink],
        poss: Any = None,
        quats: Any = None,
        local_points: Any = None,
        init_qpos: Any = None,
        respect_joint_limit: bool = True,
        max_samples: int = 50,
        max_solver_iters: int = 20,
        damping: float = 0.01,
        pos_tol: float = 5e-4,
        rot_tol: float = 5e-3,
        pos_mask: Any = (True, True, True),
        rot_mask: Any = (True, True, True),
        max_step_size: float = 0.5,
        seed: int | None = None,
        dofs_idx_local: Any = None,
        return_error: bool = False,
        envs_idx: Any = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """`inverse_kinematics` for several links at once.

        `poss`, `quats`, `local_points`: one for each of `links`, None for what does not matter; or None, or an empty
        list, for all. The masks and tolerances hold for each link. With `return_error`, also what is missing,
        ([n_envs,] n_links, 6).

        Raises GenesisException as it does, and for lists of different lengths.
        """
        method = "inverse_kinematics_multilink"
        place = self._built(method)
        owner = place.owner(method)
        if not isinstance(links, (list, tuple)) or not links:
            raise GenesisException(f"{owner}: `links` is {links!r}; expected a list of links.")
        qpos, error = reaching.reach(
            place,
            method,
            [_body(self, link, owner) for link in links],
            _one_each(poss, "poss", len(links), owner),
            _one_each(quats, "quats", len(links), owner),
            _one_each(local_points, "local_points", len(links), owner),
            (init_qpos, envs_idx, dofs_idx_local, respect_joint_limit),
            (pos_mask, rot_mask),
            (max_samples, max_solver_iters, damping, pos_tol, rot_tol, max_step_size, seed),
        )
        found = place.world.wrap(qpos)
        return (found, place.world.wrap(error)) if return_error else found

    # -- dynamics -----------------------------------------------------------------------------------------------------

    def inverse_dynamics(self, qacc: Any, qpos: Any = None, qvel: Any = None, envs_idx: Any = None) -> Tensor:
        """Forces of the dofs [N, N m] under which they accelerate by `qacc` [m/s^2, rad/s^2], ([n_envs,] n_dofs).

        M qacc + bias force - passive forces (springs, damping, tendons, a fluid, gravity compensation): what actuators
        and applied forces have to give together where no constraint acts (MuJoCo: mj_inverse's qfrc_inverse +
        qfrc_constraint). `qpos` ([n_envs,] n_qs) and `qvel` ([n_envs,] n_dofs): another state than the present one.
        Differentiable with respect to all of them and to parameters; the scene does not change.

        Raises GenesisException for a wrong shape, an index out of range, and numbers that are not finite.
        """
        from genesis.model.arrays import GRAVCOMP_PASSIVE

        method = "inverse_dynamics"
        place = self._built(method)
        world = place.world
        envs = place.select_envs(method, envs_idx, unique=True)
        wanted = place.read(method, "qacc", qacc, (place.counts["dofs"],), envs, scalar=True)
        state = _state(place, method, qpos, qvel, envs)
        names = ("qM", "qfrc_bias", "qfrc_passive", "qfrc_tendon", "qfrc_gravcomp")
        mass, bias, passive, tendon, by_actuator = world.observe_at(
            names, state, world.theta.packed(), world.commands.idle
        )
        # Of joints that say so, gravity compensation is a part of what their actuators give.
        other = torch.as_tensor(world.model.indices["dof_actgravcomp"] != GRAVCOMP_PASSIVE, device=bias.device)
        rest = bias - passive - tendon + torch.where(other, by_actuator, torch.zeros_like(by_actuator))
        dofs, start = _all(place, "dofs"), place.ranges.dof_start
        mass = gather(mass.narrow(2, start, dofs.count), envs, dofs, start)
        return world.wrap((mass * wanted.unsqueeze(-2)).sum(-1) + gather(rest, envs, dofs, start))

    def get_bias_forces(
        self, dofs_idx_local: Any = None, envs_idx: Any = None, *, qpos: Any = None, qvel: Any = None
    ) -> Tensor:
        """Coriolis, centrifugal and gravity forces [N, N m], ([n_envs,] n_dofs) (MuJoCo's qfrc_bias).

        With the sign of the left-hand side, M qacc + bias = force: it is what has to be given for the dofs not to
        accelerate. Gravity compensation, a passive force, is no part of it. `qpos`, `qvel`: another state than the
        present one, ([n_envs,] n_qs) and ([n_envs,] n_dofs). Differentiable, and the scene does not change.
        """
        return _bias(
            self._built("get_bias_forces"), "get_bias_forces", dofs_idx_local, envs_idx, qpos, qvel, ("body_gravcomp",)
        )

    def get_gravity_forces(self, dofs_idx_local: Any = None, envs_idx: Any = None, *, qpos: Any = None) -> Tensor:
        """Gravity's part of `get_bias_forces`, ([n_envs,] n_dofs): what holds the entity at rest against it."""
        return _bias(
            self._built("get_gravity_forces"),
            "get_gravity_forces",
            dofs_idx_local,
            envs_idx,
            qpos,
            0.0,
            ("body_gravcomp",),
        )

    def get_coriolis_forces(
        self, dofs_idx_local: Any = None, envs_idx: Any = None, *, qpos: Any = None, qvel: Any = None
    ) -> Tensor:
        """The part of `get_bias_forces` that is quadratic in the velocities, ([n_envs,] n_dofs)."""
        return _bias(
            self._built("get_coriolis_forces"),
            "get_coriolis_forces",
            dofs_idx_local,
            envs_idx,
            qpos,
            qvel,
            ("body_gravcomp", "gravity"),
        )


def _body(entity: Kinematics, link: Any, owner: str) -> int:
    """MuJoCo's number of a link of the entity."""
    if getattr(link, "entity", None) is not entity:
        raise GenesisException(f"{owner}: {link!r} is not a link of it; give one of {entity.name}.links.")
    return int(link.idx) + 1


def _bias(
    place: Place, method: str, dofs_idx_local: Any, envs_idx: Any, qpos: Any, qvel: Any, zero: tuple[str, ...]
) -> Tensor:
    """The bias force at a state, with these parameters zero."""
    world = place.world
    chosen = place.select(method, "dofs", dofs_idx_local, unique=False)
    envs = place.select_envs(method, envs_idx, unique=qpos is not None or qvel is not None)
    state = _state(place, method, qpos, qvel, envs)
    (bias,) = world.observe_at(("qfrc_bias",), state, without(world, zero), world.commands.idle)
    return world.wrap(gather(bias, envs, chosen, place.ranges.dof_start))


def _state(place: Place, method: str, qpos: Any, qvel: Any, envs: Selection | None) -> torch.Tensor:
    """The scene's state, with these positions and velocities of the entity (None: those that it has)."""
    q = None if qpos is None else _state_value(place, method, "qpos", qpos, place.counts["qs"], envs)
    v = None if qvel is None else _state_value(place, method, "qvel", qvel, place.counts["dofs"], envs)
    start = place.world.nq + place.ranges.dof_start
    return state_with(
        place.world, envs, [(_all(place, "qs"), place.ranges.q_start, q), (_all(place, "dofs"), start, v)]
    )


def _all(place: Place, axis: str) -> Selection:
    return select_range(place.counts[axis], 0, place.counts[axis])


def _state_value(
    place: Place, method: str, argument: str, given: Any, count: int, envs: Selection | None
) -> torch.Tensor:
    """Positions or velocities, (count,) or (envs, count), with their graph."""
    value = place.shaped(method, argument, given, (count,), envs, scalar=True)
    require_state(value, argument, place.owner(method))
    return value


def _one_each(values: Any, argument: str, count: int, owner: str) -> list[Any]:
    """A list with one for each link."""
    if values is None:
        return [None] * count
    if not isinstance(values, (list, tuple, torch.Tensor, np.ndarray)) or (
        isinstance(values, (torch.Tensor, np.ndarray)) and values.ndim == 0
    ):
        raise GenesisException(f"{owner}: `{argument}` is {values!r}; expected a list with one for each link.")
    each = list(values)
    if each and len(each) != count:
        raise GenesisException(f"{owner}: `{argument}` has {len(each)} items for {count} links; give one for each.")
    return each or [None] * count
