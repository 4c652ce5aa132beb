"""What the surfaces of a contact do beside pressing on each other: they run, as belts do, and they stick (MuJoCo:
mj_geomSurfaceVelocity, mj_addSurfaceVel; mj_adhesion, mj_adhesionRef).

Running, u is the velocity of the second geom's surface against the first's, as far as it is felt: along the two
tangents and about the normal. It is added to J qvel in the reference acceleration of these rows.

Sticking, the cone of forces is moved down the normal by the adhesion: a smooth force pulls with it, and the normal's
reference acceleration gains adhesion / D, which undoes what the pull would do to how deep the shapes press. The contact
transmits the solver's force less the adhesion. Within the gap it has no friction, and its normal pulls.
"""

import warp as wp

from genesis.math.spatial import spatial
from genesis.model.contact import PARAMS_EXPLICIT, PARAMS_FIRST, PARAMS_SECOND
from genesis.rigid.kernels.constraint.groups import Chains, ContactGeometry, PairTable
from genesis.rigid.kernels.groups import Shapes
from genesis.types import mat33, real, taped, vec3

FIRST = wp.constant(PARAMS_FIRST)
SECOND = wp.constant(PARAMS_SECOND)
EXPLICIT = wp.constant(PARAMS_EXPLICIT)


@wp.func
def turning_of(w: int, g: int, shapes: Shapes, geom_surfacevel: wp.array3d(dtype=real)) -> vec3:
    """Angular velocity of a geom's surface [rad/s], in the world."""
    return shapes.geom_xmat[w, g] * vec3(geom_surfacevel[w, g, 3], geom_surfacevel[w, g, 4], geom_surfacevel[w, g, 5])


@wp.func
def velocity_of(w: int, g: int, point: vec3, shapes: Shapes, geom_surfacevel: wp.array3d(dtype=real)) -> vec3:
    """Velocity of a geom's surface at a point [m/s], in the world."""
    along = vec3(geom_surfacevel[w, g, 0], geom_surfacevel[w, g, 1], geom_surfacevel[w, g, 2])
    arm = point - shapes.geom_xpos[w, g]
    return shapes.geom_xmat[w, g] * along + wp.cross(turning_of(w, g, shapes, geom_surfacevel), arm)


@taped
def surface_velocities(
    pairs: PairTable,
    shapes: Shapes,
    geom_surfacevel: wp.array3d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_pos: wp.array2d(dtype=vec3),
    con_frame: wp.array2d(dtype=mat33),
    con_surfacevel: wp.array3d(dtype=real),
):
    """``con_surfacevel``: along both tangents [m/s] and about the normal [rad/s]."""
    w = wp.tid()
    for c in range(ncon[w, 1]):
        g = pairs.cpair_geom[con_pair[w, c], 0]
        h = pairs.cpair_geom[con_pair[w, c], 1]
        point = con_pos[w, c]
        moves = velocity_of(w, h, point, shapes, geom_surfacevel) - velocity_of(w, g, point, shapes, geom_surfacevel)
        turns = turning_of(w, h, shapes, geom_surfacevel) - turning_of(w, g, shapes, geom_surfacevel)
        in_frame = con_frame[w, c] * moves
        con_surfacevel[w, c, 0] = in_frame[1]
        con_surfacevel[w, c, 1] = in_frame[2]
        con_surfacevel[w, c, 2] = (con_frame[w, c] * turns)[0]


@wp.func
def adhesion_of(
    w: int, pair: int, pairs: PairTable, geom_adhesion: wp.array2d(dtype=real), pair_adhesion: wp.array2d(dtype=real)
) -> real:
    """Of a <pair> its own, else that of the geom with priority, or of both together."""
    mode = pairs.cpair_params[pair]
    adhesion = real(0.0)
    if mode == EXPLICIT:
        adhesion = pair_adhesion[w, pairs.cpair_explicit[pair]]
    elif mode == FIRST:
        adhesion = geom_adhesion[w, pairs.cpair_geom[pair, 0]]
    elif mode == SECOND:
        adhesion = geom_adhesion[w, pairs.cpair_geom[pair, 1]]
    else:
        adhesion = geom_adhesion[w, pairs.cpair_geom[pair, 0]] + geom_adhesion[w, pairs.cpair_geom[pair, 1]]
    return adhesion


@taped
def adhesive_forces(
    pairs: PairTable,
    chains: Chains,
    geometry: ContactGeometry,
    adhesion_pulls: int,
    geom_adhesion: wp.array2d(dtype=real),
    pair_adhesion: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_adhesion: wp.array3d(dtype=real),
    qfrc_passive: wp.array2d(dtype=real),
):
    """``con_adhesion`` [N], and qfrc_passive -= J' of it along the normal.

    ``adhesion_pulls``: 0 where passive forces are disabled. What does not stick has no contact within the gap.
    """
    w = wp.tid()
    for c in range(ncon[w, 1]):
        pair = con_pair[w, c]
        adhesion = adhesion_of(w, pair, pairs, geom_adhesion, pair_adhesion)
        con_adhesion[w, c, 0] = adhesion
        near = geometry.con_dist[w, c] < pairs.cpair_margin[pair]
        if adhesion_pulls == 1 and (near or adhesion != real(0.0)):
            frame = geometry.con_frame[w, c]
            pull = -adhesion * vec3(frame[0, 0], frame[0, 1], frame[0, 2])
            arm_first = geometry.con_pos[w, c] - geometry.xref[w, pairs.cpair_body[pair, 0]]
            arm_second = geometry.con_pos[w, c] - geometry.xref[w, pairs.cpair_body[pair, 1]]
            on_first = -spatial(wp.cross(arm_first, pull), pull)
            on_second = spatial(wp.cross(arm_second, pull), pull)
            chain = chains.cpair_chain[pair]
            for e in range(chains.chain_dof_adr[chain], chains.chain_dof_adr[chain + 1]):
                dof = chains.chain_dof[e]
                if pairs.chain_sign[e] > 0:
                    qfrc_passive[w, dof] += wp.dot(geometry.cdof[w, dof], on_second)
                else:
                    qfrc_passive[w, dof] += wp.dot(geometry.cdof[w, dof], on_first)
