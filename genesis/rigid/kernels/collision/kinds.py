"""Kinds of pairs of shapes, as kernels see them; the numbers are those of :mod:`genesis.model.contact`."""

import warp as wp

from genesis.model import contact

PLANE_SPHERE = wp.constant(contact.PLANE_SPHERE)
PLANE_CAPSULE = wp.constant(contact.PLANE_CAPSULE)
PLANE_ELLIPSOID = wp.constant(contact.PLANE_ELLIPSOID)
PLANE_CYLINDER = wp.constant(contact.PLANE_CYLINDER)
PLANE_BOX = wp.constant(contact.PLANE_BOX)
PLANE_MESH = wp.constant(contact.PLANE_MESH)
SPHERE_SPHERE = wp.constant(contact.SPHERE_SPHERE)
SPHERE_CAPSULE = wp.constant(contact.SPHERE_CAPSULE)
SPHERE_CYLINDER = wp.constant(contact.SPHERE_CYLINDER)
SPHERE_BOX = wp.constant(contact.SPHERE_BOX)
CAPSULE_CAPSULE = wp.constant(contact.CAPSULE_CAPSULE)
CAPSULE_BOX = wp.constant(contact.CAPSULE_BOX)
BOX_BOX = wp.constant(contact.BOX_BOX)
