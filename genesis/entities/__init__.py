"""Entities: handles with names and index ranges over the scene's tensors."""

from genesis.entities.drone_entity import DroneEntity
from genesis.entities.kinematic_entity import KinematicEntity
from genesis.entities.rigid_entity import RigidEntity
from genesis.entities.rigid_geom import RigidGeom
from genesis.entities.rigid_joint import RigidJoint
from genesis.entities.rigid_link import RigidLink
from genesis.entities.rigid_solver import RigidSolver
from genesis.entities.rigid_vis_geom import RigidVisGeom

__all__ = [
    "DroneEntity",
    "KinematicEntity",
    "RigidEntity",
    "RigidGeom",
    "RigidJoint",
    "RigidLink",
    "RigidSolver",
    "RigidVisGeom",
]
