"""Arguments that kernels and their functions take together; see :mod:`genesis.rigid.kernels.constraint.groups`."""

import warp as wp

from genesis.types import mat33, real, vec3, vec4


@wp.struct
class Joints:
    """What kind the joints are, and where their positions and dofs are."""

    jnt_type: wp.array(dtype=int)
    jnt_qposadr: wp.array(dtype=int)
    jnt_dofadr: wp.array(dtype=int)


@wp.struct
class Frames:
    """The tree of frames, in the order in which they are placed."""

    frame_order: wp.array(dtype=int)
    frame_parent: wp.array(dtype=int)
    frame_body: wp.array(dtype=int)
    frame_jnt: wp.array(dtype=int)
    frame_first: wp.array(dtype=int)


@wp.struct
class Offsets:
    """Where bodies and joints sit, and what they are called by: parameters of kinematics."""

    qpos0: wp.array(dtype=real)
    body_mocapid: wp.array(dtype=int)
    body_pos: wp.array2d(dtype=vec3)
    body_quat: wp.array2d(dtype=vec4)
    jnt_pos: wp.array2d(dtype=vec3)
    jnt_axis: wp.array2d(dtype=vec3)


@wp.struct
class Activations:
    """How the actuators' activations move; behind them, from `history_adr[0]` on, lie the histories of controls."""

    history_adr: wp.array(dtype=int)
    actuator_actadr: wp.array(dtype=int)
    actuator_dyntype: wp.array(dtype=int)
    actuator_actlimited: wp.array(dtype=int)
    actuator_actrange: wp.array2d(dtype=real)
    actuator_on: wp.array2d(dtype=int)
    actuator_dynprm: wp.array3d(dtype=real)


@wp.struct
class Histories:
    """Which controls have a history, and how an actuator reads it."""

    history_of_ctrl: wp.array(dtype=int)
    history_actuator: wp.array(dtype=int)
    history_adr: wp.array(dtype=int)
    history_interp: wp.array(dtype=int)
    actuator_delay: wp.array2d(dtype=real)


@wp.struct
class ActuatorLaw:
    """How an actuator's force follows from its input, and where it ends.

    ``actuator_enabled``: 0 never, 1 once it is commanded, 2 always. ``actuator_ctrladr``, and ``actuator_actadr`` of
    `Activations`, are -1 for servos, whose inputs and states `Servos` has.
    """

    actuator_enabled: wp.array(dtype=int)
    actuator_ctrladr: wp.array(dtype=int)
    actuator_gaintype: wp.array(dtype=int)
    actuator_biastype: wp.array(dtype=int)
    actuator_actearly: wp.array(dtype=int)
    actuator_ctrllimited: wp.array(dtype=int)
    actuator_ctrlrange: wp.array2d(dtype=real)
    actuator_forcelimited: wp.array(dtype=int)
    actuator_forcerange: wp.array2d(dtype=real)
    actuator_muscle: wp.array(dtype=int)
    actuator_servo: wp.array(dtype=int)
    actuator_turns: wp.array(dtype=int)
    actuator_limited_tendon: wp.array(dtype=int)
    tendon_actfrcrange: wp.array2d(dtype=real)
    actuator_gainprm: wp.array3d(dtype=real)
    actuator_biasprm: wp.array3d(dtype=real)


@wp.struct
class Moments:
    """What the actuators pull: length and its rate, and the dofs of each moment."""

    moment_dof: wp.array(dtype=int)
    moment_dof_adr: wp.array(dtype=int)
    actuator_length: wp.array2d(dtype=real)
    actuator_velocity: wp.array2d(dtype=real)
    actuator_moment: wp.array2d(dtype=real)


@wp.struct
class MuscleForces:
    """What muscles do: gain, its derivative by velocity, passive force, and the rate of the activation."""

    muscle_gain: wp.array2d(dtype=real)
    muscle_slope: wp.array2d(dtype=real)
    muscle_bias: wp.array2d(dtype=real)
    muscle_rate: wp.array2d(dtype=real)


@wp.struct
class Servos:
    """PID servos and DC motors: their inputs and states; see `genesis.model.servos`."""

    servo_actuator: wp.array(dtype=int)
    pid_servo: wp.array(dtype=int)
    dc_servo: wp.array(dtype=int)
    servo_is_motor: wp.array(dtype=int)
    servo_first: wp.array(dtype=int)
    servo_velocity: wp.array(dtype=int)
    servo_input: wp.array2d(dtype=int)
    servo_state: wp.array2d(dtype=int)


@wp.struct
class Orientations:
    """Orientation servos: which servo each is, its controls, and its ball joint or two sites.

    ``moment_source``: of an entry of their moments which of the three torques it is of.
    """

    so3_actuator: wp.array(dtype=int)
    so3_servo: wp.array(dtype=int)
    so3_ctrladr: wp.array(dtype=int)
    so3_quat: wp.array(dtype=int)
    so3_actadr: wp.array(dtype=int)
    so3_limited: wp.array(dtype=int)
    so3_qpos: wp.array(dtype=int)
    so3_site: wp.array2d(dtype=int)
    moment_source: wp.array(dtype=int)


@wp.struct
class ServoForces:
    """What servos do: force and its derivative by velocity; and both of what motors add beyond their range."""

    servo_force: wp.array2d(dtype=real)
    servo_slope: wp.array2d(dtype=real)
    servo_load: wp.array2d(dtype=real)
    servo_load_slope: wp.array2d(dtype=real)


@wp.struct
class ActuatorForces:
    """What the actuators do; the first three only of those on a tendon whose force is limited."""

    actuator_force_raw: wp.array2d(dtype=real)
    dforce_dvel_raw: wp.array2d(dtype=real)
    ten_actuator_force: wp.array2d(dtype=real)
    act_dot: wp.array2d(dtype=real)
    actuator_force: wp.array2d(dtype=real)
    dforce_dvel: wp.array2d(dtype=real)
    qfrc_actuator_raw: wp.array2d(dtype=real)


@wp.struct
class Transmissions:
    """What the actuators act on: two sites, a tendon or a body; and the entries of their moments.

    ``moment_source``: of a joint its position, of a tendon where in ``ten_J``.
    """

    actuator_trnkind: wp.array(dtype=int)
    actuator_trnid: wp.array2d(dtype=int)
    moment_dof: wp.array(dtype=int)
    moment_dof_adr: wp.array(dtype=int)
    moment_source: wp.array(dtype=int)
    moment_coef: wp.array(dtype=real)
    actuator_gear: wp.array3d(dtype=real)
    actuator_cranklength: wp.array2d(dtype=real)


@wp.struct
class StickingBodies:
    """Bodies that actuators make stick, where their moments are, and what the contacts of a pair of bodies move."""

    adhesion_actuator: wp.array(dtype=int)
    adhesion_body: wp.array(dtype=int)
    adhesion_place: wp.array2d(dtype=int)
    moment_dof_adr: wp.array(dtype=int)
    cpair_body: wp.array2d(dtype=int)
    cpair_chain: wp.array(dtype=int)
    chain_dof: wp.array(dtype=int)
    chain_dof_adr: wp.array(dtype=int)
    chain_sign: wp.array(dtype=int)


@wp.struct
class Sites:
    """Where sites are on their bodies."""

    site_bodyid: wp.array(dtype=int)
    site_pos: wp.array2d(dtype=vec3)
    site_quat: wp.array2d(dtype=vec4)


@wp.struct
class Segments:
    """The paths of spatial tendons; see `genesis.model.tendons`."""

    segment_tendon: wp.array(dtype=int)
    segment_site: wp.array2d(dtype=int)
    segment_wrap: wp.array(dtype=int)
    segment_share: wp.array(dtype=real)
    piece_adr: wp.array(dtype=int)
    piece_dof: wp.array(dtype=int)
    piece_sign: wp.array(dtype=int)
    piece_place: wp.array(dtype=int)


@wp.struct
class Wraps:
    """The shapes that may be in the way of a tendon; ``wrap_geom``: rows of their place and size."""

    wrap_bodyid: wp.array(dtype=int)
    wrap_shape: wp.array(dtype=int)
    wrap_side: wp.array(dtype=int)
    wrap_geom: wp.array(dtype=int)
    geom_pos: wp.array2d(dtype=vec3)
    geom_quat: wp.array2d(dtype=vec4)
    geom_size: wp.array2d(dtype=vec3)


@wp.struct
class Fluid:
    """The fluid around all bodies."""

    density: wp.array2d(dtype=real)
    viscosity: wp.array2d(dtype=real)
    wind: wp.array2d(dtype=vec3)


@wp.struct
class FluidShapes:
    """The shapes on which a fluid acts as on ellipsoids."""

    fluid_geom: wp.array(dtype=int)
    fluid_geom_axes: wp.array(dtype=int)
    geom_pos: wp.array2d(dtype=vec3)
    geom_quat: wp.array2d(dtype=vec4)
    geom_size: wp.array2d(dtype=vec3)
    geom_fluid: wp.array3d(dtype=real)


@wp.struct
class RungeKuttaStages:
    """What the four evaluations of a step of RK4 have found."""

    rk_velocity_1: wp.array2d(dtype=real)
    rk_velocity_2: wp.array2d(dtype=real)
    rk_velocity_3: wp.array2d(dtype=real)
    qacc_0: wp.array2d(dtype=real)
    qacc_1: wp.array2d(dtype=real)
    qacc_2: wp.array2d(dtype=real)
    qacc_3: wp.array2d(dtype=real)
    act_dot_0: wp.array2d(dtype=real)
    act_dot_1: wp.array2d(dtype=real)
    act_dot_2: wp.array2d(dtype=real)
    act_dot_3: wp.array2d(dtype=real)


@wp.struct
class CollisionPairs:
    """The pairs of shapes that can touch."""

    cpair_geom: wp.array2d(dtype=int)
    cpair_kind: wp.array(dtype=int)
    cpair_family: wp.array(dtype=int)
    cpair_of: wp.array2d(dtype=int)
    cpair_next: wp.array(dtype=int)
    cpair_margin: wp.array(dtype=real)
    cpair_gap: wp.array(dtype=real)


@wp.struct
class Shapes:
    """The shapes: what they are, how large, and where."""

    cgeom_type: wp.array(dtype=int)
    cgeom_plane: wp.array(dtype=int)
    cgeom_bounded: wp.array(dtype=int)
    cgeom_rbound: wp.array(dtype=real)
    cgeom_size0: wp.array2d(dtype=real)
    geom_size: wp.array2d(dtype=vec3)
    geom_xpos: wp.array2d(dtype=vec3)
    geom_xmat: wp.array2d(dtype=mat33)


@wp.struct
class Hulls:
    """The convex hulls of meshes, see `genesis.model.hulls`; and height fields."""

    cgeom_vertadr: wp.array(dtype=int)
    cgeom_vertnum: wp.array(dtype=int)
    cgeom_polyadr: wp.array(dtype=int)
    cgeom_hulladr: wp.array(dtype=int)
    cgeom_box: wp.array2d(dtype=real)
    mesh_hull: wp.array(dtype=int)
    mesh_vert: wp.array2d(dtype=real)
    mesh_polynormal: wp.array2d(dtype=real)
    hfield_data: wp.array(dtype=real)


@wp.struct
class ConvexSearch:
    """How hard GJK and EPA try, and how many contacts they look for (MuJoCo: options ccd_, flag multiccd)."""

    ccd_iterations: int
    ccd_tolerance: real
    multiccd: int
    max_corners: int


@wp.struct
class ContactPlaces:
    """Where the contacts are."""

    con_dist: wp.array2d(dtype=real)
    con_pos: wp.array2d(dtype=vec3)
    con_frame: wp.array2d(dtype=mat33)
