"""Where sites are, in the world."""

import warp as wp

from genesis.math.spatial import quat_mul, quat_rotate
from genesis.rigid.kernels.groups import Sites
from genesis.types import vec3, vec4


@wp.func
def site_place(w: int, site: int, sites: Sites, xpos: wp.array2d(dtype=vec3), xquat: wp.array2d(dtype=vec4)) -> vec3:
    b = sites.site_bodyid[site]
    return xpos[w, b] + quat_rotate(xquat[w, b], sites.site_pos[w, site])


@wp.func
def site_orientation(w: int, site: int, sites: Sites, xquat: wp.array2d(dtype=vec4)) -> vec4:
    return quat_mul(xquat[w, sites.site_bodyid[site]], sites.site_quat[w, site])
