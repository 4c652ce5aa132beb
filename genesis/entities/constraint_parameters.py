"""Getters and setters of what contacts, joint limits and friction loss depend on: rows of ``CONSTRAINT_PARAMETERS``.

The model keeps parameters of those geoms only that can touch something ("cgeoms", see :mod:`genesis.model.contact`),
and limits of joints that have one in the model file. Others are read as constants of the model, and cannot be set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities.indexing import Selection, fit, read_tensor, select, select_envs
from genesis.entities.parameters import (
    CONSTRAINT_PARAMETERS,
    ENTITY_PARAMETERS,
    PAIR_PARAMETERS,
    Parameter,
    ParameterTable,
)
from genesis.entities.physical import PhysicalParameters
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.grad.tensor import Tensor
    from genesis.scene import Scene

# How many of MuJoCo's three size numbers a shape has; for planes (infinite in contact) and meshes none can be set.
N_SIZES = {"sphere": 1, "capsule": 2, "cylinder": 2, "ellipsoid": 3, "box": 3}
_BALL, _SLIDE, _HINGE = 1, 2, 3  # mujoco.mjtJoint
_NO_LIMIT = np.array([-np.inf, np.inf])
# What there is of softness in an entity.
SOFT = ("sol_params", "joints_sol_params", "dofs_sol_params")


class ConstraintParameters(PhysicalParameters):
    """Parameters of contacts, limits and friction loss: differentiable inputs of the step, as `PhysicalParameters`.

    Arguments of geoms: `geoms_idx_local` counts the entity's geoms (`entity.geoms`); None means those that can touch
    something (`entity.touching_geoms`), in order. Getters read any geom; setters raise GenesisException for one that
    touches nothing, as a visual one, or in a scene without collision.

    A contact takes the larger of its two geoms' friction coefficients and mixes their `sol_params`, unless one geom has
    priority; contacts of an explicit <pair> of a model file have parameters of their own
    (`scene.rigid_solver.set_pairs_friction`).
    """

    # -- dofs ---------------------------------------------------------------------------------------------------------

    def set_dofs_frictionloss(self, frictionloss: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Dry friction of the joints [N m, N], ([n_envs,] n_dofs), not negative.

        Raises GenesisException, too, where the scene simulates no friction loss (`disable_constraint`, a disable flag).
        """
        self._require_friction_loss("set_dofs_frictionloss")
        self._set_parameter("dofs_frictionloss", frictionloss, dofs_idx_local, envs_idx)
        if self._scene._parameters.has_friction_loss():
            self._scene._dynamics.require_constraints()

    def get_dofs_frictionloss(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Dry friction of the joints [N m, N], ([n_envs,] n_dofs)."""
        return self._get_parameter("dofs_frictionloss", dofs_idx_local, envs_idx)

    def set_dofs_sol_params(self, sol_params: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Softness of friction loss, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_dofs, 7).

        Seven numbers stand for all dofs. MuJoCo's solreffriction and solimpfriction.
        """
        self._require_friction_loss("set_dofs_sol_params")
        self._set_soft("dofs_sol_params", sol_params, dofs_idx_local, envs_idx)

    def get_dofs_sol_params(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of friction loss, ([n_envs,] n_dofs, 7); see `set_dofs_sol_params`."""
        return self._get_parameter("dofs_sol_params", dofs_idx_local, envs_idx)

    def set_dofs_limit(self, lower: Any, upper: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Ends of hinges and slides [rad, m], ([n_envs,] n_dofs) each, lower <= upper.

        Raises GenesisException, too, for a dof without limit: state a range in the model file. The angle that limits a
        ball joint is set by `joint.set_limit`.
        """
        method = "set_dofs_limit"
        entity = self._built(method)
        owner = self._owner(method)
        chosen = self._select(method, "dofs_idx_local", dofs_idx_local, self.n_dofs, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        joints = self._scene.mj_model.dof_jntid[entity.dof_start + chosen.positions()]
        for k, joint in enumerate(joints):
            self._require_limit(owner, int(joint), self._element("dofs", int(chosen.positions()[k])), one_dof=True)
        self._set_range(owner, joints, lower, upper, envs, lambda k: self._element("dofs", int(chosen.positions()[k])))

    def get_dofs_limit(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) ends of hinges and slides [rad, m], ([n_envs,] n_dofs) each; infinite where there is none.

        The dofs of ball joints have none of their own (`joint.get_limit`). A range that a model file states is returned
        even if the scene does not enforce limits.
        """
        method = "get_dofs_limit"
        entity = self._built(method)
        chosen = self._select(method, "dofs_idx_local", dofs_idx_local, self.n_dofs, unique=False)
        envs = self._select_envs(method, envs_idx, unique=False)
        model = self._scene.mj_model
        joints = model.dof_jntid[entity.dof_start + chosen.positions()]
        one_dof = np.isin(model.jnt_type[joints], (_SLIDE, _HINGE))
        has_range = one_dof & model.jnt_limited[joints].astype(bool)
        stated = np.where(has_range[:, None], model.jnt_range[joints], _NO_LIMIT)
        enforced = one_dof & (self._scene._model.indices["jnt_limited"][joints] == 1)
        rows = np.where(enforced, joints, -1)
        return self._both(_read(self._scene, CONSTRAINT_PARAMETERS["dofs_limit"], rows, stated, envs))

    # -- joints -------------------------------------------------------------------------------------------------------

    def set_joints_sol_params(self, sol_params: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Softness of joint limits, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_joints, 7).

        Seven numbers stand for all joints. MuJoCo's solreflimit and solimplimit. Raises GenesisException, too, where
        nothing in the scene has limits.
        """
        method = "set_joints_sol_params"
        self._built(method)
        if not _has_limits(self._scene):
            raise GenesisException(f"{self._owner(method)}: no joint of this scene has a limit that is simulated.")
        self._set_soft("joints_sol_params", sol_params, joints_idx_local, envs_idx)

    def get_joints_sol_params(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of joint limits, ([n_envs,] n_joints, 7); see `set_joints_sol_params`."""
        method = "get_joints_sol_params"
        entity = self._built(method)
        chosen = self._select(method, "joints_idx_local", joints_idx_local, self.n_joints, unique=False)
        envs = self._select_envs(method, envs_idx, unique=False)
        joints = entity.joint_start + chosen.positions()
        return self._scene._label(read_joints_sol_params(self._scene, joints, envs))

    def _set_joint_limit(self, owner: str, joint: int, lower: Any, upper: Any, envs_idx: Any) -> None:
        """Limits of one joint, by its number in the scene; a ball joint's lower end is zero."""
        envs = self._select_envs("set_limit", envs_idx, unique=True)
        name = f"joint '{self._built('set_limit').joint_names[joint - self.joint_start]}'"
        self._require_limit(owner, joint, name, one_dof=False)
        if self._scene.mj_model.jnt_type[joint] == _BALL:
            zero = read_tensor(self._scene, lower, "lower", owner)
            if bool((zero != 0).any()):
                raise GenesisException(f"{owner}: {name} is a ball joint, limited by one angle: `lower` must be 0.")

        def one(argument: str, value: Any) -> torch.Tensor:
            value = read_tensor(self._scene, value, argument, owner)
            return fit(self._scene, value, envs, (), argument, owner).unsqueeze(-1)

        ends = one("lower", lower), one("upper", upper)
        self._set_range(owner, np.array([joint]), ends[0], ends[1], envs, lambda _: name, source=(lower, upper))

    def _get_joint_limit(self, joint: int, envs_idx: Any) -> tuple[Tensor, Tensor]:
        envs = self._select_envs("get_limit", envs_idx, unique=False)
        model = self._scene.mj_model
        stated = np.where(model.jnt_limited[joint], model.jnt_range[joint], _NO_LIMIT)[None]
        row = joint if self._scene._model.indices["jnt_limited"][joint] else -1
        value = _read(self._scene, CONSTRAINT_PARAMETERS["dofs_limit"], np.array([row]), stated, envs)
        return self._both(value.squeeze(-2))

    def _set_range(
        self,
        owner: str,
        joints: np.ndarray,
        lower: Any,
        upper: Any,
        envs: Selection | None,
        element: Callable[[int], str],
        source: Any = None,
    ) -> None:
        both = []
        for argument, value in (("lower", lower), ("upper", upper)):
            value = read_tensor(self._scene, value, argument, owner)
            both.append(fit(self._scene, value, envs, (len(joints),), argument, owner))
        pair = torch.stack(torch.broadcast_tensors(*both), -1)
        _write(
            self._scene,
            CONSTRAINT_PARAMETERS["dofs_limit"],
            joints,
            envs,
            pair,
            owner,
            element,
            (lower, upper) if source is None else source,
        )

    def _require_limit(self, owner: str, joint: int, name: str, *, one_dof: bool) -> None:
        model = self._scene.mj_model
        if one_dof and model.jnt_type[joint] == _BALL and model.jnt_limited[joint]:
            raise GenesisException(f"{owner}: {name} belongs to a ball joint; use joint.set_limit(0, angle).")
        if not model.jnt_limited[joint]:
            raise GenesisException(f"{owner}: {name} has no limit; state a range in the model file.")
        if not self._scene._model.indices["jnt_limited"][joint]:
            raise GenesisException(
                f"{owner}: limits are not simulated in this scene (RigidOptions(disable_constraint=True), "
                "enable_joint_limit=False, or a disable flag of a model file)."
            )

    def _require_friction_loss(self, method: str) -> None:
        self._built(method)
        if not self._scene._model.indices["frictionloss_on"][0]:
            raise GenesisException(
                f"{self._owner(method)}: friction loss is not simulated in this scene "
                "(RigidOptions(disable_constraint=True), or a disable flag of a model file)."
            )

    # -- geoms --------------------------------------------------------------------------------------------------------

    @property
    def touching_geoms(self) -> list[Any]:
        """Its geoms that can touch something in this scene; the rows of `get_friction()` and the like."""
        self._built("touching_geoms")
        geoms = self.geoms  # type: ignore[attr-defined]
        return [geoms[k] for k in self._touching()]

    def set_friction(self, friction: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of sliding friction, a number for all or ([n_envs,] n_geoms), not negative."""
        self._set_geoms("friction", "set_friction", friction, geoms_idx_local, envs_idx)

    def get_friction(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of sliding friction, ([n_envs,] n_geoms)."""
        return self._get_geoms("friction", geoms_idx_local, envs_idx)

    def set_friction_torsional(self, friction: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of friction against turning about the contact's normal [m], ([n_envs,] n_geoms); condim 4, 6."""
        self._set_geoms("friction_torsional", "set_friction_torsional", friction, geoms_idx_local, envs_idx)

    def get_friction_torsional(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of torsional friction [m], ([n_envs,] n_geoms)."""
        return self._get_geoms("friction_torsional", geoms_idx_local, envs_idx)

    def set_friction_rolling(self, friction: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of friction against rolling [m], ([n_envs,] n_geoms); condim 6."""
        self._set_geoms("friction_rolling", "set_friction_rolling", friction, geoms_idx_local, envs_idx)

    def get_friction_rolling(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of rolling friction [m], ([n_envs,] n_geoms)."""
        return self._get_geoms("friction_rolling", geoms_idx_local, envs_idx)

    def set_friction_ratio(self, friction_ratio: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Sliding friction of the links' touching geoms as a multiple of the model's own, ([n_envs,] n_links).

        The model's own is that of the build: the ratio replaces what `set_friction` gave, and is replaced by it.
        """
        method = "set_friction_ratio"
        entity = self._built(method)
        owner = self._owner(method)
        chosen = self._select(method, "links_idx_local", links_idx_local, self.n_links, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        ratio = read_tensor(self._scene, friction_ratio, "friction_ratio", owner)
        ratio = fit(self._scene, ratio, envs, (chosen.count,), "friction_ratio", owner)
        links = {entity.link_start + int(link): k for k, link in enumerate(chosen.positions())}
        body = self._scene.mj_model.geom_bodyid
        geoms = [k for k in self._touching() if int(body[entity.geom_start + k]) in links]
        if not geoms:
            raise GenesisException(f"{owner}: no geom of these links can touch anything in this scene.")
        place = [links[int(body[entity.geom_start + k])] for k in geoms]
        own = self._scene.mj_model.geom_friction[entity.geom_start + np.array(geoms), 0]
        write_geoms(
            self._scene,
            CONSTRAINT_PARAMETERS["friction"],
            entity.geom_start + np.array(geoms),
            envs,
            ratio,
            owner,
            friction_ratio,
            picked=np.array(place),
            factor=own,
        )

    def set_sol_params(self, sol_params: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Softness of contacts, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_geoms, 7).

        Seven numbers stand for all geoms. They are MuJoCo's solref (in either form) and solimp. Those of limits and of
        friction loss: `set_joints_sol_params`, `set_dofs_sol_params`.
        """
        self._set_geoms("sol_params", "set_sol_params", sol_params, geoms_idx_local, envs_idx)

    def get_sol_params(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of contacts, ([n_envs,] n_geoms, 7); see `set_sol_params`."""
        return self._get_geoms("sol_params", geoms_idx_local, envs_idx)

    def set_geoms_size(self, size: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Sizes of the shapes [m], ([n_envs,] n_geoms, 3), as MuJoCo counts them.

        Sphere: radius. Capsule and cylinder: radius, half length. Box: half sides. Ellipsoid: semi-axes. Numbers that a
        shape has no use for are kept as given. Masses and inertias do not follow. Raises GenesisException, too, for
        planes and meshes.
        """
        self._set_geoms("geoms_size", "set_geoms_size", size, geoms_idx_local, envs_idx)

    def get_geoms_size(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Sizes of the shapes [m], ([n_envs,] n_geoms, 3), as MuJoCo counts them; see `set_geoms_size`."""
        return self._get_geoms("geoms_size", geoms_idx_local, envs_idx)

    def set_geoms_offset_pos(self, pos: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Where the geoms sit in their links' frames [m], ([n_envs,] n_geoms, 3); masses and inertias do not follow.

        A mesh's frame is MuJoCo's, at the mesh's centre of mass.
        """
        self._set_geoms("geoms_offset_pos", "set_geoms_offset_pos", pos, geoms_idx_local, envs_idx)

    def get_geoms_offset_pos(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Where the geoms sit in their links' frames [m], ([n_envs,] n_geoms, 3)."""
        return self._get_geoms("geoms_offset_pos", geoms_idx_local, envs_idx)

    def set_geoms_offset_quat(self, quat: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How the geoms are turned on their links (w, x, y, z), ([n_envs,] n_geoms, 4).

        Normalised here, with gradient. Masses and inertias do not follow.
        """
        self._set_geoms("geoms_offset_quat", "set_geoms_offset_quat", quat, geoms_idx_local, envs_idx)

    def get_geoms_offset_quat(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How the geoms are turned on their links (w, x, y, z), unit, ([n_envs,] n_geoms, 4)."""
        return self._get_geoms("geoms_offset_quat", geoms_idx_local, envs_idx)

    # -- all of them --------------------------------------------------------------------------------------------------

    def get_parameters(self) -> ParameterTable:
        """The parameters that can be set of it: name, shape (of a value shared by all envs), unit, description.

        The entry `mass` scales the whole entity. `set_<name>` and `get_<name>` write and read each.
        """
        self._built("get_parameters")
        rows = []
        for parameter in ENTITY_PARAMETERS.values():
            if self._can_set(parameter):
                count = len(self._touching()) if parameter.axis == "geoms" else getattr(self, f"n_{parameter.axis}")
                rows.append(
                    {
                        "name": parameter.name,
                        "shape": (count, *parameter.item),
                        "unit": parameter.unit,
                        "description": parameter.description,
                    }
                )
        rows.append(
            {
                "name": "mass",
                "shape": (),
                "unit": "kg",
                "description": "of the whole entity; its links' masses and inertias are scaled alike",
            }
        )
        return ParameterTable(f"Parameters of '{self._name}', each with set_<name>() and get_<name>():", rows)

    def _can_set(self, parameter: Parameter) -> bool:
        """Whether the entity has anything of which the parameter can be set."""
        entity = self._built("get_parameters")
        indices = self._scene._model.indices
        if parameter.axis == "geoms":
            return bool(len(self._touching()))
        if parameter.field in ("jnt_range", "jnt_solref"):
            return bool(indices["jnt_limited"][entity.joint_start : entity.joint_end].any())
        if parameter.field in ("dof_frictionloss", "dof_solref") and not indices["frictionloss_on"][0]:
            return False
        return bool(getattr(self, f"n_{parameter.axis}"))

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _touching(self) -> np.ndarray:
        """Its geoms that can touch something, counted in the entity."""
        entity = self._built("_touching")
        return np.flatnonzero(self._scene._model.cgeom_of_geom[entity.geom_start : entity.geom_end] >= 0)

    def _select_geoms(self, method: str, idx: Any, *, unique: bool) -> Selection:
        if idx is None:
            idx = self._touching()
        return self._select(method, "geoms_idx_local", idx, self.n_geoms, unique=unique)

    def _set_geoms(self, name: str, method: str, given: Any, idx_local: Any, envs_idx: Any) -> None:
        """Set a parameter of geoms, as the public method `method` does."""
        self._built(method)
        owner = self._owner(method)
        parameter = CONSTRAINT_PARAMETERS[name]
        chosen = self._select_geoms(method, idx_local, unique=True)
        if idx_local is None and not chosen.count:
            raise GenesisException(f"{owner}: none of its {self.n_geoms} geoms can touch anything in this scene.")
        envs = self._select_envs(method, envs_idx, unique=True)
        value = seven_each(self._scene, given, chosen.count, envs, owner) if name == "sol_params" else given
        self._write_geoms(parameter, owner, chosen, envs, value, given)

    def _write_geoms(
        self, parameter: Parameter, owner: str, chosen: Selection, envs: Selection | None, value: Any, source: Any
    ) -> None:
        geoms = self._built("_write_geoms").geom_start + chosen.positions()
        write_geoms(self._scene, parameter, geoms, envs, value, owner, source)

    def _get_geoms(self, name: str, idx_local: Any, envs_idx: Any) -> Tensor:
        method = f"get_{name}"
        geoms = self._built(method).geom_start + self._select_geoms(method, idx_local, unique=False).positions()
        envs = self._select_envs(method, envs_idx, unique=False)
        return self._scene._label(read_geoms(self._scene, CONSTRAINT_PARAMETERS[name], geoms, envs))

    def _set_geom(self, name: str, owner: str, k: int, given: Any, envs_idx: Any, source: Any = None) -> None:
        """Set a parameter of geom `k` alone, its value without the axis of the geoms."""
        parameter = CONSTRAINT_PARAMETERS[name]
        envs = self._select_envs(f"set_{name}", envs_idx, unique=True)
        chosen = self._select(f"set_{name}", "geom", k, self.n_geoms, unique=True)
        value = read_tensor(self._scene, given, name, owner)
        value = fit(self._scene, value, envs, parameter.item, name, owner, scalar=not parameter.item)
        value = value.unsqueeze(-1 - len(parameter.item))
        self._write_geoms(parameter, owner, chosen, envs, value, given if source is None else source)

    def _get_geom(self, name: str, k: int, envs_idx: Any) -> Tensor:
        value = self._get_geoms(name, k, envs_idx)
        return self._scene._label(value.squeeze(-1 - len(CONSTRAINT_PARAMETERS[name].item)))

    def _set_soft(self, name: str, given: Any, idx_local: Any, envs_idx: Any) -> None:
        """Set sol_params of dofs or joints; seven numbers stand for all."""
        axis = CONSTRAINT_PARAMETERS[name].axis
        chosen = self._select(f"set_{name}", f"{axis}_idx_local", idx_local, getattr(self, f"n_{axis}"), unique=True)
        envs = self._select_envs(f"set_{name}", envs_idx, unique=True)
        value = seven_each(self._scene, given, chosen.count, envs, self._owner(f"set_{name}"))
        self._set_parameter(name, value, idx_local, envs_idx, source=given)

    def _both(self, pair: torch.Tensor) -> tuple[Tensor, Tensor]:
        return self._scene._label(pair[..., 0].clone()), self._scene._label(pair[..., 1].clone())


# -- by the scene's numbers -------------------------------------------------------------------------------------------


def write_geoms(
    scene: Scene,
    parameter: Parameter,
    geoms: np.ndarray,
    envs: Selection | None,
    value: Any,
    owner: str,
    source: Any,
    picked: np.ndarray | None = None,
    factor: np.ndarray | None = None,
) -> None:
    """Set a parameter of geoms, by their numbers in the scene; raises for one that touches nothing.

    `picked`, `factor`: as `ParameterStore.set` takes them.
    """
    rows = scene._model.cgeom_of_geom[geoms]

    def name(k: int) -> str:
        geom = scene.rigid_solver.geoms[int(geoms[k])]
        return f"geom {geom.idx_local} of '{geom.entity.name}' ({geom.type}{f', {geom.name!r}' if geom.name else ''})"

    if (rows < 0).any():
        raise GenesisException(
            f"{owner}: {name(int(np.argmax(rows < 0)))} touches nothing in this scene, so that it has no parameters of "
            "contact: it is visual only, filtered out, fixed to what is around it, or collision is disabled."
        )
    if parameter.name == "geoms_size":
        types = [scene.rigid_solver.geoms[int(geom)].type for geom in geoms]
        for k, kind in enumerate(types):
            if kind not in N_SIZES:
                why = "is infinite in contact" if kind == "plane" else "has the size of its mesh"
                raise GenesisException(f"{owner}: {name(k)} {why}; choose others with `geoms_idx_local`.")
        parameter = replace(parameter, check=partial(_check_sizes, np.array([N_SIZES[kind] for kind in types])))
    _write(scene, parameter, rows, envs, value, owner, name, source, picked, factor)


def read_joints_sol_params(scene: Scene, joints: np.ndarray, envs: Selection | None) -> torch.Tensor:
    """Softness of joint limits, by the joints' numbers in the scene, ([envs,] n, 7)."""
    parameter = CONSTRAINT_PARAMETERS["joints_sol_params"]
    rows = joints if _has_limits(scene) else np.full(len(joints), -1)
    return _read(scene, parameter, rows, _of_model(scene, parameter, joints), envs)


def set_joints_sol_params(
    scene: Scene, owner: str, joints: list[int] | np.ndarray, given: Any, envs_idx: Any, source: Any = None
) -> None:
    """Set the softness of limits and of friction loss of joints, by their numbers in the scene: (7,) or (n, 7).

    `source`: the caller's own tensor, where it is not `given`.
    """
    source = given if source is None else source
    envs = select_envs(scene, envs_idx, owner, unique=True)
    parameter = CONSTRAINT_PARAMETERS["joints_sol_params"]
    value = seven_each(scene, given, len(joints), envs, owner)
    scene._parameters.validate(parameter, value, owner, lambda k: f"joint {joints[k]}")
    friction_loss = bool(scene._model.indices["frictionloss_on"][0])
    if not friction_loss and not _has_limits(scene):
        raise GenesisException(f"{owner}: neither limits nor friction loss are simulated in this scene.")
    if _has_limits(scene):
        _write(scene, parameter, np.asarray(joints), envs, value, owner, str, source)
    if friction_loss:
        place = {int(joint): k for k, joint in enumerate(joints)}
        joint_of_dof = scene.mj_model.dof_jntid
        dofs = np.flatnonzero(np.isin(joint_of_dof, np.asarray(joints)))
        picked = np.array([place[int(joint)] for joint in joint_of_dof[dofs]], dtype=np.int64)
        parameter = CONSTRAINT_PARAMETERS["dofs_sol_params"]
        _write(scene, parameter, dofs, envs, value, owner, str, source, picked)


def set_global_sol_params(scene: Scene, owner: str, given: Any, envs_idx: Any) -> None:
    """Set the softness of everything: contacts, explicit pairs, limits and friction loss; (7,)."""
    envs = select_envs(scene, envs_idx, owner, unique=True)
    value = fit(scene, read_tensor(scene, given, "sol_params", owner), envs, (7,), "sol_params", owner, scalar=False)
    everything = (*(CONSTRAINT_PARAMETERS[name] for name in SOFT), PAIR_PARAMETERS["pairs_sol_params"])
    scene._parameters.validate(everything[0], value.unsqueeze(-2), owner, lambda _: "the scene")
    for parameter in everything:
        rows = np.arange(scene._model.theta_fields[parameter.field].shape[0])
        if len(rows):
            each = value.unsqueeze(-2).expand(*value.shape[:-1], len(rows), 7)
            _write(scene, parameter, rows, envs, each, owner, str, given)


def seven_each(scene: Scene, given: Any, count: int, envs: Selection | None, owner: str) -> torch.Tensor:
    """Seven numbers for each of `count` elements, ([envs,] count, 7), where seven stand for all."""
    value = read_tensor(scene, given, "sol_params", owner)
    value = value.expand(count, 7) if value.shape == (7,) else value
    return fit(scene, value, envs, (count, 7), "sol_params", owner, scalar=False)


def write_pairs(scene: Scene, name: str, given: Any, pairs_idx: Any, envs_idx: Any, owner: str) -> None:
    """Set a parameter of the explicit contact pairs, by their numbers in the scene."""
    parameter = PAIR_PARAMETERS[name]
    chosen, envs = _pairs(scene, parameter, pairs_idx, envs_idx, owner, unique=True)
    if pairs_idx is None and not chosen.count:
        raise GenesisException(f"{owner}: no model file of this scene defines a contact <pair> that is simulated.")
    scene._parameters.set(parameter, 0, chosen, envs, given, owner, lambda k: f"pair {chosen.positions()[k]}")


def read_pairs(scene: Scene, name: str, pairs_idx: Any, envs_idx: Any, owner: str) -> torch.Tensor:
    """A parameter of the explicit contact pairs, ([envs,] n, *item)."""
    parameter = PAIR_PARAMETERS[name]
    chosen, envs = _pairs(scene, parameter, pairs_idx, envs_idx, owner, unique=False)
    return scene._parameters.get(parameter, 0, chosen, envs)


def _pairs(
    scene: Scene, parameter: Parameter, pairs_idx: Any, envs_idx: Any, owner: str, *, unique: bool
) -> tuple[Selection, Selection | None]:
    n = scene._model.theta_fields[parameter.field].shape[0]
    chosen = select(pairs_idx, n, "pairs_idx", owner, unique=unique)
    return chosen, select_envs(scene, envs_idx, owner, unique=unique)


def read_geoms(scene: Scene, parameter: Parameter, geoms: np.ndarray, envs: Selection | None) -> torch.Tensor:
    """A parameter of geoms, by their numbers in the scene, ([envs,] n, *item)."""
    rows = scene._model.cgeom_of_geom[geoms]
    return _read(scene, parameter, rows, _of_model(scene, parameter, geoms), envs)


def _check_sizes(counts: np.ndarray, values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """The numbers that a shape uses, the first `counts` of three, are above zero."""
    used = np.arange(3) < counts[:, None]
    bad = ((values <= 0) & used).any(-1)
    if not bad.any():
        return None
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    shown = values[where][: counts[where[-1]]].tolist()
    return where, f"is {shown}; it must be above zero"


def _write(
    scene: Scene,
    parameter: Parameter,
    rows: np.ndarray,
    envs: Selection | None,
    value: Any,
    owner: str,
    element: Callable[[int], str],
    source: Any,
    picked: np.ndarray | None = None,
    factor: np.ndarray | None = None,
) -> None:
    """Set rows of a field of theta."""
    n = scene._model.theta_fields[parameter.field].shape[0]
    chosen = select(rows.astype(np.int64), n, parameter.name, owner, unique=True)
    scene._parameters.set(
        parameter, 0, chosen, envs, value, owner, element, source=source, picked=picked, factor=factor
    )


def _read(
    scene: Scene, parameter: Parameter, rows: np.ndarray, constants: np.ndarray, envs: Selection | None
) -> torch.Tensor:
    """Rows of a field of theta, ([envs,] n, *item), those below zero being constants of the model, (n, *item)."""
    known = np.flatnonzero(rows >= 0)
    n = scene._model.theta_fields[parameter.field].shape[0]
    chosen = select(rows[known].astype(np.int64), n, parameter.name, "scene", unique=False)
    values = scene._parameters.get(parameter, 0, chosen, envs)
    if len(known) == len(rows):
        return values
    axis = values.ndim - 1 - len(parameter.item)
    fixed = torch.as_tensor(constants, dtype=runtime.tc_float, device=runtime.device)
    fixed = fixed.expand(*values.shape[:axis], *fixed.shape)
    return fixed.index_copy(axis, torch.as_tensor(known, device=fixed.device), values)


def _of_model(scene: Scene, parameter: Parameter, numbers: np.ndarray) -> np.ndarray:
    """What the compiled model says, (n, *item)."""
    fields = [np.asarray(getattr(scene.mj_model, name)) for name in parameter.fields]
    columns = np.concatenate([f[numbers].reshape(len(numbers), int(np.prod(f.shape[1:]))) for f in fields], 1)
    size = int(np.prod(parameter.item))
    return columns[:, parameter.first : parameter.first + size].reshape(len(numbers), *parameter.item)


def _has_limits(scene: Scene) -> bool:
    return bool(scene._model.indices["jnt_limited"].any())
