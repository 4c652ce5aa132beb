"""Every feature that the engine does not simulate is refused by name; what it simulates, and what is harmless, passes."""

import mujoco
import numpy as np
import pytest

import genesis as gs
from genesis.model import leave_out, support
from genesis.model.compose import EntitySpec, compose, to_mjcf
from genesis.model.support import refuse_bad_numbers, refuse_unsupported

# A chain of two hinges with sites, a ball joint and a slide beside it; snippets are added to it.
CHAIN = """
<worldbody>
  <site name="world_site"/>
  <body name="upper"><joint name="h1" {joint}/><geom name="g" type="capsule" size="0.1 0.5"/><site name="s1"/>
    <body name="lower" pos="0 0 1" {body}><joint name="h2" axis="1 0 0"/><geom type="capsule" size="0.1 0.5"/><site name="s2"/>
    </body>
  </body>
  <body name="ball" pos="5 0 0"><joint name="b" type="ball"/><geom name="g2" size="0.1"/></body>
  <body name="cart" pos="9 0 0"><joint name="x" type="slide"/><geom size="0.1"/></body>
</worldbody>
{more}
"""
PAIR = '<contact><pair geom1="g" geom2="g2" {}/></contact>'
FIXED_TENDON = '<tendon><fixed name="t" {}><joint joint="h1" coef="1"/><joint joint="h2" coef="2"/></fixed></tendon>'
SPATIAL_TENDON = '<tendon><spatial name="t"><site site="s1"/><site site="s2"/></spatial></tendon>'


def actuator(text):
    return f"<actuator>{text}</actuator>"


def model(more="", *, joint="", body="", option=""):
    return f"<mujoco>{option}{CHAIN.format(joint=joint, body=body, more=more)}</mujoco>"


def mocap(text):
    return text.replace("</worldbody>", '<body name="hand" mocap="true"><geom size="0.1"/></body></worldbody>')


REFUSED = {
    "mixed solref of an equality": (
        model('<equality><weld name="w" body1="lower" body2="cart" solref="0.02 0"/></equality>'),
        r"constraint 'w': solref: mixes its",
    ),
    "mixed solreflimit of a tendon": (
        model(FIXED_TENDON.format('range="0 1" solreflimit="-100 5"')),
        r"tendon 't': solreflimit: mixes its",
    ),
    "mixed solreffriction of a tendon": (
        model(FIXED_TENDON.format('solreffriction="-100 5"')),
        r"tendon 't': solreffriction: mixes its",
    ),
    "mixed solref of a geom": (model().replace('name="g"', 'name="g" solref="0.02 0"'), r"geom 'g': solref: mixes its"),
    "mixed solreflimit": (model(joint='range="-1 1" solreflimit="-100 5"'), r"joint 'h1': solreflimit: mixes its two"),
    "mixed solreffriction": (
        model(joint='frictionloss="1" solreffriction="0 1"'),
        r"joint 'h1': solreffriction: mixes its two",
    ),
    "mixed solref of a pair": (model(PAIR.format('solref="1 -1"')), r"pair 'pair0': solref: mixes its two forms"),
    "mixed solreffriction of a pair": (
        model(PAIR.format('solreffriction="1 -1"')),
        r"pair 'pair0': solreffriction: mixes",
    ),
    "override by two frictions": (
        model(option='<option o_friction="1 .5 .01 .01 .01"><flag override="enable"/></option>'),
        r"flag override=\"enable\" with o_friction=\"1 0.5 0.01 0.01 0.01\": make the two",
    ),
    "speculative contacts": (
        model(option='<option><flag speculative="enable"/></option>'),
        r"flag speculative=\"enable\"",
    ),
    "user gain": (model(actuator('<general name="a" joint="h1" gaintype="user"/>')), r"gain \(gaintype\) 'user'"),
    "user bias": (model(actuator('<general name="a" joint="h1" biastype="user"/>')), r"bias \(biastype\) 'user'"),
    "user dynamics": (
        model(actuator('<general name="a" joint="h1" dyntype="user" actdim="1"/>')),
        r"dynamics \(dyntype\) 'user'",
    ),
    "history of no samples": (
        model(actuator('<motor name="a" joint="h1" delay="-.1" nsample="-3"/>')),
        r"actuator 'a': a history of less than no samples \(nsample\)",
    ),
    "discrete": (
        model(option='<option integrator="discrete"/>'),
        r"integrator 'discrete', which solves .*: choose one with RigidOptions\(integrator=\.\.\.\): Euler, implicitfast, implicit or RK4",
    ),
    "negative density": (
        model(option='<option density="-1"/>'),
        r"a negative fluid \(option density=-1, viscosity=0\)",
    ),
    "negative viscosity": (model(option='<option viscosity="-1"/>'), r"a negative fluid"),
    "flex": (
        model().replace(
            "</worldbody>",
            '<flexcomp name="f" type="grid" count="3 3 1" spacing="0.1 0.1 0.1" dim="2" radius="0.01"/></worldbody>',
        ),
        r"flex 'f': a flex \(deformable\)",
    ),
}


@pytest.fixture
def mjcf(tmp_path):
    def write(text):
        path = tmp_path / "robot.xml"
        path.write_text(text)
        return EntitySpec(gs.morphs.MJCF(file=path), name="r")

    return write


@pytest.mark.parametrize("case", REFUSED)
def test_refused(mjcf, case):
    text, message = REFUSED[case]
    mujoco.MjModel.from_xml_string(text)  # a model that MuJoCo itself takes
    with pytest.raises(gs.GenesisException, match=message) as error:
        compose([mjcf(text)])
    assert "what this engine does not simulate" in str(error.value)


def test_a_muscle_whose_lengths_mujoco_cannot_find(mjcf):
    text = model(actuator('<muscle name="a" joint="h1"/>'))
    with pytest.raises(ValueError, match="Lengthrange computation"):
        mujoco.MjModel.from_xml_string(text)
    with pytest.raises(
        gs.GenesisException, match=r"entity 'r': .* did not converge .*: state the muscle's lengthrange"
    ):
        compose([mjcf(text)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (model(joint='damping="-3"'), r"entity 'r': joint 'h1': damping '-3' is negative"),
        (model(joint='armature="-3"'), r"entity 'r': joint 'h1': armature '-3' is negative"),
        (model(joint='frictionloss="-3"'), r"entity 'r': joint 'h1': frictionloss '-3' is negative"),
        (model().replace('name="g"', 'name="g" friction="1 -1 0"'), r"entity 'r': geom 'g': friction '1 -1 0' is neg"),
        (model(PAIR.format('friction="-1"')), r"entity 'r': pair 'pair0': friction '-1 .*' is negative"),
    ],
)
def test_negative_numbers(mjcf, text, message):
    with pytest.raises(gs.GenesisException, match=message):
        compose([mjcf(text)])


def test_negative_damping_of_a_urdf(tmp_path):
    inertial = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
    path = tmp_path / "robot.urdf"
    path.write_text(
        f'<robot name="r"><link name="a">{inertial}</link><link name="b">{inertial}</link><joint name="j" '
        'type="continuous"><parent link="a"/><child link="b"/><dynamics damping="-1"/></joint></robot>'
    )
    with pytest.raises(gs.GenesisException, match=r"entity 'arm': joint 'j': damping '-1' is negative"):
        compose([EntitySpec(gs.morphs.URDF(file=path), name="arm")])


def test_numbers_too_large():
    with pytest.raises(gs.GenesisException, match=r"entity 'b': link 'box_baselink': mass 'inf' is not a finite"):
        compose([EntitySpec(gs.morphs.Box(size=(1e300,) * 3), name="b")])


@pytest.mark.parametrize(
    ("field", "element"),
    [
        ("body_pos", "link 'upper'"),
        ("jnt_axis", "joint 'h1'"),
        ("jnt_range", "joint 'h1'"),
        ("jnt_solref", "joint 'h1'"),
        ("jnt_margin", "joint 'h1'"),
        ("dof_frictionloss", "joint 'h1'"),
        ("dof_solimp", "joint 'h1'"),
        ("geom_size", "geom 'g'"),
        ("geom_friction", "geom 'g'"),
        ("geom_margin", "geom 'g'"),
        ("geom_gap", "geom 'g'"),
        ("geom_solref", "geom 'g'"),
        ("geom_solimp", "geom 'g'"),
        ("pair_solreffriction", "pair 'p'"),
        ("site_quat", "site 'world_site'"),
        ("actuator_forcerange", "actuator 'a'"),
    ],
)
def test_numbers_of_the_compiled_model(field, element):
    more = actuator('<motor name="a" joint="h1"/>') + PAIR.format('name="p"')
    compiled = mujoco.MjModel.from_xml_string(model(more))
    refuse_bad_numbers(compiled, [])
    values = getattr(compiled, field)
    row = 1 if field == "body_pos" else 0
    values[row] = np.inf
    if field.endswith("range"):
        refuse_bad_numbers(compiled, [])
    values[row] = np.nan
    with pytest.raises(gs.GenesisException, match=rf"{element}: {field.split('_')[1]} '.*nan.*' is not a finite"):
        refuse_bad_numbers(compiled, [])


def test_ipc_is_refused():
    spec = mujoco.MjSpec()
    spec.option.enableflags |= mujoco.mjtEnableBit.mjENBL_IPC
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_DISCRETE  # MuJoCo wants it with this flag
    with pytest.raises(gs.GenesisException, match=r"flag ipc=\"enable\""):
        refuse_unsupported(spec.compile(), [])


def test_everything_is_named_at_once(mjcf):
    motors = "".join(f'<motor joint="h1" nsample="{-1 - index}"/>' for index in range(7))
    text = model(
        actuator(motors), option='<option integrator="discrete"/>', joint='range="-10 10" solreflimit="-100 5"'
    )
    with pytest.raises(gs.GenesisException) as error:
        compose([mjcf(text)])
    lines = str(error.value).splitlines()
    assert len(lines) == 4
    assert "'actuator4' and 2 more: a history of less" in lines[3]


ACCEPTED = {
    "plain": model(),
    "spatial tendon": model(SPATIAL_TENDON),
    "slider-crank": model(actuator('<general cranksite="s1" slidersite="s2" cranklength="1"/>')),
    "adhesion": model(actuator('<adhesion body="cart" ctrlrange="0 1"/>')),
    "muscle": model(actuator('<muscle joint="h1" lengthrange="0 1"/>')),
    "disabled group": model(actuator('<motor joint="h1" group="2"/>'), option='<option actuatorgroupdisable="2"/>'),
    "delay": model(
        actuator('<motor joint="h1" delay="0.02" nsample="3" interp="cubic"/><motor joint="h1" nsample="2"/>')
    ),
    "pid": model(actuator('<pid name="a" joint="h1" kp="1" ki="2"/>')),
    "dcmotor": model(actuator('<dcmotor joint="h1" motorconst=".1 .1" resistance="1" inductance="0 .01"/>')),
    "orientation servo": model(actuator('<orientation site="s1" refsite="s2" input="quat" kp="1"/>')),
    "drive": model(actuator('<motor joint="h1" damping="1" armature=".1"/>')),
    "linear spring, damping, armature": model(joint='stiffness="2" damping="1" armature="0.1" springref="0.3"'),
    "mocap body": mocap(model()),
    "gravity compensation": model(body='gravcomp="1"'),
    "equality": model(
        FIXED_TENDON.format("")
        + '<equality><connect body1="lower" body2="cart" anchor="0 0 0"/><weld body1="lower" body2="cart"/>'
        '<joint joint1="h1" joint2="h2"/><tendon tendon1="t"/><connect site1="s1" site2="s2"/></equality>'
    ),
    "tendon": model(
        FIXED_TENDON.format(
            'stiffness="1" damping="1" armature="1" actuatorfrcrange="-1 1" range="0 1" frictionloss="1" '
            'solreflimit="-100 -10" solreffriction="0.03 2"'
        )
    ),
    "inactive equality": model('<equality><weld body1="lower" body2="cart" active="false"/></equality>'),
    "fixed tendon": model(FIXED_TENDON.format("") + actuator('<position tendon="t" kp="3"/>')),
    "actuators": model(
        actuator(
            '<motor joint="h1" gear="3" ctrlrange="-1 1" forcerange="-2 2"/><position joint="h2" kp="10" kv="1"/>'
            '<velocity joint="x" kv="2"/><intvelocity joint="h1" kp="3" actrange="-1 1"/>'
            '<damper joint="h1" kv="2" ctrlrange="0 1"/><general joint="h1" dyntype="filter" dynprm="0.1"/>'
            '<general joint="h2" dyntype="filterexact" dynprm="0.1" actearly="true"/><general jointinparent="b" gear="1 2 3"/>'
            '<general joint="b" gear="1 2 3"/><motor site="s1" gear="1 0 0 0 0 1"/>'
            '<position site="s2" refsite="world_site" kp="2" gear="0 0 1"/>'
            '<general joint="h1" gaintype="affine" gainprm="1 2 3" biastype="affine" biasprm="1 2 3"/>'
        )
    ),
    "stiffness polynomial": model(joint='stiffness="1 2 3"'),
    "damping polynomial": model(joint='damping="1 2 3"'),
    "polynomials of a tendon": model(FIXED_TENDON.format('stiffness="1 2" damping="1 2 3"')),
    "fluid": model(option='<option density="1" viscosity="1"/>'),
    "wind without a fluid": model(option='<option wind="1 0 0"/>'),
    "flags that compute more": model(option='<option><flag energy="enable" fwdinv="enable"/></option>'),
    "limits and friction loss": model(
        joint='range="-10 10" frictionloss="0.1" solreflimit="-100 -10" solreffriction="0.03 2"'
    ),
    "explicit pair": model(PAIR.format('solref="-100 -10" solreffriction="-50 -5" condim="6"')),
    "RK4": model(option='<option integrator="RK4"/>'),
    "exact diagonal": model(option='<option><flag diagexact="enable"/></option>'),
    "override": model(option='<option><flag override="enable"/></option>'),
    "surfaces": model(PAIR.format('adhesion="1"')).replace('name="g"', 'name="g" adhesion="1" surfacevel="1 0 0"'),
    "implicitfast": model(option='<option integrator="implicitfast"/>'),
    "implicit": model(option='<option integrator="implicit"/>'),
    "plastic spring": model(joint='stiffness="1" springyield="0.5"'),
    "plastic tendon": model(FIXED_TENDON.format('springyield="0.5"')),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(mjcf, case):
    compose([mjcf(ACCEPTED[case])])


# What is refused only where it has an effect.
HARMLESS = {
    "mixed solref of an equality": "equality",
    "mixed solreflimit of a tendon": "limit",
    "mixed solreffriction of a tendon": "frictionloss",
    "mixed solref of a geom": "contact",
    "mixed solreflimit": "limit",
    "mixed solreffriction": "frictionloss",
    "mixed solref of a pair": "contact",
    "override by two frictions": "constraint",
    "speculative contacts": "constraint",
}


@pytest.mark.parametrize("case", HARMLESS)
def test_accepted_where_it_is_switched_off(mjcf, case):
    text, _ = REFUSED[case]
    compose([mjcf(text.replace("</mujoco>", f'<option><flag {HARMLESS[case]}="disable"/></option></mujoco>'))])
    compose([mjcf(text)], None, gs.options.RigidOptions(disable_constraint=True))


def test_every_enum_value_is_judged():
    """A kind of actuator or integrator that a later MuJoCo adds is refused, not passed on."""
    spec = mujoco.MjSpec.from_string(model(actuator('<motor name="a" joint="h1"/>')))
    compiled = spec.compile()
    refuse_unsupported(compiled, [])
    for field in ("actuator_trntype", "actuator_dyntype", "actuator_gaintype", "actuator_biastype"):
        changed = mujoco.MjModel.from_xml_string(model(actuator('<motor name="a" joint="h1"/>')))
        kinds = {"trn": mujoco.mjtTrn, "dyn": mujoco.mjtDyn, "gain": mujoco.mjtGain, "bias": mujoco.mjtBias}
        last = max(int(value) for value in kinds[field.split("_")[1].removesuffix("type")].__members__.values())
        getattr(changed, field)[0] = last
        with pytest.raises(gs.GenesisException, match="actuator 'a'"):
            refuse_unsupported(changed, [])


# ------------------------------------------------------------------ shapes that cannot touch

ON_SDF = """<asset><mesh name="h" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset>
<worldbody><body name="ground"><joint/><geom name="land" type="sdf" mesh="h" mass="1" contype="1" {}/></body>
<body name="a"><freejoint/><geom name="rod" type="cylinder" size="0.1 0.1"/></body>
<body name="b" pos="1 0 0"><freejoint/><geom type="cylinder" size="0.1 0.1"/><geom type="capsule" size="0.1 0.1"/></body>
</worldbody>{}"""


def on_sdf(attributes="", more=""):
    return f"<mujoco>{ON_SDF.format(attributes, more)}</mujoco>"


def test_shapes_that_cannot_touch(mjcf):
    ball = EntitySpec(gs.morphs.Ellipsoid(pos=(0, 0, 3)), name="ball")
    with pytest.raises(gs.GenesisException, match="what this engine does not simulate") as error:
        compose([mjcf(on_sdf()), ball])
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == 3
    assert lines[0].startswith(
        "- entity 'r': 2 pairs of cylinder and signed distance field (links 'a' and 'ground', 'b' and 'ground') may touch"
    )
    assert lines[1].startswith(
        "- entity 'r': 1 pair of capsule and signed distance field (links 'b' and 'ground') may touch"
    )
    assert "RigidOptions(enable_self_collision=False)" in lines[0]
    assert "<exclude>" in lines[0]
    assert "entities 'ball' and 'r': 1 pair of ellipsoid and signed distance field" in lines[2]
    assert "self_collision" not in lines[2]
    assert all("RigidOptions(enable_collision=False)" in line for line in lines)


@pytest.mark.parametrize(
    ("morph", "kind"),
    [(gs.morphs.Box(size=(1, 1, 1)), "box"), (gs.morphs.Ellipsoid(), "ellipsoid"), (gs.morphs.Cylinder(), "cylinder")],
)
def test_kinds_of_shapes_are_named(mjcf, morph, kind):
    text = on_sdf("", "").replace('<geom type="capsule" size="0.1 0.1"/>', "").replace('type="cylinder"', 'type="box"')
    ground = mjcf(text.replace('size="0.1 0.1"', 'size="0.1 0.1 0.1" contype="0" conaffinity="0"'))
    body = EntitySpec(morph, name="b")
    with pytest.raises(
        gs.GenesisException, match=f"entities 'b' and '.*': 1 pair of {kind} and signed distance field "
    ):
        compose([ground, body])
    for options in ({"enable_collision": False}, {"disable_constraint": True}):
        compose([ground, body], None, gs.options.RigidOptions(**options))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (on_sdf(), {"enable_self_collision": False}),
        (on_sdf(), {"enable_collision": False}),
        (on_sdf(more='<option><flag contact="disable"/></option>'), {}),
        (on_sdf('conaffinity="0"').replace('contype="1"', 'contype="0"'), {}),
        (
            on_sdf(more='<contact><exclude body1="ground" body2="a"/><exclude body1="ground" body2="b"/></contact>'),
            {},
        ),
    ],
)
def test_ways_out(mjcf, text, options):
    compose([mjcf(text)], None, gs.options.RigidOptions(**options))


def test_an_explicit_pair_that_cannot_touch(mjcf):
    text = on_sdf('conaffinity="0"', '<contact><pair geom1="rod" geom2="land"/></contact>')
    with pytest.raises(gs.GenesisException, match="1 pair of cylinder and signed distance field"):
        compose([mjcf(text.replace('contype="1"', 'contype="0"'))])


def test_who_asks_for_the_older_collider_is_told(mjcf, caplog):
    floor = EntitySpec(gs.morphs.Plane(), name="floor")
    rod = '<body><freejoint/><geom type="{}" size="0.1 0.1"/></body>'
    for shape, told in (("sphere", False), ("cylinder", True)):
        bodies = 2 * rod.format(shape)
        caplog.clear()
        with caplog.at_level("WARNING"):
            compose(
                [
                    floor,
                    mjcf(
                        f'<mujoco><option><flag nativeccd="disable"/></option><worldbody>{bodies}</worldbody></mujoco>'
                    ),
                ]
            )
        assert ("nativeccd" in caplog.text) == told


def test_sleep_is_accepted_and_said_once(mjcf, caplog):
    text = model(option='<option><flag sleep="enable"/></option>')
    with caplog.at_level("INFO", logger="genesis"):
        compose([mjcf(text)])
    assert caplog.text.count('sleep="enable" has no effect') == 1


# ------------------------------------------------------------------ nothing slips through

# What the engine computes from; anything else that moves the model must be refused.
SIMULATED = set(
    """
    qpos0 qpos_spring body_pos body_quat body_ipos body_iquat body_mass body_inertia body_gravcomp jnt_pos jnt_axis
    jnt_stiffness jnt_actfrcrange dof_armature dof_damping actuator_dynprm actuator_gainprm actuator_biasprm actuator_actrange
    actuator_actearly actuator_actlimited actuator_ctrllimited actuator_forcelimited actuator_ctrlrange actuator_forcerange
    actuator_gear jnt_actfrclimited jnt_actgravcomp site_pos site_quat wrap_prm gravity timestep
    geom_pos geom_quat geom_size geom_friction geom_solref geom_solimp geom_solmix geom_margin geom_gap
    pair_friction pair_solref pair_solreffriction pair_solimp pair_margin pair_gap
    jnt_limited jnt_range jnt_margin jnt_solref jnt_solimp dof_frictionloss dof_solref dof_solimp
    tendon_limited tendon_range tendon_margin tendon_solref_lim tendon_solimp_lim tendon_frictionloss tendon_solref_fri
    tendon_solimp_fri tendon_stiffness tendon_damping tendon_armature tendon_lengthspring tendon_actfrclimited
    tendon_actfrcrange tendon_length0 tendon_invweight0 eq_data eq_solref eq_solimp eq_active0
    jnt_stiffnesspoly dof_dampingpoly tendon_stiffnesspoly tendon_dampingpoly density viscosity wind geom_fluid
    body_invweight0 dof_invweight0 impratio tolerance ls_tolerance
    """.split()
)
DERIVED = {"dof_M0"}  # MuJoCo copies it into the mass matrix of simple bodies; it follows from their inertia
NOISE = 1e-9  # of a velocity of order one: rounding, after reordered sums


def busy_model():
    """A model that uses every kind of number that is simulated, so that a perturbed one shows: links overlap, a joint
    is beyond its limit, another rubs."""
    text = model(
        FIXED_TENDON.format(
            'stiffness="3" damping="1" armature="0.1" springlength="-1 0.2" actuatorfrcrange="-9 9" range="5 6" '
            'frictionloss="0.1" margin="0.1"'
        )
        + '<equality><weld body1="lower" body2="cart" solref="1 1"/><joint joint1="h1" joint2="h2" solref="1 1"/>'
        '<tendon tendon1="t" solref="1 1"/></equality>'
        + PAIR.format('condim="6" margin="6" solreffriction="0.03 1"')
        + actuator(
            '<motor joint="h1" ctrlrange="-9 9" forcerange="-9 9"/><general joint="h2" dyntype="filter" dynprm="0.1"'
            ' actrange="-9 9" gainprm="2"/><position tendon="t" kp="3"/><motor site="s1" gear="1 2 3 4 5 6"/>'
            '<general joint="b" gear="1 2 3" gaintype="affine" gainprm="1 2 3" biastype="affine" biasprm="1 2 3"/>'
        ),
        joint='stiffness="2" damping="1" armature="0.1" springref="0.3" actuatorfrcrange="-9 9" frictionloss="0.1"',
        body='gravcomp="0.5"',
        option='<option cone="elliptic" impratio="2" tolerance="1e-14" iterations="200"/>',
    )
    text = text.replace('name="h2"', 'name="h2" range="50 60" margin="0.1"').replace('pos="9 0 0"', 'pos="0.1 0 0"')
    return mujoco.MjModel.from_xml_string(text)


def motion(compiled):
    data = mujoco.MjData(compiled)
    rng = np.random.default_rng(0)
    data.qpos[:] = rng.normal(size=compiled.nq)
    data.qvel[:] = rng.normal(size=compiled.nv)
    data.ctrl[:] = rng.normal(size=compiled.nu)
    data.act[:] = rng.normal(size=compiled.na)
    for _ in range(2):
        mujoco.mj_step(compiled, data)
    return np.concatenate([data.qvel, data.act])


def settings():
    """Names of the numbers of a model: of links, joints, tendons and actuators, and the options (indices and ids are structure)."""
    compiled = busy_model()
    prefixes = ("qpos", "body_", "jnt_", "dof_", "geom_", "pair_", "site_", "tendon_", "wrap_", "eq_", "actuator_")
    for name in dir(compiled):
        value = getattr(compiled, name)
        if name.startswith(prefixes) and isinstance(value, np.ndarray) and value.size and value.dtype.kind in "fb":
            yield name
    for name in dir(compiled.opt):
        if isinstance(getattr(compiled.opt, name), (float, np.ndarray)):
            yield f"opt.{name}"


@pytest.mark.parametrize("name", list(settings()))
def test_what_moves_the_model_is_simulated_or_refused(name):
    compiled = busy_model()
    before = motion(compiled)
    owner = compiled.opt if name.startswith("opt.") else compiled
    field = name.removeprefix("opt.")
    value = np.array(getattr(owner, field))
    changed = ~value if value.dtype.kind == "b" else value + 0.37
    setattr(owner, field, changed if changed.ndim else float(changed))
    refused = False
    try:
        refuse_unsupported(compiled, [])
    except gs.GenesisException:
        refused = True
    if not refused and field not in SIMULATED | DERIVED:
        np.testing.assert_allclose(motion(compiled), before, atol=NOISE, err_msg=f"{name} moves the model")


# ------------------------------------------------------------------ left out

WARN = gs.options.RigidOptions(unsupported="warn")


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_can_be_left_out(mjcf, caplog, case):
    text, _ = REFUSED[case]
    robot = mjcf(text)
    try:
        compose([robot])
    except gs.GenesisException as error:
        assert 'RigidOptions(unsupported="warn") leaves it out' in str(error)
    else:
        pytest.skip("it is simulated")
    caplog.clear()
    composed = compose([robot], None, WARN)
    (warning,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert warning.startswith("what this engine does not simulate is left out of the scene:\n- ")
    refuse_unsupported(composed.mj_model, [])
    reloaded = mujoco.MjModel.from_xml_string(to_mjcf(composed))
    assert (reloaded.nq, reloaded.nu, reloaded.nflex) == (composed.mj_model.nq, composed.mj_model.nu, 0)


def test_every_row_has_a_way_out():
    for feature in support._FEATURES:
        what = feature.what if isinstance(feature.what, str) else ""
        assert leave_out._way_out(feature.kind, what) is not None, (feature.kind, what)


def test_an_actuator_is_left_out_with_its_sensors_and_its_part_of_keyframes(mjcf, caplog):
    text = model(
        actuator(
            '<motor name="a" joint="h1"/><general name="u" joint="h1" gaintype="user" dyntype="integrator"/>'
            '<motor name="z" joint="h2"/>'
        )
        + '<sensor><actuatorfrc actuator="u"/><actuatorfrc actuator="z"/></sensor>'
        '<keyframe><key ctrl="1 2 3" act="7"/></keyframe>'
    )
    composed = compose([mjcf(text)], None, WARN)
    m = composed.mj_model
    assert composed.entities[0].actuator_names == ("a", "z")
    assert (m.nu, m.na, m.nsensor) == (2, 0, 1)
    np.testing.assert_array_equal(m.key_ctrl, [[1.0, 3.0]])
    (warning,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert warning.endswith("entity 'r': actuator 'u': gain (gaintype) 'user': it is taken away")


def test_a_signed_distance_field_that_is_left_out_touches_nothing(mjcf, caplog):
    composed = compose([mjcf(on_sdf())], None, WARN)
    assert composed.mj_model.geom("r/land").contype == 0
    assert "geom 'land': a signed distance field: it touches nothing" in caplog.text


PLUGINS = """<mujoco><extension>
<plugin plugin="mujoco.pid"><instance name="pid"><config key="kp" value="4"/></instance></plugin>
<plugin plugin="mujoco.sdf.torus"><instance name="torus"><config key="radius1" value="0.35"/></instance></plugin></extension>
<asset><mesh name="torus"><plugin instance="torus"/></mesh></asset>
<worldbody><body name="ring" pos="0 0 2"><freejoint/><geom name="ring" type="sdf" mesh="torus"><plugin instance="torus"/></geom>
<geom name="knob" size="0.1"/></body>
<geom name="floor" type="plane" size="1 1 1"/>
<body name="arm"><joint name="h"/><geom size="0.1"/></body>
</worldbody>
<actuator><plugin name="pid" joint="h" plugin="mujoco.pid" instance="pid"/></actuator></mujoco>"""


def test_plugins_are_left_out(mjcf, caplog):
    with pytest.raises(gs.GenesisException, match="a plugin"):
        compose([mjcf(PLUGINS)])
    m = compose([mjcf(PLUGINS)], None, WARN).mj_model
    assert (m.nplugin, m.nu) == (0, 0)
    assert {m.geom(k).name for k in range(m.ngeom)} >= {"r/knob", "r/floor"}
    assert "r/ring" not in {m.geom(k).name for k in range(m.ngeom)}
    for what in (
        "geom 'ring': a plugin: it is taken away",
        "actuator 'pid': a plugin: it is taken away",
        "plugin(s): they do",
    ):
        assert what in caplog.text


def test_what_is_simulated_is_not_touched(mjcf, caplog):
    text = ACCEPTED["actuators"]
    one, other = compose([mjcf(text)]), compose([mjcf(text)], None, WARN)
    assert to_mjcf(one) == to_mjcf(other)
    assert "left out" not in caplog.text


def test_the_option_is_checked():
    with pytest.raises(gs.GenesisException, match="unsupported='ignore': expected 'refuse' or 'warn'"):
        gs.options.RigidOptions(unsupported="ignore")


def test_what_hangs_on_a_flex_is_named(mjcf, caplog):
    """And nothing is deleted twice, of which MuJoCo would crash."""
    text = (
        '<mujoco><worldbody><flexcomp type="grid" count="2 2 1" spacing=".1 .1 .1" name="cl" dim="2">'
        '<edge equality="true"/></flexcomp><body name="b" pos="0 0 3"><freejoint/><geom size=".1"/></body></worldbody>'
        '<equality><connect name="rope" body1="cl_0" body2="b" anchor="0 0 0"/></equality>'
        '<actuator><adhesion name="glue" body="cl_0" ctrlrange="0 1" gain="1"/></actuator>'
        '<sensor><framepos name="place" objtype="body" objname="cl_0"/></sensor></mujoco>'
    )
    m = compose([mjcf(text)], None, WARN).mj_model
    assert (m.nflex, m.neq, m.nu, m.nsensor, m.nbody) == (0, 0, 0, 0, 2)
    assert "constraint 'r/rope', actuator 'r/glue', sensor 'r/place'" in caplog.text
    compose([mjcf(text)], None, WARN)


def test_the_contact_of_another_geom_stays(mjcf):
    """What is taken away moves the numbers of what follows."""
    torus = (
        '<extension><plugin plugin="mujoco.sdf.torus"><instance name="p"/></plugin></extension>'
        '<asset><mesh name="torus"><plugin instance="p"/></mesh></asset><worldbody><geom name="floor" type="plane" '
        'size="1 1 1"/><body pos="0 0 3"><freejoint/><geom size=".1" name="kept"/>'
        '<geom name="gone" type="sdf" mesh="torus"><plugin instance="p"/></geom></body>'
        '<body pos="0 0 1"><freejoint/><geom name="other" size=".1"/></body></worldbody>'
    )
    m = compose([mjcf(f"<mujoco>{torus}</mujoco>")], None, WARN).mj_model
    assert sorted(m.geom(k).name for k in range(m.ngeom)) == ["r/floor", "r/kept", "r/other"]
    assert m.geom_contype.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('<tendon><spatial><site site="s1"/><geom geom="g"/><site site="s2"/></spatial></tendon>', "not sphere or cyl"),
        ("<tendon><fixed/></tendon>", "path cannot be empty"),
        ('<actuator><general cranksite="s1" slidersite="s2" cranklength="0"/></actuator>', "crank length must be pos"),
        ('<actuator><general cranksite="s1" cranklength="1"/></actuator>', "missing base site"),
    ],
)
def test_elements_that_attaching_would_lose(mjcf, more, message):
    with pytest.raises(gs.GenesisException, match=message):
        compose([mjcf(model(more))])


@pytest.mark.parametrize(
    "text",
    [
        model('<sensor><user dim="1000000000"/></sensor>'),
        model('<sensor><contact geom1="g" num="1000000000"/></sensor>'),
        model(option='<option noslip_iterations="2000000000"/>'),
    ],
)
def test_sizes_beyond_measure(mjcf, text):
    with pytest.raises(gs.GenesisException, match="At most"):
        compose([mjcf(text)])
