"""Setters of an entity's state: functional updates of the scene's state tensor, through which gradients pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.constants import MOCAP_WIDTH
from genesis.entities.base import EntityBase
from genesis.entities.place import Place
from genesis.errors import GenesisException
from genesis.math.rotation import quat_to_xyz, xyz_to_quat
from genesis.utils.warnings import warn_once
from genesis.world.arguments import Selection, gather, read_flag, require_state, scatter, select, select_range
from genesis.world.catalogue import PARAMETERS
from genesis.world.layout import Rotation


class StateWriter(EntityBase):
    """What can be set of an entity's state. Each setter accepts a tensor with gradient and passes it on.

    A value has shape `(n,)`, used for every env, or `(n_envs, n)` with one row per env (per chosen env with
    `envs_idx`). `envs_idx` and the `*_idx_local` arguments choose a subset, each element once.

    `skip_forward` is of no matter: what follows from the state is computed when it is asked for. `relative`, as in
    Genesis 1.4: whether a pose is that of the frame of the model file (True), or of one that Genesis moved inside;
    there is one frame here, so both are the same, a pose in the world. (Before, Genesis took True for a
    pose relative to the first: a program that says so is told once.)

    Every setter raises GenesisException, before anything changes, for a call before `build()`, a wrong shape, NaN or
    infinite values and such as no simulation can mean (beyond 1e10, as in MuJoCo), an index out of range or given
    twice, and a tensor of another scene.
    """

    def set_qpos(
        self,
        qpos: Any,
        qs_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        zero_velocity: bool = True,
        skip_forward: bool = False,
    ) -> None:
        """Set generalized positions [m, rad], ([n_envs,] n_qs).

        Quaternions may have any length but zero: they are normalised where they are used. `zero_velocity`: also put the
        velocities of all the entity's dofs to zero.
        """
        method = "set_qpos"
        place = self._built(method)
        read_flag(skip_forward, "skip_forward", place.owner(method))
        chosen = place.select(method, "qs", qs_idx_local, unique=True)
        envs = place.select_envs(method, envs_idx, unique=True)
        value = _state_value(place, method, "qpos", qpos, (chosen.count,), envs, scalar=True)
        state = _written(place, envs, (chosen, place.ranges.q_start, value), zero_velocity)
        _check_quaternions(place, method, state, envs)
        place.world.set_state(state)

    def set_dofs_position(
        self, position: Any, dofs_idx_local: Any = None, envs_idx: Any = None, zero_velocity: bool = True
    ) -> None:
        """Set positions of dofs [m, rad], ([n_envs,] n_dofs).

        The rotational dofs of a free joint and those of a ball joint are extrinsic x-y-z Euler angles. When only some
        of the three are set, the others keep their present values. `zero_velocity`: also put the velocities of all
        the entity's dofs to zero.
        """
        method = "set_dofs_position"
        place = self._built(method)
        chosen = place.select(method, "dofs", dofs_idx_local, unique=True)
        envs = place.select_envs(method, envs_idx, unique=True)
        value = _state_value(place, method, "position", position, (chosen.count,), envs, scalar=True)
        if not place.layout.is_plain:
            chosen, value = _qpos_of_dofs(place, chosen, envs, value)
        place.world.set_state(_written(place, envs, (chosen, place.ranges.q_start, value), zero_velocity))

    def set_dofs_velocity(
        self,
        velocity: Any = None,
        dofs_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        skip_forward: bool = False,
    ) -> None:
        """Set velocities of dofs [m/s, rad/s], ([n_envs,] n_dofs); None: zero.

        MuJoCo's velocities: of a free joint linear in the world frame and angular in the body frame, of a ball joint in
        the body frame.
        """
        method = "set_dofs_velocity"
        place = self._built(method)
        read_flag(skip_forward, "skip_forward", place.owner(method))
        chosen = place.select(method, "dofs", dofs_idx_local, unique=True)
        envs = place.select_envs(method, envs_idx, unique=True)
        value = _state_value(
            place, method, "velocity", 0.0 if velocity is None else velocity, (chosen.count,), envs, scalar=True
        )
        place.world.set_state(_written(place, envs, (chosen, place.world.nq + place.ranges.dof_start, value), False))

    def zero_all_dofs_velocity(self, envs_idx: Any = None, *, skip_forward: bool = False) -> None:
        """Put the velocities of all the entity's dofs to zero."""
        place = self._built("zero_all_dofs_velocity")
        read_flag(skip_forward, "skip_forward", place.owner("zero_all_dofs_velocity"))
        envs = place.select_envs("zero_all_dofs_velocity", envs_idx, unique=True)
        place.world.set_state(_written(place, envs, None, zero_velocity=True))

    def set_control_history(self, history: Any, actuator_idx_local: Any, envs_idx: Any = None) -> None:
        """What an actuator was told before, one control per integration step, the oldest first, ([n_envs,] nsample).

        An actuator whose model file gives it a `delay` follows these first. They belong to the state: zero, quaternions
        the identity, at the start and after `scene.reset()`. Of an actuator with several controls all of the first come
        first, then all of the next.

        Raises GenesisException, too, for an actuator that keeps no history (no `nsample`), and for several.
        """
        method = "set_control_history"
        place = self._built(method)
        start, count = place.history(method, actuator_idx_local)
        envs = place.select_envs(method, envs_idx, unique=True)
        value = _state_value(place, method, "history", history, (count,), envs, scalar=True)
        piece = select_range(count, 0, count), start, value
        place.world.set_state(_written(place, envs, piece, zero_velocity=False))

    def set_pos(
        self,
        pos: Any,
        envs_idx: Any = None,
        *,
        zero_velocity: bool = True,
        relative: bool | None = None,
        skip_forward: bool = False,
    ) -> None:
        """Set the position of the base link [m], world frame, ([n_envs,] 3).

        A free base: its three position qs. A mocap base: where the command puts it, until it is put elsewhere or the
        scene is reset. Any other base: the frame in which it sits in the world, which is the
        physical parameter `links_offset_pos` of the base link; the base's own joints, if it has any, act on top of
        it, and like every parameter it outlives `scene.reset()`. `zero_velocity`: also put the velocities of all the
        entity's dofs to zero.
        """
        place = self._built("set_pos")
        _check_flags(place, "set_pos", relative, skip_forward)
        _set_base(place, "set_pos", "pos", pos, 0, 3, envs_idx, zero_velocity)

    def set_quat(
        self,
        quat: Any,
        envs_idx: Any = None,
        *,
        zero_velocity: bool = True,
        relative: bool | None = None,
        skip_forward: bool = False,
    ) -> None:
        """Set the orientation of the base link (w, x, y, z), world frame, ([n_envs,] 4); any length but zero.

        A free base: its four orientation qs. A mocap base: as `set_pos` puts it. Any other base: the frame in which it
        sits in the world, which is the physical parameter `links_offset_quat` of the base link, as for `set_pos`.
        """
        place = self._built("set_quat")
        _check_flags(place, "set_quat", relative, skip_forward)
        _set_base(place, "set_quat", "quat", quat, 3, 4, envs_idx, zero_velocity)


# -- how --------------------------------------------------------------------------------------------------------------


def _check_flags(place: Place, method: str, relative: Any, skip_forward: Any) -> None:
    owner = place.owner(method)
    read_flag(skip_forward, "skip_forward", owner)
    if relative is not None and read_flag(relative, "relative", owner):
        warn_once(
            f"{owner}(relative=True): the pose is one in the world, as in Genesis 1.4. Before, Genesis took it for one "
            "relative to the pose at build; a program that means that adds it itself."
        )


def _state_value(
    place: Place, method: str, argument: str, given: Any, item: tuple[int, ...], envs: Selection | None, *, scalar: bool
) -> torch.Tensor:
    """Positions or velocities of shape `item` or (envs, *item), with their graph."""
    value = place.shaped(method, argument, given, item, envs, scalar=scalar)
    require_state(value, argument, place.owner(method))
    return value


def _set_base(
    place: Place, method: str, argument: str, given: Any, first: int, count: int, envs_idx: Any, zero_velocity: bool
) -> None:
    zero_velocity = read_flag(zero_velocity, "zero_velocity", place.owner(method))
    envs = place.select_envs(method, envs_idx, unique=True)
    value = _state_value(place, method, argument, given, (count,), envs, scalar=False)
    parameter = PARAMETERS[f"links_offset_{argument}"]
    if place.world.model.indices["body_mocapid"][place.ranges.link_start] >= 0:
        place_mocap(place, place.ranges.link_start, method, argument, value, envs)
        place.world.set_state(_written(place, envs, None, zero_velocity))
        return
    if argument == "quat":
        place.world.theta.validate(
            parameter, value.unsqueeze(-2), place.owner(method), lambda _: "the base link", "quat"
        )
    if place.ranges.is_free:
        columns = select_range(place.counts["qs"], first, count)
        place.world.set_state(_written(place, envs, (columns, place.ranges.q_start, value), zero_velocity))
        return
    place.world.theta.set(
        parameter,
        place.ranges.link_start,
        select_range(place.counts["links"], 0, 1),
        envs,
        value.unsqueeze(-2),
        place.owner(method),
        lambda _: "the base link",
        source=given,
    )
    place.world.set_state(_written(place, envs, None, zero_velocity))


def place_mocap(
    place: Place, body: int, method: str, argument: str, value: torch.Tensor, envs: Selection | None
) -> None:
    """Put a mocap body where a copy of `value` says: its "pos", (3,) or (envs, 3), or its "quat"."""
    if argument == "quat":
        parameter = PARAMETERS["links_offset_quat"]
        place.world.theta.validate(
            parameter, value.unsqueeze(-2), place.owner(method), lambda _: "the mocap link", "quat"
        )
    start = MOCAP_WIDTH * int(place.world.model.indices["body_mocapid"][body]) + (3 if argument == "quat" else 0)
    rest = place.world.dynamics.at_rest("mocap")[start : start + value.shape[-1]]
    place.world.commands.place_mocap(start, rest, envs, value.clone())
    place.world.observer.clear()


def _written(
    place: Place, envs: Selection | None, piece: tuple[Selection, int, torch.Tensor] | None, zero_velocity: bool
) -> torch.Tensor:
    """The state with one piece (columns, their offset, value) written, and the velocities zeroed if asked."""
    state = place.world.state
    pieces = [] if piece is None else [piece]
    if read_flag(zero_velocity, "zero_velocity", place.name):
        dofs = select_range(place.counts["dofs"], 0, place.counts["dofs"])
        pieces.append((dofs, place.world.nq + place.ranges.dof_start, state.new_zeros(place.counts["dofs"])))
    contiguous = envs is None and all(columns.ids is None for columns, _, _ in pieces)
    if contiguous and sum(columns.count for columns, _, _ in pieces) == state.shape[1]:
        # All of it is overwritten: nothing of the old state, whose graph may have been freed, is needed.
        return torch.cat([value.expand(state.shape[0], -1) for _, _, value in pieces], 1)
    for columns, offset, value in pieces:
        state = scatter(state, envs, columns, value, offset)
    return state


def _check_quaternions(place: Place, method: str, state: torch.Tensor, envs: Selection | None) -> None:
    layout = place.layout
    if layout.is_plain:
        return
    rows = state.detach()[:, place.ranges.q_start : place.ranges.q_end]
    if envs is not None:
        rows = rows.index_select(0, envs.tensor())
    for rotation in layout.rotations:
        if bool((torch.linalg.vector_norm(rows.narrow(1, rotation.q, 4), dim=1) < runtime.EPS).any()):
            raise GenesisException(
                f"{place.owner(method)}: `qpos` has a quaternion of length zero for joint '{rotation.joint}' (qs "
                f"{rotation.q} to {rotation.q + 3}); the identity is (1, 0, 0, 0)."
            )


def _qpos_of_dofs(
    place: Place, chosen: Selection, envs: Selection | None, value: torch.Tensor
) -> tuple[Selection, torch.Tensor]:
    """The qs that the chosen dofs' positions determine, and their values, ([rows,] count)."""
    layout = place.layout
    column = {int(dof): k for k, dof in enumerate(chosen.positions())}  # dof -> its column in `value`
    columns, qs = [], []
    linear = [(column[dof], q) for dof, q in zip(layout.linear_dofs, layout.linear_qs, strict=True) if dof in column]
    if linear:
        picked = torch.tensor([k for k, _ in linear], dtype=torch.int64, device=value.device)
        columns.append(value.index_select(-1, picked))
        qs += [q for _, q in linear]
    for rotation in layout.rotations:
        given = [column.get(rotation.dof + k) for k in range(3)]
        if any(k is not None for k in given):
            angles = _angles(place, rotation, given, envs, value)
            columns.append(xyz_to_quat(angles))
            qs += range(rotation.q, rotation.q + 4)
    rows = max(part.ndim for part in columns) if columns else 1
    if rows == 2:
        count = max(part.shape[0] for part in columns if part.ndim == 2)
        columns = [part.expand(count, part.shape[-1]) for part in columns]
    joined = torch.cat(columns, -1) if columns else value
    order = np.argsort(qs)
    if (np.diff(order) != 1).any():
        joined = joined.index_select(-1, torch.as_tensor(order, device=joined.device))
    return select(sorted(qs), place.counts["qs"], "qs", place.name, unique=True), joined


def _angles(
    place: Place, rotation: Rotation, given: list[int | None], envs: Selection | None, value: torch.Tensor
) -> torch.Tensor:
    """Three Euler angles, ([rows,] 3): those given, and the present ones for the others."""
    if all(k is not None for k in given):
        return torch.stack([value[..., k] for k in given], -1)
    offset = place.ranges.q_start + rotation.q
    present = quat_to_xyz(gather(place.world.state, envs, select_range(4, 0, 4), offset))
    rows = present.shape[0]
    columns = [present[:, i] if k is None else value[..., k].expand(rows) for i, k in enumerate(given)]
    return torch.stack(columns, -1)
