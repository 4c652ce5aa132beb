"""Assets: where they are looked for, what this package ships, and what `genesis assets install` takes from a wheel."""

import zipfile

import numpy as np
import pytest

import genesis as gs
from genesis import asset_files, asset_install, cli
from genesis.model.compose import EntitySpec, compose
from tests.scenes import PANDA


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A folder for each place where assets are looked for, all empty."""
    places = {name: tmp_path / name for name in ("work", "init", "variable", "user")}
    for path in places.values():
        path.mkdir()
    monkeypatch.chdir(places["work"])
    monkeypatch.setenv(asset_files.VARIABLE, str(places["variable"]))
    monkeypatch.setattr(asset_files, "user_folder", lambda: places["user"])
    monkeypatch.setattr(asset_files, "_of_init", (places["init"],))
    return places


def test_the_order_of_places(folders):
    for name in ("user", "variable", "init", "work"):
        file = folders[name] / "meshes" / "part.obj"
        file.parent.mkdir()
        file.write_text("")
        assert asset_files.find("meshes/part.obj") == file
    shipped = asset_files.find("urdf/plane/plane.urdf")
    assert shipped == asset_files.SHIPPED / "urdf/plane/plane.urdf"
    own = folders["user"] / "urdf" / "plane" / "plane.urdf"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert asset_files.find("urdf/plane/plane.urdf") == own


def test_the_error_names_every_place_and_the_command(folders):
    with pytest.raises(gs.GenesisException) as raised:
        gs.Scene().add_entity(gs.morphs.MJCF(file="xml/none.xml"))
    message = str(raised.value)
    assert message.startswith("file not found: 'xml/none.xml'")
    for path in folders.values():
        assert str(path / "xml" / "none.xml") in message
    assert "`genesis assets install`" in message
    with pytest.raises(gs.GenesisException, match="is a directory, not a file"):
        asset_files.find(folders["user"])


def test_a_texture_is_an_asset_too(folders):
    image = folders["user"] / "textures" / "checker.png"
    image.parent.mkdir()
    image.write_bytes(b"")
    assert gs.textures.ImageTexture(image_path="textures/checker.png").image_path == str(image)


def wheel(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, f"contents of {name}")
    return path


GOOD = (
    "genesis/__init__.py",
    "genesis/assets/meshes/a.obj",
    "genesis/assets/urdf/b/b.urdf",
    "genesis_world-1.4.5.dist-info/licenses/LICENSE",
)


def test_only_assets_are_unpacked(folders, tmp_path, capsys):
    file = wheel(tmp_path / "good.whl", GOOD)
    assert cli.main(["assets", "install", "--wheel", str(file)]) == 0
    unpacked = sorted(str(p.relative_to(folders["user"])) for p in folders["user"].rglob("*") if p.is_file())
    assert unpacked == ["LICENSE", "meshes/a.obj", "urdf/b/b.urdf"]
    assert "contents of genesis_world-1.4.5.dist-info/licenses/LICENSE" in capsys.readouterr().out
    assert cli.main(["assets", "where"]) == 0
    assert f"the user's assets: {folders['user']} (3 files)" in capsys.readouterr().out


BAD = {
    "climbs": ("genesis/assets/../../evil.txt", "leads out of the folder"),
    "absolute": ("/genesis/assets/evil.txt", "leads out of the folder"),
    "backslash": ("genesis/assets/..\\evil.txt", "leads out of the folder"),
    "drive": ("genesis/assets/C:evil.txt", "leads out of the folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_names_that_lead_elsewhere(folders, tmp_path, case):
    name, message = BAD[case]
    file = wheel(tmp_path / "bad.whl", (*GOOD, name))
    with pytest.raises(gs.GenesisException, match=message):
        asset_install.install(file)
    assert not any(folders["user"].iterdir())


def test_links_and_other_archives(folders, tmp_path, capsys):
    link = zipfile.ZipInfo("genesis/assets/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.whl", "w") as archive:
        archive.writestr("genesis/assets/a.obj", "")
        archive.writestr(link, "/etc")
    with pytest.raises(gs.GenesisException, match="holds a link"):
        asset_install.install(tmp_path / "link.whl")
    with pytest.raises(gs.GenesisException, match="has no assets"):
        asset_install.install(wheel(tmp_path / "other.whl", ("other/__init__.py",)))
    (tmp_path / "text.whl").write_text("no archive")
    assert cli.main(["assets", "install", "--wheel", str(tmp_path / "text.whl")]) == cli.FAILED
    assert "cannot be unpacked" in capsys.readouterr().err
    assert not any(folders["user"].iterdir())


def test_pip_that_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(asset_install.sys, "executable", "/no/such/python")
    with pytest.raises(gs.GenesisException, match=r"pip cannot download genesis-world==1\.4\.5.*pass --wheel FILE"):
        asset_install.download("1.4.5", tmp_path)


def shipped(morph):
    """The compiled model of one entity."""
    return compose([EntitySpec(morph, None, None, "it")], gs.options.SimOptions(), None).mj_model


def test_the_shipped_panda(folders):
    model = shipped(gs.morphs.MJCF(file="xml/franka_emika_panda/panda.xml"))
    urdf = shipped(gs.morphs.URDF(file=PANDA, fixed=True))
    assert [model.joint(k).name for k in range(9)] == [
        *(f"it/joint{k}" for k in range(1, 8)),
        "it/finger_joint1",
        "it/finger_joint2",
    ]
    assert {f"it/{name}" for name in ("link0", "hand", "left_finger", "right_finger")} <= {
        model.body(k).name for k in range(model.nbody)
    }
    assert (model.nu, model.nkey) == (8, 1)
    for body in range(8):  # the arm is that of the URDF
        mine, its = model.body(f"it/link{body}"), urdf.body(f"it/panda_link{body}")
        np.testing.assert_allclose(mine.mass, its.mass, rtol=1e-12)
        np.testing.assert_allclose(mine.inertia, its.inertia, rtol=1e-6)
    np.testing.assert_allclose(model.jnt_range[:7], urdf.jnt_range[:7], rtol=1e-12)


def test_the_shipped_quadruped(folders):
    model = shipped(gs.morphs.URDF(file="urdf/go2/urdf/go2.urdf"))
    legs = [f"it/{leg}_{part}_joint" for leg in ("FL", "FR", "RL", "RR") for part in ("hip", "thigh", "calf")]
    assert [model.joint(k).name for k in range(1, model.njnt)] == legs
    assert model.body_mass.sum() == pytest.approx(6.921 + 4 * (0.678 + 1.152 + 0.154 + 0.04))


def test_the_shipped_drone_and_meshes(folders):
    model = shipped(gs.morphs.URDF(file="urdf/drones/cf2x.urdf"))
    assert model.body_mass.sum() == pytest.approx(0.027)
    places = np.array([model.body(f"it/prop{k}_link").pos for k in range(4)])
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 0.0397, atol=1e-5)
    np.testing.assert_array_equal(np.sign(places[:, :2]), [[1, -1], [-1, -1], [-1, 1], [1, 1]])
    assert shipped(gs.morphs.URDF(file="urdf/plane/plane.urdf", fixed=True)).ngeom >= 1
    sphere = shipped(gs.morphs.Mesh(file="meshes/sphere.obj", scale=0.5))
    assert sphere.body_mass[1] == pytest.approx(1000 * 4 / 3 * np.pi / 8, rel=0.05)  # of 320 flat faces
    assert shipped(gs.morphs.Mesh(file="meshes/axis.obj")).nmesh == 1
