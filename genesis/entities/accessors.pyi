"""Made by `python -m genesis.entities.catalogue_texts` from the catalogue of parameters; not to be edited."""

from typing import Any

from genesis import Scene
from genesis.entities.base import EntityBase
from genesis.entities.part import EntityPart
from genesis.grad.tensor import Tensor

class EntityAccessors(EntityBase):
    """Physical parameters of an entity: differentiable inputs of the step, like its state and its controls.

    A setter takes a tensor, with gradient if the scene has `requires_grad`, of shape `(n, ...)`, shared by all envs,
    or `(n_envs, n, ...)` with one value per env (per chosen env with `envs_idx`); a plain number stands for all. A
    getter returns what is in force, `([n_envs,] n, ...)`, with gradient. Index arguments choose a subset, each
    element once.

    The values are copied, with their graph: after an optimizer's step call the setter again. They outlive
    `scene.reset()`. Numbers that the compiler derives from them, and the smooth dynamics use, follow. Not so two gains
    that a model file may let the compiler choose for its inertias: the damping that an actuator's `dampratio` stands
    for (the third number of `actuators_bias`), and the stiffness and damping that a joint's `springdamper` stands for.
    They stay as compiled; set them anew where they should change. The inverse inertias that scale the softness of
    constraints (MuJoCo's `dof_invweight0`, `body_invweight0`) stay as compiled too, as when the numbers of a MuJoCo
    model are changed at run time. `scene.mj_model` keeps the numbers of the build.

    An old tensor keeps its gradient as long as it is in force, with one exception: values that were set again, and only
    live on in the proportions that a later `set_mass` scaled, count as numbers once a backward pass has gone through
    them. Until then they are kept; a setter that would make them too many (more than 64, or four times what
    is in force) raises GenesisException. Of what is set without gradient, over nothing that has one, nothing is kept.

    Every setter raises GenesisException, before anything changes, for a call before `build()`, a wrong shape, NaN or
    infinite values, a bad index, a tensor of another scene, and a value that no body has (the message names the link
    or dof).

    Arguments of geoms: `geoms_idx_local` counts the entity's geoms (`entity.geoms`); None means those that can touch
    something (`entity.touching_geoms`), in order. Getters read any geom; setters raise GenesisException for one that
    touches nothing, as a visual one, or in a scene without collision.

    A contact takes the larger of its two geoms' friction coefficients and mixes their `sol_params`, unless one geom has
    priority; contacts of an explicit <pair> of a model file have parameters of their own
    (`scene.rigid_solver.set_pairs_friction`).
    """

    def set_dofs_kp(self, kp: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Position gains of `control_dofs_position` [N m/rad, N/m], ([n_envs,] n_dofs)."""

    def get_dofs_kp(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Position gains [N m/rad, N/m], ([n_envs,] n_dofs); see `set_dofs_kp`."""

    def set_dofs_kv(self, kv: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Velocity gains of `control_dofs_position` and `_velocity` [N m s/rad, N s/m], ([n_envs,] n_dofs)."""

    def get_dofs_kv(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Velocity gains [N m s/rad, N s/m], ([n_envs,] n_dofs); see `set_dofs_kv`."""

    def set_dofs_stiffness(self, stiffness: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Stiffness of the joint springs [N m/rad, N/m], ([n_envs,] n_dofs); the rest position stays the file's."""

    def get_dofs_stiffness(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Stiffness of the joint springs [N m/rad, N/m], ([n_envs,] n_dofs)."""

    def set_dofs_damping(self, damping: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Viscous damping [N m s/rad, N s/m], ([n_envs,] n_dofs), not negative."""

    def get_dofs_damping(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Viscous damping [N m s/rad, N s/m], ([n_envs,] n_dofs)."""

    def set_dofs_armature(self, armature: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """What the joint's rotor adds to the diagonal of M [kg m^2, kg], ([n_envs,] n_dofs), not negative.

        Gains that the compiler chose for the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """

    def get_dofs_armature(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Armature [kg m^2, kg], ([n_envs,] n_dofs)."""

    def set_dofs_force_range(self, lower: Any, upper: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Range to which `control_dofs_*` forces are clipped [N m, N], ([n_envs,] n_dofs) each.

        -inf below and inf above: no limit.
        """

    def get_dofs_force_range(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) force range [N m, N], ([n_envs,] n_dofs) each; infinite: no limit."""

    def set_links_mass(self, mass: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Masses of the links [kg], ([n_envs,] n_links), not negative. THE INERTIAS STAY AS THEY ARE.

        A link that becomes heavier as a body of the same shape does has a larger inertia too: `set_links_scaled_mass`,
        and `set_mass` for the whole entity, scale both.

        Gains that the compiler chose for the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """

    def get_links_mass(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Masses of the links [kg], ([n_envs,] n_links)."""

    def set_links_COM(self, COM: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Centres of mass [m], in the links' frames, ([n_envs,] n_links, 3). The inertia about them stays as it is."""

    def get_links_COM(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Centres of mass [m], in the links' frames, ([n_envs,] n_links, 3)."""

    def set_links_inertia(self, inertia: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Inertias about the centres of mass [kg m^2], in the axes of the links' frames, ([n_envs,] n_links, 6).

        The six numbers are xx, yy, zz, xy, xz, yz; matrices, ([n_envs,] n_links, 3, 3), are accepted too. Principal
        moments must not be negative, and none may exceed the sum of the other two. Gains that the compiler chose for
        the inertia (actuator `dampratio`, joint `springdamper`) stay as compiled.
        """

    def get_links_inertia(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inertias about the centres of mass, (xx, yy, zz, xy, xz, yz) [kg m^2], link axes, ([n_envs,] n_links, 6)."""

    def set_links_offset_pos(self, pos: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Where the links sit in their parents' frames [m], ([n_envs,] n_links, 3). Without effect for a free base."""

    def get_links_offset_pos(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Where the links sit in their parents' frames [m], ([n_envs,] n_links, 3)."""

    def set_links_offset_quat(self, quat: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How the links are turned on their parents (w, x, y, z), ([n_envs,] n_links, 4).

        Normalised here, with gradient. Without effect for a free base.
        """

    def get_links_offset_quat(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How the links are turned on their parents (w, x, y, z), unit, ([n_envs,] n_links, 4)."""

    def set_links_gravity_compensation(
        self, compensation: Any, links_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Fraction of the links' weight that is carried for them, ([n_envs,] n_links); 1 cancels gravity."""

    def get_links_gravity_compensation(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Fraction of the links' weight that is carried for them, ([n_envs,] n_links)."""

    def set_joints_axis(self, axis: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Joint axes in the links' frames, ([n_envs,] n_joints, 3); normalised here, with gradient.

        Of hinges and slides; free and ball joints have no axis, theirs is without effect.
        """

    def get_joints_axis(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Joint axes in the links' frames, unit, ([n_envs,] n_joints, 3)."""

    def set_joints_anchor(self, anchor: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Points about which the joints turn [m], in the links' frames, ([n_envs,] n_joints, 3)."""

    def get_joints_anchor(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Points about which the joints turn [m], in the links' frames, ([n_envs,] n_joints, 3)."""

    def set_actuators_gain(self, gain: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """First three of MuJoCo's gainprm of the model file's actuators, ([n_envs,] n_actuators, 3)."""

    def get_actuators_gain(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """First three of MuJoCo's gainprm, ([n_envs,] n_actuators, 3)."""

    def set_actuators_bias(self, bias: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """First three of MuJoCo's biasprm of the model file's actuators, ([n_envs,] n_actuators, 3)."""

    def get_actuators_bias(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """First three of MuJoCo's biasprm, ([n_envs,] n_actuators, 3)."""

    def set_actuators_gear(self, gear: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Gear of the model file's actuators, which scales length and force, ([n_envs,] n_actuators, 6).

        Armature and damping that a file gives an actuator stay what they are with the gear of the file: they belong to
        its joint or tendon (`set_dofs_armature`, `set_tendons_damping`, ...).
        """

    def get_actuators_gear(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Gear of the actuators, ([n_envs,] n_actuators, 6)."""

    def set_actuators_time_constant(
        self, time_constant: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Time constants of activations, of muscles that of activating, MuJoCo's dynprm[0] [s], not negative.

        ([n_envs,] n_actuators, 1).
        """

    def get_actuators_time_constant(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Time constants of activations, MuJoCo's dynprm[0] [s], ([n_envs,] n_actuators, 1)."""

    def set_actuators_deactivation(
        self, deactivation: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Of muscles: time constant of deactivation [s] and width of the switch between it and that of activation.

        ([n_envs,] n_actuators, 2), not negative. MuJoCo's dynprm[1:3]: of a PID servo the first is how fast its
        setpoint moves [m/s, rad/s]; of a DC motor they are how fast its current changes [A/s] and its thermal
        resistance [K/W]. Other actuators have no use for them.
        """

    def get_actuators_deactivation(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Of muscles: time constant of deactivation [s] and width of the switch, ([n_envs,] n_actuators, 2)."""

    def set_actuators_muscle_gain(self, gain: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the active force, MuJoCo's gainprm[3:9].

        ([n_envs,] n_actuators, 6). The first three numbers of a muscle's gain, its range of lengths and peak force, are
        those of `set_actuators_gain`.
        """

    def get_actuators_muscle_gain(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the active force, ([n_envs,] n_actuators, 6)."""

    def set_actuators_muscle_bias(self, bias: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the passive force, MuJoCo's biasprm[3:9].

        ([n_envs,] n_actuators, 6).
        """

    def get_actuators_muscle_bias(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Of muscles: scale, lmin, lmax, vmax, fpmax and fvmax of the passive force, ([n_envs,] n_actuators, 6)."""

    def set_actuators_motor_control(self, control: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Of DC motors: reference temperature [deg C], kp, ki, kd and largest voltage [V], MuJoCo's gainprm[3:8].

        ([n_envs,] n_actuators, 5). The first three numbers of a motor's gain are those of `set_actuators_gain`.
        """

    def get_actuators_motor_control(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Of DC motors: reference temperature, kp, ki, kd and largest voltage, ([n_envs,] n_actuators, 5)."""

    def set_actuators_motor_friction(
        self, friction: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Of DC motors: Coulomb and static friction [N m] and Stribeck velocity [rad/s], MuJoCo's biasprm[3:6].

        ([n_envs,] n_actuators, 3), not negative.
        """

    def get_actuators_motor_friction(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Of DC motors: Coulomb and static friction and Stribeck velocity, ([n_envs,] n_actuators, 3)."""

    def set_actuators_motor_dynamics(
        self, dynamics: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Of DC motors, MuJoCo's dynprm[3:9], ([n_envs,] n_actuators, 6).

        Thermal capacity [J/K], ambient temperature [deg C], stiffness [N m/rad] and damping [N m s/rad] of the
        bristles, how fast the first input moves [1/s], and the largest integral of the error (0: no limit). The states
        that a motor has are those of its file: what a number is for that is 0 there, it has no use for.
        """

    def get_actuators_motor_dynamics(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Of DC motors: thermal capacity, ambient temperature, stiffness and damping of bristles, speed, integral.

        ([n_envs,] n_actuators, 6); see `set_actuators_motor_dynamics`.
        """

    def set_actuators_length_range(
        self, lower: Any, upper: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Least and greatest lengths of muscles [m, rad], ([n_envs,] n_actuators) each."""

    def get_actuators_length_range(
        self, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> tuple[Tensor, Tensor]:
        """(lower, upper) lengths of the actuators [m, rad], ([n_envs,] n_actuators) each."""

    def set_actuators_crank_length(
        self, crank_length: Any, actuators_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Lengths of the rods of slider-cranks [m], ([n_envs,] n_actuators), not negative."""

    def get_actuators_crank_length(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Lengths of the rods of slider-cranks [m], ([n_envs,] n_actuators)."""

    def set_actuators_delay(self, delay: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How late actuators follow their controls [s], ([n_envs,] n_actuators), not negative; 0: at once.

        Only of those with a history (`nsample` in the model file), which is how far back they can look. Where a history
        is interpolated (linear, cubic), motion is differentiable by the delay; where it is held (zoh), it jumps.
        """

    def get_actuators_delay(self, actuators_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How late actuators follow their controls [s], ([n_envs,] n_actuators)."""

    def set_dofs_frictionloss(self, frictionloss: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Dry friction of the joints [N m, N], ([n_envs,] n_dofs), not negative.

        Raises GenesisException, too, where the scene simulates no friction loss (`disable_constraint`, a disable flag).
        """

    def get_dofs_frictionloss(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Dry friction of the joints [N m, N], ([n_envs,] n_dofs)."""

    def set_dofs_sol_params(self, sol_params: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Softness of friction loss, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_dofs, 7).

        Seven numbers stand for all dofs. MuJoCo's solreffriction and solimpfriction.
        """

    def get_dofs_sol_params(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of friction loss, ([n_envs,] n_dofs, 7); see `set_dofs_sol_params`."""

    def set_joints_sol_params(self, sol_params: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Softness of joint limits, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_joints, 7).

        Seven numbers stand for all joints. MuJoCo's solreflimit and solimplimit. Raises GenesisException, too, where
        nothing in the scene has limits.
        """

    def get_joints_sol_params(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of joint limits, ([n_envs,] n_joints, 7); see `set_joints_sol_params`."""

    def set_friction(self, friction: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of sliding friction, a number for all or ([n_envs,] n_geoms), not negative."""

    def get_friction(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of sliding friction, ([n_envs,] n_geoms)."""

    def set_friction_torsional(self, friction: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of friction against turning about the contact's normal [m], ([n_envs,] n_geoms); condim 4, 6."""

    def get_friction_torsional(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of torsional friction [m], ([n_envs,] n_geoms)."""

    def set_friction_rolling(self, friction: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of friction against rolling [m], ([n_envs,] n_geoms); condim 6."""

    def get_friction_rolling(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of rolling friction [m], ([n_envs,] n_geoms)."""

    def set_sol_params(self, sol_params: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Softness of contacts, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] n_geoms, 7).

        Seven numbers stand for all geoms. They are MuJoCo's solref (in either form) and solimp. Those of limits and of
        friction loss: `set_joints_sol_params`, `set_dofs_sol_params`.
        """

    def get_sol_params(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of contacts, ([n_envs,] n_geoms, 7); see `set_sol_params`."""

    def set_geoms_surface_velocity(
        self, surface_velocity: Any, geoms_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """How the geoms' surfaces run, in their axes: linear [m/s], then angular about their places [rad/s].

        ([n_envs,] n_geoms, 6), MuJoCo's surfacevel: of a conveyor belt or a turntable that stands still itself. What
        touches it feels what is along the tangents of the contact, and, with condim 4 and 6, about its normal.
        """

    def get_geoms_surface_velocity(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How the geoms' surfaces run, in their axes [m/s, rad/s], ([n_envs,] n_geoms, 6)."""

    def set_geoms_adhesion(self, adhesion: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """With which force each of the geoms' contacts can pull [N], ([n_envs,] n_geoms), not negative.

        MuJoCo's adhesion. Two geoms pull with the sum of theirs, or with that of the one with priority. A contact that
        sticks pulls also within the gap.
        """

    def get_geoms_adhesion(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """With which force each of the geoms' contacts can pull [N], ([n_envs,] n_geoms)."""

    def set_geoms_size(self, size: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Sizes of the shapes [m], ([n_envs,] n_geoms, 3), as MuJoCo counts them.

        Sphere: radius. Capsule and cylinder: radius, half length. Box: half sides. Ellipsoid: semi-axes. Mesh and
        height field: the three numbers that the getter gives; a multiple of each scales it along the geom's axes, about
        the geom's place. Numbers that a shape has no use for are kept as given. Masses and inertias do not follow.
        A tendon that runs around a sphere or cylinder feels its radius. Raises GenesisException, too, for planes.
        """

    def get_geoms_size(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Sizes of the shapes [m], ([n_envs,] n_geoms, 3), as MuJoCo counts them; see `set_geoms_size`."""

    def set_geoms_offset_pos(self, pos: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Where the geoms sit in their links' frames [m], ([n_envs,] n_geoms, 3); masses and inertias do not follow.

        A mesh's frame is MuJoCo's, at the mesh's centre of mass.
        """

    def get_geoms_offset_pos(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Where the geoms sit in their links' frames [m], ([n_envs,] n_geoms, 3)."""

    def set_geoms_offset_quat(self, quat: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How the geoms are turned on their links (w, x, y, z), ([n_envs,] n_geoms, 4).

        Normalised here, with gradient. Masses and inertias do not follow.
        """

    def get_geoms_offset_quat(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How the geoms are turned on their links (w, x, y, z), unit, ([n_envs,] n_geoms, 4)."""

    def set_sites_offset_pos(self, pos: Any, sites_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Where the sites sit in their links' frames [m], ([n_envs,] n_sites, 3); by `site_names`.

        What runs through them, acts on them or measures there follows: spatial tendons, actuators, sensors. Equality
        constraints between sites keep their points (`set_equalities_data`); lengths that the compiler found with the
        sites of the file stay too (`actuators_length_range` of muscles, `tendons_spring_range`).
        """

    def get_sites_offset_pos(self, sites_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Where the sites sit in their links' frames [m], ([n_envs,] n_sites, 3)."""

    def set_sites_offset_quat(self, quat: Any, sites_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How the sites are turned on their links (w, x, y, z), ([n_envs,] n_sites, 4).

        Normalised here, with gradient. Actuators and sensors feel it; a tendon does not, and equality constraints
        between sites stay what they are in the file.
        """

    def get_sites_offset_quat(self, sites_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How the sites are turned on their links (w, x, y, z), unit, ([n_envs,] n_sites, 4)."""

    def set_tendons_stiffness(self, stiffness: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Stiffness of the tendons' springs [N/m, N m/rad], ([n_envs,] n_tendons)."""

    def get_tendons_stiffness(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Stiffness of the tendons' springs [N/m, N m/rad], ([n_envs,] n_tendons)."""

    def set_tendons_damping(self, damping: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Viscous damping along the tendons [N s/m, N m s/rad], ([n_envs,] n_tendons), not negative."""

    def get_tendons_damping(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Viscous damping along the tendons [N s/m, N m s/rad], ([n_envs,] n_tendons)."""

    def set_tendons_armature(self, armature: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Inertia against a change of the tendons' lengths [kg, kg m^2], ([n_envs,] n_tendons), not negative.

        As in MuJoCo it reaches between joints only where one carries the other. Raises GenesisException, too, for
        tendons that run around shapes, which have none.
        """

    def get_tendons_armature(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inertia against a change of the tendons' lengths [kg, kg m^2], ([n_envs,] n_tendons)."""

    def set_tendons_spring_range(
        self, lower: Any, upper: Any, tendons_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Lengths between which the tendons' springs are slack [m, rad], ([n_envs,] n_tendons) each."""

    def get_tendons_spring_range(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) lengths between which the springs are slack [m, rad], ([n_envs,] n_tendons) each."""

    def set_tendons_frictionloss(self, frictionloss: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Dry friction along the tendons [N, N m], ([n_envs,] n_tendons), not negative.

        Raises GenesisException, too, where the scene simulates no friction loss (`disable_constraint`, a disable flag).
        """

    def get_tendons_frictionloss(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Dry friction along the tendons [N, N m], ([n_envs,] n_tendons)."""

    def set_tendons_friction_sol_params(
        self, sol_params: Any, tendons_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Softness of the tendons' friction loss, (timeconst, dampratio, dmin, dmax, width, mid, power).

        ([n_envs,] n_tendons, 7); seven numbers stand for all tendons. MuJoCo's solreffriction and solimpfriction.
        """

    def get_tendons_friction_sol_params(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of the tendons' friction loss, ([n_envs,] n_tendons, 7)."""

    def set_tendons_limit(self, lower: Any, upper: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Least and greatest lengths of the tendons [m, rad], ([n_envs,] n_tendons) each, lower <= upper.

        Raises GenesisException, too, for a tendon without limit: state a range in the model file.
        """

    def get_tendons_limit(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> tuple[Tensor, Tensor]:
        """(lower, upper) lengths of the tendons [m, rad], ([n_envs,] n_tendons) each."""

    def set_tendons_limit_sol_params(
        self, sol_params: Any, tendons_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Softness of the tendons' limits, (timeconst, dampratio, dmin, dmax, width, mid, power).

        ([n_envs,] n_tendons, 7); seven numbers stand for all tendons. MuJoCo's solreflimit and solimplimit. Raises
        GenesisException, too, for a tendon without limit.
        """

    def get_tendons_limit_sol_params(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of the tendons' limits, ([n_envs,] n_tendons, 7)."""

    def set_equalities_data(self, data: Any, equalities_idx_local: Any = None, envs_idx: Any = None) -> None:
        """What the equality constraints of the model file hold, MuJoCo's eq_data, ([n_envs,] n_equalities, 11).

        Of a connect: the common point in the first body's frame and in the second's [m]. Of a weld: the point in the
        second body's frame and in the first's [m], the pose (w, x, y, z) of the second body in the first's frame, and
        how much the orientation weighs (torquescale). Of joints and tendons: five coefficients of the polynomial that
        the first is of the second. Sites that a file names count as points of their bodies. Numbers that a kind has no
        use for are kept as given.
        """

    def get_equalities_data(self, equalities_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """What the equality constraints hold, ([n_envs,] n_equalities, 11); see `set_equalities_data`."""

    def set_equalities_sol_params(
        self, sol_params: Any, equalities_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Softness of equality constraints, (timeconst, dampratio, dmin, dmax, width, mid, power).

        ([n_envs,] n_equalities, 7); seven numbers stand for all.
        """

    def get_equalities_sol_params(self, equalities_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of the equality constraints, ([n_envs,] n_equalities, 7)."""

    def set_dofs_invweight(self, invweight: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Inverse inertias by which constraints of the joints scale their softness, ([n_envs,] n_dofs).

        Of limits, friction loss and equality [1/kg, 1/(kg m^2)]. MuJoCo's dof_invweight0. With
        `RigidOptions(inverse_weights="follow")` they follow the parameters in force, and cannot be set.
        """

    def get_dofs_invweight(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inverse inertias of the dofs as constraints feel them [1/kg, 1/(kg m^2)], ([n_envs,] n_dofs)."""

    def set_links_invweight(self, invweight: Any, links_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Inverse inertias by which contacts, connects and welds scale their softness, ([n_envs,] n_links, 2).

        Of translation [1/kg] and of rotation [1/(kg m^2)]. MuJoCo's body_invweight0; see `set_dofs_invweight`.
        """

    def get_links_invweight(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inverse inertias of the links as constraints feel them, ([n_envs,] n_links, 2)."""

    def set_tendons_invweight(self, invweight: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Inverse inertias by which tendons' constraints scale their softness, ([n_envs,] n_tendons).

        [1/kg, 1/(kg m^2)] MuJoCo's tendon_invweight0; see `set_dofs_invweight`.
        """

    def get_tendons_invweight(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inverse inertias of the tendons as constraints feel them [1/kg, 1/(kg m^2)], ([n_envs,] n_tendons)."""

    def set_dofs_stiffness_poly(self, stiffness_poly: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """What the stiffness of the joint springs gains with their extension x, ([n_envs,] n_dofs, 2).

        The force is -(stiffness + k1 x + k2 x^2) x, MuJoCo's stiffnesspoly [N m/rad^2, N m/rad^3; N/m^2, N/m^3]. Of a
        ball joint, and of the translation of a free one, x in the bracket is the size of the whole extension.
        """

    def get_dofs_stiffness_poly(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """k1 and k2 of the joint springs, ([n_envs,] n_dofs, 2); see `set_dofs_stiffness_poly`."""

    def set_dofs_damping_poly(self, damping_poly: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """What the damping of the joints gains with their speed v, ([n_envs,] n_dofs, 2).

        The force is -(damping + d1 |v| + d2 v^2) v, MuJoCo's dampingpoly [N m s^2/rad^2, N m s^3/rad^3; N s^2/m^2,
        N s^3/m^3].
        """

    def get_dofs_damping_poly(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """d1 and d2 of the joints' damping, ([n_envs,] n_dofs, 2); see `set_dofs_damping_poly`."""

    def set_tendons_stiffness_poly(
        self, stiffness_poly: Any, tendons_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """What the stiffness of the tendons' springs gains with the length x beyond their range.

        ([n_envs,] n_tendons, 2): the force is -(stiffness + k1 x + k2 x^2) x; MuJoCo's stiffnesspoly [N/m^2, N/m^3;
        N m/rad^2, N m/rad^3].
        """

    def get_tendons_stiffness_poly(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """k1 and k2 of the tendons' springs, ([n_envs,] n_tendons, 2); see `set_tendons_stiffness_poly`."""

    def set_tendons_damping_poly(self, damping_poly: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """What the damping along the tendons gains with their speed v, ([n_envs,] n_tendons, 2).

        The force is -(damping + d1 |v| + d2 v^2) v; MuJoCo's dampingpoly [N s^2/m^2, N s^3/m^3; N m s^2/rad^2,
        N m s^3/rad^3].
        """

    def get_tendons_damping_poly(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """d1 and d2 of the tendons' damping, ([n_envs,] n_tendons, 2); see `set_tendons_damping_poly`."""

    def set_geoms_fluid_coef(self, coef: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of shapes in a fluid, MuJoCo's fluidcoef, ([n_envs,] n_geoms, 5).

        Blunt drag, slender drag, angular drag, Kutta lift, Magnus lift; of the shapes with `fluidshape="ellipsoid"`,
        which are those that `None` means. Raises GenesisException for any other.
        """

    def get_geoms_fluid_coef(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of shapes in a fluid, ([n_envs,] n_geoms, 5); see `set_geoms_fluid_coef`."""

    def set_geoms_virtual_mass(self, virtual_mass: Any, geoms_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Volumes of fluid that move with the shapes, along their axes [m^3], ([n_envs,] n_geoms, 3).

        Times the fluid's density, the virtual masses. The compiler takes those of the ellipsoid; with a size that is
        set later they stay. Of the shapes with `fluidshape="ellipsoid"`; raises GenesisException for any other.
        """

    def get_geoms_virtual_mass(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Volumes of fluid that move with the shapes [m^3], ([n_envs,] n_geoms, 3)."""

    def set_geoms_virtual_inertia(
        self, virtual_inertia: Any, geoms_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Inertias of the fluid that turns with the shapes about their axes, over its density [m^5].

        ([n_envs,] n_geoms, 3); the compiler takes those of the ellipsoid, and with a size that is set later they stay.
        Of the shapes with `fluidshape="ellipsoid"`; raises GenesisException for any other.
        """

    def get_geoms_virtual_inertia(self, geoms_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Inertias of the fluid that turns with the shapes, over its density [m^5], ([n_envs,] n_geoms, 3)."""

    def set_joints_spring_yield(self, spring_yield: Any, joints_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How far the plastic springs of joints go before their rest follows [rad, m], ([n_envs,] n_joints).

        Above zero. Only of springs with `springyield` in the model file; raises GenesisException for any other.
        """

    def get_joints_spring_yield(self, joints_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How far the plastic springs of joints go before their rest follows [rad, m], ([n_envs,] n_joints)."""

    def set_tendons_spring_yield(self, spring_yield: Any, tendons_idx_local: Any = None, envs_idx: Any = None) -> None:
        """How far beyond its range a plastic tendon goes before it follows [m, rad], ([n_envs,] n_tendons).

        Above zero. Only of springs with `springyield` in the model file; raises GenesisException for any other.
        """

    def get_tendons_spring_yield(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How far beyond their range plastic tendons go before it follows [m, rad], ([n_envs,] n_tendons)."""

class LinkAccessors(EntityPart):
    """Physical parameters of one link; see `EntityAccessors`."""

    def set_mass(self, mass: Any, envs_idx: Any = None) -> None:
        """Set its mass [kg], a number or ([n_envs],). ITS INERTIA STAYS AS IT IS; `set_scaled_mass` scales both.

        See `RigidEntity.set_links_mass`.
        """

    def get_mass(self, envs_idx: Any = None) -> Tensor:
        """Its mass [kg], ([n_envs])."""

    def set_COM(self, COM: Any, envs_idx: Any = None) -> None:
        """Set its centre of mass [m], in its own frame, ([n_envs,] 3)."""

    def get_COM(self, envs_idx: Any = None) -> Tensor:
        """Its centre of mass [m], in its own frame, ([n_envs,] 3)."""

    def set_inertia(self, inertia: Any, envs_idx: Any = None) -> None:
        """Set its inertia about the centre of mass [kg m^2], in its own axes; as `set_links_inertia`, for one link."""

    def get_inertia(self, envs_idx: Any = None) -> Tensor:
        """Its inertia about the centre of mass, (xx, yy, zz, xy, xz, yz) [kg m^2], in its own axes, ([n_envs,] 6)."""

class GeomAccessors(EntityPart):
    """Physical parameters of one geom; see `EntityAccessors`."""

    def set_friction(self, friction: Any, envs_idx: Any = None) -> None:
        """Set its coefficient of sliding friction, a number or ([n_envs],)."""

    def get_friction(self, envs_idx: Any = None) -> Tensor:
        """Its coefficient of sliding friction, ([n_envs])."""

    def set_sol_params(self, sol_params: Any, envs_idx: Any = None) -> None:
        """Set the softness of its contacts, ([n_envs,] 7); see `RigidEntity.set_sol_params`."""

    def get_sol_params(self, envs_idx: Any = None) -> Tensor:
        """Softness of its contacts, (timeconst, dampratio, dmin, dmax, width, mid, power), ([n_envs,] 7)."""

    def set_offset_pos(self, pos: Any, envs_idx: Any = None) -> None:
        """Set where it sits in its link's frame [m], ([n_envs,] 3); see `RigidEntity.set_geoms_offset_pos`."""

    def get_offset_pos(self, envs_idx: Any = None) -> Tensor:
        """Where it sits in its link's frame [m], ([n_envs,] 3)."""

    def set_offset_quat(self, quat: Any, envs_idx: Any = None) -> None:
        """Set how it is turned on its link (w, x, y, z), ([n_envs,] 4); normalised here, with gradient."""

    def get_offset_quat(self, envs_idx: Any = None) -> Tensor:
        """How it is turned on its link (w, x, y, z), unit, ([n_envs,] 4)."""

class SolverAccessors:
    """Physical parameters by the scene's numbers; see `EntityAccessors`."""

    _scene: Scene

    def set_geoms_friction(self, friction: Any, geoms_idx: Any = None, envs_idx: Any = None) -> None:
        """Coefficients of sliding friction, a number for all or ([n_envs,] n_geoms); as `RigidEntity.set_friction`."""

    def get_geoms_friction(self, geoms_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Coefficients of sliding friction, ([n_envs,] n_geoms); None: of the geoms that can touch something."""

    def set_pairs_friction(self, friction: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """Friction of explicit contact pairs, ([n_envs,] n_pairs, 5): two of sliding, one torsional, two rolling."""

    def get_pairs_friction(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Friction of explicit contact pairs, ([n_envs,] n_pairs, 5)."""

    def set_pairs_sol_params(self, sol_params: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """Softness of explicit contact pairs, ([n_envs,] n_pairs, 7); see `RigidEntity.set_sol_params`."""

    def get_pairs_sol_params(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Softness of explicit contact pairs, ([n_envs,] n_pairs, 7)."""

    def set_pairs_solref_friction(self, solref: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """MuJoCo's solreffriction of explicit contact pairs, ([n_envs,] n_pairs, 2); used with elliptic cones."""

    def get_pairs_solref_friction(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """MuJoCo's solreffriction of explicit contact pairs, ([n_envs,] n_pairs, 2)."""

    def set_pairs_adhesion(self, adhesion: Any, pairs_idx: Any = None, envs_idx: Any = None) -> None:
        """With which force contacts of explicit pairs can pull [N], ([n_envs,] n_pairs), not negative."""

    def get_pairs_adhesion(self, pairs_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """With which force contacts of explicit pairs can pull [N], ([n_envs,] n_pairs)."""
