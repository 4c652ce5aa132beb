"""Parameters of tendons, sites and equality constraints, and the inverse inertias that constraints feel."""

from __future__ import annotations

from genesis.world.catalogue.entry import (
    EQUALITY,
    FRICTION_LOSS,
    SOL_PARAMS,
    SOL_UNITS,
    STRAIGHT_TENDONS,
    TENDON_LIMITS,
    Entry,
    by_name,
)
from genesis.world.checks import (
    check_not_negative,
    check_not_negative_vector,
    check_quaternion,
    check_range,
    check_sol_params,
)

# Of tendons, of the sites that they run through, of equality constraints, and the inverse inertias that all constraints
# feel.
COUPLING_PARAMETERS = by_name(
    Entry(
        "sites_offset_pos",
        "site_pos",
        "sites",
        (3,),
        "m",
        "where the site sits, in its link's frame",
        argument="pos",
        setter="""Where the sites sit in their links' frames [m], ([n_envs,] n_sites, 3); by `site_names`.

        What runs through them, acts on them or measures there follows: spatial tendons, actuators, sensors. Equality
        constraints between sites keep their points (`set_equalities_data`); lengths that the compiler found with the
        sites of the file stay too (`actuators_length_range` of muscles, `tendons_spring_range`).
        """,
        getter="Where the sites sit in their links' frames [m], ([n_envs,] n_sites, 3).",
    ),
    Entry(
        "sites_offset_quat",
        "site_quat",
        "sites",
        (4,),
        "1",
        "how the site is turned on its link (w, x, y, z)",
        check_quaternion,
        normalized=True,
        argument="quat",
        setter="""How the sites are turned on their links (w, x, y, z), ([n_envs,] n_sites, 4).

        Normalised here, with gradient. Actuators and sensors feel it; a tendon does not, and equality constraints
        between sites stay what they are in the file.
        """,
        getter="How the sites are turned on their links (w, x, y, z), unit, ([n_envs,] n_sites, 4).",
    ),
    Entry(
        "tendons_stiffness",
        "tendon_stiffness",
        "tendons",
        (),
        "N/m, N m/rad",
        "spring of the tendon, outside of its spring range",
        setter="Stiffness of the tendons' springs [N/m, N m/rad], ([n_envs,] n_tendons).",
        getter="Stiffness of the tendons' springs [N/m, N m/rad], ([n_envs,] n_tendons).",
    ),
    Entry(
        "tendons_damping",
        "tendon_damping",
        "tendons",
        (),
        "N s/m, N m s/rad",
        "viscous damping along the tendon",
        check_not_negative,
        setter="Viscous damping along the tendons [N s/m, N m s/rad], ([n_envs,] n_tendons), not negative.",
        getter="Viscous damping along the tendons [N s/m, N m s/rad], ([n_envs,] n_tendons).",
    ),
    Entry(
        "tendons_armature",
        "tendon_armature",
        "tendons",
        (),
        "kg, kg m^2",
        "inertia against a change of the tendon's length",
        check_not_negative,
        setter="""Inertia against a change of the tendons' lengths [kg, kg m^2], ([n_envs,] n_tendons), not negative.

        As in MuJoCo it reaches between joints only where one carries the other. Raises GenesisException, too, for
        tendons that run around shapes, which have none.
        """,
        requires=STRAIGHT_TENDONS,
        getter="Inertia against a change of the tendons' lengths [kg, kg m^2], ([n_envs,] n_tendons).",
    ),
    Entry(
        "tendons_spring_range",
        "tendon_lengthspring",
        "tendons",
        (2,),
        "m, rad",
        "(lower, upper) length between which the spring is slack",
        check_range,
        as_ends=True,
        setter="Lengths between which the tendons' springs are slack [m, rad], ([n_envs,] n_tendons) each.",
        getter="(lower, upper) lengths between which the springs are slack [m, rad], ([n_envs,] n_tendons) each.",
    ),
    Entry(
        "tendons_frictionloss",
        "tendon_frictionloss",
        "tendons",
        (),
        "N, N m",
        "dry friction along the tendon",
        check_not_negative,
        requires=FRICTION_LOSS,
        setter="""Dry friction along the tendons [N, N m], ([n_envs,] n_tendons), not negative.

        Raises GenesisException, too, where the scene simulates no friction loss (`disable_constraint`, a disable flag).
        """,
        getter="Dry friction along the tendons [N, N m], ([n_envs,] n_tendons).",
    ),
    Entry(
        "tendons_friction_sol_params",
        "tendon_solref_fri",
        "tendons",
        (7,),
        SOL_UNITS,
        f"of the tendon's friction loss: {SOL_PARAMS}",
        check_sol_params,
        rest="tendon_solimp_fri",
        requires=FRICTION_LOSS,
        one_for_all=True,
        argument="sol_params",
        setter="""
        Softness of the tendons' friction loss, (timeconst, dampratio, dmin, dmax, width, mid, power).

        ([n_envs,] n_tendons, 7); seven numbers stand for all tendons. MuJoCo's solreffriction and solimpfriction.
        """,
        getter="Softness of the tendons' friction loss, ([n_envs,] n_tendons, 7).",
    ),
    Entry(
        "tendons_limit",
        "tendon_range",
        "tendons",
        (2,),
        "m, rad",
        "(lower, upper) length of the tendon",
        check_range,
        requires=TENDON_LIMITS,
        as_ends=True,
        setter="""Least and greatest lengths of the tendons [m, rad], ([n_envs,] n_tendons) each, lower <= upper.

        Raises GenesisException, too, for a tendon without limit: state a range in the model file.
        """,
        getter="(lower, upper) lengths of the tendons [m, rad], ([n_envs,] n_tendons) each.",
    ),
    Entry(
        "tendons_limit_sol_params",
        "tendon_solref_lim",
        "tendons",
        (7,),
        SOL_UNITS,
        f"of the tendon's limits: {SOL_PARAMS}",
        check_sol_params,
        rest="tendon_solimp_lim",
        requires=TENDON_LIMITS,
        one_for_all=True,
        argument="sol_params",
        setter="""Softness of the tendons' limits, (timeconst, dampratio, dmin, dmax, width, mid, power).

        ([n_envs,] n_tendons, 7); seven numbers stand for all tendons. MuJoCo's solreflimit and solimplimit. Raises
        GenesisException, too, for a tendon without limit.
        """,
        getter="Softness of the tendons' limits, ([n_envs,] n_tendons, 7).",
    ),
    Entry(
        "equalities_data",
        "eq_data",
        "equalities",
        (11,),
        "m, 1",
        "MuJoCo's eq_data: anchors, relative pose and torquescale, or the coefficients of a polynomial",
        requires=EQUALITY,
        setter="""What the equality constraints of the model file hold, MuJoCo's eq_data, ([n_envs,] n_equalities, 11).

        Of a connect: the common point in the first body's frame and in the second's [m]. Of a weld: the point in the
        second body's frame and in the first's [m], the pose (w, x, y, z) of the second body in the first's frame, and
        how much the orientation weighs (torquescale). Of joints and tendons: five coefficients of the polynomial that
        the first is of the second. Sites that a file names count as points of their bodies. Numbers that a kind has no
        use for are kept as given.
        """,
        getter="What the equality constraints hold, ([n_envs,] n_equalities, 11); see `set_equalities_data`.",
    ),
    Entry(
        "equalities_sol_params",
        "eq_solref",
        "equalities",
        (7,),
        SOL_UNITS,
        f"of the equality constraint: {SOL_PARAMS}",
        check_sol_params,
        rest="eq_solimp",
        requires=EQUALITY,
        one_for_all=True,
        setter="""Softness of equality constraints, (timeconst, dampratio, dmin, dmax, width, mid, power).

        ([n_envs,] n_equalities, 7); seven numbers stand for all.
        """,
        getter="Softness of the equality constraints, ([n_envs,] n_equalities, 7).",
    ),
    Entry(
        "dofs_invweight",
        "dof_invweight0",
        "dofs",
        (),
        "1/kg, 1/(kg m^2)",
        "inverse inertia by which the softness of the dof's constraints is scaled",
        check_not_negative,
        setter="""
        Inverse inertias by which constraints of the joints scale their softness, ([n_envs,] n_dofs).

        Of limits, friction loss and equality [1/kg, 1/(kg m^2)]. MuJoCo's dof_invweight0. With
        `RigidOptions(inverse_weights="follow")` they follow the parameters in force, and cannot be set.
        """,
        getter="Inverse inertias of the dofs as constraints feel them [1/kg, 1/(kg m^2)], ([n_envs,] n_dofs).",
    ),
    Entry(
        "links_invweight",
        "body_invweight0",
        "links",
        (2,),
        "1/kg, 1/(kg m^2)",
        "inverse inertias (translation, rotation) by which the softness of the link's constraints is scaled",
        check_not_negative_vector,
        setter="""Inverse inertias by which contacts, connects and welds scale their softness, ([n_envs,] n_links, 2).

        Of translation [1/kg] and of rotation [1/(kg m^2)]. MuJoCo's body_invweight0; see `set_dofs_invweight`.
        """,
        getter="Inverse inertias of the links as constraints feel them, ([n_envs,] n_links, 2).",
    ),
    Entry(
        "tendons_invweight",
        "tendon_invweight0",
        "tendons",
        (),
        "1/kg, 1/(kg m^2)",
        "inverse inertia by which the softness of the tendon's constraints is scaled",
        check_not_negative,
        setter="""Inverse inertias by which tendons' constraints scale their softness, ([n_envs,] n_tendons).

        [1/kg, 1/(kg m^2)] MuJoCo's tendon_invweight0; see `set_dofs_invweight`.
        """,
        getter="Inverse inertias of the tendons as constraints feel them [1/kg, 1/(kg m^2)], ([n_envs,] n_tendons).",
    ),
)
