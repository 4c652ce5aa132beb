"""Physical parameters as ``torch.nn.Module``s: whatever an optimiser does to their coordinates, the value is possible.

    mass = gs.parameters.positive(robot.get_links_mass([hand])[0])
    optimizer = torch.optim.Adam(mass.parameters(), lr=0.02)
    ...
    robot.set_links_mass(mass(), [hand])  # in every iteration, before the motion

Calling a module gives the value, with its graph to the coordinates, of a shape that the setters of
:mod:`genesis.entities` take: ``(n, ...)`` for all envs or ``(n_envs, n, ...)`` for one per env.
"""

from genesis.parameters.base import ParameterModule
from genesis.parameters.bounds import Bounded, Positive
from genesis.parameters.inertia import Inertia, InertiaValue
from genesis.parameters.rotation import Rotation

# The names of the public interface.
positive = Positive
bounded = Bounded
inertia = Inertia
rotation = Rotation

__all__ = [
    "Bounded",
    "Inertia",
    "InertiaValue",
    "ParameterModule",
    "Positive",
    "Rotation",
    "bounded",
    "inertia",
    "positive",
    "rotation",
]
