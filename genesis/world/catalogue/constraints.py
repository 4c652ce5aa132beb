"""Parameters of contacts, joint limits and friction loss, and of the pairs that model files define."""

from __future__ import annotations

from genesis.world.catalogue.entry import FRICTION_LOSS, LIMITS, SOL_PARAMS, SOL_UNITS, Entry, Face, by_name
from genesis.world.checks import (
    check_not_negative,
    check_not_negative_vector,
    check_quaternion,
    check_range,
    check_sol_params,
    check_solref,
)

# Of contacts, joint limits and friction loss.
CONSTRAINT_PARAMETERS = by_name(
    Entry(
        "dofs_frictionloss",
        "dof_frictionloss",
        "dofs",
        (),
        "N m, N",
        "dry friction of the joint",
        check_not_negative,
        requires=FRICTION_LOSS,
        setter="""Dry friction of the joints [N m, N], ([n_envs,] n_dofs), not negative.

        Raises GenesisException, too, where the scene simulates no friction loss (`disable_constraint`, a disable flag).
        """,
        getter="Dry friction of the joints [N m, N], ([n_envs,] n_dofs).",
    ),
    Entry(
        "dofs_sol_params",
        "dof_solref",
        "dofs",
        (7,),
        SOL_UNITS,
        f"of friction loss: {SOL_PARAMS}",
        check_sol_params,
        rest="dof_solimp",
        requires=FRICTION_LOSS,
        one_for_all=True,
        setter="""
        Softness of friction loss, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_dofs, 7).

        Seven numbers stand for all dofs. MuJoCo's solreffriction and solimpfriction.
        """,
        getter="Softness of friction loss, ([n_envs,] n_dofs, 7); see `set_dofs_sol_params`.",
    ),
    Entry(
        "dofs_limit",
        "jnt_range",
        "dofs",
        (2,),
        "rad, m",
        "(lower, upper) end of the joint",
        check_range,
    ),
    Entry(
        "joints_sol_params",
        "jnt_solref",
        "joints",
        (7,),
        SOL_UNITS,
        f"of the joint's limits: {SOL_PARAMS}",
        check_sol_params,
        rest="jnt_solimp",
        requires=LIMITS,
        one_for_all=True,
        setter="""
        Softness of joint limits, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_joints, 7).

        Seven numbers stand for all joints. MuJoCo's solreflimit and solimplimit. Raises GenesisException, too, where
        nothing in the scene has limits.
        """,
        getter="Softness of joint limits, ([n_envs,] n_joints, 7); see `set_joints_sol_params`.",
    ),
    Entry(
        "friction",
        "geom_friction",
        "geoms",
        (),
        "1",
        "coefficient of sliding friction",
        check_not_negative,
        setter="Coefficients of sliding friction, a number for all or ([n_envs,] n_geoms), not negative.",
        getter="Coefficients of sliding friction, ([n_envs,] n_geoms).",
        of_one=Face(
            "friction",
            "friction",
            "Set its coefficient of sliding friction, a number or ([n_envs],).",
            "Its coefficient of sliding friction, ([n_envs]).",
        ),
        by_scene=Face(
            "geoms_friction",
            "friction",
            (
                "Coefficients of sliding friction, a number for all or ([n_envs,] n_geoms); as "
                "`RigidEntity.set_friction`."
            ),
            ("Coefficients of sliding friction, ([n_envs,] n_geoms); None: of the geoms that can touch something."),
        ),
    ),
    Entry(
        "friction_torsional",
        "geom_friction",
        "geoms",
        (),
        "m",
        "of friction against turning about the normal, for condim 4 and 6",
        check_not_negative,
        first=1,
        argument="friction",
        setter=(
            "Coefficients of friction against turning about the contact's normal [m], ([n_envs,] n_geoms); condim 4, 6."
        ),
        getter="Coefficients of torsional friction [m], ([n_envs,] n_geoms).",
    ),
    Entry(
        "friction_rolling",
        "geom_friction",
        "geoms",
        (),
        "m",
        "of friction against rolling, for condim 6",
        check_not_negative,
        first=2,
        argument="friction",
        setter="Coefficients of friction against rolling [m], ([n_envs,] n_geoms); condim 6.",
        getter="Coefficients of rolling friction [m], ([n_envs,] n_geoms).",
    ),
    Entry(
        "sol_params",
        "geom_solref",
        "geoms",
        (7,),
        SOL_UNITS,
        f"of the geom's contacts: {SOL_PARAMS}",
        check_sol_params,
        rest="geom_solimp",
        one_for_all=True,
        setter="""Softness of contacts, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_geoms, 7).

        Seven numbers stand for all geoms. They are MuJoCo's solref (in either form) and solimp. Those of limits and of
        friction loss: `set_joints_sol_params`, `set_dofs_sol_params`.
        """,
        getter="Softness of contacts, ([n_envs,] n_geoms, 7); see `set_sol_params`.",
        of_one=Face(
            "sol_params",
            "sol_params",
            "Set the softness of its contacts, ([n_envs,] 7); see `RigidEntity.set_sol_params`.",
            "Softness of its contacts, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] 7).",
        ),
    ),
    Entry(
        "geoms_surface_velocity",
        "geom_surfacevel",
        "geoms",
        (6,),
        "m/s, rad/s",
        "MuJoCo's surfacevel: how the geom's surface runs, as a belt does, in the geom's axes: linear, angular",
        setter="""How the geoms' surfaces run, in their axes: linear [m/s], then angular about their places [rad/s].

        ([n_envs,] n_geoms, 6), MuJoCo's surfacevel: of a conveyor belt or a turntable that stands still itself. What
        touches it feels what is along the tangents of the contact, and, with condim 4 and 6, about its normal.
        """,
        getter="How the geoms' surfaces run, in their axes [m/s, rad/s], ([n_envs,] n_geoms, 6).",
    ),
    Entry(
        "geoms_adhesion",
        "geom_adhesion",
        "geoms",
        (),
        "N",
        "with which force each of the geom's contacts can pull",
        check_not_negative,
        setter="""With which force each of the geoms' contacts can pull [N], ([n_envs,] n_geoms), not negative.

        MuJoCo's adhesion. Two geoms pull with the sum of theirs, or with that of the one with priority. A contact that
        sticks pulls also within the gap.
        """,
        getter="With which force each of the geoms' contacts can pull [N], ([n_envs,] n_geoms).",
    ),
    Entry(
        "geoms_size",
        "geom_size",
        "geoms",
        (3,),
        "m",
        "MuJoCo's size: radius, half length, half sides",
        setter="""Sizes of the shapes [m], ([n_envs,] n_geoms, 3), as MuJoCo counts them.

        Sphere: radius. Capsule and cylinder: radius, half length. Box: half sides. Ellipsoid: semi-axes. Mesh and
        height field: the three numbers that the getter gives; a multiple of each scales it along the geom's axes, about
        the geom's place. Numbers that a shape has no use for are kept as given. Masses and inertias do not follow.
        A tendon that runs around a sphere or cylinder feels its radius. Raises GenesisException, too, for planes.
        """,
        getter="Sizes of the shapes [m], ([n_envs,] n_geoms, 3), as MuJoCo counts them; see `set_geoms_size`.",
    ),
    Entry(
        "geoms_offset_pos",
        "geom_pos",
        "geoms",
        (3,),
        "m",
        "where the geom sits, in its link's frame",
        argument="pos",
        setter="""
        Where the geoms sit in their links' frames [m], ([n_envs,] n_geoms, 3); masses and inertias do not follow.

        A mesh's frame is MuJoCo's, at the mesh's centre of mass.
        """,
        getter="Where the geoms sit in their links' frames [m], ([n_envs,] n_geoms, 3).",
        of_one=Face(
            "offset_pos",
            "pos",
            "Set where it sits in its link's frame [m], ([n_envs,] 3); see `RigidEntity.set_geoms_offset_pos`.",
            "Where it sits in its link's frame [m], ([n_envs,] 3).",
        ),
    ),
    Entry(
        "geoms_offset_quat",
        "geom_quat",
        "geoms",
        (4,),
        "1",
        "how the geom is turned on its link (w, x, y, z)",
        check_quaternion,
        normalized=True,
        argument="quat",
        setter="""How the geoms are turned on their links (w, x, y, z), ([n_envs,] n_geoms, 4).

        Normalised here, with gradient. Masses and inertias do not follow.
        """,
        getter="How the geoms are turned on their links (w, x, y, z), unit, ([n_envs,] n_geoms, 4).",
        of_one=Face(
            "offset_quat",
            "quat",
            "Set how it is turned on its link (w, x, y, z), ([n_envs,] 4); normalised here, with gradient.",
            "How it is turned on its link (w, x, y, z), unit, ([n_envs,] 4).",
        ),
    ),
)
# Of the contact pairs that model files define explicitly.
PAIR_PARAMETERS = by_name(
    Entry(
        "pairs_friction",
        "pair_friction",
        "pairs",
        (5,),
        "1, 1, m, m, m",
        "two of sliding, one torsional, two rolling",
        check_not_negative_vector,
        setter=(
            "Friction of explicit contact pairs, ([n_envs,] n_pairs, 5): two of sliding, one torsional, two rolling."
        ),
        getter="Friction of explicit contact pairs, ([n_envs,] n_pairs, 5).",
    ),
    Entry(
        "pairs_sol_params",
        "pair_solref",
        "pairs",
        (7,),
        SOL_UNITS,
        f"of the pair's contacts: {SOL_PARAMS}",
        check_sol_params,
        rest="pair_solimp",
        setter="Softness of explicit contact pairs, ([n_envs,] n_pairs, 7); see `RigidEntity.set_sol_params`.",
        getter="Softness of explicit contact pairs, ([n_envs,] n_pairs, 7).",
    ),
    Entry(
        "pairs_solref_friction",
        "pair_solreffriction",
        "pairs",
        (2,),
        "s, 1",
        "MuJoCo's solreffriction: reference of the friction, with elliptic cones; zeros: that of the normal",
        check_solref,
        argument="solref",
        setter=("MuJoCo's solreffriction of explicit contact pairs, ([n_envs,] n_pairs, 2); used with elliptic cones."),
        getter="MuJoCo's solreffriction of explicit contact pairs, ([n_envs,] n_pairs, 2).",
    ),
    Entry(
        "pairs_adhesion",
        "pair_adhesion",
        "pairs",
        (),
        "N",
        "with which force each of the pair's contacts can pull",
        check_not_negative,
        setter="With which force contacts of explicit pairs can pull [N], ([n_envs,] n_pairs), not negative.",
        getter="With which force contacts of explicit pairs can pull [N], ([n_envs,] n_pairs).",
    ),
)
