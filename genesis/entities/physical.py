"""Getters and setters of an entity's physical parameters, one pair per row of `parameters.PARAMETERS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis.entities.base import EntityBase
from genesis.entities.indexing import fit, read_tensor, require_finite, select_range
from genesis.entities.parameters import ENTITY_PARAMETERS, PARAMETERS, Parameter
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.grad.tensor import Tensor


class PhysicalParameters(EntityBase):
    """Physical parameters of an entity: differentiable inputs of the step, like its state and its controls.

    A setter takes a tensor, with gradient if the scene has `requires_grad`, of shape `(n, ...)`, shared by all envs,
    or `(n_envs, n, ...)` with one value per env (per chosen env with `envs_idx`); a plain number stands for all. A
    getter returns what is in force, `([n_envs,] n, ...)`, with gradient. Index arguments choose a subset, each
    element once.

    The values are copied, with their graph: after an optimizer's step call the setter again. They outlive
    `scene.reset()`. Numbers that the compiler derives from them, and the smooth dynamics use, follow. Not so two gains
    that a model file may let the compiler choose for its inertias: the damping that an actuator's `dampratio` stands
    for (the third number of `actuators_bias`), and the stiffness and damping that a joint's `springdamper` stands for.
    They stay as compiled; set them anew where they should change. The inverse inertias that scale the softness of
    constraints (MuJoCo's `dof_invweight0`, `body_invweight0`) stay as compiled too, as when the numbers of a MuJoCo
    model are changed at run time. `scene.mj_model` keeps the numbers of the build.

    An old tensor keeps its gradient as long as it is in force, with one exception: values that were set again, and only
    live on in the proportions that a later `set_mass` scaled, count as numbers once a backward pass has gone through
    them. Until then they are kept; a setter that would make them too many (more than 64, or four times what
    is in force) raises GenesisException. Of what is set without gradient, over nothing that has one, nothing is kept.

    Every setter raises GenesisException, before anything changes, for a call before `build()`, a wrong shape, NaN or
    infinite values, a bad index, a tensor of another scene, and a value that no body has (the message names the link
    or dof).
    """

    # -- dofs ---------------------------------------------------------------------------------------------------------

    def set_dofs_kp(self, kp: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Position gains of `control_dofs_position` [N m/rad, N/m], ([n_envs,] n_dofs)."""
        self._set_parameter("dofs_kp", kp, dofs_idx_local, envs_idx)

    def get_dofs_kp(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Position gains [N m/rad, N/m], ([n_envs,] n_dofs); see `set_dofs_kp`."""
        return self._get_parameter("dofs_kp", dofs_idx_local, envs_idx)

    def set_dofs_kv(self, kv: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Velocity gains of `control_dofs_position` and `_velocity` [N m s/rad, N s/m], ([n_envs,] n_dofs)."""
        self._set_parameter("dofs_kv", kv, dofs_idx_local, envs_idx)

    def get_dofs_kv(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Velocity gains [N m s/rad, N s/m], ([n_envs,] n_dofs); see `set_dofs_kv`."""
        return self._get_parameter("dofs_kv", dofs_idx_local, envs_idx)

    def set_dofs_stiffness(self, stiffness: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Stiffness of the joint springs [N m/rad, N/m], ([n_envs,] n_dofs); the rest position stays the file's."""
        self._set_parameter("dofs_stiffness", stiffness, dofs_idx_local, envs_idx)

    def get_dofs_stiffness(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Stiffness of the joint springs [N m/rad, N/m], ([n_envs,] n_dofs)."""
        return self._get_parameter("dofs_stiffness", dofs_idx_local, envs_idx)

    def set_dofs_damping(self, damping: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Viscous damping [N m s/rad, N s/m], ([n_envs,] n_dofs), not negative."""
        self._set_parameter("dofs_damping", damping, dofs_idx_local, envs_idx)

    def get_dofs_damping(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Viscous damping [N m s/rad, N s/m], ([n_envs,] n_dofs)."""
        return self._get_parameter("dofs_damping", dofs_idx_local, envs_idx)

    def set_dofs_armature(self, armature: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """What the joint's rotor adds to the diagonal of M [kg m^2, kg], ([n_envs,] n_dofs), not negative.

        Gains that the compiler chose for the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """
        self._set_parameter("dofs_armature", armature, dofs_idx_local, envs_idx)

    def get_dofs_armature(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Armature [kg m^2, kg], ([n_envs,] n_dofs)."""
        return self._get_parameter("dofs_armature", dofs_idx_local, envs_idx)

    def set_dofs_force_range(self, lower: Any, upper: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Range to which `control_dofs_*` forces are clipped [N m, N], ([n_envs,] n_dofs) each.

        -inf below and inf above: no limit.
        """
        method = "set_dofs_force_range"
        entity = self._built(method)
        owner = self._owner(method)
        chosen = self._select(method, "dofs_idx_local", dofs_idx_local, self.n_dofs, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        both = []
        for argument, value in (("lower", lower), ("upper", upper)):
            value = read_tensor(self._scene, value, argument, owner)
            both.append(fit(self._scene, value, envs, (chosen.count,), argument, owner))
        pair = torch.stack(torch.broadcast_tensors(*both), -1)
        self._scene._parameters.set(
            PARAMETERS["dofs_force_range"],
            entity.dof_start,
            chosen,
            envs,
            pair,
            owner,
            lambda k: self._element("dofs", int(chosen.positions()[k])),
            source=(lower, upper),
        )

    def get_dofs_force_range(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) force range [N m, N], ([n_envs,] n_dofs) each; infinite: no limit."""
        both = self._get_parameter("dofs_force_range", dofs_idx_local, envs_idx)
        return self._scene._label(both[..., 0].clone()), self._scene._label(both[..., 1].clone())

    # -- links --------------------------------------------------------------------------------------------------------

    def set_links_mass(self, mass: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Masses of the links [kg], ([n_envs,] n_links), not negative. The inertias stay; `set_mass` scales both.

        Gains that the compiler chose for the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """
        self._set_parameter("links_mass", mass, links_idx_local, envs_idx)

    def get_links_mass(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Masses of the links [kg], ([n_envs,] n_links)."""
        return self._get_parameter("links_mass", links_idx_local, envs_idx)

    def set_links_COM(self, COM: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Centres of mass [m], in the links' frames, ([n_envs,] n_links, 3). The inertia about them stays as it is."""
        self._set_parameter("links_COM", COM, links_idx_local, envs_idx)

    def get_links_COM(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Centres of mass [m], in the links' frames, ([n_envs,] n_links, 3)."""
        return self._get_parameter("links_COM", links_idx_local, envs_idx)

    def set_links_inertia(self, inertia: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Inertias about the centres of mass [kg m^2], in the axes of the links' frames, ([n_envs,] n_links, 6).

        The six numbers are xx, yy, zz, xy, xz, yz; matrices, ([n_envs,] n_links, 3, 3), are accepted too. Principal
        moments must not be negative, and none may exceed the sum of the other two. Gains that the compiler chose for
        the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """
        self._set_parameter("links_inertia", inertia, links_idx_local, envs_idx)

    def get_links_inertia(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inertias about the centres of mass, (xx, yy, zz, xy, xz, yz) [kg m^2], link axes, ([n_envs,] n_links, 6)."""
        return self._get_parameter("links_inertia", links_idx_local, envs_idx)

    def set_links_offset_pos(self, pos: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Where the links sit in their parents' frames [m], ([n_envs,] n_links, 3). Without effect for a free base."""
        self._set_parameter("links_offset_pos", pos, links_idx_local, envs_idx)

    def get_links_offset_pos(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Where the links sit in their parents' frames [m], ([n_envs,] n_links, 3)."""
        return self._get_parameter("links_offset_pos", links_idx_local, envs_idx)

    def set_links_offset_quat(self, quat: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How the links are turned on their parents (w, x, y, z), ([n_envs,] n_links, 4).

        Normalised here, with gradient. Without effect for a free base.
        """
        self._set_parameter("links_offset_quat", quat, links_idx_local, envs_idx)

    def get_links_offset_quat(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How the links are turned on their parents (w, x, y, z), unit, ([n_envs,] n_links, 4)."""
        return self._get_parameter("links_offset_quat", links_idx_local, envs_idx)

    def set_links_gravity_compensation(
        self, compensation: Any, links_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Fraction of the links' weight that is carried for them, ([n_envs,] n_links); 1 cancels gravity."""
        self._set_parameter("links_gravity_compensation", compensation, links_idx_local, envs_idx)

    def get_links_gravity_compensation(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Fraction of the links' weight that is carried for them, ([n_envs,] n_links)."""
        return self._get_parameter("links_gravity_compensation", links_idx_local, envs_idx)

    def set_mass(self, mass: Any, envs_idx: Any = None) -> None:
        """Mass of the whole entity [kg], a number or ([n_envs],): masses and inertias of all links are scaled alike.

        What is scaled is what is in force. Gains that the compiler chose for the inertia (actuator `dampratio`, joint
        `springdamper`) stay as compiled.
        """
        method = "set_mass"
        entity = self._built(method)
        owner = self._owner(method)
        envs = self._select_envs(method, envs_idx, unique=True)
        value = fit(self._scene, read_tensor(self._scene, mass, "mass", owner), envs, (), "mass", owner)
        require_finite(value, "mass", owner)
        links = select_range(self.n_links, 0, self.n_links)
        store = self._scene._parameters
        columns = [
            store.columns(PARAMETERS[name], entity.link_start, links) for name in ("links_mass", "links_inertia")
        ]
        if bool((value <= 0).any()):
            raise GenesisException(f"{owner}: `mass` is {value.min().item():g} kg; it must be above zero.")
        if bool((store.read(columns[0], None).sum(-1) <= 0).any()):
            raise GenesisException(f"{owner}: the links have no mass that could be scaled; use set_links_mass().")
        store.scale_mass(columns[0], columns[1], envs, value, mass, owner)

    def get_mass(self, envs_idx: Any = None) -> Tensor:
        """Mass of the whole entity [kg], ([n_envs])."""
        return self._scene._label(self.get_links_mass(envs_idx=envs_idx).sum(-1))

    # -- joints -------------------------------------------------------------------------------------------------------

    def set_joints_axis(self, axis: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Joint axes in the links' frames, ([n_envs,] n_joints, 3); normalised here, with gradient.

        Of hinges and slides; free and ball joints have no axis, theirs is without effect.
        """
        self._set_parameter("joints_axis", axis, joints_idx_local, envs_idx)

    def get_joints_axis(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Joint axes in the links' frames, unit, ([n_envs,] n_joints, 3)."""
        return self._get_parameter("joints_axis", joints_idx_local, envs_idx)

    def set_joints_anchor(self, anchor: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Points about which the joints turn [m], in the links' frames, ([n_envs,] n_joints, 3)."""
        self._set_parameter("joints_anchor", anchor, joints_idx_local, envs_idx)

    def get_joints_anchor(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Points about which the joints turn [m], in the links' frames, ([n_envs,] n_joints, 3)."""
        return self._get_parameter("joints_anchor", joints_idx_local, envs_idx)

    # -- actuators ----------------------------------------------------------------------------------------------------

    def set_actuators_gain(self, gain: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """First three of MuJoCo's gainprm of the model file's actuators, ([n_envs,] n_actuators, 3)."""
        self._set_parameter("actuators_gain", gain, actuators_idx_local, envs_idx)

    def get_actuators_gain(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """First three of MuJoCo's gainprm, ([n_envs,] n_actuators, 3)."""
        return self._get_parameter("actuators_gain", actuators_idx_local, envs_idx)

    def set_actuators_bias(self, bias: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """First three of MuJoCo's biasprm of the model file's actuators, ([n_envs,] n_actuators, 3)."""
        self._set_parameter("actuators_bias", bias, actuators_idx_local, envs_idx)

    def get_actuators_bias(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """First three of MuJoCo's biasprm, ([n_envs,] n_actuators, 3)."""
        return self._get_parameter("actuators_bias", actuators_idx_local, envs_idx)

    def set_actuators_gear(self, gear: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Gear of the model file's actuators, which scales length and force, ([n_envs,] n_actuators, 6)."""
        self._set_parameter("actuators_gear", gear, actuators_idx_local, envs_idx)

    def get_actuators_gear(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Gear of the actuators, ([n_envs,] n_actuators, 6)."""
        return self._get_parameter("actuators_gear", actuators_idx_local, envs_idx)

    def set_actuators_time_constant(
        self, time_constant: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Time constants of filter activations, MuJoCo's dynprm[0] [s], ([n_envs,] n_actuators, 1), not negative."""
        self._set_parameter("actuators_time_constant", time_constant, actuators_idx_local, envs_idx)

    def get_actuators_time_constant(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Time constants of filter activations, MuJoCo's dynprm[0] [s], ([n_envs,] n_actuators, 1)."""
        return self._get_parameter("actuators_time_constant", actuators_idx_local, envs_idx)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _start_of(self, axis: str, method: str) -> int:
        """MuJoCo's number of the entity's first link, joint, dof or actuator."""
        return getattr(self._built(method), f"{axis[:-1]}_start")

    def _set_parameter(self, name: str, value: Any, idx_local: Any, envs_idx: Any, source: Any = None) -> None:
        parameter: Parameter = ENTITY_PARAMETERS[name]
        method = f"set_{name}"
        start = self._start_of(parameter.axis, method)
        count = getattr(self, f"n_{parameter.axis}")
        chosen = self._select(method, f"{parameter.axis}_idx_local", idx_local, count, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        self._scene._parameters.set(
            parameter,
            start,
            chosen,
            envs,
            value,
            self._owner(method),
            lambda k: self._element(parameter.axis, int(chosen.positions()[k])),
            source=source,
        )

    def _get_parameter(self, name: str, idx_local: Any, envs_idx: Any) -> Tensor:
        parameter: Parameter = ENTITY_PARAMETERS[name]
        method = f"get_{name}"
        start = self._start_of(parameter.axis, method)
        count = getattr(self, f"n_{parameter.axis}")
        chosen = self._select(method, f"{parameter.axis}_idx_local", idx_local, count, unique=False)
        envs = self._select_envs(method, envs_idx, unique=False)
        return self._scene._label(self._scene._parameters.get(parameter, start, chosen, envs))

    def _element(self, axis: str, k: int) -> str:
        """How an error message calls the k-th link, joint, dof or actuator."""
        entity = self._built("_element")
        if axis == "dofs":
            model = self._scene.mj_model
            joint = int(model.dof_jntid[entity.dof_start + k])
            within = entity.dof_start + k - int(model.jnt_dofadr[joint])
            name = entity.joint_names[joint - entity.joint_start]
            return f"dof {k} (joint '{name}')" if within == 0 else f"dof {k} (joint '{name}', its dof {within})"
        names = getattr(entity, f"{axis[:-1]}_names")
        return f"{axis[:-1]} '{names[k]}'"
