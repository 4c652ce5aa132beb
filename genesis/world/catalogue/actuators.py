"""Parameters of actuators."""

from __future__ import annotations

from genesis.world.catalogue.entry import HISTORY, Entry, by_name
from genesis.world.checks import check_not_negative, check_not_negative_vector, check_range

# Of actuators.
ACTUATOR_PARAMETERS = by_name(
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
DELAY_PARAMETERS = by_name(
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
