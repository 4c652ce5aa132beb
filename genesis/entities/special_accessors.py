"""Setters and getters of an entity that do not follow from the catalogue alone, and the list of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities.access import can_set, count_of, write_geoms
from genesis.entities.accessors import EntityAccessors
from genesis.entities.limits import read_dofs_limit, write_dofs_limit
from genesis.entities.masses import write_scaled_mass, write_shift
from genesis.errors import GenesisException
from genesis.world.arguments import fit, read_tensor, require_finite, select_range
from genesis.world.catalogue import CONSTRAINT_PARAMETERS, ENTITY_PARAMETERS, PARAMETERS

if TYPE_CHECKING:
    from genesis.entities import RigidGeom
    from genesis.grad.tensor import Tensor


class ParameterTable:
    """What ``entity.get_parameters()`` returns: one row per parameter; prints as a table.

    ``rows``: list of dicts with keys name, shape, unit, description, methods. Iterating gives the rows.
    """

    COLUMNS = ("name", "shape", "unit", "description")

    def __init__(self, title: str, rows: list[dict[str, Any]]) -> None:
        self.title = title
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> dict[str, Any]:
        for row in self.rows:
            if row["name"] == name:
                return row
        raise KeyError(name)

    def __repr__(self) -> str:
        cells = [self.COLUMNS, *(tuple(str(row[c]) for c in self.COLUMNS) for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(self.COLUMNS))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join([self.title, *lines])


class SpecialAccessors(EntityAccessors):
    """Parameters that an entity has beside the plain ones."""

    # -- dofs ---------------------------------------------------------------------------------------------------------

    def set_dofs_limit(self, lower: Any, upper: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Ends of hinges and slides [rad, m], ([n_envs,] n_dofs) each, lower <= upper.

        Raises GenesisException, too, for a dof without limit: state a range in the model file. The angle that limits a
        ball joint is set by `joint.set_limit`.
        """
        write_dofs_limit(self._built("set_dofs_limit"), lower, upper, dofs_idx_local, envs_idx)

    def get_dofs_limit(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) ends of hinges and slides [rad, m], ([n_envs,] n_dofs) each; infinite where there is none.

        The dofs of ball joints have none of their own (`joint.get_limit`). A range that a model file states is returned
        even if the scene does not enforce limits.
        """
        return read_dofs_limit(self._built("get_dofs_limit"), dofs_idx_local, envs_idx)

    # -- links --------------------------------------------------------------------------------------------------------

    def set_mass(self, mass: Any, envs_idx: Any = None) -> None:
        """Mass of the whole entity [kg], a number or ([n_envs],): masses and inertias of all links are scaled alike.

        What is scaled is what is in force. Gains that the compiler chose for the inertia (actuator `dampratio`, joint
        `springdamper`) stay as compiled.
        """
        method = "set_mass"
        place = self._built(method)
        world, owner = place.world, place.owner(method)
        envs = place.select_envs(method, envs_idx, unique=True)
        value = fit(world, read_tensor(world, mass, "mass", owner), envs, (), "mass", owner)
        require_finite(value, "mass", owner)
        links = select_range(place.counts["links"], 0, place.counts["links"])
        theta = world.theta
        masses, inertias = (
            theta.columns(PARAMETERS[name], place.starts["links"], links) for name in ("links_mass", "links_inertia")
        )
        if bool((value <= 0).any()):
            raise GenesisException(f"{owner}: `mass` is {value.min().item():g} kg; it must be above zero.")
        if bool((theta.read(masses, None).sum(-1) <= 0).any()):
            raise GenesisException(f"{owner}: the links have no mass that could be scaled; use set_links_mass().")
        theta.scale_mass(masses, inertias, envs, value, mass, owner)

    def get_mass(self, envs_idx: Any = None) -> Tensor:
        """Mass of the whole entity [kg], ([n_envs])."""
        place = self._built("get_links_mass")
        return place.world.label(self.get_links_mass(envs_idx=envs_idx).sum(-1))

    def set_links_scaled_mass(self, mass: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Masses of the links [kg], ([n_envs,] n_links), not negative, and inertias in proportion: another density.

        The inertia about the centre of mass is the model's own as it was built, times the mass over the model's own; it
        replaces what `set_links_inertia` gave. Raises GenesisException, too, for a link without mass in the model.
        """
        method = "set_links_scaled_mass"
        write_scaled_mass(self._built(method), method, mass, links_idx_local, envs_idx)

    def get_links_scaled_mass(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Masses of the links [kg], ([n_envs,] n_links), as `get_links_mass`."""
        return self.get_links_mass(links_idx_local, envs_idx)

    def set_links_inertial_mass(self, mass: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """As `set_links_mass`, under the name that it had in older versions of Genesis."""
        self.set_links_mass(mass, links_idx_local, envs_idx)

    def get_links_inertial_mass(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """As `get_links_mass`."""
        return self.get_links_mass(links_idx_local, envs_idx)

    def set_mass_shift(self, mass_shift: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Masses of the links as the model's own plus so much [kg], ([n_envs,] n_links). THE INERTIAS STAY AS THEY ARE.

        As in Genesis: what is added is a point at the centre of mass. The model's own mass is that of the build: the
        shift replaces what `set_links_mass` gave, and is replaced by it.
        """
        method = "set_mass_shift"
        write_shift(self._built(method), "links_mass", "mass_shift", mass_shift, links_idx_local, envs_idx, method)

    def set_COM_shift(self, com_shift: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Centres of mass as the model's own plus so much [m], in the links' frames, ([n_envs,] n_links, 3).

        The inertias about the centres of mass stay. The model's own are those of the build: the shift replaces what
        `set_links_COM` gave, and is replaced by it.
        """
        method = "set_COM_shift"
        write_shift(self._built(method), "links_COM", "com_shift", com_shift, links_idx_local, envs_idx, method)

    # -- geoms --------------------------------------------------------------------------------------------------------

    @property
    def touching_geoms(self) -> list[RigidGeom]:
        """Its geoms that can touch something in this scene; the rows of `get_friction()` and the like."""
        touching = self._built("touching_geoms").touching()
        geoms: list[RigidGeom] = self.geoms  # type: ignore[attr-defined]
        return [geoms[k] for k in touching]

    def set_friction_ratio(self, friction_ratio: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Sliding friction of the links' touching geoms as a multiple of the model's own, ([n_envs,] n_links).

        The model's own is that of the build: the ratio replaces what `set_friction` gave, and is replaced by it.
        """
        method = "set_friction_ratio"
        place = self._built(method)
        world, owner = place.world, place.owner(method)
        chosen = place.select(method, "links", links_idx_local, unique=True)
        envs = place.select_envs(method, envs_idx, unique=True)
        ratio = read_tensor(world, friction_ratio, "friction_ratio", owner)
        ratio = fit(world, ratio, envs, (chosen.count,), "friction_ratio", owner)
        links = {place.starts["links"] + int(link): k for k, link in enumerate(chosen.positions())}
        model = world.composed.mj_model
        geoms = place.starts["geoms"] + place.touching()
        geoms = geoms[np.isin(model.geom_bodyid[geoms], list(links))]
        if not len(geoms):
            raise GenesisException(f"{owner}: no geom of these links can touch anything in this scene.")
        write_geoms(
            world,
            CONSTRAINT_PARAMETERS["friction"],
            geoms,
            envs,
            ratio,
            owner,
            friction_ratio,
            picked=np.array([links[int(body)] for body in model.geom_bodyid[geoms]]),
            factor=model.geom_friction[geoms, 0],
        )

    # -- all of them --------------------------------------------------------------------------------------------------

    def get_parameters(self) -> ParameterTable:
        """The parameters that can be set of it: name, shape (of a value shared by all envs), unit, description.

        The entry `mass` scales the whole entity. `set_<name>` and `get_<name>` write and read each.
        """
        place = self._built("get_parameters")
        rows = [
            {
                "name": parameter.name,
                "shape": (count_of(place, parameter.axis), *parameter.item),
                "unit": parameter.unit,
                "description": parameter.description,
            }
            for parameter in ENTITY_PARAMETERS.values()
            if can_set(place, parameter)
        ]
        rows.append(
            {
                "name": "mass",
                "shape": (),
                "unit": "kg",
                "description": "of the whole entity; its links' masses and inertias are scaled alike",
            }
        )
        return ParameterTable(f"Parameters of '{self._name}', each with set_<name>() and get_<name>():", rows)
