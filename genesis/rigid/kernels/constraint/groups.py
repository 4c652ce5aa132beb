"""What kernels and functions of the constraint solver hand on together: arrays that belong together, by their names.

A group is bound like single arguments are, each member by its own name (`genesis.rigid.pipeline.binding`);
``adj_<group>`` is a group of the same kind that holds the gradients of its members.
"""

import warp as wp

from genesis.types import mat33, real, vec3, vec4, vec6


@wp.struct
class Tree:
    """The pattern of the mass matrix, and where the trees are."""

    M_colind: wp.array(dtype=int)
    M_colind_adr: wp.array(dtype=int)
    dof_treeid: wp.array(dtype=int)
    tree_dofadr: wp.array(dtype=int)
    tree_dofnum: wp.array(dtype=int)
    skip_none: wp.array(dtype=int)


@wp.struct
class Rows:
    """The table of rows, as far as the solver reads it: ``efc_list`` names the ``efc_count`` rows that are active."""

    efc_law: wp.array(dtype=int)
    efc_dof: wp.array(dtype=int)
    efc_dof_adr: wp.array(dtype=int)
    efc_edge: wp.array2d(dtype=int)
    efc_active: wp.array2d(dtype=int)
    efc_list: wp.array2d(dtype=int)
    efc_count: wp.array2d(dtype=int)
    efc_J: wp.array2d(dtype=real)
    efc_loss: wp.array2d(dtype=real)
    efc_aref: wp.array2d(dtype=real)
    efc_D: wp.array2d(dtype=real)


@wp.struct
class RowInputs:
    """What references are made of: where the rows are, which belong to a block, and which softness it has."""

    efc_block_adr: wp.array(dtype=int)
    efc_softness: wp.array(dtype=int)
    efc_pos: wp.array2d(dtype=real)
    efc_bias: wp.array2d(dtype=real)
    efc_diag: wp.array2d(dtype=real)


@wp.struct
class RowValues:
    """What a kind of rows writes: J, violation, dJ/dt qvel, inverse inertia, and whether a row is active."""

    efc_dof: wp.array(dtype=int)
    efc_dof_adr: wp.array(dtype=int)
    efc_J: wp.array2d(dtype=real)
    efc_pos: wp.array2d(dtype=real)
    efc_bias: wp.array2d(dtype=real)
    efc_diag: wp.array2d(dtype=real)
    efc_active: wp.array2d(dtype=int)


@wp.struct
class BodyMotion:
    """Where the bodies are, how they move, and how light they feel."""

    dof_bodyid: wp.array(dtype=int)
    body_invweight0: wp.array3d(dtype=real)
    xpos: wp.array2d(dtype=vec3)
    xquat: wp.array2d(dtype=vec4)
    xref: wp.array2d(dtype=vec3)
    cdof: wp.array2d(dtype=vec6)
    cvel: wp.array2d(dtype=vec6)
    cacc_bias: wp.array2d(dtype=vec6)


@wp.struct
class Contacts:
    """The contacts, as far as the solver reads them; ``con_dim``: rows of each, 0 where it is not active."""

    cpair_chain: wp.array(dtype=int)
    chain_dof: wp.array(dtype=int)
    chain_dof_adr: wp.array(dtype=int)
    elliptic: int
    impratio: real
    ncon: wp.array2d(dtype=int)
    con_pair: wp.array2d(dtype=int)
    con_dim: wp.array2d(dtype=int)
    con_J: wp.array4d(dtype=real)
    con_friction: wp.array3d(dtype=real)
    con_aref: wp.array3d(dtype=real)
    con_D: wp.array3d(dtype=real)


@wp.struct
class Envelope:
    """How H is stored: see `genesis.rigid.kernels.constraint.envelope`."""

    dof_place: wp.array2d(dtype=int)
    row_start: wp.array2d(dtype=int)
    tree_seen: wp.array2d(dtype=int)
    tree_queue: wp.array2d(dtype=int)


@wp.struct
class Limits:
    """When the solver has done enough."""

    iterations: int
    ls_iterations: int
    tolerance: real
    ls_tolerance: real
    warm_start: int
    for_adjoint: int


@wp.struct
class Scratch:
    """The solver's own: residuals at the point it is at (``_y``) and along its search direction (``_v``)."""

    Ma: wp.array2d(dtype=real)
    search: wp.array2d(dtype=real)
    Mv: wp.array2d(dtype=real)
    efc_y: wp.array2d(dtype=real)
    efc_v: wp.array2d(dtype=real)
    con_y: wp.array3d(dtype=real)
    con_v: wp.array3d(dtype=real)
    placed: wp.array2d(dtype=real)
    H: wp.array3d(dtype=real)


@wp.struct
class Responses:
    """B = M^-1 J' of friction, and the factors of M with which it is made."""

    slip_LD: wp.array2d(dtype=real)
    slip_LDiagInv: wp.array2d(dtype=real)
    efc_B: wp.array3d(dtype=real)
    con_B: wp.array4d(dtype=real)


@wp.struct
class Forces:
    """Of rows and contacts, and in joint space: those of constraints, and all that the integrator sees."""

    efc_force: wp.array2d(dtype=real)
    con_force: wp.array3d(dtype=real)
    qfrc_constraint: wp.array2d(dtype=real)
    qfrc_total: wp.array2d(dtype=real)


@wp.struct
class Sweeps:
    """How many sweeps there are against slip, and their own: the acceleration that they move on, limits of friction,
    forces before each visit; of each tree its island, and of the latter the sweeps made and whether they are over."""

    noslip_iterations: int
    noslip_tolerance: real
    noslip_inertia: real
    noslip_together: int
    tree_island: wp.array2d(dtype=int)
    slip_niter: wp.array2d(dtype=int)
    slip_stopped: wp.array2d(dtype=int)
    slip_improvement: wp.array2d(dtype=real)
    slip_inertia: wp.array2d(dtype=real)
    slip_acc: wp.array2d(dtype=real)
    slip_adj_acc: wp.array2d(dtype=real)
    slip_bound: wp.array3d(dtype=real)
    slip_adj_bound: wp.array3d(dtype=real)
    slip_efc_before: wp.array3d(dtype=real)
    slip_con_before: wp.array4d(dtype=real)


@wp.struct
class PairTable:
    """Of each pair that can touch: its geoms and bodies, and where its contacts' parameters come from."""

    cpair_geom: wp.array2d(dtype=int)
    cpair_body: wp.array2d(dtype=int)
    cpair_dim: wp.array(dtype=int)
    cpair_params: wp.array(dtype=int)
    cpair_explicit: wp.array(dtype=int)
    cpair_margin: wp.array(dtype=real)
    cpair_mix: wp.array(dtype=real)
    chain_sign: wp.array(dtype=int)
    dof_bodyid: wp.array(dtype=int)


@wp.struct
class Chains:
    """The dofs that move the bodies of a pair against each other."""

    cpair_chain: wp.array(dtype=int)
    chain_dof: wp.array(dtype=int)
    chain_dof_adr: wp.array(dtype=int)


@wp.struct
class ContactParameters:
    """What contacts take from their geoms, or from an explicit pair."""

    geom_friction: wp.array3d(dtype=real)
    geom_solref: wp.array3d(dtype=real)
    geom_solimp: wp.array3d(dtype=real)
    pair_friction: wp.array3d(dtype=real)
    pair_solref: wp.array3d(dtype=real)
    pair_solreffriction: wp.array3d(dtype=real)
    pair_solimp: wp.array3d(dtype=real)
    body_invweight0: wp.array3d(dtype=real)


@wp.struct
class ContactGeometry:
    """Where the contacts are, and what moves them."""

    xref: wp.array2d(dtype=vec3)
    cdof: wp.array2d(dtype=vec6)
    con_dist: wp.array2d(dtype=real)
    con_pos: wp.array2d(dtype=vec3)
    con_frame: wp.array2d(dtype=mat33)


@wp.struct
class Diagonals:
    """Of flag diagexact: the pattern of M, its factors, and room for two vectors; without any where the flag is off."""

    M_colind: wp.array(dtype=int)
    M_colind_adr: wp.array(dtype=int)
    skip_none: wp.array(dtype=int)
    exact_LD: wp.array2d(dtype=real)
    exact_LDiagInv: wp.array2d(dtype=real)
    exact_x: wp.array2d(dtype=real)
    z: wp.array2d(dtype=real)


@wp.struct
class Surfaces:
    """What the surfaces of a contact do beside pressing on each other; without room where no model's do."""

    con_surfacevel: wp.array3d(dtype=real)
    con_adhesion: wp.array3d(dtype=real)


@wp.struct
class Softness:
    """How references are made of solref and solimp."""

    timestep: real
    refsafe: int
