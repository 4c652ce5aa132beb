"""Inverse kinematics: joint positions that put points and orientations of links where they are wanted.

Levenberg-Marquardt in the tangent space of qpos, of one row (env) per thread, from several starts. With the error e of
the targets, J its derivative by the dofs that may move, and E = |e|^2 / 2,

    dq = J' (J J' + lambda I)^-1 e,    lambda = mu damping E,

so that the damping vanishes with the error and convergence is quadratic (Sugihara, Solvability-unconcerned inverse
kinematics by the Levenberg-Marquardt method, IEEE Transactions on Robotics 27(5), 2011); mu grows where a step does not
lessen the error. A dof that a step would take beyond its limit is put to the limit, and the others take over what it
does not do.

The error of an orientation is a rotation vector in the link's frame. The derivative of its square is exact with the
plain angular velocity as its rate, and at a solution so is the rate itself.
"""

import warp as wp

from genesis.math.spatial import quat_exp, quat_mul, quat_normalize
from genesis.rigid.kernels.kinematics import BALL, FREE, HINGE, SLIDE, read_quat
from genesis.rigid.kernels.targets import PI, Chain, Goal, Search, place_frames, write_errors, write_jacobian
from genesis.types import real, untaped, vec2, vec3, vec4

# A step that lessens the error divides mu by this, another multiplies it.
EASE = real(0.5)
TIGHTEN = real(8.0)
LEAST_MU = real(1.0e-3)
# So many steps one after the other that do not lessen the error: there is no way on from here.
MOST_REJECTED = wp.constant(4)
# So many that lessen it by less than a tenth: a local minimum, while there are other starts to try.
MOST_SLOW = wp.constant(2)
SLOW = real(0.9)
# Steps after the tolerances are met, which a solution is polished with.
POLISH = wp.constant(6)


@wp.struct
class Bounds:
    """Of each row the first start, and ends of the columns; ``env``: number of its env in the scene."""

    env: wp.array(dtype=int)
    qpos: wp.array2d(dtype=real)
    lower: wp.array2d(dtype=real)
    upper: wp.array2d(dtype=real)


@wp.struct
class Places:
    """Where things are in a row of the scratch space."""

    q: int
    trial: int
    error: int
    trial_error: int
    J: int
    A: int
    y: int
    dq: int
    fixed: int


@wp.func
def solve_damped(w: int, n_rows: int, n_columns: int, at: Places, damping: real, s: wp.array2d(dtype=real)):
    """y = (J J' + damping I)^-1 (e - J dq of the fixed columns), J without the fixed columns; by Cholesky."""
    for i in range(n_rows):
        r = s[w, at.error + i]
        for c in range(n_columns):
            if s[w, at.fixed + c] != real(0.0):
                r -= s[w, at.J + i * n_columns + c] * s[w, at.dq + c]
        s[w, at.y + i] = r
        for j in range(i + 1):
            a = real(0.0)
            for c in range(n_columns):
                if s[w, at.fixed + c] == real(0.0):
                    a += s[w, at.J + i * n_columns + c] * s[w, at.J + j * n_columns + c]
            if i == j:
                a += damping
            s[w, at.A + i * n_rows + j] = a
    for j in range(n_rows):
        d = s[w, at.A + j * n_rows + j]
        for k in range(j):
            d -= s[w, at.A + j * n_rows + k] * s[w, at.A + j * n_rows + k]
        d = wp.sqrt(wp.max(d, damping * real(1.0e-3)))
        s[w, at.A + j * n_rows + j] = d
        y = s[w, at.y + j]
        for k in range(j):
            y -= s[w, at.A + j * n_rows + k] * s[w, at.y + k]
        s[w, at.y + j] = y / d
        for i in range(j + 1, n_rows):
            x = s[w, at.A + i * n_rows + j]
            for k in range(j):
                x -= s[w, at.A + i * n_rows + k] * s[w, at.A + j * n_rows + k]
            s[w, at.A + i * n_rows + j] = x / d
    for back in range(n_rows):
        j = n_rows - 1 - back
        y = s[w, at.y + j]
        for i in range(j + 1, n_rows):
            y -= s[w, at.A + i * n_rows + j] * s[w, at.y + i]
        s[w, at.y + j] = y / s[w, at.A + j * n_rows + j]


@wp.func
def write_step(
    w: int,
    n_rows: int,
    chain: Chain,
    bounds: Bounds,
    at: Places,
    damping: real,
    max_step: real,
    s: wp.array2d(dtype=real),
):
    """The step dq of all columns: damped, within the bounds, none larger than ``max_step``."""
    n_columns = bounds.lower.shape[1]
    for c in range(n_columns):
        s[w, at.fixed + c] = real(0.0)
        s[w, at.dq + c] = real(0.0)
    again = int(1)
    while again == 1:
        again = int(0)
        solve_damped(w, n_rows, n_columns, at, damping, s)
        largest = real(0.0)
        for c in range(n_columns):
            if s[w, at.fixed + c] == real(0.0):
                d = real(0.0)
                for i in range(n_rows):
                    d += s[w, at.J + i * n_columns + c] * s[w, at.y + i]
                s[w, at.dq + c] = d
                largest = wp.max(largest, wp.abs(d))
        if largest > max_step:
            scale = max_step / largest
            for c in range(n_columns):
                if s[w, at.fixed + c] == real(0.0):
                    s[w, at.dq + c] = s[w, at.dq + c] * scale
        for k in range(chain.frame_parent.shape[0]):
            kind = chain.frame_type[k]
            c = chain.frame_column[k, 0]
            if c >= 0 and (kind == HINGE or kind == SLIDE):
                if s[w, at.fixed + c] == real(0.0):
                    q = s[w, at.q + chain.frame_q[k]]
                    moved = wp.clamp(q + s[w, at.dq + c], bounds.lower[w, c], bounds.upper[w, c])
                    if moved != q + s[w, at.dq + c]:
                        s[w, at.dq + c] = moved - q
                        s[w, at.fixed + c] = real(1.0)
                        again = int(1)


@wp.func
def write_trial(w: int, chain: Chain, bounds: Bounds, at: Places, s: wp.array2d(dtype=real)):
    """The positions q moved by dq, in the tangent space, and within the bounds in spite of rounding."""
    for k in range(chain.frame_parent.shape[0]):
        if chain.frame_jnt[k] >= 0:
            kind = chain.frame_type[k]
            q = chain.frame_q[k]
            turn = int(-1)
            if kind == FREE:
                for i in range(3):
                    c = chain.frame_column[k, i]
                    if c >= 0:
                        s[w, at.trial + q + i] = s[w, at.q + q + i] + s[w, at.dq + c]
                turn = 3
            elif kind == BALL:
                turn = 0
            else:
                c = chain.frame_column[k, 0]
                if c >= 0:
                    moved = s[w, at.q + q] + s[w, at.dq + c]
                    s[w, at.trial + q] = wp.clamp(moved, bounds.lower[w, c], bounds.upper[w, c])
            if turn >= 0:
                spin = vec3()
                for i in range(3):
                    c = chain.frame_column[k, turn + i]
                    if c >= 0:
                        spin[i] = s[w, at.dq + c]
                if wp.dot(spin, spin) > real(0.0):
                    moved_quat = quat_normalize(
                        quat_mul(quat_normalize(read_quat(s, w, at.q + q + turn)), quat_exp(spin))
                    )
                    for i in range(4):
                        s[w, at.trial + q + turn + i] = moved_quat[i]


@wp.func
def write_start(
    w: int, env: int, sample: int, chain: Chain, bounds: Bounds, search: Search, at: Places, s: wp.array2d(dtype=real)
):
    """The first start, or another by chance: between the limits, where a joint has them; else by up to half a turn from
    the first start, and any orientation, where all of it may move. It depends on nothing but the numbers of the env and
    of the sample, and the seed.
    """
    for i in range(bounds.qpos.shape[1]):
        s[w, at.trial + i] = bounds.qpos[w, i]
    state = wp.rand_init(search.seed, env * 7919 + sample)
    for k in range(chain.frame_parent.shape[0]):
        if chain.frame_jnt[k] >= 0:
            kind = chain.frame_type[k]
            q = at.trial + chain.frame_q[k]
            if kind == HINGE or kind == SLIDE:
                c = chain.frame_column[k, 0]
                if c >= 0:
                    low = bounds.lower[w, c]
                    high = bounds.upper[w, c]
                    if sample > 0:
                        share = real(wp.randf(state))
                        if wp.isfinite(low) and wp.isfinite(high):
                            s[w, q] = low + share * (high - low)
                        elif kind == HINGE:
                            s[w, q] = s[w, q] + PI * (real(2.0) * share - real(1.0))
                    s[w, q] = wp.clamp(s[w, q], low, high)
            elif sample > 0:
                turn = int(0)
                if kind == FREE:
                    turn = 3
                x = real(wp.randn(state))
                y = real(wp.randn(state))
                z = real(wp.randn(state))
                v = real(wp.randn(state))
                all_of_it = int(1)
                for i in range(3):
                    if chain.frame_column[k, turn + i] < 0:
                        all_of_it = int(0)
                if all_of_it == 1:
                    any_quat = quat_normalize(vec4(x, y, z, v))
                    for i in range(4):
                        s[w, q + turn + i] = any_quat[i]


@wp.func
def accept(w: int, n_qs: int, n_rows: int, at: Places, s: wp.array2d(dtype=real)):
    """The trial becomes the present point."""
    for i in range(n_qs):
        s[w, at.q + i] = s[w, at.trial + i]
    for i in range(n_rows):
        s[w, at.error + i] = s[w, at.trial_error + i]


@wp.func
def descend(
    w: int,
    env: int,
    n_rows: int,
    patience: int,
    chain: Chain,
    goal: Goal,
    bounds: Bounds,
    search: Search,
    at: Places,
    theta: wp.array2d(dtype=real),
    mocap: wp.array2d(dtype=real),
    s: wp.array2d(dtype=real),
) -> vec2:
    """From the trial point down to a minimum, which is left in q; E there, and 1 where the tolerances are met.

    It gives up after ``patience`` steps one after the other that hardly lessen the error.
    """
    n_qs = bounds.qpos.shape[1]
    n_columns = bounds.lower.shape[1]
    place_frames(w, chain, theta, mocap, env, at.trial, s)
    found = write_errors(w, chain, goal, search, s, s, at.trial_error)
    accept(w, n_qs, n_rows, at, s)
    write_jacobian(w, chain, goal, n_columns, s, s, at.J)
    mu = real(1.0)
    rejected = int(0)
    slow = int(0)
    iteration = int(0)
    last = search.max_iterations
    polishing = int(0)
    going = int(1)
    while going == 1:
        if found[1] == real(1.0) and polishing == 0:
            polishing = 1
            last = iteration + POLISH
        if iteration >= last or found[0] <= search.least:
            going = int(0)
        else:
            damping = search.floor + mu * search.damping * found[0]
            write_step(w, n_rows, chain, bounds, at, damping, search.max_step, s)
            write_trial(w, chain, bounds, at, s)
            place_frames(w, chain, theta, mocap, env, at.trial, s)
            tried = write_errors(w, chain, goal, search, s, s, at.trial_error)
            iteration += 1
            if tried[0] < found[0] and (polishing == 0 or tried[1] == real(1.0)):
                rejected = int(0)
                if tried[0] > SLOW * found[0]:
                    slow += 1
                else:
                    slow = int(0)
                mu = wp.max(mu * EASE, LEAST_MU)
                found = tried
                accept(w, n_qs, n_rows, at, s)
                write_jacobian(w, chain, goal, n_columns, s, s, at.J)
            else:
                mu = mu * TIGHTEN
                rejected += 1
                if polishing == 1:
                    rejected = MOST_REJECTED  # what is left is rounding error
            if rejected >= MOST_REJECTED or slow >= patience:
                going = int(0)
    return found


@untaped
def inverse_kinematics(
    first: int,
    chain: Chain,
    goal: Goal,
    bounds: Bounds,
    search: Search,
    at: Places,
    theta: wp.array2d(dtype=real),
    mocap: wp.array2d(dtype=real),
    s: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    error: wp.array2d(dtype=real),
    jacobian: wp.array2d(dtype=real),
    success: wp.array(dtype=int),
):
    """The best solution of each row: ``qpos``, its ``error``, J there, and whether the tolerances are met."""
    w = first + wp.tid()
    env = bounds.env[w]
    n_qs = bounds.qpos.shape[1]
    n_rows = error.shape[1]
    n_columns = bounds.lower.shape[1]
    for i in range(n_rows * n_columns):
        s[w, at.J + i] = real(0.0)
    success[w] = 0
    best = real(-1.0)
    sample = int(0)
    last = search.max_samples
    if last == 1:
        last = 0
    # The start after the last is where the best of them has led, from which it goes on as far as it can.
    while sample <= last and success[w] == 0:
        patience = MOST_SLOW
        if sample == last:
            patience = search.max_iterations
        for i in range(n_qs):
            s[w, at.q + i] = bounds.qpos[w, i]
        if sample == last and last > 0:
            for i in range(n_qs):
                s[w, at.trial + i] = qpos[w, i]
        else:
            write_start(w, env, sample, chain, bounds, search, at, s)
        found = descend(w, env, n_rows, patience, chain, goal, bounds, search, at, theta, mocap, s)
        if found[1] == real(1.0):
            success[w] = 1
        if success[w] == 1 or best < real(0.0) or found[0] < best:
            best = found[0]
            for i in range(n_qs):
                qpos[w, i] = s[w, at.q + i]
            for i in range(n_rows):
                error[w, i] = s[w, at.error + i]
            for i in range(n_rows * n_columns):
                jacobian[w, i] = s[w, at.J + i]
        sample += 1
