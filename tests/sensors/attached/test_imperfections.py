"""Noise, bias, random walk, rounding, delay, jitter, histories and resets of attached sensors; what is refused."""

import numpy as np
import pytest
import torch

import genesis as gs

N = 400  # envs
SIGMA, WALK = 0.3, 0.2


def falling(n_envs, *described, requires_grad=False, dt=0.01):
    """(scene, box, sensors) of a box that falls without touching anything, 10 m/s^2 sideways too."""
    options = gs.options.SimOptions(dt=dt, gravity=(1.0, 0.0, -10.0), requires_grad=requires_grad)
    scene = gs.Scene(sim_options=options)
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
    sensors = [scene.add_sensor(one) for one in described]
    scene.build(n_envs=n_envs)
    return scene, box, sensors


def imu(**more):
    return gs.sensors.IMU(entity_idx=0, **more)


@pytest.fixture(scope="module")
def noisy():
    noise = {"gyro_noise": SIGMA, "mag_random_walk": (0.0, WALK, 0.0), "acc_bias": (0.1, 0.0, -0.2)}
    return falling(N, imu(**noise), imu(**noise, gyro_resolution=0.25))


def test_noise_bias_and_walk(noisy):
    scene, _, (sensor, _) = noisy
    scene.reset()
    steps = []
    for _ in range(30):
        scene.step()
        steps.append(sensor.read())
    gyro = torch.stack([one.ang_vel for one in steps]).numpy().ravel()
    # Standard errors of 30 N 3 draws.
    assert abs(gyro.mean()) < 5 * SIGMA / len(gyro) ** 0.5
    assert abs(gyro.std() - SIGMA) < 5 * SIGMA / (2 * len(gyro)) ** 0.5
    walk = torch.stack([one.mag[:, 1] for one in steps]).numpy()
    for k in (0, 9, 29):
        assert abs(walk[k].std() - WALK * (k + 1) ** 0.5) < 5 * WALK * ((k + 1) / (2 * N)) ** 0.5
    change = np.diff(walk, axis=0)
    assert abs(np.corrcoef(change[:-1].ravel(), change[1:].ravel())[0, 1]) < 5 / change.size**0.5
    assert torch.stack([one.mag[:, 0] for one in steps]).abs().max() < 1e-12
    # The box falls freely: nothing but the bias is felt.
    np.testing.assert_allclose(steps[-1].lin_acc.numpy(), np.tile([0.1, 0.0, -0.2], (N, 1)), atol=1e-9)
    assert sensor.read_ground_truth().ang_vel.abs().max() < 1e-12


def test_reading_twice_or_not_at_all_changes_nothing(noisy):
    scene, _, (sensor, other) = noisy
    scene.reset()
    scene.step()
    first = sensor.read().ang_vel
    other.read()
    assert torch.equal(first, sensor.read().ang_vel)
    scene.step()
    assert not torch.equal(first, sensor.read().ang_vel)


def test_a_seed_gives_the_same_noise():
    """`gs.init(seed=...)` seeds torch's generator, from which the scene's seed is drawn when it is built."""
    said = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        scene, _, (sensor,) = falling(0, imu(acc_noise=1.0, delay=0.02, jitter=0.01))
        following = torch.rand(3)
        for _ in range(4):
            scene.step()
        said.append(sensor.read().lin_acc.tolist())
    assert said[0] == said[1] != said[2]
    torch.manual_seed(2)
    torch.randint(2**62, (1,))
    assert torch.equal(torch.rand(3), following)  # no other random number of the program's was used


def test_rounding(noisy):
    scene, _, (_, rounded) = noisy
    scene.reset()
    scene.step()
    values = rounded.read().ang_vel.numpy() / 0.25
    assert np.array_equal(values, np.round(values))
    assert len(np.unique(values)) > 3


def test_rounding_passes_the_gradient_on():
    scene, box, (sensor,) = falling(0, imu(gyro_resolution=0.5, gyro_noise=0.1), requires_grad=True)
    v = torch.tensor([0.0, 0.0, 0.0, 0.3, 0.7, -0.4], dtype=torch.float64, requires_grad=True)
    box.set_dofs_velocity(v)
    scene.step()
    true, read = sensor.read_ground_truth().ang_vel, sensor.read().ang_vel
    assert torch.equal(read * 2, torch.round(read * 2))
    by_true, by_read = (torch.autograd.grad(x.sum(), v, retain_graph=True)[0] for x in (true, read))
    assert by_true.abs().max() > 0.9
    torch.testing.assert_close(by_true, by_read)


def test_noise_and_bias_have_gradients():
    scene, _, (sensor,) = falling(0, imu(), requires_grad=True)
    noise, bias = (torch.full((9,), x, dtype=torch.float64, requires_grad=True) for x in (0.2, 0.1))
    sensor.set_noise(noise)
    sensor.set_bias(bias)
    scene.step()
    read = torch.cat(list(sensor.read())[:2])
    by_noise, by_bias = torch.autograd.grad(read.sum(), [noise, bias])
    torch.testing.assert_close(by_bias[:6], torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close((0.2 * by_noise + 0.1)[:6], read.detach().as_subclass(torch.Tensor), atol=1e-9, rtol=0)


def spun(scene, box, *sensors, steps):
    """What each sensor says of the spin about z after each step, which grows by one each step, and what is true."""
    said = []
    for k in range(steps):
        box.set_dofs_velocity(torch.tensor([0, 0, 0, 0, 0, k + 1.0], dtype=torch.float64))
        scene.step()
        said.append([sensor.read().ang_vel[..., 2] for sensor in sensors])
    return [torch.stack([row[k] for row in said]) for k in range(len(sensors))]


def test_delay_is_exact():
    scene, box, sensors = falling(0, imu(), imu(delay=0.03), imu(delay=0.03, update_ground_truth_only=True))
    now, late, true = spun(scene, box, *sensors, steps=8)
    assert torch.equal(late[:3], torch.zeros(3, dtype=torch.float64))
    assert torch.equal(late[3:], now[:-3])
    assert torch.equal(true, now)
    assert torch.equal(sensors[1].read_ground_truth().ang_vel, sensors[0].read().ang_vel)


def test_jitter_is_a_delay_of_a_step_more_sometimes():
    jittered = imu(delay=0.02, jitter=0.005)
    scene, box, sensors = falling(N, jittered, imu(delay=0.02, jitter=0.01, interpolate=True))
    jumping, smooth = (values.numpy() for values in spun(scene, box, *sensors, steps=12))
    for k in range(5, 12):
        # The true value after step k is k + 1; two or three steps late it is k - 1 or k - 2.
        assert set(np.unique(np.round(jumping[k], 9))) == {k - 2.0, k - 1.0}
        # Half a step at most, uniformly: a quarter on average.
        assert abs((jumping[k] == k - 2.0).mean() - 0.25) < 0.12
        assert (smooth[k] <= k - 1.0 + 1e-9).all()
        assert (smooth[k] >= k - 2.0 - 1e-9).all()
        assert abs(smooth[k].mean() - (k - 1.5)) < 0.1


def test_history():
    scene, box, (sensor,) = falling(2, imu(history_length=3))
    (last,) = spun(scene, box, sensor, steps=5)
    np.testing.assert_allclose(last[-1].numpy(), [[5, 4, 3]] * 2, atol=1e-9)
    np.testing.assert_allclose(last[0].numpy(), [[1, 0, 0]] * 2, atol=1e-9)
    assert sensor.read().lin_acc.shape == (2, 3, 3)
    assert scene.read_sensors()[gs.sensors.types.IMU].shape == (2, 3, 9)


def test_before_the_first_step_and_after_a_reset_it_reads_zero():
    described = imu(mag_random_walk=1.0), imu(delay=0.01, mag_bias=1.0), gs.sensors.Contact(entity_idx=0)
    scene, _, (walking, late, contact) = falling(3, *described)
    assert not any(values.any() for values in (*walking.read(), *late.read(), contact.read()))
    assert contact.read().dtype == torch.bool
    for _ in range(4):
        scene.step()
    walked = walking.read().mag
    scene.reset(envs_idx=[1])
    assert torch.equal(walking.read().mag[[0, 2]], walked[[0, 2]])
    assert not walking.read().mag[1].any()
    assert not late.read().mag[1].any()
    assert late.read().mag[0].all()
    scene.step()
    assert walking.read().mag[1].abs().max() < walking.read().mag[[0, 2]].abs().max() + 5.0
    assert not late.read().mag[1].any()  # its only measurement is not old enough
    scene.reset()
    assert not any(values.any() for values in (*walking.read_ground_truth(), *late.read()))


def test_settings_hold_from_the_next_step_on():
    scene, _, (sensor,) = falling(2, imu())
    scene.step()
    sensor.set_bias((1.0, 2.0, 3.0, 0, 0, 0, 0, 0, 0), envs_idx=[1])
    assert sensor.read().lin_acc.abs().max() < 1e-9
    scene.step()
    np.testing.assert_allclose(sensor.read().lin_acc.numpy(), [[0, 0, 0], [1, 2, 3]], atol=1e-9)
    np.testing.assert_allclose(sensor.read_ground_truth().lin_acc.numpy(), np.zeros((2, 3)), atol=1e-9)


def test_detach_cuts_the_graph():
    scene, box, (sensor,) = falling(0, imu(delay=0.01), requires_grad=True)
    v = torch.tensor([0.0, 0.0, 0.0, 0.3, 0.7, -0.4], dtype=torch.float64, requires_grad=True)
    box.set_dofs_velocity(v)
    scene.step()
    scene.step()
    assert sensor.read().ang_vel.requires_grad
    scene.detach()
    assert not sensor.read().ang_vel.requires_grad
    with torch.inference_mode():
        assert sensor.read().ang_vel[0] > 0.2


def test_rollouts():
    scene, _, (sensor, walking) = falling(0, imu(), imu(mag_random_walk=1.0))
    scene.rollout(n_steps=3)
    assert sensor.read().mag[2] == 0.5
    assert walking.read().mag[0] != 0
    scene, _, _ = falling(0, imu(delay=0.01))
    with pytest.raises(gs.GenesisException, match="looks at every step"):
        scene.rollout(n_steps=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gs.sensors.IMU(delay=-1.0), "delay"),
        (lambda: gs.sensors.IMU(jitter=0.1), "jitter=0.1 is larger than delay"),
        (lambda: gs.sensors.IMU(noise=0.1), "acc_noise"),
        (lambda: gs.sensors.IMU(acc_noise=-0.1), "acc_noise"),
        (lambda: gs.sensors.IMU(acc_cross_axis_coupling=(1.0, 2.0)), "acc_cross_axis_coupling"),
        (lambda: gs.sensors.IMU(entity_id=0), "did you mean entity_idx"),
        (lambda: gs.sensors.ContactForce(min_force=2.0, max_force=1.0), "is not below max_force"),
        (lambda: gs.sensors.Raycaster(), "pattern is missing"),
        (lambda: gs.sensors.Raycaster(pattern=gs.sensors.GridPattern(), max_range=1, min_range=2), "max_range"),
        (lambda: gs.sensors.DepthCamera(pattern=gs.sensors.GridPattern()), "DepthCameraPattern"),
        (lambda: gs.sensors.GridPattern(resolution=0.0), "resolution"),
        (lambda: gs.sensors.SphericalPattern(fov=(400.0, 10.0)), "fov"),
        (lambda: gs.sensors.SphericalPattern(n_points=(0, 1)), "n_points"),
        (lambda: gs.sensors.DepthCameraPattern(res=(0, 1)), "res"),
        (lambda: gs.sensors.DepthCameraPattern(fov_horizontal=None), "field of view"),
        (lambda: gs.sensors.ElastomerTaxel, "soft skin"),
        (lambda: gs.sensors.ContactProbe(noise=0.1), "yes or no"),
        (lambda: gs.sensors.ContactDepthProbe(crosstalk_strength=1.0), "soft skin"),
        (lambda: gs.sensors.ContactDepthProbe(probe_radius=(0.1, 0.2)), "probe_radius"),
        (lambda: gs.sensors.KinematicContactProbe(probe_local_normal=(0, 0, 0)), "is zero"),
        (lambda: gs.sensors.TemperatureGrid(heat_generation=((1.0,),), grid_size=(1, 1, 1)), "heat_generation"),
        (lambda: gs.sensors.TemperatureGrid(properties_dict={-2: (1, 2, 3, 4, 0.5)}), "number of a link"),
        (lambda: gs.recorders.TrajectoryFile, "save_checkpoint"),
        (lambda: gs.recorders.NPZFile(filename="data.csv"), "ends with .npz"),
        (lambda: gs.recorders.CSVFile(filename="x.csv", hz=0.0), "hz"),
    ],
)
def test_wrong_descriptions(make, message):
    with pytest.raises(gs.GenesisException, match=message):
        make()


def test_wrong_calls():
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
    with pytest.raises(gs.GenesisException, match="expected a description"):
        scene.add_sensor("IMU")
    with pytest.raises(gs.GenesisException, match="has 1 entities"):
        scene.add_sensor(gs.sensors.IMU(entity_idx=1))
    with pytest.raises(gs.GenesisException, match="SensorOptions is no kind of sensor"):
        scene.add_sensor(gs.sensors.SensorOptions())
    assert scene.sensors == []
    sensor = scene.add_sensor(imu(delay=0.02))
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        sensor.read()
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        sensor.set_noise(0.1)
    scene.build(n_envs=2)
    for call, message in (
        (lambda: scene.add_sensor(imu()), "built already"),
        (lambda: sensor.read(envs_idx=2), "out of range"),
        (lambda: sensor.set_noise(-1.0), "negative"),
        (lambda: sensor.set_noise((1.0, 2.0)), "shape"),
        (lambda: sensor.set_bias(float("nan")), "nan"),
        (lambda: sensor.set_jitter(0.011), "one step"),
        (lambda: sensor.set_quat_offset((0, 0, 0, 0)), "is zero"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            call()


def test_a_link_that_is_not_there():
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
    scene.add_sensor(gs.sensors.IMU(entity_idx=0, link_idx_local=1))
    with pytest.raises(gs.GenesisException, match="has 1 link"):
        scene.build()
    assert not scene.is_built
