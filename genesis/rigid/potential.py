"""Potentials of the constraints: value, gradient and second derivative at the residual y = J qacc - aref.

What each is, is said in :mod:`genesis.rigid.constraint`, whose taped kernel evaluates the forces once more for their
adjoint.
"""

import warp as wp

from genesis.types import mat66, real, vec6

HALF = real(0.5)


@wp.func
def friction_loss_cost(y: real, D: real, loss: real) -> real:
    """Quadratic near zero, linear where the force would exceed ``loss``."""
    cost = HALF * D * y * y
    if wp.abs(D * y) > loss:
        cost = loss * wp.abs(y) - HALF * loss * loss / D
    return cost


@wp.func
def contact_cost(
    w: int,
    c: int,
    dim: int,
    elliptic: int,
    impratio: real,
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    y: wp.array3d(dtype=real),
) -> real:
    cost = real(0.0)
    if dim == 1:
        x = wp.min(y[w, c, 0], real(0.0))
        cost = HALF * con_D[w, c, 0] * x * x
    elif elliptic == 0:
        for r in range(1, dim):
            slope = con_friction[w, c, r - 1] * y[w, c, r]
            plus = wp.min(y[w, c, 0] + slope, real(0.0))
            minus = wp.min(y[w, c, 0] - slope, real(0.0))
            cost += HALF * con_D[w, c, 0] * (plus * plus + minus * minus)
    else:
        mu = con_friction[w, c, 0] / wp.sqrt(impratio)
        normal = mu * y[w, c, 0]
        tangent2 = real(0.0)
        for r in range(1, dim):
            scaled = con_friction[w, c, r - 1] * y[w, c, r]
            tangent2 += scaled * scaled
        tangent = wp.sqrt(tangent2)
        if normal >= mu * tangent:
            cost = real(0.0)
        elif mu * normal + tangent <= real(0.0):
            for r in range(dim):
                cost += HALF * con_D[w, c, r] * y[w, c, r] * y[w, c, r]
        else:
            excess = normal - mu * tangent
            cost = HALF * con_D[w, c, 0] / (mu * mu * (real(1.0) + mu * mu)) * excess * excess
    return cost


@wp.func
def contact_slope(
    w: int,
    c: int,
    dim: int,
    elliptic: int,
    impratio: real,
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    y: wp.array3d(dtype=real),
    v: wp.array3d(dtype=real),
    alpha: real,
):
    """First and second derivative by alpha of the potential at y + alpha v."""
    slope = real(0.0)
    curvature = real(0.0)
    y0 = y[w, c, 0] + alpha * v[w, c, 0]
    v0 = v[w, c, 0]
    if dim == 1:
        if y0 < real(0.0):
            slope = con_D[w, c, 0] * y0 * v0
            curvature = con_D[w, c, 0] * v0 * v0
    elif elliptic == 0:
        for r in range(1, dim):
            mu = con_friction[w, c, r - 1]
            along = mu * (y[w, c, r] + alpha * v[w, c, r])
            across = mu * v[w, c, r]
            if y0 + along < real(0.0):
                slope += con_D[w, c, 0] * (y0 + along) * (v0 + across)
                curvature += con_D[w, c, 0] * (v0 + across) * (v0 + across)
            if y0 - along < real(0.0):
                slope += con_D[w, c, 0] * (y0 - along) * (v0 - across)
                curvature += con_D[w, c, 0] * (v0 - across) * (v0 - across)
    else:
        mu_cone = con_friction[w, c, 0] / wp.sqrt(impratio)
        normal = mu_cone * y0
        uu = real(0.0)
        uv = real(0.0)
        vv = real(0.0)
        for r in range(1, dim):
            u = con_friction[w, c, r - 1] * (y[w, c, r] + alpha * v[w, c, r])
            du = con_friction[w, c, r - 1] * v[w, c, r]
            uu += u * u
            uv += u * du
            vv += du * du
        tangent = wp.sqrt(uu)
        if normal >= mu_cone * tangent:
            slope = real(0.0)
        elif mu_cone * normal + tangent <= real(0.0):
            for r in range(dim):
                slope += con_D[w, c, r] * (y[w, c, r] + alpha * v[w, c, r]) * v[w, c, r]
                curvature += con_D[w, c, r] * v[w, c, r] * v[w, c, r]
        else:
            scale = con_D[w, c, 0] / (mu_cone * mu_cone * (real(1.0) + mu_cone * mu_cone))
            excess = normal - mu_cone * tangent
            rate = uv / tangent
            excess_rate = mu_cone * v0 - mu_cone * rate
            slope = scale * excess * excess_rate
            curvature = scale * (excess_rate * excess_rate - excess * mu_cone * (vv - rate * rate) / tangent)
    return slope, curvature


@wp.func
def contact_force(
    w: int,
    c: int,
    dim: int,
    elliptic: int,
    impratio: real,
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    y: wp.array3d(dtype=real),
) -> vec6:
    """Minus the gradient of the potential."""
    force = vec6()
    if dim == 1:
        force[0] = -con_D[w, c, 0] * wp.min(y[w, c, 0], real(0.0))
    elif elliptic == 0:
        for r in range(1, dim):
            mu = con_friction[w, c, r - 1]
            plus = wp.min(y[w, c, 0] + mu * y[w, c, r], real(0.0))
            minus = wp.min(y[w, c, 0] - mu * y[w, c, r], real(0.0))
            force[0] -= con_D[w, c, 0] * (plus + minus)
            force[r] -= con_D[w, c, 0] * mu * (plus - minus)
    else:
        mu_cone = con_friction[w, c, 0] / wp.sqrt(impratio)
        normal = mu_cone * y[w, c, 0]
        tangent2 = real(0.0)
        for r in range(1, dim):
            scaled = con_friction[w, c, r - 1] * y[w, c, r]
            tangent2 += scaled * scaled
        tangent = wp.sqrt(tangent2)
        if normal >= mu_cone * tangent:
            force[0] = real(0.0)
        elif mu_cone * normal + tangent <= real(0.0):
            for r in range(dim):
                force[r] = -con_D[w, c, r] * y[w, c, r]
        else:
            mu2 = mu_cone * mu_cone
            scale = con_D[w, c, 0] / (mu2 * (real(1.0) + mu2)) * (normal - mu_cone * tangent) * mu_cone
            force[0] = -scale
            for r in range(1, dim):
                mu_r = con_friction[w, c, r - 1]
                force[r] = scale * mu_r * mu_r * y[w, c, r] / tangent
    return force


@wp.func
def contact_hessian(
    w: int,
    c: int,
    dim: int,
    elliptic: int,
    impratio: real,
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    y: wp.array3d(dtype=real),
) -> mat66:
    """Second derivative of the potential; rows and columns beyond ``dim`` are zero."""
    hessian = mat66()
    if dim == 1:
        if y[w, c, 0] < real(0.0):
            hessian[0, 0] = con_D[w, c, 0]
    elif elliptic == 0:
        for r in range(1, dim):
            mu = con_friction[w, c, r - 1]
            weight = real(0.0)
            difference = real(0.0)
            if y[w, c, 0] + mu * y[w, c, r] < real(0.0):
                weight += con_D[w, c, 0]
                difference += con_D[w, c, 0]
            if y[w, c, 0] - mu * y[w, c, r] < real(0.0):
                weight += con_D[w, c, 0]
                difference -= con_D[w, c, 0]
            hessian[0, 0] += weight
            hessian[0, r] = mu * difference
            hessian[r, 0] = mu * difference
            hessian[r, r] = mu * mu * weight
    else:
        mu_cone = con_friction[w, c, 0] / wp.sqrt(impratio)
        normal = mu_cone * y[w, c, 0]
        tangent2 = real(0.0)
        for r in range(1, dim):
            scaled = con_friction[w, c, r - 1] * y[w, c, r]
            tangent2 += scaled * scaled
        tangent = wp.sqrt(tangent2)
        if normal >= mu_cone * tangent:
            hessian[0, 0] = real(0.0)
        elif mu_cone * normal + tangent <= real(0.0):
            for r in range(dim):
                hessian[r, r] = con_D[w, c, r]
        else:
            # potential: scale / 2 * excess^2;  gradient of excess: slope
            scale = con_D[w, c, 0] / (mu_cone * mu_cone * (real(1.0) + mu_cone * mu_cone))
            excess = normal - mu_cone * tangent
            slope = vec6()
            slope[0] = mu_cone
            for r in range(1, dim):
                mu_r = con_friction[w, c, r - 1]
                slope[r] = -mu_cone * mu_r * mu_r * y[w, c, r] / tangent
            for r in range(dim):
                for s in range(dim):
                    hessian[r, s] = scale * slope[r] * slope[s]
            for r in range(1, dim):
                mu_r = con_friction[w, c, r - 1]
                hessian[r, r] -= scale * excess * mu_cone * mu_r * mu_r / tangent
                for s in range(1, dim):
                    hessian[r, s] += scale * excess * slope[r] * slope[s] / (mu_cone * tangent)
    return hessian
