"""Quaternions, rotations and spatial algebra inside kernels (MuJoCo's conventions).

Quaternions are (w, x, y, z). A spatial vector is (rotation, translation). A spatial inertia is stored in ten numbers,
about a reference point and in world axes: rotational inertia (xx yy zz xy xz yz), mass times the offset of the centre
of mass from the reference point (3), mass.

Functions near a removable singularity switch to a power series, so that value and adjoint are accurate on both sides.
"""

import warp as wp

from genesis.types import mat33, real, vec3, vec4, vec6, vec10

# Below this squared half-angle the series of the functions here are exact to rounding in 64 bits: their first dropped
# term is x^8 = 1e-16 times a coefficient of at most 1/9.
SERIES_LIMIT = real(1.0e-4)
# A quaternion shorter than this has no direction; setters refuse it, and kernels take the identity as MuJoCo does.
MIN_NORM_SQUARED = real(1.0e-30)
# Coefficients are typed constants: a literal or a quotient inside a kernel would be rounded to 32 bits first.
FIFTH = real(1.0 / 5.0)
INV_3 = real(1.0 / 3.0)
INV_6 = real(1.0 / 6.0)
INV_7 = real(1.0 / 7.0)
INV_24 = real(1.0 / 24.0)
INV_120 = real(1.0 / 120.0)
INV_720 = real(1.0 / 720.0)
INV_5040 = real(1.0 / 5040.0)


@wp.func
def quat_identity() -> vec4:
    return vec4(real(1.0), real(0.0), real(0.0), real(0.0))


@wp.func
def quat_mul(a: vec4, b: vec4) -> vec4:
    return vec4(
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    )


@wp.func
def quat_conj(q: vec4) -> vec4:
    return vec4(q[0], -q[1], -q[2], -q[3])


@wp.func
def quat_normalize(q: vec4) -> vec4:
    n2 = wp.dot(q, q)
    if n2 > MIN_NORM_SQUARED:
        return q * (real(1.0) / wp.sqrt(n2))
    return quat_identity()


@wp.func
def quat_rotate(q: vec4, v: vec3) -> vec3:
    """Rotate ``v`` by the unit quaternion ``q``: v + 2 w (u x v) + 2 u x (u x v), with q = (w, u)."""
    u = vec3(q[1], q[2], q[3])
    t = real(2.0) * wp.cross(u, v)
    return v + q[0] * t + wp.cross(u, t)


@wp.func
def quat_to_mat(q: vec4) -> mat33:
    """Rotation matrix of a unit quaternion (MuJoCo: mju_quat2Mat)."""
    w = q[0]
    x = q[1]
    y = q[2]
    z = q[3]
    two = real(2.0)
    return mat33(
        w * w + x * x - y * y - z * z,
        two * (x * y - w * z),
        two * (x * z + w * y),
        two * (x * y + w * z),
        w * w - x * x + y * y - z * z,
        two * (y * z - w * x),
        two * (x * z - w * y),
        two * (y * z + w * x),
        w * w - x * x - y * y + z * z,
    )


@wp.func
def quat_from_axis_angle(axis: vec3, angle: real) -> vec4:
    s = wp.sin(angle * real(0.5))
    return vec4(wp.cos(angle * real(0.5)), axis[0] * s, axis[1] * s, axis[2] * s)


@wp.func
def quat_exp(r: vec3) -> vec4:
    """Quaternion of the rotation vector ``r`` [rad]: (cos h, r sin(h) / (2 h)) with h = |r| / 2."""
    h2 = real(0.25) * wp.dot(r, r)
    if h2 < SERIES_LIMIT:
        c = real(1.0) - h2 * (real(0.5) - h2 * (INV_24 - h2 * INV_720))
        s = real(0.5) * (real(1.0) - h2 * (INV_6 - h2 * (INV_120 - h2 * INV_5040)))
        return vec4(c, r[0] * s, r[1] * s, r[2] * s)
    h = wp.sqrt(h2)
    s = real(0.5) * wp.sin(h) / h
    return vec4(wp.cos(h), r[0] * s, r[1] * s, r[2] * s)


@wp.func
def quat_log(q: vec4) -> vec3:
    """Rotation vector [rad] of a quaternion, of length at most pi (MuJoCo: mju_quat2Vel with dt = 1).

    At a rotation by exactly pi the branch w >= 0 is taken, and so is its one-sided derivative.
    """
    v = vec3(q[1], q[2], q[3])
    s2 = wp.dot(v, v)
    sign = real(1.0)
    if q[0] < real(0.0):
        sign = real(-1.0)
    w = sign * q[0]
    if s2 < SERIES_LIMIT * w * w:
        t2 = s2 / (w * w)
        f = real(1.0) - t2 * (INV_3 - t2 * (FIFTH - t2 * INV_7))
        return v * (sign * real(2.0) * f / w)
    s = wp.sqrt(s2)
    return v * (sign * real(2.0) * wp.atan2(s, w) / s)


@wp.func
def quat_sub(a: vec4, b: vec4) -> vec3:
    """Rotation vector [rad] in the frame of ``b`` that takes ``b`` to ``a`` (MuJoCo: mju_subQuat), unit quaternions."""
    return quat_log(quat_mul(quat_conj(b), a))


@wp.func
def quat_from_euler(e: vec3) -> vec4:
    """Quaternion of the extrinsic x-y-z Euler angles ``e`` [rad]: R = Rz Ry Rx."""
    half = real(0.5)
    cx = wp.cos(half * e[0])
    sx = wp.sin(half * e[0])
    cy = wp.cos(half * e[1])
    sy = wp.sin(half * e[1])
    cz = wp.cos(half * e[2])
    sz = wp.sin(half * e[2])
    return vec4(
        cx * cy * cz + sx * sy * sz,
        sx * cy * cz - cx * sy * sz,
        cx * sy * cz + sx * cy * sz,
        cx * cy * sz - sx * sy * cz,
    )


@wp.func
def rotation(s: vec6) -> vec3:
    return vec3(s[0], s[1], s[2])


@wp.func
def translation(s: vec6) -> vec3:
    return vec3(s[3], s[4], s[5])


@wp.func
def spatial(r: vec3, t: vec3) -> vec6:
    return vec6(r[0], r[1], r[2], t[0], t[1], t[2])


@wp.func
def motion_cross(v: vec6, s: vec6) -> vec6:
    """Spatial cross product of two motions (MuJoCo: mju_crossMotion)."""
    w = rotation(v)
    return spatial(wp.cross(w, rotation(s)), wp.cross(w, translation(s)) + wp.cross(translation(v), rotation(s)))


@wp.func
def force_cross(v: vec6, f: vec6) -> vec6:
    """Spatial cross product of a motion with a force (MuJoCo: mju_crossForce)."""
    w = rotation(v)
    return spatial(wp.cross(w, rotation(f)) + wp.cross(translation(v), translation(f)), wp.cross(w, translation(f)))


@wp.func
def inertia_mul(i: vec10, v: vec6) -> vec6:
    """Momentum of the inertia ``i`` moving with ``v`` (MuJoCo: mju_mulInertVec)."""
    w = rotation(v)
    t = translation(v)
    h = vec3(i[6], i[7], i[8])
    iw = vec3(
        i[0] * w[0] + i[3] * w[1] + i[4] * w[2],
        i[3] * w[0] + i[1] * w[1] + i[5] * w[2],
        i[4] * w[0] + i[5] * w[1] + i[2] * w[2],
    )
    return spatial(iw + wp.cross(h, t), i[9] * t - wp.cross(h, w))


@wp.func
def symmetric(i: vec6) -> mat33:
    """Symmetric matrix of its six numbers (xx, yy, zz, xy, xz, yz)."""
    return mat33(i[0], i[3], i[4], i[3], i[1], i[5], i[4], i[5], i[2])


@wp.func
def inertia_at(mass: real, inertia: vec6, rot: mat33, offset: vec3) -> vec10:
    """Spatial inertia about a point, in world axes (MuJoCo: mju_inertCom).

    ``inertia`` [kg m^2]: about the centre of mass, in axes that ``rot`` takes to the world's; ``offset`` [m]: centre
    of mass relative to the point, world axes.
    """
    c = rot * symmetric(inertia) * wp.transpose(rot)
    d2 = wp.dot(offset, offset)
    return vec10(
        c[0, 0] + mass * (d2 - offset[0] * offset[0]),
        c[1, 1] + mass * (d2 - offset[1] * offset[1]),
        c[2, 2] + mass * (d2 - offset[2] * offset[2]),
        c[0, 1] - mass * offset[0] * offset[1],
        c[0, 2] - mass * offset[0] * offset[2],
        c[1, 2] - mass * offset[1] * offset[2],
        mass * offset[0],
        mass * offset[1],
        mass * offset[2],
        mass,
    )


@wp.func
def root(x: real) -> real:
    """Square root whose slope at zero is taken for zero, for what is multiplied with a quantity that vanishes there."""
    if x > real(0.0):
        return wp.sqrt(x)
    return real(0.0)


@wp.func
def length(v: vec3) -> real:
    """|v|, with `root`."""
    return root(wp.dot(v, v))


@wp.func
def unit(k: int) -> vec3:
    """Coordinate axis ``k`` (0, 1 or 2)."""
    return vec3(
        wp.where(k == 0, real(1.0), real(0.0)),
        wp.where(k == 1, real(1.0), real(0.0)),
        wp.where(k == 2, real(1.0), real(0.0)),
    )
