"""Getters of an entity. Each is differentiable with respect to everything that led to the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from genesis.entities.base import EntityBase
from genesis.errors import GenesisException
from genesis.math.rotation import quat_rotate
from genesis.world.arguments import gather, read_flag, select_range
from genesis.world.contacts import ContactTable, contacts_of, net_forces

if TYPE_CHECKING:
    from genesis.entities import RigidEntity, RigidLink
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor
    from genesis.states import RigidEntityState

LinkPoint = Literal["link_origin", "link_com"]


class StateReader(EntityBase):
    """What can be asked of an entity's state. Shapes are `([n_envs,] ...)`: without the envs when `n_envs` is 0.

    `envs_idx` and the `*_idx_local` arguments choose a subset (int, slice, range, list, array, tensor; negatives
    count from the end; None: all). `relative` changes nothing (see `StateWriter`). Every getter raises
    GenesisException before `build()` and for a bad index, and returns a copy.
    """

    # -- base link ----------------------------------------------------------------------------------------------------

    def get_pos(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Position of the base link's origin [m], world frame, ([n_envs,] 3)."""
        place = self._built("get_pos")
        check_relative(place, "get_pos", relative)
        return read_body(place, "get_pos", "xpos", slice(None), place.ranges.link_start, envs_idx)

    def get_quat(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Orientation of the base link (w, x, y, z), unit, world frame, ([n_envs,] 4)."""
        place = self._built("get_quat")
        check_relative(place, "get_quat", relative)
        return read_body(place, "get_quat", "xquat", slice(None), place.ranges.link_start, envs_idx)

    def get_vel(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Linear velocity of the base link's origin [m/s], world frame, ([n_envs,] 3)."""
        place = self._built("get_vel")
        check_relative(place, "get_vel", relative)
        return read_body(place, "get_vel", "xvel", slice(0, 3), place.ranges.link_start, envs_idx)

    def get_ang(self, envs_idx: Any = None) -> Tensor:
        """Angular velocity of the base link [rad/s], world frame, ([n_envs,] 3)."""
        place = self._built("get_ang")
        return read_body(place, "get_ang", "xvel", slice(3, 6), place.ranges.link_start, envs_idx)

    # -- links --------------------------------------------------------------------------------------------------------

    def get_links_pos(
        self,
        links_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        ref: LinkPoint = "link_origin",
        relative: bool = True,
    ) -> Tensor:
        """Positions of the links' origins, or centres of mass (`ref="link_com"`) [m], world, ([n_envs,] n_links, 3)."""
        place = self._built("get_links_pos")
        check_relative(place, "get_links_pos", relative)
        name = "xipos" if _at_com(place, "get_links_pos", ref) else "xpos"
        return _read_links(place, "get_links_pos", name, slice(None), links_idx_local, envs_idx)

    def get_links_quat(self, links_idx_local: Any = None, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Orientations of the links (w, x, y, z), unit, world frame, ([n_envs,] n_links, 4)."""
        check_relative(self._built("get_links_quat"), "get_links_quat", relative)
        return _read_links(
            self._built("get_links_quat"), "get_links_quat", "xquat", slice(None), links_idx_local, envs_idx
        )

    def get_links_vel(
        self,
        links_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        ref: LinkPoint = "link_origin",
        relative: bool = True,
    ) -> Tensor:
        """Linear velocities of the links' origins, or centres of mass [m/s], world frame, ([n_envs,] n_links, 3)."""
        method = "get_links_vel"
        place = self._built(method)
        check_relative(place, method, relative)
        origin = _read_links(place, method, "xvel", slice(0, 3), links_idx_local, envs_idx)
        if not _at_com(place, method, ref):
            return origin
        ang = _read_links(place, method, "xvel", slice(3, 6), links_idx_local, envs_idx)
        arm = self.get_links_pos(links_idx_local, envs_idx, ref="link_com") - self.get_links_pos(
            links_idx_local, envs_idx
        )
        return origin + torch.linalg.cross(ang, arm)

    def get_links_ang(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Angular velocities of the links [rad/s], world frame, ([n_envs,] n_links, 3)."""
        return _read_links(
            self._built("get_links_ang"), "get_links_ang", "xvel", slice(3, 6), links_idx_local, envs_idx
        )

    def get_links_acc(self, links_idx_local: Any = None, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Accelerations of the links' origins [m/s^2], world frame, ([n_envs,] n_links, 3).

        The second derivative of the position at the present state under the present commands; a body in free fall has
        (0, 0, -9.81).
        """
        check_relative(self._built("get_links_acc"), "get_links_acc", relative)
        return _read_links(
            self._built("get_links_acc"), "get_links_acc", "xacc", slice(0, 3), links_idx_local, envs_idx
        )

    def get_links_acc_ang(self, links_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Angular accelerations of the links [rad/s^2], world frame, ([n_envs,] n_links, 3), as `get_links_acc`."""
        return _read_links(
            self._built("get_links_acc_ang"), "get_links_acc_ang", "xacc", slice(3, 6), links_idx_local, envs_idx
        )

    # -- qs and dofs --------------------------------------------------------------------------------------------------

    def get_qpos(self, qs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Generalized positions [m, rad], ([n_envs,] n_qs): 7 of a free joint (position, quaternion), 4 of a ball."""
        place = self._built("get_qpos")
        chosen = place.select("get_qpos", "qs", qs_idx_local, unique=False)
        envs = place.select_envs("get_qpos", envs_idx, unique=False)
        return place.world.wrap(gather(place.world.read_state(), envs, chosen, place.ranges.q_start))

    def get_control_history(self, actuator_idx_local: Any, envs_idx: Any = None) -> Tensor:
        """What an actuator was told before, one control per integration step, the oldest first, ([n_envs,] nsample).

        Of an actuator with several controls all of the first come first, then all of the next. Raises GenesisException,
        too, for an actuator that keeps no history (no `nsample` in the model file).
        """
        method = "get_control_history"
        place = self._built(method)
        start, count = place.history(method, actuator_idx_local)
        envs = place.select_envs(method, envs_idx, unique=False)
        return place.world.wrap(gather(place.world.read_state(), envs, select_range(count, 0, count), start))

    def get_dofs_position(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Positions of the dofs [m, rad], ([n_envs,] n_dofs).

        A free joint's are (x, y, z) and the extrinsic x-y-z Euler angles of its orientation, a ball joint's the same
        three angles; elsewhere dof position and qpos are the same number.
        """
        place = self._built("get_dofs_position")
        method = "get_dofs_position"
        chosen = place.select(method, "dofs", dofs_idx_local, unique=False)
        envs = place.select_envs(method, envs_idx, unique=False)
        layout = place.layout
        if layout.is_plain:
            return place.world.wrap(gather(place.world.read_state(), envs, chosen, place.ranges.q_start))
        qpos = gather(place.world.read_state(), envs, select_range(self.n_qs, 0, self.n_qs), place.ranges.q_start)
        position = layout.position(qpos)
        return place.world.wrap(position if chosen.is_all else position.index_select(1, chosen.tensor()))

    def get_dofs_velocity(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Velocities of the dofs [m/s, rad/s], ([n_envs,] n_dofs).

        MuJoCo's: of a free joint linear in the world frame and angular in the body frame, of a ball joint in the body
        frame.
        """
        place = self._built("get_dofs_velocity")
        chosen = place.select("get_dofs_velocity", "dofs", dofs_idx_local, unique=False)
        envs = place.select_envs("get_dofs_velocity", envs_idx, unique=False)
        return place.world.wrap(gather(place.world.read_state(), envs, chosen, place.world.nq + place.ranges.dof_start))

    def get_dofs_force(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Net generalized force on the dofs [N, N m], ([n_envs,] n_dofs): M times the acceleration.

        Commands, actuators, springs, damping, gravity, a fluid, external wrenches, contacts, limits and friction loss,
        less the bias force (MuJoCo's qfrc_smooth + qfrc_constraint).
        """
        return _read_dofs(self._built("get_dofs_force"), "get_dofs_force", "qfrc_total", dofs_idx_local, envs_idx)

    def get_dofs_control_force(self, dofs_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Force of the `control_dofs_*` command in force at the present state [N, N m], clipped, ([n_envs,] n_dofs)."""
        return _read_dofs(
            self._built("get_dofs_control_force"), "get_dofs_control_force", "qfrc_command", dofs_idx_local, envs_idx
        )

    # -- tendons ------------------------------------------------------------------------------------------------------

    def get_tendons_length(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Lengths of the tendons [m, rad], ([n_envs,] n_tendons), by `tendon_names` (MuJoCo's ten_length)."""
        return _read_tendons(
            self._built("get_tendons_length"), "get_tendons_length", "ten_length", tendons_idx_local, envs_idx
        )

    def get_tendons_velocity(self, tendons_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """How fast they become longer [m/s, rad/s], ([n_envs,] n_tendons) (MuJoCo's ten_velocity)."""
        return _read_tendons(
            self._built("get_tendons_velocity"), "get_tendons_velocity", "ten_velocity", tendons_idx_local, envs_idx
        )

    # -- sensors ------------------------------------------------------------------------------------------------------

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors that its model file defines; a nameless one is called by its number, "sensor3"."""
        prefix = f"{self._name}/"
        every = self._scene.sensor_names
        return tuple(name.removeprefix(prefix) for name in every if name.startswith(prefix))

    def get_sensor_data(self, name: str | None = None, envs_idx: Any = None) -> Tensor | dict[str, Tensor]:
        """What the sensors of its model file measure: a dictionary by `sensor_names`, ([n_envs,] dim) each, or the
        values of the one called `name`. See `Scene.get_sensor_data`."""
        self._built("get_sensor_data")
        return self._scene.get_sensor_data(name, entity=self, envs_idx=envs_idx)

    # -- whole entity -------------------------------------------------------------------------------------------------

    def get_mass_mat(self, envs_idx: Any = None) -> Tensor:
        """Joint-space inertia matrix of the entity's dofs, armature included, ([n_envs,] n_dofs, n_dofs)."""
        place = self._built("get_mass_mat")
        envs = place.select_envs("get_mass_mat", envs_idx, unique=False)
        full = place.world.observer.get("qM").narrow(2, place.ranges.dof_start, self.n_dofs)
        return place.world.wrap(gather(full, envs, select_range(self.n_dofs, 0, self.n_dofs), place.ranges.dof_start))

    def get_jacobian(self, link: RigidLink, local_point: Any = None, envs_idx: Any = None) -> Tensor:
        """Jacobian of a link, ([n_envs,] 6, n_dofs): times the dof velocities it gives the link's velocity.

        Rows 0-2: linear velocity of the link's origin, or of `local_point` (3,) in the link's frame [m]; rows 3-5:
        angular velocity; both in the world frame.

        Raises GenesisException when `link` is not a link of this entity.
        """
        place = self._built("get_jacobian")
        method = "get_jacobian"
        if getattr(link, "entity", None) is not self:
            raise GenesisException(f"{place.owner(method)}: `link` is {link!r}; give one of {self._name}.links.")
        envs = place.select_envs(method, envs_idx, unique=False)
        body = link.idx + 1
        jac = place.world.observer.get("xjac")[:, body, :, place.ranges.dof_start : place.ranges.dof_end]
        jac = jac.clone() if envs is None else jac.index_select(0, envs.tensor())
        if local_point is not None:
            point = place.read(method, "local_point", local_point, (3,), envs, scalar=False)
            quat = place.world.observer.get("xquat")[:, body]
            quat = quat if envs is None else quat.index_select(0, envs.tensor())
            arm = quat_rotate(quat, point.expand(quat.shape[0], 3))
            linear = jac[:, :3] + torch.linalg.cross(jac[:, 3:], arm[:, :, None].expand_as(jac[:, 3:]), dim=1)
            jac = torch.cat([linear, jac[:, 3:]], 1)
        return place.world.wrap(jac)

    def get_kinetic_energy(self, envs_idx: Any = None) -> Tensor:
        """Kinetic energy of the links and of the joints' armature [J], ([n_envs])."""
        return _read_energy(self._built("get_kinetic_energy"), "get_kinetic_energy", 1, envs_idx)

    def get_potential_energy(self, envs_idx: Any = None) -> Tensor:
        """Potential energy [J], ([n_envs]): gravity's, the sum of -m g.x over the links' mass centres, and springs'.

        Zero is where a centre of mass is at the world's origin, and where a spring is at rest.
        """
        return _read_energy(self._built("get_potential_energy"), "get_potential_energy", 0, envs_idx)

    def get_state(self) -> RigidEntityState:
        """Pose of the base, qpos and dof velocities, with gradient; see `genesis.states.RigidEntityState`."""
        from genesis.states import RigidEntityState

        self._built("get_state")
        return RigidEntityState(
            entity_name=self._name,
            pos=self.get_pos(),
            quat=self.get_quat(),
            qpos=self.get_qpos(),
            dofs_vel=self.get_dofs_velocity(),
        )

    # -- contacts -----------------------------------------------------------------------------------------------------

    def get_contacts(self, with_entity: RigidEntity | None = None, exclude_self_contact: bool = False) -> ContactTable:
        """Contacts of the entity at the present state, under the present commands; with `with_entity`, those with it.

        A dictionary, as in Genesis, with one row per contact of the geoms a and b, n contacts:

        - `geom_a`, `geom_b`, `link_a`, `link_b` (n,): numbers in the scene (`scene.rigid_solver.geoms`, `.links`; link
          -1: the world)
        - `position` (n, 3) [m], `normal` (n, 3), unit, from a to b, in the world frame; `distance` (n,) [m], negative
          where the geoms penetrate
        - `force_a`, `force_b` (n, 3) [N], world frame: force on link a, and on link b

        Its attribute `names` is a dictionary of lists with the names of `geom_a`, `geom_b`, `link_a` and `link_b`, as
        "arm/hand", looked up when it is asked for.

        With envs the tensors are (n_envs, n, ...), n being the most that any env has in the whole scene, and there is a
        key `valid_mask` (n_envs, n); what is not valid is zero (numbers: -1). A contact whose distance is not below its
        margin is listed without force, as in MuJoCo. Which contacts there are is discrete; floats carry gradients.

        Raises GenesisException for a `with_entity` of another scene, and when the entity itself is asked for and
        excluded at once.
        """
        method = "get_contacts"
        place = self._built(method)
        if with_entity is not None and getattr(with_entity, "scene", None) is not self._scene:
            raise GenesisException(f"{place.owner(method)}: `with_entity` is {with_entity!r}; give one of this scene.")
        exclude_self_contact = read_flag(exclude_self_contact, "exclude_self_contact", place.owner(method))
        if with_entity is self and exclude_self_contact:
            raise GenesisException(
                f"{place.owner(method)}: `with_entity` is the entity itself, whose contacts with itself "
                "`exclude_self_contact=True` leaves out: nothing is left."
            )
        contacts = contacts_of(place.world)
        mine = contacts.between(place.ranges.geom_start, place.ranges.geom_end)
        if with_entity is None:
            chosen = mine.any(-1) & ~(mine.all(-1) if exclude_self_contact else torch.zeros_like(contacts.valid))
        elif with_entity is self:
            chosen = mine.all(-1)
        else:
            chosen = mine.any(-1) & contacts.between(with_entity.geom_start, with_entity.geom_end).any(-1)
        return contacts.as_table(place.world, chosen)

    def get_links_net_contact_force(self, envs_idx: Any = None) -> Tensor:
        """Sum of the contact forces on each link [N], world frame, ([n_envs,] n_links, 3)."""
        method = "get_links_net_contact_force"
        place = self._built(method)
        envs = place.select_envs(method, envs_idx, unique=False)
        links = select_range(self.n_links, 0, self.n_links)
        return place.world.wrap(gather(net_forces(place.world), envs, links, place.ranges.link_start - 1))


# -- how --------------------------------------------------------------------------------------------------------------


def check_relative(place: Place, method: str, relative: Any) -> None:
    """Raise GenesisException where `relative`, which changes nothing here, is neither True nor False."""
    if relative is not True:
        read_flag(relative, "relative", place.owner(method))


def read_body(place: Place, method: str, name: str, part: slice, body: int, envs_idx: Any) -> Tensor:
    """A `part` of what `Observer.get` knows of one body, by its MuJoCo number, ([n_envs,] ...)."""
    envs = place.select_envs(method, envs_idx, unique=False)
    value = torch.select_copy(place.world.observer.get(name), 1, body)
    if part.start is not None:
        value = torch.narrow_copy(value, 1, part.start, part.stop - part.start)
    return place.world.wrap(value if envs is None else value.index_select(0, envs.tensor()))


def _read_links(place: Place, method: str, name: str, part: slice, links_idx_local: Any, envs_idx: Any) -> Tensor:
    chosen = place.select(method, "links", links_idx_local, unique=False)
    envs = place.select_envs(method, envs_idx, unique=False)
    value = place.world.observer.get(name)
    if part.start is not None:
        value = value[:, :, part]
    return place.world.wrap(gather(value, envs, chosen, place.ranges.link_start))


def _read_dofs(place: Place, method: str, name: str, dofs_idx_local: Any, envs_idx: Any) -> Tensor:
    chosen = place.select(method, "dofs", dofs_idx_local, unique=False)
    envs = place.select_envs(method, envs_idx, unique=False)
    return place.world.wrap(gather(place.world.observer.get(name), envs, chosen, place.ranges.dof_start))


def _read_tendons(place: Place, method: str, name: str, tendons_idx_local: Any, envs_idx: Any) -> Tensor:
    chosen = place.select(method, "tendons", tendons_idx_local, unique=False)
    envs = place.select_envs(method, envs_idx, unique=False)
    return place.world.wrap(gather(place.world.observer.get(name), envs, chosen, place.starts["tendons"]))


def _read_energy(place: Place, method: str, kind: int, envs_idx: Any) -> Tensor:
    envs = place.select_envs(method, envs_idx, unique=False)
    observer, ranges = place.world.observer, place.ranges
    bodies = observer.get("body_energy")[:, ranges.link_start : ranges.link_end, kind].sum(1)
    dofs = observer.get("dof_energy")[:, ranges.dof_start : ranges.dof_end, kind].sum(1)
    tendons = observer.get("ten_energy")[:, ranges.tendon_start : ranges.tendon_end, kind].sum(1)
    total = bodies + dofs + tendons
    return place.world.wrap(total if envs is None else total.index_select(0, envs.tensor()))


def _at_com(place: Place, method: str, ref: str) -> bool:
    if not isinstance(ref, str) or ref not in ("link_origin", "link_com"):
        raise GenesisException(f'{place.owner(method)}: `ref` is {ref!r}; expected "link_origin" or "link_com".')
    return ref == "link_com"
