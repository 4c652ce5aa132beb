"""Which geoms can touch, in which order, with which parameters: against the contacts that MuJoCo finds."""

import mujoco
import numpy as np
import pytest
import trimesh

import genesis as gs
from genesis.model import contact
from genesis.model.arrays import Model
from genesis.model.compose import EntitySpec, compose
from genesis.rigid.kernels.constraint.kinds import KINDS
from tests.scenes import PANDA

EXACT = 1e-14  # the same few additions in another order


def compiled(text, option=""):
    return mujoco.MjModel.from_xml_string(f"<mujoco>{option}{text}</mujoco>")


def found(m):
    """MuJoCo's contacts in qpos0."""
    data = mujoco.MjData(m)
    mujoco.mj_forward(m, data)
    return data


# ------------------------------------------------------------------ pairs, against MuJoCo


class RandomModel:
    """Trees of bodies heaped up at the origin: fixed, hinged and free bodies, several geoms each, every setting that
    the choice of pairs looks at."""

    def __init__(self, seed, shapes):
        self.rng = np.random.default_rng(seed)
        self.shapes = shapes
        self.geoms = self.bodies = 0
        rng = self.rng
        world = "".join(self.geom(["plane", *shapes]) for _ in range(rng.integers(0, 3)))
        world += "".join(self.body(0) for _ in range(rng.integers(1, 4)))
        pairs = {
            tuple(sorted(rng.choice(self.geoms, 2, replace=False)))
            for _ in range(rng.integers(0, 3) if self.geoms > 1 else 0)
        }
        rules = "".join(
            f'<pair geom1="g{b}" geom2="g{a}" condim="{self.pick(1, 3, 4, 6)}" margin="{self.pick(0.3, 0.4)}" '
            f'gap="{self.pick(0, 0.05)}" solref="0.03 1.5" friction="1 0.9 0.1 0.01 0.02"/>'
            for a, b in pairs
        )
        if self.bodies > 1 and rng.random() < 0.5:
            a, b = rng.choice(self.bodies, 2, replace=False)
            rules += f'<exclude body1="b{a}" body2="b{b}"/>'
        flags = " ".join(f'{flag}="disable"' for flag in ("filterparent", "midphase") if rng.random() < 0.3)
        option = f"<option><flag {flags}/></option>"
        self.compiled = compiled(f"<worldbody>{world}</worldbody><contact>{rules}</contact>", option)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def geom(self, shapes):
        rng = self.rng
        at = " ".join(f"{x:.3f}" for x in rng.normal(scale=0.02, size=3))
        text = (
            f'<geom name="g{self.geoms}" type="{self.pick(*shapes)}" size="{self.pick(0.1, 0.2)} {self.pick(0.1, 0.2)} 0.2" '
            f'pos="{at}" euler="{rng.integers(360)} {rng.integers(360)} 0" margin="{self.pick(0.1, 0.3)}" '
            f'gap="{self.pick(0, 0.1)}" solref="{rng.uniform(0.01, 0.05):.4f} {rng.uniform(0.5, 2):.3f}" '
            f'friction="{rng.uniform(0.1, 2):.3f} 0.01 0.001" condim="{self.pick(1, 3, 4, 6)}" '
            f'solmix="{self.pick(0, 1, 1, 2.5)}" priority="{self.pick(0, 0, 1)}"'
        )
        if rng.random() < 0.3:
            text += f' contype="{rng.integers(4)}" conaffinity="{rng.integers(4)}"'
        self.geoms += 1
        return text + "/>"

    def body(self, depth):
        rng = self.rng
        text = f'<body name="b{self.bodies}">'
        self.bodies += 1
        moves = rng.random() < 0.8
        if moves:
            free = depth == 0 and rng.random() < 0.4
            text += "<freejoint/>" if free else f'<joint type="{self.pick("hinge", "ball")}" armature="1"/>'
        text += "".join(self.geom(self.shapes) for _ in range(rng.integers(1, 3) if moves else rng.integers(0, 3)))
        if depth < 3:
            text += "".join(self.body(depth + 1) for _ in range(rng.integers(0, 3)))
        return text + "</body>"


def moving_contacts(m, data):
    """MuJoCo's contacts but those of geoms that nothing moves against each other, of which it makes no constraint."""
    weld = m.body_weldid[m.geom_bodyid]
    return [c for c in data.contact if weld[c.geom[0]] != weld[c.geom[1]]]


@pytest.mark.parametrize("seed", range(40))
def test_pairs_are_those_that_mujoco_tests(seed):
    """In their order and with their parameters: everything is closer than the margins, so that every pair shows."""
    m = RandomModel(seed, ("sphere", "capsule", "box")).compiled
    contacts = moving_contacts(m, found(m))
    model = Model(m, KINDS)
    geoms = model.indices["cgeom_id"][model.indices["cpair_geom"]].reshape(-1, 2)
    assert [tuple(pair) for pair in geoms] == list(dict.fromkeys(tuple(c.geom) for c in contacts))
    np.testing.assert_array_equal(model.indices["cgeom_id"], np.unique(geoms))
    for c in contacts:
        one, two = model.cgeom_of_geom[c.geom]
        k = int(model.indices["cpair_of"][one, two])
        assert k == model.indices["cpair_of"][two, one]
        assert tuple(m.geom_type[c.geom]) in [shapes for shapes, kind in contact.KINDS.items()
                                              if kind.number == model.indices["cpair_kind"][k]]  # fmt: skip
        np.testing.assert_array_equal(model.indices["cpair_body"][k], m.geom_bodyid[c.geom])
        assert c.dim == model.indices["cpair_dim"][k]
        assert c.includemargin == pytest.approx(model.constants["cpair_margin"][k], abs=EXACT)
        solref, friction = combined(model, k, one, two)
        np.testing.assert_allclose(c.solref, solref, atol=EXACT)
        np.testing.assert_allclose(c.friction, friction, atol=EXACT)
    assert model.maxcondim == max((c.dim for c in contacts), default=1)
    assert model.has_contacts == bool(contacts) and (model.constrained or not contacts)
    # The gap: a pair that is further apart than margin and gap makes no contact.
    for k, (first, second) in enumerate(geoms):
        explicit = model.indices["cpair_params"][k] == contact.PARAMS_EXPLICIT
        own = m.pair_gap[model.indices["cpair_explicit"][k]] if explicit else m.geom_gap[first] + m.geom_gap[second]
        assert model.constants["cpair_gap"][k] == own


def combined(model, k, one, two):
    """solref (2,) and friction (5,) of a pair, as the kernels are to combine them."""
    default = {name: field.default for name, field in model.theta_fields.items()}
    params, row = model.indices["cpair_params"][k], model.indices["cpair_explicit"][k]
    if params == contact.PARAMS_EXPLICIT:
        return default["pair_solref"][row], default["pair_friction"][row]
    if params == contact.PARAMS_MIXED:
        mix = model.constants["cpair_mix"][k]
        solref = mix * default["geom_solref"][one] + (1 - mix) * default["geom_solref"][two]
        friction = np.maximum(default["geom_friction"][one], default["geom_friction"][two])
    else:
        chosen = one if params == contact.PARAMS_FIRST else two
        solref, friction = default["geom_solref"][chosen], default["geom_friction"][chosen]
    return solref, friction[[0, 0, 1, 2, 2]]


@pytest.mark.parametrize("seed", range(10))
def test_pairs_of_all_shapes_are_listed(seed):
    m = RandomModel(seed, ("sphere", "capsule", "box", "cylinder", "ellipsoid")).compiled
    listed = [(pair.geom1, pair.geom2) for pair in contact.tested_pairs(m)]
    assert len(set(listed)) == len(listed)
    touching = list(dict.fromkeys(tuple(c.geom) for c in moving_contacts(m, found(m))))
    assert [pair for pair in listed if pair in touching] == touching


def test_most_contacts_of_a_pair():
    assets = '<mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/><hfield name="h" nrow="3" ncol="3" size="1 1 1 1"/>'
    needs = {"mesh": 'mesh="m"', "hfield": 'hfield="h"'}
    for types, kind in contact.KINDS.items():
        names = [mujoco.mjtGeom(shape).name.removeprefix("mjGEOM_").lower() for shape in types]
        sizes = [needs.get(name, 'size="1 1 1"') for name in names]
        geoms = [f'<geom type="{name}" {size}/>' for name, size in zip(names, sizes, strict=True)]
        m = compiled(f"<asset>{assets}</asset><worldbody>{geoms[0]}<body><freejoint/>{geoms[1]}</body></worldbody>")
        assert mujoco.mj_maxContact(m, 0, 1, -1) == kind.most


# ------------------------------------------------------------------ chains, weights


@pytest.mark.parametrize("seed", range(20))
def test_chains_are_the_dofs_that_move_one_body_against_the_other(seed):
    m = RandomModel(seed, ("sphere", "capsule", "box")).compiled
    data, model = found(m), Model(m, KINDS)
    rng = np.random.default_rng(seed)
    adr, longest = model.indices["chain_dof_adr"], 1
    for k in range(model.ncpair):
        row = model.indices["cpair_chain"][k]
        dofs, signs = (model.indices[name][adr[row] : adr[row + 1]] for name in ("chain_dof", "chain_sign"))
        longest = max(longest, len(dofs))
        assert list(dofs) == sorted(set(dofs))
        jacobian, point = np.zeros((2, 3, m.nv)), rng.normal(size=3)
        for side in range(2):
            mujoco.mj_jac(m, data, jacobian[side], None, point, model.indices["cpair_body"][k, side])
        expected = np.zeros((3, m.nv))
        for dof, sign in zip(dofs, signs, strict=True):
            expected[:, dof] = sign * jacobian[1 if sign > 0 else 0][:, dof]
        np.testing.assert_allclose(jacobian[1] - jacobian[0], expected, atol=EXACT)
    assert model.maxchain == longest
    assert len(np.unique(model.indices["cpair_body"], axis=0)) == len(adr) - 1 or model.ncpair == 0


# ------------------------------------------------------------------ meshes


def test_meshes_are_their_hulls(tmp_path):
    """A cube with points inside and a second geom of the same mesh: eight corners, stored once."""
    rng = np.random.default_rng(0)
    cube = trimesh.creation.box((0.2, 0.4, 0.6))
    path = tmp_path / "cube.obj"
    inner = trimesh.creation.icosphere(subdivisions=1, radius=0.05)
    trimesh.util.concatenate([cube, inner]).export(path)
    text = (
        f'<asset><mesh name="m" file="{path}" inertia="convex"/><mesh name="other" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/>'
        '</asset><worldbody><geom type="plane" size="1 1 1"/><body pos="5 0 0"><freejoint/><geom size="0.1"/></body>'
        '<body pos="1 0 0"><freejoint/><geom type="mesh" mesh="m" {}/></body><body pos="2 0 0"><freejoint/>'
        '<geom type="mesh" mesh="other" {}/></body><body><freejoint/><geom type="mesh" mesh="m" {}/></body></worldbody>'
    )
    m = compiled(text.format(*['contype="2" conaffinity="0"'] * 3).replace("<geom type=\"plane\"",
                                                                         '<geom type="plane" conaffinity="3"'))  # fmt: skip
    model = Model(m, KINDS)
    assert list(model.indices["cpair_kind"]) == [contact.PLANE_SPHERE] + [contact.PLANE_MESH] * 3
    assert list(model.indices["cgeom_vertnum"]) == [0, 0, 8, 4, 8]
    assert list(model.indices["cgeom_vertadr"]) == [0, 0, 0, 8, 0]
    assert model.constants["mesh_vert"].shape == (12, 3)
    corners = model.constants["mesh_vert"][:8] * m.geom_size[2]
    mesh_frame = np.zeros(9)
    mujoco.mju_quat2Mat(mesh_frame, m.mesh_quat[0])
    expected = (cube.vertices - m.mesh_pos[0]) @ mesh_frame.reshape(3, 3)
    for corner in expected:
        assert np.abs(corners - corner).max(axis=1).min() < 1e-7  # MuJoCo keeps vertices in float32
    np.testing.assert_allclose(model.constants["cgeom_rbound"], [0, 0, *m.geom_rbound[2:]])
    directions = rng.normal(size=(100, 3))
    every = m.mesh_vert[: m.mesh_vertnum[0]]
    np.testing.assert_allclose((corners @ directions.T).max(axis=0), (every @ directions.T).max(axis=0), atol=1e-7)


# ------------------------------------------------------------------ what is there, and what is switched off

EVERYTHING = """<worldbody><geom type="plane" size="1 1 1"/><body name="a"><joint type="hinge" range="0 90" {}/>
<geom size="0.1" quat="2 0 0 2"/></body><body name="b" pos="1 0 0"><freejoint/><geom type="box" size="0.1 0.1 0.1"/></body>
<body pos="3 0 0"><joint type="ball" range="0 90"/><geom name="c" size="0.1"/></body></worldbody>
<contact><pair geom1="c" geom2="d"/></contact>""".replace('<geom type="box"', '<geom name="d" type="box"')


def test_parameters():
    model = Model(compiled(EVERYTHING.format('frictionloss="0.3"')), KINDS)
    m = model.mj_model
    shapes = {name: field.shape for name, field in model.theta_fields.items()}
    assert shapes["geom_pos"] == (4, 3)
    assert shapes["pair_friction"] == (1, 5)
    for name in ("geom_pos", "geom_size", "geom_friction", "geom_solref", "geom_solimp"):
        np.testing.assert_array_equal(model.theta_fields[name].default, getattr(m, name)[model.indices["cgeom_id"]])
    quats = model.theta_fields["geom_quat"].default
    np.testing.assert_allclose(np.linalg.norm(quats, axis=1), 1, atol=EXACT)
    for name in ("pair_friction", "pair_solref", "pair_solreffriction", "pair_solimp", "jnt_range", "jnt_solref"):
        np.testing.assert_array_equal(model.theta_fields[name].default, getattr(m, name))
    for name in ("jnt_solimp", "dof_frictionloss", "dof_solref", "dof_solimp"):
        np.testing.assert_array_equal(model.theta_fields[name].default, getattr(m, name))
    assert list(model.indices["jnt_limited"]) == [1, 0, 1]
    assert list(model.indices["frictionloss_on"]) == [1]
    assert list(model.indices["cgeom_plane"]) == [0]
    assert list(model.indices["cgeom_bounded"]) == [1, 2, 3]
    np.testing.assert_array_equal(model.constants["jnt_margin"], m.jnt_margin)
    for name in ("dof_invweight0", "body_invweight0"):
        np.testing.assert_array_equal(model.theta_fields[name].default, getattr(m, name))


PAIRS = 6  # of EVERYTHING: plane and three bodies, and among these


@pytest.mark.parametrize(
    ("flag", "pairs", "limits", "friction_loss"),
    [
        ("", PAIRS, 2, 1),
        ("constraint", 0, 0, 0),
        ("contact", 0, 2, 1),
        ("limit", PAIRS, 0, 1),
        ("frictionloss", PAIRS, 2, 0),
    ],
)
def test_disabled(flag, pairs, limits, friction_loss):
    option = f'<option cone="elliptic"><flag {flag}="disable"/></option>' if flag else ""
    model = Model(compiled(EVERYTHING.format('frictionloss="0.3"'), option), KINDS)
    assert (model.ncpair, model.has_contacts, len(model.indices["cpair_of"])) == (pairs, pairs > 0, 4 if pairs else 0)
    assert (model.nconmax > 0) == (pairs > 0)
    assert model.indices["jnt_limited"].sum() == limits
    assert list(model.indices["frictionloss_on"]) == [friction_loss]
    assert model.constrained == (flag != "constraint")
    assert model.elliptic == bool(flag)
    assert (model.maxchain >= 1, model.maxcondim >= 1, model.constants["mesh_vert"].shape) == (True, True, (1, 3))


@pytest.mark.parametrize(
    ("joint", "flags", "constrained"),
    [
        ("", "", False),
        ('frictionloss="0.1"', "", True),
        ('frictionloss="0.1"', 'frictionloss="disable"', False),
        ('range="0 90"', "", True),
        ('range="0 90"', 'limit="disable"', False),
    ],
)
def test_a_body_without_contact(joint, flags, constrained):
    body = f'<worldbody><body><joint {joint}/><geom size="1"/></body></worldbody>'
    model = Model(compiled(body, f"<option><flag {flags}/></option>"), KINDS)
    assert model.constrained is constrained
    assert (model.ncg, model.ncpair, model.nconmax, model.maxchain, model.maxcondim) == (0, 0, 0, 1, 1)
    rows = {name: len(field.default) for name, field in model.theta_fields.items()}
    assert [rows[f"dof_{name}"] for name in ("frictionloss", "solref", "solimp")] == [1, 1, 1]
    assert [rows[f"jnt_{name}"] for name in ("range", "solref", "solimp")] == [model.indices["jnt_limited"].sum()] * 3
    assert not any(rows[name] for name in rows if name.startswith(("geom_", "pair_")))


# ------------------------------------------------------------------ slots


def crowd(shape, count, condim=3):
    body = f'<body pos="0 0 {{}}"><freejoint/><geom type="{shape}" size="0.1 0.1 0.1" condim="{condim}"/></body>'
    bodies = "".join(body.format(index) for index in range(count))
    return compiled(f'<worldbody><geom type="plane" size="1 1 1"/>{bodies}</worldbody>')


def test_slots():
    assert Model(crowd("sphere", 1), KINDS).nconmax == 1
    assert Model(crowd("box", 1), KINDS).nconmax == 4
    assert Model(crowd("box", 3), KINDS).nconmax == 3 * 4 + 3 * 8  # every pair, all it can
    assert 250 <= Model(crowd("box", 30), KINDS).nconmax <= 1000  # a heap of them needs 127
    assert 600 <= Model(crowd("sphere", 200), KINDS).nconmax <= 1200
    assert Model(crowd("box", 30), KINDS, max_contacts=200).nconmax == 200
    assert Model(crowd("sphere", 1), KINDS, max_contacts=200).nconmax == 1  # there cannot be more


def field_and(shape, size, count, half=1.0, geom=""):
    """`count` bodies that touch a flat height field of 8 x 8 cells, and not each other."""
    body = f'<body pos="{{}} .03 .09"><freejoint/><geom type="{shape}" size="{size}" contype="0" {geom}/></body>'
    return compiled(
        f'<asset><hfield name="h" nrow="9" ncol="9" size="{half} {half} 1 1"/></asset><worldbody>'
        f'<geom type="hfield" hfield="h"/>{"".join(body.format(0.005 * index) for index in range(count))}</worldbody>'
    )


def test_slots_on_a_height_field():
    ball = field_and("sphere", ".05", 1)
    assert Model(ball, KINDS).nconmax == 8  # two prisms of each cell, of 2 x 2
    assert Model(ball, KINDS, max_contacts=30).nconmax == 30  # sizes may be set later
    assert Model(ball, KINDS, max_contacts=400).nconmax == contact.MOST_OF_FIELD
    reaching = field_and("sphere", ".05", 1, geom='margin=".25" gap=".25"')
    assert 9 < found(reaching).ncon <= Model(reaching, KINDS).nconmax == contact.MOST_OF_FIELD


def test_slots_of_many_on_a_height_field():
    """All that each makes with the ground, as with a plane."""
    boxes = field_and("box", ".1 .1 .1", 40, half=0.4)
    assert 650 < found(boxes).ncon <= Model(boxes, KINDS).nconmax == 40 * contact.MOST_OF_FIELD


def test_a_heap_fits_into_its_slots():
    """20 boxes that fall into a heap: their contacts never come near the slots that they are given."""
    m = crowd("box", 20)
    data, most = mujoco.MjData(m), 0
    rng = np.random.default_rng(0)
    data.qpos.reshape(-1, 7)[:, :2] = rng.uniform(-0.1, 0.1, (20, 2))
    data.qpos.reshape(-1, 7)[:, 2] = 0.2 + 0.25 * np.arange(20)
    for _ in range(600):
        mujoco.mj_step(m, data)
        most = max(most, data.ncon)
    assert 40 < most < 0.5 * Model(m, KINDS).nconmax


# ------------------------------------------------------------------ refusals, files of the examples


def test_what_cannot_be_described_is_refused():
    shapes = '<asset><mesh name="h" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset><worldbody><geom type="sdf" mesh="h"/>'
    shapes += '<body><freejoint/><geom type="cylinder" size="1 1"/></body></worldbody>'
    with pytest.raises(gs.GenesisException, match="1 pairs of shapes that cannot touch, cylinder and sdf among"):
        Model(compiled(shapes), KINDS)


REST = (0, -0.785, 0, -2.356, 0, 1.571, 0.785, 0.04, 0.04)


@pytest.mark.parametrize("fixed", [True, False])
def test_the_panda_does_not_touch_itself(fixed):
    arm = gs.morphs.URDF(file=PANDA, fixed=fixed, pos=(0, 0, 0 if fixed else 2))
    m = compose([EntitySpec(gs.morphs.Plane(), name="floor"), EntitySpec(arm, name="arm")]).mj_model
    assert set(m.geom_type[Model(m, KINDS).indices["cgeom_id"]]) <= {int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}"))
                                                            for name in ("PLANE", "CAPSULE", "BOX")}  # fmt: skip
    data = mujoco.MjData(m)
    for pose in (np.zeros(9), np.array(REST), np.array([*REST[:7], 0, 0])):
        data.qpos[-9:] = pose
        mujoco.mj_forward(m, data)
        assert data.ncon == 0
    # Links that are next but one stay apart within the limits of the joints between them.
    rng = np.random.default_rng(0)
    for _ in range(200):
        data.qpos[-9:] = rng.uniform(m.jnt_range[-9:, 0], m.jnt_range[-9:, 1])
        mujoco.mj_forward(m, data)
        links = {tuple(m.body(m.geom_bodyid[geom]).name for geom in c.geom) for c in data.contact}
        assert not links & {(f"arm/panda_link{k}", f"arm/panda_link{k + step}") for k in range(7) for step in (1, 2)}
