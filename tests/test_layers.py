"""The parts of the package know each other in one direction only, and only by what is public."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import genesis
from genesis.entities import RigidEntity

ROOT = Path(genesis.__file__).parent
# Packages whose __init__ is their public face: it names what lies above, when that is first asked for. Imports of one
# that do not happen when a module is loaded (annotations of what hands back the scene or the entity, and what a
# function looks up) go through it.
FACES = ("genesis", "genesis.entities")
# Lower layers first; a module belongs to the longest prefix. Those of one line may import each other.
LAYERS = (
    ("genesis.errors", "genesis.constants", "genesis.garbage", "genesis.files", "genesis.log"),
    ("genesis.compat", "genesis.asset_files"),
    ("genesis.runtime", "genesis.eager", "genesis.subterrains"),
    ("genesis.small_names",),
    (
        "genesis.types",
        "genesis.options",
        "genesis.morphs",
        "genesis.materials",
        "genesis.soft_materials",
        "genesis.surfaces",
        "genesis.textures",
        "genesis.renderers",
        "genesis.other_options",
    ),
    ("genesis.math",),
    ("genesis.model",),
    ("genesis.rigid",),
    ("genesis.grad",),
    ("genesis.utils",),
    ("genesis.world",),
    ("genesis.sensors", "genesis.recorders"),
    ("genesis.entities", "genesis.states"),
    ("genesis.trajectory", "genesis.vis", "genesis.scene_arguments"),
    ("genesis.scene", "genesis.parameters"),
    ("genesis.system",),
    ("genesis.doctor", "genesis.tools"),
    ("genesis.bench", "genesis.demo", "genesis.asset_install"),
    ("genesis.cli",),
)
# Private to others and used here: see CONTRIBUTING, "Private ground"; and the public names of named tuples and enums.
PRIVATE_GROUND = {
    "_C", "_current_graph_task_id", "_version", "_base", "_is_zerotensor", "_functorch", "_dynamo", "_current_level",
    "_torchdynamo_disable", "_FrameAction", "_FrameExecStrategy", "_fields", "_replace", "_asdict", "_exit", "_value_",
}  # fmt: skip
# The doctor changes the tolerance of the solver, which stands in the programs of the dynamics.
PRIVATE_OF_RIGID = {("genesis.doctor.check", "_forget_programs")}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module by name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


def imports(tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[tuple[str, bool]]:
    """Modules that a module imports anywhere, and whether it does so when it is loaded."""
    deferred = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in inner]
        else:
            continue
        yield from ((name, node not in deferred) for name in names if name in known)


@cache
def graph() -> dict[str, set[str]]:
    """Module -> modules that it imports, those of annotations and inside of functions included; see `FACES`."""
    known = modules()
    return {
        name: {other for other, at_once in imports(tree, known) if other != name and (at_once or other not in FACES)}
        for name, tree in known.items()
    }


def cycles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Sets of more than one module that all reach each other."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += edges[name]
        return found

    reach = {name: reached(name) for name in edges}
    groups = {frozenset({name, *(other for other in reach[name] if name in reach[other])}) for name in edges}
    return [set(group) for group in groups if len(group) > 1]


def layer(module: str) -> int:
    """Number of the layer that a module is in."""
    fitting = [
        (len(prefix), number)
        for number, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    assert fitting, f"{module} is in no layer: add it to LAYERS"
    return max(fitting)[1]


def test_cycles_are_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert cycles(edges) == [{"b", "c"}]


def test_there_is_no_import_cycle():
    """Annotations and imports inside of functions included."""
    assert cycles(graph()) == []


def test_imports_go_down():
    """No module imports one of a layer above its own."""
    faces = {"genesis", "genesis.grad", "genesis.tools"}  # they name what is above, when it is first used
    upward = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others - {"genesis"}
        if name not in faces and layer(other) > layer(name)
    ]
    assert upward == []


def test_nothing_touches_what_is_private_to_another_module():
    """`x._name` is for the modules in which a class has that name, and for `self`."""
    found = []
    for module, tree in modules().items():
        if module.startswith(("genesis.rigid", "genesis.model")):
            continue
        own = set(names_defined_in(tree))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
                continue
            of_itself = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            allowed = node.attr in own | PRIVATE_GROUND or (module, node.attr) in PRIVATE_OF_RIGID
            if not of_itself and not allowed:
                found.append(f"{module}, line {node.lineno}: {ast.unparse(node)}")
    assert found == []


def names_defined_in(tree: ast.Module) -> Iterator[str]:
    """Of methods, attributes and slots of the module's classes."""
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        for node in ast.walk(owner):
            if isinstance(node, ast.FunctionDef):
                yield node.name
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                    yield node.attr
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
                yield from ast.literal_eval(node.value)


def test_entities_have_few_private_names():
    """What they do is in functions over their place in the world."""
    private = [name for name in dir(RigidEntity) if name.startswith("_") and name[1] != "_"]
    assert len(private) <= 6, private


def test_no_function_of_the_engine_takes_more_than_fifteen_arguments():
    """But kernels, which take theirs in groups."""
    for name, tree in modules().items():
        if not name.startswith("genesis.rigid."):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and len(node.args.args) + len(node.args.kwonlyargs) > 15:
                is_kernel = {"taped", "untaped"} & {ast.unparse(decorator) for decorator in node.decorator_list}
                groups = [a.arg for a in node.args.args if a.annotation and "array" not in ast.unparse(a.annotation)]
                assert is_kernel and len(groups) > 2, f"{name}.{node.name}"
