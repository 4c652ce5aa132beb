"""Every public name of Genesis is touched: what is to be here is here, and what is not says why."""

import importlib

import pytest

import genesis as gs
from genesis.compat import page
from genesis.compat.table import HERE, PART, REFUSED, table

# Modules of this package that have the name of one of Genesis, and other contents.
SAME_NAME = ("genesis.grad.bridge", "genesis.recorders.plotters", "genesis.utils.warnings")
UTILS = ("genesis.utils.geom", "genesis.utils.misc")  # whose names are also gs.transform_by_quat, ...


@pytest.fixture(scope="module")
def handles():
    """An object of each class whose members the table lists."""
    scene = gs.Scene(show_viewer=True)
    camera = scene.add_camera()
    robot = scene.add_entity(gs.morphs.URDF(file="urdf/go2/urdf/go2.urdf", fixed=True))
    scene.build()
    return {
        "Scene": scene,
        "RigidEntity": robot,
        "RigidLink": robot.links[0],
        "RigidJoint": robot.joints[0],
        "RigidGeom": robot.geoms[0],
        "RigidSolver": scene.rigid_solver,
        "Camera": camera,
        "Viewer": scene.viewer,
        "Visualizer": scene.visualizer,
    }


def found(place, name):
    """Whether a module has a name; a module that is not there has none."""
    try:
        return hasattr(importlib.import_module(place), name)
    except ModuleNotFoundError:
        return False


def missing_names(handles):
    """Names that are to be here and are not: "module.name", "Class.member"."""
    known = table()
    for section in known.modules.values():
        places = section.home or (section.name,)
        for name, entry in section.names.items():
            if entry.status in (HERE, PART) and not any(found(place, name) for place in places):
                of_utils = section.name == "genesis" and any(name in known.modules[place].names for place in UTILS)
                yield f"genesis.utils.{name}" if of_utils else f"{places[0]}.{name}"
            elif entry.status in (HERE, PART) and section.home and not found(section.name, name):
                yield f"{section.name}.{name}"
    for section in known.classes.values():
        if section.arguments:
            try:
                page.class_of(section)
            except AttributeError:
                yield section.name
            continue
        for name, entry in section.names.items():
            if entry.status in (HERE, PART) and not hasattr(handles[section.name], name):
                yield f"{section.name}.{name}"


def test_what_is_to_be_here_is_here(handles):
    left = sorted(set(missing_names(handles)))
    assert not left, f"in genesis/compat/names.toml as here, and nowhere to be found: {left}"


def test_refused_names_of_modules_say_why():
    known = table()
    for section in known.modules.values():
        for name, entry in section.names.items():
            if entry.status != REFUSED:
                continue
            assert entry.note
            module = importlib.import_module(section.name)
            assert not hasattr(module, name), f"{section.name}.{name} is there, and refused in the table"
            if hasattr(module, "__getattr__"):
                with pytest.raises(gs.GenesisException, match=r"which Genesis has|is not here"):
                    getattr(module, name)


def test_modules_refused_as_a_whole_say_why():
    for section in table().modules.values():
        if section.whole is None:
            continue
        try:
            real = importlib.import_module(section.name).__spec__.origin
        except ModuleNotFoundError as error:
            assert isinstance(error, gs.GenesisException)
            assert section.whole.note in str(error)
        else:  # a module of this package with the same name and other contents
            assert real and section.name in SAME_NAME


def test_refused_members_say_why(handles):
    for section in table().classes.values():
        for name, entry in section.names.items():
            if entry.status == REFUSED:
                with pytest.raises(gs.GenesisException, match=f"has no '{name}', which Genesis has"):
                    getattr(handles[section.name], name)


def test_arguments_are_known():
    for section in table().classes.values():
        if not section.arguments:
            continue
        kind = page.class_of(section)
        unknown = [name for name in section.arguments if page.fate(kind, name) is None]
        assert not unknown, f"{section.name}: {unknown}"


def test_names_that_nobody_has_are_plain_errors(handles):
    for thing in (gs, gs.options, gs.morphs, gs.surfaces, gs.materials, gs.tools, gs.vis, handles["Scene"]):
        assert not hasattr(thing, "nonsense")
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'") as raised:
            thing.nonsense  # noqa: B018
        assert not isinstance(raised.value, gs.GenesisException)
    with pytest.raises(AttributeError, match="did you mean 'add_entity'"):
        handles["Scene"].add_entitty  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'genesis.nonsense'"):
        importlib.import_module("genesis.nonsense")


def test_imports_of_other_places():
    from genesis.engine.entities.rigid_entity import RigidEntity
    from genesis.engine.materials import Rigid
    from genesis.engine.scene import Scene
    from genesis.options.morphs import Box
    from genesis.options.solvers import RigidOptions
    from genesis.options.surfaces import Rough

    assert (RigidEntity, Rigid) == (importlib.import_module("genesis.entities").RigidEntity, gs.materials.Rigid)
    assert (Scene, Box) == (gs.Scene, gs.morphs.Box)
    assert (RigidOptions, Rough) == (gs.options.RigidOptions, gs.surfaces.Rough)
    with pytest.raises(ImportError, match="soft bodies"):
        from genesis import force_fields  # noqa: F401
    with pytest.raises(ImportError, match="soft bodies"):
        from genesis.options.morphs import Nowhere  # noqa: F401


def test_a_property_that_raises_keeps_its_error():
    scene = gs.Scene()
    with pytest.raises(gs.GenesisException, match=r"mj_model needs the built scene"):
        scene.mj_model  # noqa: B018
    with pytest.raises(gs.GenesisException, match=r"needs the built scene"):
        scene.add_entity(gs.morphs.Sphere()).links  # noqa: B018


def test_the_page_is_up_to_date():
    if not page.PATH.exists():
        pytest.skip("an installation without the documentation")
    assert page.text() in page.PATH.read_text(encoding="utf-8"), "run `make stubs`"


def test_importing_genesis_reads_no_table(run_python):
    run_python(
        "import sys, genesis\n"
        "assert 'genesis.compat.table' not in sys.modules and 'tomllib' not in sys.modules\n"
        "assert not hasattr(genesis, '__nothing__')\n"
        "assert 'genesis.compat.table' in sys.modules and 'tomllib' not in sys.modules\n"
    )
