"""Setters and getters that follow from the catalogue of parameters: one pair for each entry, made when classes are.

A new entry of :mod:`genesis.world.catalogue` has its methods without a line here. What editors and type checkers see of
them is in `accessors.pyi`, which `python -m genesis.entities.catalogue_texts` (`make stubs`) writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genesis.entities.base import EntityBase
from genesis.entities.made_methods import of_entity, of_one, of_solver, with_methods
from genesis.entities.part import EntityPart

if TYPE_CHECKING:
    from genesis import Scene


@with_methods(of_entity())
class EntityAccessors(EntityBase):
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

    Arguments of geoms: `geoms_idx_local` counts the entity's geoms (`entity.geoms`); None means those that can touch
    something (`entity.touching_geoms`), in order. Getters read any geom; setters raise GenesisException for one that
    touches nothing, as a visual one, or in a scene without collision.

    A contact takes the larger of its two geoms' friction coefficients and mixes their `sol_params`, unless one geom has
    priority; contacts of an explicit <pair> of a model file have parameters of their own
    (`scene.rigid_solver.set_pairs_friction`).
    """


@with_methods(of_one("links"))
class LinkAccessors(EntityPart):
    """Physical parameters of one link; see `EntityAccessors`."""


@with_methods(of_one("geoms"))
class GeomAccessors(EntityPart):
    """Physical parameters of one geom; see `EntityAccessors`."""


@with_methods(of_solver())
class SolverAccessors:
    """Physical parameters by the scene's numbers; see `EntityAccessors`."""

    _scene: Scene
