"""Parameters of springs and dampers that are not linear, and of shapes in a fluid."""

from __future__ import annotations

from genesis.world.catalogue.entry import ELLIPSOIDS, PLASTIC, Entry, by_name
from genesis.world.checks import check_not_negative_vector, check_positive

# Of springs and dampers that are not linear, and of shapes in a fluid.
PASSIVE_PARAMETERS = by_name(
    Entry(
        "dofs_stiffness_poly",
        "dof_stiffnesspoly",
        "dofs",
        (2,),
        "N m/rad^2, N m/rad^3; N/m^2, N/m^3",
        "k1, k2 of a joint spring with the force -(stiffness + k1 x + k2 x^2) x",
        setter="""What the stiffness of the joint springs gains with their extension x, ([n_envs,] n_dofs, 2).

        The force is -(stiffness + k1 x + k2 x^2) x, MuJoCo's stiffnesspoly [N m/rad^2, N m/rad^3; N/m^2, N/m^3]. Of a
        ball joint, and of the translation of a free one, x in the bracket is the size of the whole extension.
        """,
        getter="k1 and k2 of the joint springs, ([n_envs,] n_dofs, 2); see `set_dofs_stiffness_poly`.",
    ),
    Entry(
        "dofs_damping_poly",
        "dof_dampingpoly",
        "dofs",
        (2,),
        "N m s^2/rad^2, N m s^3/rad^3; N s^2/m^2, N s^3/m^3",
        "d1, d2 of a joint damper with the force -(damping + d1 abs(v) + d2 v^2) v",
        setter="""What the damping of the joints gains with their speed v, ([n_envs,] n_dofs, 2).

        The force is -(damping + d1 |v| + d2 v^2) v, MuJoCo's dampingpoly [N m s^2/rad^2, N m s^3/rad^3; N s^2/m^2,
        N s^3/m^3].
        """,
        getter="d1 and d2 of the joints' damping, ([n_envs,] n_dofs, 2); see `set_dofs_damping_poly`.",
    ),
    Entry(
        "tendons_stiffness_poly",
        "tendon_stiffnesspoly",
        "tendons",
        (2,),
        "N/m^2, N/m^3; N m/rad^2, N m/rad^3",
        "k1, k2 of a tendon's spring, as of a joint's",
        setter="""What the stiffness of the tendons' springs gains with the length x beyond their range.

        ([n_envs,] n_tendons, 2): the force is -(stiffness + k1 x + k2 x^2) x; MuJoCo's stiffnesspoly [N/m^2, N/m^3;
        N m/rad^2, N m/rad^3].
        """,
        getter="k1 and k2 of the tendons' springs, ([n_envs,] n_tendons, 2); see `set_tendons_stiffness_poly`.",
    ),
    Entry(
        "tendons_damping_poly",
        "tendon_dampingpoly",
        "tendons",
        (2,),
        "N s^2/m^2, N s^3/m^3; N m s^2/rad^2, N m s^3/rad^3",
        "d1, d2 of a tendon's damper, as of a joint's",
        setter="""What the damping along the tendons gains with their speed v, ([n_envs,] n_tendons, 2).

        The force is -(damping + d1 |v| + d2 v^2) v; MuJoCo's dampingpoly [N s^2/m^2, N s^3/m^3; N m s^2/rad^2,
        N m s^3/rad^3].
        """,
        getter="d1 and d2 of the tendons' damping, ([n_envs,] n_tendons, 2); see `set_tendons_damping_poly`.",
    ),
    Entry(
        "geoms_fluid_coef",
        "geom_fluid",
        "geoms",
        (5,),
        "1",
        "MuJoCo's fluidcoef: blunt drag, slender drag, angular drag, Kutta lift, Magnus lift",
        first=1,
        requires=ELLIPSOIDS,
        argument="coef",
        setter="""Coefficients of shapes in a fluid, MuJoCo's fluidcoef, ([n_envs,] n_geoms, 5).

        Blunt drag, slender drag, angular drag, Kutta lift, Magnus lift; of the shapes with `fluidshape="ellipsoid"`,
        which are those that `None` means. Raises GenesisException for any other.
        """,
        getter="Coefficients of shapes in a fluid, ([n_envs,] n_geoms, 5); see `set_geoms_fluid_coef`.",
    ),
    Entry(
        "geoms_virtual_mass",
        "geom_fluid",
        "geoms",
        (3,),
        "m^3",
        "volume of fluid that moves with the shape, along its axes",
        check_not_negative_vector,
        first=6,
        requires=ELLIPSOIDS,
        setter="""Volumes of fluid that move with the shapes, along their axes [m^3], ([n_envs,] n_geoms, 3).

        Times the fluid's density, the virtual masses. The compiler takes those of the ellipsoid; with a size that is
        set later they stay. Of the shapes with `fluidshape="ellipsoid"`; raises GenesisException for any other.
        """,
        getter="Volumes of fluid that move with the shapes [m^3], ([n_envs,] n_geoms, 3).",
    ),
    Entry(
        "geoms_virtual_inertia",
        "geom_fluid",
        "geoms",
        (3,),
        "m^5",
        "inertia of the fluid that turns with the shape about its axes, over the fluid's density",
        check_not_negative_vector,
        first=9,
        requires=ELLIPSOIDS,
        setter="""Inertias of the fluid that turns with the shapes about their axes, over its density [m^5].

        ([n_envs,] n_geoms, 3); the compiler takes those of the ellipsoid, and with a size that is set later they stay.
        Of the shapes with `fluidshape="ellipsoid"`; raises GenesisException for any other.
        """,
        getter="Inertias of the fluid that turns with the shapes, over its density [m^5], ([n_envs,] n_geoms, 3).",
    ),
)

# Of springs whose rest moves.
PLASTIC_PARAMETERS = by_name(
    Entry(
        "joints_spring_yield",
        "jnt_springyield",
        "joints",
        (),
        "rad, m",
        "how far a plastic spring goes before its rest follows",
        check_positive,
        requires=PLASTIC,
        setter="""How far the plastic springs of joints go before their rest follows [rad, m], ([n_envs,] n_joints).

        Above zero. Only of springs with `springyield` in the model file; raises GenesisException for any other.
        """,
        getter="How far the plastic springs of joints go before their rest follows [rad, m], ([n_envs,] n_joints).",
    ),
    Entry(
        "tendons_spring_yield",
        "tendon_springyield",
        "tendons",
        (),
        "m, rad",
        "how far beyond its range the spring of a plastic tendon goes before the range follows",
        check_positive,
        requires=PLASTIC,
        setter="""How far beyond its range a plastic tendon goes before it follows [m, rad], ([n_envs,] n_tendons).

        Above zero. Only of springs with `springyield` in the model file; raises GenesisException for any other.
        """,
        getter="How far beyond their range plastic tendons go before it follows [m, rad], ([n_envs,] n_tendons).",
    ),
)
