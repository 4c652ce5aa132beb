"""Parameters of dofs, links and joints: the smooth dynamics."""

from __future__ import annotations

from genesis.world.catalogue.entry import Entry, Face, by_name
from genesis.world.checks import check_direction, check_inertia, check_not_negative, check_quaternion, check_range

# Of the smooth dynamics.
BODY_PARAMETERS = by_name(
    Entry(
        "dofs_kp",
        "dof_kp",
        "dofs",
        (),
        "N m/rad, N/m",
        "position gain of control_dofs_position",
        setter="Position gains of `control_dofs_position` [N m/rad, N/m], ([n_envs,] n_dofs).",
        getter="Position gains [N m/rad, N/m], ([n_envs,] n_dofs); see `set_dofs_kp`.",
    ),
    Entry(
        "dofs_kv",
        "dof_kv",
        "dofs",
        (),
        "N m s/rad, N s/m",
        "velocity gain of the same controls",
        setter=("Velocity gains of `control_dofs_position` and `_velocity` [N m s/rad, N s/m], ([n_envs,] n_dofs)."),
        getter="Velocity gains [N m s/rad, N s/m], ([n_envs,] n_dofs); see `set_dofs_kv`.",
    ),
    Entry(
        "dofs_stiffness",
        "dof_stiffness",
        "dofs",
        (),
        "N m/rad, N/m",
        "joint spring",
        setter=(
            "Stiffness of the joint springs [N m/rad, N/m], ([n_envs,] n_dofs); the rest position stays the file's."
        ),
        getter="Stiffness of the joint springs [N m/rad, N/m], ([n_envs,] n_dofs).",
    ),
    Entry(
        "dofs_damping",
        "dof_damping",
        "dofs",
        (),
        "N m s/rad, N s/m",
        "viscous damping",
        check_not_negative,
        setter="Viscous damping [N m s/rad, N s/m], ([n_envs,] n_dofs), not negative.",
        getter="Viscous damping [N m s/rad, N s/m], ([n_envs,] n_dofs).",
    ),
    Entry(
        "dofs_armature",
        "dof_armature",
        "dofs",
        (),
        "kg m^2, kg",
        "rotor inertia or mass",
        check_not_negative,
        setter="""What the joint's rotor adds to the diagonal of M [kg m^2, kg], ([n_envs,] n_dofs), not negative.

        Gains that the compiler chose for the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """,
        getter="Armature [kg m^2, kg], ([n_envs,] n_dofs).",
    ),
    Entry(
        "dofs_force_range",
        "dof_force_range",
        "dofs",
        (2,),
        "N m, N",
        "(lower, upper) to which the commanded force is clipped",
        check_range,
        finite=False,
        as_ends=True,
        setter="""Range to which `control_dofs_*` forces are clipped [N m, N], ([n_envs,] n_dofs) each.

        -inf below and inf above: no limit.
        """,
        getter="(lower, upper) force range [N m, N], ([n_envs,] n_dofs) each; infinite: no limit.",
    ),
    Entry(
        "links_mass",
        "body_mass",
        "links",
        (),
        "kg",
        "mass of the link",
        check_not_negative,
        setter="""
        Masses of the links [kg], ([n_envs,] n_links), not negative. THE INERTIAS STAY AS THEY ARE.

        A link that becomes heavier as a body of the same shape does has a larger inertia too: `set_links_scaled_mass`,
        and `set_mass` for the whole entity, scale both.

        Gains that the compiler chose for the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """,
        getter="Masses of the links [kg], ([n_envs,] n_links).",
        of_one=Face(
            "mass",
            "mass",
            (
                "Set its mass [kg], a number or ([n_envs],). ITS INERTIA STAYS AS IT IS; `set_scaled_mass` scales both."
                "\n\nSee `RigidEntity.set_links_mass`."
            ),
            "Its mass [kg], ([n_envs]).",
        ),
    ),
    Entry(
        "links_COM",
        "body_ipos",
        "links",
        (3,),
        "m",
        "centre of mass, in the link's frame",
        setter=(
            "Centres of mass [m], in the links' frames, ([n_envs,] n_links, 3). The inertia about them stays as it is."
        ),
        getter="Centres of mass [m], in the links' frames, ([n_envs,] n_links, 3).",
        of_one=Face(
            "COM",
            "COM",
            "Set its centre of mass [m], in its own frame, ([n_envs,] 3).",
            "Its centre of mass [m], in its own frame, ([n_envs,] 3).",
        ),
    ),
    Entry(
        "links_inertia",
        "body_inertia",
        "links",
        (6,),
        "kg m^2",
        "inertia about the centre of mass (xx, yy, zz, xy, xz, yz), in the axes of the link's frame",
        check_inertia,
        setter="""Inertias about the centres of mass [kg m^2], in the axes of the links' frames, ([n_envs,] n_links, 6).

        The six numbers are xx, yy, zz, xy, xz, yz; matrices, ([n_envs,] n_links, 3, 3), are accepted too. Principal
        moments must not be negative, and none may exceed the sum of the other two. Gains that the compiler chose for
        the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """,
        getter=(
            "Inertias about the centres of mass, (xx, yy, zz, xy, xz, yz) [kg m^2], link axes, ([n_envs,] n_links, 6)."
        ),
        of_one=Face(
            "inertia",
            "inertia",
            (
                "Set its inertia about the centre of mass [kg m^2], in its own axes; as `set_links_inertia`, "
                "for one link."
            ),
            (
                "Its inertia about the centre of mass, (xx, yy, zz, xy, xz, yz) [kg m^2], in its own axes, "
                "([n_envs,] 6)."
            ),
        ),
    ),
    Entry(
        "links_offset_pos",
        "body_pos",
        "links",
        (3,),
        "m",
        "where the link sits, in its parent's frame",
        argument="pos",
        setter=(
            "Where the links sit in their parents' frames [m], ([n_envs,] n_links, 3). Without effect for a free base."
        ),
        getter="Where the links sit in their parents' frames [m], ([n_envs,] n_links, 3).",
    ),
    Entry(
        "links_offset_quat",
        "body_quat",
        "links",
        (4,),
        "1",
        "how the link is turned on its parent (w, x, y, z)",
        check_quaternion,
        normalized=True,
        argument="quat",
        setter="""How the links are turned on their parents (w, x, y, z), ([n_envs,] n_links, 4).

        Normalised here, with gradient. Without effect for a free base.
        """,
        getter="How the links are turned on their parents (w, x, y, z), unit, ([n_envs,] n_links, 4).",
    ),
    Entry(
        "links_gravity_compensation",
        "body_gravcomp",
        "links",
        (),
        "1",
        "fraction of the link's weight that is carried for it",
        argument="compensation",
        setter="Fraction of the links' weight that is carried for them, ([n_envs,] n_links); 1 cancels gravity.",
        getter="Fraction of the links' weight that is carried for them, ([n_envs,] n_links).",
    ),
    Entry(
        "joints_axis",
        "jnt_axis",
        "joints",
        (3,),
        "1",
        "axis in the link's frame, of hinges and slides",
        check_direction,
        normalized=True,
        setter="""Joint axes in the links' frames, ([n_envs,] n_joints, 3); normalised here, with gradient.

        Of hinges and slides; free and ball joints have no axis, theirs is without effect.
        """,
        getter="Joint axes in the links' frames, unit, ([n_envs,] n_joints, 3).",
    ),
    Entry(
        "joints_anchor",
        "jnt_pos",
        "joints",
        (3,),
        "m",
        "point on the axis, in the link's frame",
        setter="Points about which the joints turn [m], in the links' frames, ([n_envs,] n_joints, 3).",
        getter="Points about which the joints turn [m], in the links' frames, ([n_envs,] n_joints, 3).",
    ),
)
