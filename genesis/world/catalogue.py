"""The catalogue of physical parameters: what can be set, where it lies in theta, and how handles show it.

Everything about a parameter follows from its entry here: its setter and getter (:mod:`genesis.entities.accessors`), the
check of its values, its row in `entity.get_parameters()`, and its texts.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from genesis.world.checks import (
    Check,
    check_direction,
    check_inertia,
    check_not_negative,
    check_not_negative_vector,
    check_quaternion,
    check_range,
    check_sol_params,
    check_solref,
)

SOL_PARAMS = "timeconst, dampratio, dmin, dmax, width, mid, power"
SOL_UNITS = "s, 1, 1, 1, m or rad, 1, 1"

# What a scene must simulate for a parameter to be set.
LIMITS, FRICTION_LOSS, EQUALITY, TENDON_LIMITS = "limits", "friction loss", "equality", "limits of tendons"
ELLIPSOIDS, STRAIGHT_TENDONS = "shapes that a fluid acts on", "tendons that run straight"
HISTORY = "past controls of actuators"


@dataclass(frozen=True)
class Face:
    """A setter and a getter, ``set_<name>`` and ``get_<name>``.

    Attributes:
        name: as above
        argument: what the setter calls the value
        setter, getter: their documentation: unit, shape, errors
    """

    name: str
    argument: str
    setter: str
    getter: str


@dataclass(frozen=True)
class Entry:
    """One entry of the catalogue.

    Attributes:
        name: as in ``set_<name>`` and ``get_<name>``
        field: where it lies in theta
        axis: what it is one of: "dofs", "links", "joints", "actuators", "geoms", "pairs" or "scene"; any other of
            which an entity has a range in the compiled model (`compose.EntityRange`)
        item: shape per element of the axis
        unit: SI
        description: what it is, frames included
        check: finds a physically impossible value
        normalized: the direction is what counts; it is divided by its length, with gradient
        finite: infinite numbers are refused
        first: its first number in a row of the field
        rest: field that holds what the row of ``field`` has no room for
        requires: what the scene must simulate for it to be set: `LIMITS`, `FRICTION_LOSS`, `EQUALITY`,
            `TENDON_LIMITS`, `ELLIPSOIDS`, `STRAIGHT_TENDONS`, `HISTORY`, or nothing
        one_for_all: one item stands for all elements
        as_ends: set as `lower` and `upper`, and read as a pair of them
        argument: what its setter calls the value; without it, the name without the axis
        setter, getter: documentation of the methods that an entity (of "pairs": the rigid solver) has; without it they
            are written by hand
        of_one: the methods of a link or geom, for it alone
        by_scene: the methods of the rigid solver, by the scene's numbers
    """

    name: str
    field: str
    axis: str
    item: tuple[int, ...]
    unit: str
    description: str
    check: Check | None = None
    normalized: bool = False
    finite: bool = True
    first: int = 0
    rest: str | None = None
    requires: str = ""
    one_for_all: bool = False
    as_ends: bool = False
    argument: str = ""
    setter: str = ""
    getter: str = ""
    of_one: Face | None = None
    by_scene: Face | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of theta in which it lies."""
        return (self.field,) if self.rest is None else (self.field, self.rest)

    @property
    def face(self) -> Face | None:
        """The methods that an entity, or of "pairs" the rigid solver, has; None where they are written by hand."""
        if not self.setter:
            return None
        argument = self.argument or self.name.removeprefix(f"{self.axis}_")
        return Face(self.name, argument, inspect.cleandoc(self.setter), inspect.cleandoc(self.getter))


def _by_name(*parameters: Entry) -> dict[str, Entry]:
    return {parameter.name: parameter for parameter in parameters}


# Of the smooth dynamics.
PARAMETERS = _by_name(
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
    Entry(
        "actuators_gain",
        "actuator_gainprm",
        "actuators",
        (3,),
        "SI",
        "MuJoCo's gainprm[:3]; of a muscle its range of lengths, in units of the strongest, and its peak force; of a "
        "PID servo ki first; of a DC motor resistance [Ohm], motor constant [N m/A] and its heat coefficient [1/K]",
        setter="First three of MuJoCo's gainprm of the model file's actuators, ([n_envs,] n_actuators, 3).",
        getter="First three of MuJoCo's gainprm, ([n_envs,] n_actuators, 3).",
    ),
    Entry(
        "actuators_bias",
        "actuator_biasprm",
        "actuators",
        (3,),
        "SI",
        "MuJoCo's biasprm[:3]; of a muscle as in the gain; of a PID servo (0, -kp, -kv); of a DC motor amplitude, "
        "periods and phase of its cogging",
        setter="First three of MuJoCo's biasprm of the model file's actuators, ([n_envs,] n_actuators, 3).",
        getter="First three of MuJoCo's biasprm, ([n_envs,] n_actuators, 3).",
    ),
    Entry(
        "actuators_gear",
        "actuator_gear",
        "actuators",
        (6,),
        "SI",
        "gear: scales length and force of the actuator",
        setter="""Gear of the model file's actuators, which scales length and force, ([n_envs,] n_actuators, 6).

        Armature and damping that a file gives an actuator stay what they are with the gear of the file: they belong to
        its joint or tendon (`set_dofs_armature`, `set_tendons_damping`, ...).
        """,
        getter="Gear of the actuators, ([n_envs,] n_actuators, 6).",
    ),
    Entry(
        "actuators_time_constant",
        "actuator_dynprm",
        "actuators",
        (1,),
        "s",
        "MuJoCo's dynprm[0]: time constant of filter and filterexact activations, of a muscle's activation and of a DC "
        "motor's current; of a PID servo the largest integral [m s, rad s], or 0",
        check_not_negative,
        setter=(
            "Time constants of activations, of muscles that of activating, MuJoCo's dynprm[0] [s], not negative.\n\n"
            "([n_envs,] n_actuators, 1)."
        ),
        getter="Time constants of activations, MuJoCo's dynprm[0] [s], ([n_envs,] n_actuators, 1).",
    ),
    Entry(
        "actuators_deactivation",
        "actuator_dynprm",
        "actuators",
        (2,),
        "s, 1",
        "MuJoCo's dynprm[1:3]: of a muscle the time constant of deactivation and the width of the switch between both; "
        "of a PID servo how fast its setpoint moves [m/s, rad/s]; of a DC motor how fast its current changes [A/s] "
        "(0: no limit) and its thermal resistance [K/W]",
        check_not_negative,
        first=1,
        argument="deactivation",
        setter="""
        Of muscles: time constant of deactivation [s] and width of the switch between it and that of activation.

        ([n_envs,] n_actuators, 2), not negative. MuJoCo's dynprm[1:3]: of a PID servo the first is how fast its
        setpoint moves [m/s, rad/s]; of a DC motor they are how fast its current changes [A/s] and its thermal
        resistance [K/W]. Other actuators have no use for them.
        """,
        getter=("Of muscles: time constant of deactivation [s] and width of the switch, ([n_envs,] n_actuators, 2)."),
    ),
    Entry(
        "actuators_muscle_gain",
        "actuator_gainprm",
        "actuators",
        (6,),
        "1",
        "MuJoCo's gainprm[3:9], of muscles: scale, lmin, lmax, vmax, fpmax, fvmax",
        first=3,
        argument="gain",
        setter="""
        Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the active force, MuJoCo's gainprm[3:9].

        ([n_envs,] n_actuators, 6). The first three numbers of a muscle's gain, its range of lengths and peak force, are
        those of `set_actuators_gain`.
        """,
        getter="Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the active force, ([n_envs,] n_actuators, 6).",
    ),
    Entry(
        "actuators_muscle_bias",
        "actuator_biasprm",
        "actuators",
        (6,),
        "1",
        "the same of biasprm[3:9], of the passive force",
        first=3,
        argument="bias",
        setter="""
        Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the passive force, MuJoCo's biasprm[3:9].

        ([n_envs,] n_actuators, 6).
        """,
        getter="Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the passive force, ([n_envs,] n_actuators, 6).",
    ),
    Entry(
        "actuators_motor_control",
        "actuator_gainprm",
        "actuators",
        (5,),
        "SI",
        "MuJoCo's gainprm[3:8], of DC motors: temperature [deg C] at which the resistance is as stated; kp, ki and kd "
        "of the controller; its largest voltage [V], or 0",
        first=3,
        argument="control",
        setter="""
        Of DC motors: reference temperature [deg C], kp, ki, kd and largest voltage [V], MuJoCo's gainprm[3:8].

        ([n_envs,] n_actuators, 5). The first three numbers of a motor's gain are those of `set_actuators_gain`.
        """,
        getter="Of DC motors: reference temperature, kp, ki, kd and largest voltage, ([n_envs,] n_actuators, 5).",
    ),
    Entry(
        "actuators_motor_friction",
        "actuator_biasprm",
        "actuators",
        (3,),
        "N m, N m, rad/s",
        "MuJoCo's biasprm[3:6], of DC motors: Coulomb and static friction, and the Stribeck velocity between them",
        check_not_negative_vector,
        first=3,
        argument="friction",
        setter="""
        Of DC motors: Coulomb and static friction [N m] and Stribeck velocity [rad/s], MuJoCo's biasprm[3:6].

        ([n_envs,] n_actuators, 3), not negative.
        """,
        getter="Of DC motors: Coulomb and static friction and Stribeck velocity, ([n_envs,] n_actuators, 3).",
    ),
    Entry(
        "actuators_motor_dynamics",
        "actuator_dynprm",
        "actuators",
        (6,),
        "SI",
        "MuJoCo's dynprm[3:9], of DC motors: thermal capacity [J/K], ambient temperature [deg C], stiffness and "
        "damping of the bristles, how fast the first input moves, and the largest integral, or 0",
        first=3,
        argument="dynamics",
        setter="""
        Of DC motors, MuJoCo's dynprm[3:9], ([n_envs,] n_actuators, 6).

        Thermal capacity [J/K], ambient temperature [deg C], stiffness [N m/rad] and damping [N m s/rad] of the
        bristles, how fast the first input moves [1/s], and the largest integral of the error (0: no limit). The states
        that a motor has are those of its file: what a number is for that is 0 there, it has no use for.
        """,
        getter="""
        Of DC motors: thermal capacity, ambient temperature, stiffness and damping of bristles, speed, integral.

        ([n_envs,] n_actuators, 6); see `set_actuators_motor_dynamics`.
        """,
    ),
    Entry(
        "actuators_length_range",
        "actuator_lengthrange",
        "actuators",
        (2,),
        "m, rad",
        "(lower, upper) length of the actuator, in units of which a muscle's range is",
        check_range,
        as_ends=True,
        setter="Least and greatest lengths of muscles [m, rad], ([n_envs,] n_actuators) each.",
        getter="(lower, upper) lengths of the actuators [m, rad], ([n_envs,] n_actuators) each.",
    ),
    Entry(
        "actuators_crank_length",
        "actuator_cranklength",
        "actuators",
        (),
        "m",
        "length of the rod of a slider-crank",
        check_not_negative,
        setter="Lengths of the rods of slider-cranks [m], ([n_envs,] n_actuators), not negative.",
        getter="Lengths of the rods of slider-cranks [m], ([n_envs,] n_actuators).",
    ),
)

# Of actuators that keep a history of their controls.
DELAY_PARAMETERS = _by_name(
    Entry(
        "actuators_delay",
        "actuator_delay",
        "actuators",
        (),
        "s",
        "how late an actuator follows its control",
        check_not_negative,
        requires=HISTORY,
        setter="""How late actuators follow their controls [s], ([n_envs,] n_actuators), not negative; 0: at once.

        Only of those with a history (`nsample` in the model file), which is how far back they can look. Where a history
        is interpolated (linear, cubic), motion is differentiable by the delay; where it is held (zoh), it jumps.
        """,
        getter="How late actuators follow their controls [s], ([n_envs,] n_actuators).",
    ),
)

# Of contacts, joint limits and friction loss.
CONSTRAINT_PARAMETERS = _by_name(
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
# Of tendons, of the sites that they run through, of equality constraints, and the inverse inertias that all constraints
# feel.
COUPLING_PARAMETERS = _by_name(
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
# Of springs and dampers that are not linear, and of shapes in a fluid.
PASSIVE_PARAMETERS = _by_name(
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
ENTITY_PARAMETERS = {
    **PARAMETERS,
    **DELAY_PARAMETERS,
    **CONSTRAINT_PARAMETERS,
    **COUPLING_PARAMETERS,
    **PASSIVE_PARAMETERS,
}
# Of geoms, whether they touch something, a fluid acts on them or a tendon may run around them; the others of geoms are
# of contact.
SHAPE_PARAMETERS = ("geoms_size", "geoms_offset_pos", "geoms_offset_quat")
INVERSE_WEIGHTS = ("dofs_invweight", "links_invweight", "tendons_invweight")

# Of the contact pairs that model files define explicitly.
PAIR_PARAMETERS = _by_name(
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

DENSITY = Entry("fluid_density", "density", "scene", (), "kg/m^3", "density of the fluid", check_not_negative)
VISCOSITY = Entry("fluid_viscosity", "viscosity", "scene", (), "Pa s", "viscosity of the fluid", check_not_negative)
WIND = Entry("wind", "wind", "scene", (3,), "m/s", "velocity of the fluid, world frame")
GRAVITY = Entry("gravity", "gravity", "scene", (3,), "m/s^2", "acceleration of gravity, world frame")
WELD_SOL_PARAMS = Entry(
    "weld_sol_params",
    "weld_solref",
    "scene",
    (7,),
    SOL_UNITS,
    f"of the welds that are made at run time: {SOL_PARAMS}",
    check_sol_params,
    rest="weld_solimp",
)
SCENE_PARAMETERS = (GRAVITY, DENSITY, VISCOSITY, WIND, WELD_SOL_PARAMS)
