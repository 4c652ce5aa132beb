"""Materials of Genesis that are no rigid bodies. Each is a class that is refused with the reason when it is used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from genesis.materials import Material

_RIGID_ONLY = "this engine simulates rigid bodies only, no soft bodies, cloth, liquids, sand or smoke"


class Refused(Material):
    """Base of materials that are not simulated. Raises ``GenesisException`` when one is made."""

    reason: ClassVar[str] = _RIGID_ONLY

    def __init__(self, **arguments: Any) -> None:
        raise self.refusal(self.reason)


class Hybrid(Refused):
    """A soft body around a rigid skeleton."""


class Tool(Refused):
    """A body that moves others and is moved by none."""

    reason: ClassVar[str] = (
        "this engine has no tool solver; a rigid body that goes where it is told is a mocap body of an MJCF file, or a "
        "fixed entity that is moved by set_pos"
    )


def _solver(method: str, *names: str) -> SimpleNamespace:
    """The materials of one of Genesis's solvers, as ``gs.materials.MPM.Elastic``."""
    kinds = {
        name: type(name, (Refused,), {"__doc__": f"{name}, of {method}.", "__module__": __name__}) for name in names
    }
    return SimpleNamespace(**kinds)


MPM = _solver("the material point method", "Base", "Elastic", "ElastoPlastic", "Liquid", "Muscle", "Sand", "Snow")
SPH = _solver("smoothed particle hydrodynamics", "Base", "Liquid")
PBD = _solver("position based dynamics", "Base", "Cloth", "Elastic", "Liquid", "Particle")
FEM = _solver("finite elements", "Base", "Cloth", "Elastic", "Muscle")
SF = _solver("stable fluids", "Base", "Smoke")
