"""The public calls, found by introspection, and good values for their arguments."""

import inspect
from dataclasses import dataclass, field

import torch

import genesis as gs
from genesis.parameters import Bounded, Inertia, Positive, Rotation
from genesis.system import System
from tests.call_worlds import QPOS, World, put_into_contact, touching

KINDS = ("force", "position", "velocity", "actuators")
N_STEPS = 3
# Not a call of a built scene; and what is not of this engine but of torch's modules.
EXCLUDED = {("Scene", "build"), ("Scene", "add_entity")}
MODULE_METHODS = ("assign", "coordinates_of", "reset", "forward", "recenter", "pseudo_inertia", "apply", "of")


@dataclass
class Place:
    """One scene with everything in it that has public methods, by name."""

    name: str
    world: World
    objects: dict = field(default_factory=dict)


def place(name, n_envs, other, requires_grad=True):
    """Build it; its state is that to which `world.start` returns."""
    scene, robot, ball, carrier = touching(n_envs, requires_grad=requires_grad)
    system = System(scene, 3, "actuators")
    world = World(name, scene, robot, ball, system, other, carrier)
    put_into_contact(world)
    with torch.no_grad():
        robot.control_actuators(0.1)
        scene.step()
    scene.save_checkpoint(world.path)
    world.start()
    found = Place(name, world)
    restart(found)
    return found


def restart(p):
    """The scene's state, commands and parameters as at first, and new objects around it."""
    w = p.world
    w.start()
    w.system = System(w.scene, 3, "actuators")
    robot = w.robot
    u = torch.zeros(N_STEPS, robot.n_actuators)
    state = w.scene.get_state()
    rolled = w.scene.rollout({robot: u}, "actuators")
    w.start()
    x = w.system.rollout(w.system.state()[:1], None, n_steps=N_STEPS)
    forces = System(w.scene, 1, "force", robot)
    p.objects = {
        "scene": w.scene,
        "rigid_solver": w.scene.rigid_solver,
        "floor": w.scene.entities[0],
        "robot": robot,
        "ball": w.free,
        "carrier": w.carrier,
        "carrier link": w.carrier.links[0],
        "link": robot.links[1],
        "ball link": w.free.links[0],
        "hinge": robot.joints[1],
        "ball joint": robot.joints[2],
        "free joint": w.free.joints[0],
        "geom": robot.touching_geoms[0],
        "visual geom": robot.geoms[1],
        "plane": w.scene.entities[0].geoms[0],
        "system": w.system,
        "forces": forces,
        "trajectory": rolled,
        "system's trajectory": w.system.trajectory(x),
        "state": state,
        "solver's state": state.solvers_state[0],
        "positive": Positive([1.0, 2.0]),
        "bounded": Bounded([0.1, 0.2], 0.0, 1.0),
        "rotation": Rotation([[1.0, 0.0, 0.0, 0.0]]),
        "inertia": Inertia.of(robot, min_radius=0.01),
    }


def targets(p):
    """Calls and properties: (name of the object, name of the method), ("gs", function) and ("new", class)."""
    calls, properties = [], []
    for label, one in p.objects.items():
        kind = type(one)
        for name, member in inspect.getmembers(kind):
            if name.startswith("_") or isinstance(member, type) or (kind.__name__, name) in EXCLUDED:
                continue
            if isinstance(one, torch.nn.Module):
                if name in MODULE_METHODS and member.__module__.startswith("genesis"):
                    calls.append((label, name))
            elif isinstance(member, property):
                properties.append((label, name))
            elif callable(member):
                # What takes tensors of states, controls and all parameters at once has few methods.
                calls += [(label, name)] * (6 if label in ("scene", "system", "forces") else 1)
    calls += [("gs", name) for name in gs._CREATION_OPS]
    calls += [("new", kind) for kind in ("System", "positive", "bounded", "inertia", "rotation", "Tensor")] * 3
    return calls, properties


def resolve(p, label, name):
    """(callable, its parameters), a property as the function that reads it."""
    if label == "gs":
        return getattr(gs, name), None
    if label == "new":
        kind = {"System": System, "Tensor": gs.grad.Tensor}.get(name) or getattr(gs.parameters, name)
        return kind, list(inspect.signature(kind).parameters.values())
    one = p.objects[label]
    if isinstance(getattr(type(one), name, None), property):
        return (lambda: getattr(one, name)), []
    method = getattr(one, name)
    return method, list(inspect.signature(method).parameters.values())


SIZES = {
    "qs_idx_local": "n_qs",
    "dofs_idx_local": "n_dofs",
    "links_idx_local": "n_links",
    "joints_idx_local": "n_joints",
    "geoms_idx_local": "n_geoms",
    "actuators_idx_local": "n_actuators",
    "tendons_idx_local": "n_tendons",
    "equalities_idx_local": "n_equalities",
    "geoms_idx": "n_geoms",
    "joints_idx": "n_joints",
    "links_idx": "n_links",
    "pairs_idx": "n_pairs",
}


def size_of(p, label, argument):
    """Length of the axis that an index argument is of; None: it is none."""
    if argument == "envs_idx":
        return max(p.world.n_envs, 1)
    name = SIZES.get(argument)
    return None if name is None else int(getattr(p.objects.get(label, p.world.robot), name, 3))


def good(rng, p, label, method, argument):
    """(text, value) that the method takes, as far as its name tells."""
    w = p.world
    scene, robot = w.scene, w.robot
    one = p.objects.get(label, robot)
    lead = [w.n_envs] if w.n_envs and rng.random() < 0.7 else []

    def numbers(*shape):
        value = 0.3 * torch.randn(*shape, dtype=torch.float64)
        return f"tensor{tuple(value.shape)}", value

    simple = {
        "control": lambda: rng.choice(KINDS),
        "ref": lambda: rng.choice(("link_origin", "link_com", "root_com")),
        "local": lambda: rng.random() < 0.5,
        "zero_velocity": lambda: rng.random() < 0.5,
        "exclude_self_contact": lambda: rng.random() < 0.5,
        "per_env": lambda: rng.random() < 0.5,
        "n_steps": lambda: rng.choice((1, 2, N_STEPS)),
        "n_rows": lambda: rng.choice((1, 2, 5)),
        "memory_limit": lambda: rng.choice((None, 5_000, 20_000, "20kB", "1MB")),
        "min_radius": lambda: rng.choice((None, 0.01)),
        "path": lambda: rng.choice(("a.checkpoint", str(w.path))),
        "name": lambda: rng.choice(("robot", "leg", "knee", "ball")),
        "names": lambda: rng.choice((None, ["a", "b"])),
        "links_idx_local": lambda: [1],
        "links": lambda: [one.links[-1]],
        "respect_joint_limit": lambda: rng.random() < 0.5,
        "return_error": lambda: rng.random() < 0.5,
        "max_samples": lambda: rng.choice((1, 3)),
        "max_solver_iters": lambda: rng.choice((1, 20)),
        "pos_mask": lambda: [rng.random() < 0.7 for _ in range(3)],
        "rot_mask": lambda: rng.choice(([True] * 3, [False, True, False], [False] * 3)),
        "seed": lambda: rng.choice((None, 5)),
    }
    if method in ("forward_kinematics", "inverse_dynamics") or "inverse_kinematics" in method or "_forces" in method:
        of_state = {
            "qpos": one.n_qs,
            "init_qpos": one.n_qs,
            "qvel": one.n_dofs,
            "qacc": one.n_dofs,
            "pos": 3,
            "quat": 4,
        }
        if argument in of_state:
            return numbers(*lead, of_state[argument])
        if argument in ("poss", "quats", "local_points"):
            return argument, [numbers(*lead, 4 if argument == "quats" else 3)[1]]
    if argument in simple:
        value = simple[argument]()
        return repr(value) if argument != "path" else "a path", value
    if argument in ("link1_idx", "link2_idx"):
        # Two that are welded at first, and any others.
        at_first = w.carrier.base_link if argument == "link1_idx" else w.free.base_link
        return "a link's number", rng.choice((at_first, at_first.idx, rng.choice(scene.rigid_solver.links)))
    if argument == "active":
        return "switches", torch.tensor([rng.random() < 0.5 for _ in range(one.n_equalities)])
    if argument == "link":
        return "a link", robot.links[1]
    if argument in ("entity", "with_entity"):
        return "an entity", rng.choice(scene.entities)
    if argument == "entities":
        return "entities", rng.choice((None, robot, [robot, w.free]))
    if argument == "scene":
        return "the scene", scene
    if argument == "state":
        return "the state", p.objects["state"]
    if argument == "controls":
        width = robot.n_actuators if rng.random() < 0.5 else robot.n_dofs
        value = numbers(N_STEPS, *lead, width)[1].requires_grad_(rng.random() < 0.5)
        return f"{{robot: tensor{tuple(value.shape)}}}", {robot: value}
    if isinstance(one, System) or label == "new":
        system = one if isinstance(one, System) else w.system
        n = system.n_rows
        of_system = {
            "dx": lambda: 0.1 * torch.randn(n, system.ndx, dtype=torch.float64),
            "u": lambda: 0.3 * torch.randn(N_STEPS, n, system.nu, dtype=torch.float64),
            "theta": lambda: system.theta().detach()[:1].expand(rng.choice((1, n)), -1).clone(),
            "parameters": lambda: torch.randn(system.theta().shape[1], 2, dtype=torch.float64),
        }
        if argument in of_system:
            value = of_system[argument]()
            return f"tensor{tuple(value.shape)}", value
        if argument in ("x", "x0", "start", "end"):
            x = w.system.state().detach()[:1].clone()
            if method in ("linearize", "trajectory"):
                steps = N_STEPS + (method == "trajectory")
                value = x.expand(steps, rng.choice((1, n)), -1).clone()
            else:
                value = (
                    x.clone() if method == "put" and not w.n_envs else x.expand(n if method != "put" else w.n_envs, -1)
                )
                value = value.clone()
            return f"tensor{tuple(value.shape)}", value
    if argument in ("force", "torque"):
        if method.startswith("apply"):
            return numbers(*lead, one.n_links, 3)
        return numbers(*lead, one.n_dofs)
    if method.startswith("control_"):
        return numbers(*lead, one.n_actuators if method == "control_actuators" else one.n_dofs)
    if argument == "local_point":
        return numbers(*lead, 3)
    if argument == "friction_ratio":
        return "tensor of ones", torch.ones(*lead, one.n_links, dtype=torch.float64)
    if argument in ("lower", "upper"):
        return "a bound", -0.3 if argument == "lower" else 0.5
    if argument in ("value", "initial", "quat", "mass", "com", "inertia") and label in (
        "new",
        "positive",
        "bounded",
        "rotation",
        "inertia",
    ):
        values = {
            "quat": [[1.0, 0.1, 0.0, 0.0]],
            "mass": [1.0],
            "com": [[0.0, 0.1, 0.0]],
            "inertia": [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]],
        }
        if argument in values:
            return argument, torch.tensor(values[argument], dtype=torch.float64)
        if label == "rotation":
            return "quat", torch.tensor(values["quat"], dtype=torch.float64)
        return "numbers", torch.tensor([0.3, 0.6], dtype=torch.float64)
    getter = getattr(one, f"get_{method.removeprefix('set_')}", None) if method.startswith("set_") else None
    if getter is not None:
        value = getter()
        value = value[0] if isinstance(value, tuple) else value
        value = (1 + 0.01 * rng.random()) * value.detach().as_subclass(torch.Tensor).clone()
        value = value[0] if w.n_envs and not lead else value
        return f"tensor{tuple(value.shape)} as is", value.clone()
    return "0.5", 0.5


def creation_arguments(rng):
    """(text, args, keywords) of torch's creation functions."""
    sizes = (3, (2, 3), [2], 0, torch.Size([2]), -1, 2**40, 2.5, None, "3", (2, -1), (2**40, 2**40), torch.tensor(3))
    values = (1, 2.5, True, None, float("nan"), 2**40, 10**400, "1", [1, 2], [[1], [2, 3]], 1j, torch.ones(2))
    args = [rng.choice((rng.choice(sizes), rng.choice(values))) for _ in range(rng.randrange(0, 4))]
    keywords = {}
    dtypes = (None, float, int, bool, torch.float64, torch.float32, torch.int64, torch.complex64, "float", object())
    for name, choices in (
        ("dtype", dtypes),
        ("requires_grad", (True, False, None, 1, "yes")),
        ("scene", (None, 3, "scene", object())),
        ("device", ("cpu", "meta", None)),
        ("out", (torch.zeros(3),)),
        ("generator", (torch.Generator(), 3)),
        ("nonsense", (1,)),
        ("steps", (3, -1, 2**40, "3")),
    ):
        if rng.random() < 0.15:
            keywords[name] = rng.choice(choices)
    return args, keywords


def ordinary(w: World, restarted: bool):
    """What must work whatever was called before: set, step, backward; (state, gradient)."""
    w.scene.reset()
    q = w.rows(QPOS, 0.001).requires_grad_(w.scene.requires_grad)
    w.robot.set_qpos(q)
    w.robot.set_dofs_velocity(0.1)
    w.free.set_qpos(w.rows((1.0, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0), 0.0))
    w.free.set_dofs_velocity(0.0)
    w.robot.control_actuators(0.2)
    w.scene.step()
    w.scene.step()
    state = w.scene.rigid_solver.get_state()
    found = torch.cat([state.qpos, state.dofs_vel, state.act], -1).as_subclass(torch.Tensor)
    if not w.scene.requires_grad:
        return found.clone(), None
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (grad,) = torch.autograd.grad((found * weights).sum(), q)
    return found.detach().clone(), grad.clone()
