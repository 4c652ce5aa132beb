"""Windows of a recording: their Jacobians against differences, samples between steps, controls on the grid."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.tools.identification.estimation import Coordinates, Estimation, Point
from genesis.tools.identification.fitting import roughness
from genesis.tools.identification.selection import select_unknowns
from genesis.tools.identification.shooting import Windows, _held, lay_on_grid
from tests.differences import directional_derivative
from tests.tools.recorded_arm import DT, build, record

# Jacobians against central differences, relative to the largest number of a column: the differences reach 1e-9.
RTOL = 1e-6
NAMES = ["arm.links_inertial[fore]", "arm.dofs_damping", "arm.dofs_frictionloss", "gravity", "arm.joints_axis[elbow]"]


@pytest.fixture(scope="module")
def scene():
    return build()[0]


def estimation(scene, measurements, length=8, shift=0.0, names=NAMES):
    times, q, v, u = record(scene, seconds=0.1)
    rng = np.random.default_rng(0)
    moved = times.copy()
    moved[1:-1] += shift * DT * rng.uniform(-1, 1, len(times) - 2)
    data = {"arm.dofs_position": q, "arm.dofs_velocity": v}
    shapes = {"accelerometer": 3, "gyro": 3, "links_pos": 3, "links_quat": 4}
    values = {}
    for name in measurements:
        if name in data:
            values[name] = data[name]
        else:
            size = next(n for kind, n in shapes.items() if kind in name)
            values[name] = rng.standard_normal((len(times), size))
            if size == 4:
                values[name] /= np.linalg.norm(values[name], axis=1, keepdims=True)
    log = gs.tools.Log(moved, values, {"arm": u}, noise=dict.fromkeys(values, 1.0))
    recording = log.bind(scene)
    pieces = lay_on_grid(recording, scene.dt)
    coordinates = Coordinates(scene, select_unknowns(scene, names))
    windows = Windows(recording, pieces, length)
    sigma = [torch.as_tensor(s) for s in recording.noise]
    x0 = torch.randn((windows.n_windows, windows.system.nx), generator=torch.Generator().manual_seed(1))
    return Estimation(coordinates, windows, sigma), Point(torch.zeros_like(coordinates.start), x0)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_jacobians_are_those_of_differences(scene, shift):
    everything = [
        "arm.dofs_position",
        "arm.dofs_velocity",
        "arm.links_pos[fore]",
        "arm.links_quat[fore]",
        "arm.gyro[fore]",
        "arm.accelerometer[fore]",
    ]
    before = scene.world.theta.packed().detach().clone()
    problem, point = estimation(scene, everything, shift=shift)
    found = problem.residuals(point)
    p, (n, ndx) = len(point.z), (problem.windows.n_windows, problem.windows.system.ndx)

    def residuals(dz, dx):
        moved = problem.moved(point, dz, dx)
        with torch.no_grad():
            theta = problem.coordinates.theta(moved.z).detach()
            x = problem.windows.rollout(moved.x0, theta)
            return [r.value for r in problem.windows.residuals(x, theta)]

    rng = np.random.default_rng(2)
    for trial in range(4):
        dz = torch.as_tensor(rng.standard_normal(p)) * (trial != 1)
        dx = torch.as_tensor(rng.standard_normal((n, ndx))) * (trial != 0)

        def value(step, dz=dz, dx=dx):
            return np.concatenate([r.numpy().ravel() for r in residuals(step * dz, step * dx)])

        numeric, _ = directional_derivative(value, 1e-3)
        parts = [
            (r.parameters @ dz + (r.state @ dx[s.row][:, :, None])[..., 0]).numpy().ravel()
            for r, s in zip(found, problem.windows.samples, strict=True)
        ]
        # The bend of an interpolated position is held when it is differentiated: a term of the order of dt^2.
        rtol = RTOL if shift == 0.0 else 2e-3
        np.testing.assert_allclose(np.concatenate(parts), numeric, rtol=0, atol=rtol * np.abs(numeric).max())
    scene.world.theta.replace(before)


def test_gradient_and_normal_equations_agree(scene):
    before = scene.world.theta.packed().detach().clone()
    problem, point = estimation(scene, ["arm.dofs_position", "arm.accelerometer[fore]"])
    normal = problem.normal(point)
    cost, by_z, by_state = problem.gradient(point)
    assert cost == pytest.approx(normal.cost, rel=1e-12)
    assert cost == pytest.approx(problem.cost(point), rel=1e-12)
    torch.testing.assert_close(by_z, normal.parameter_gradient, rtol=1e-9, atol=1e-9 * float(by_z.abs().max()))
    torch.testing.assert_close(by_state, normal.state_gradient, rtol=1e-9, atol=1e-9 * float(by_state.abs().max()))
    scene.world.theta.replace(before)


def test_windows_cover_the_recording_once(scene):
    problem, _ = estimation(scene, ["arm.dofs_position"], length=7)
    windows = problem.windows
    assert windows.starts[:, 1].tolist() == [0, 7, 14]
    assert int(windows.lengths.sum()) == 20
    (samples,) = windows.samples
    assert len(samples.step) == 21
    steps = samples.step + torch.as_tensor(windows.starts[:, 1])[samples.row]
    assert steps.tolist() == list(range(21))
    assert int(samples.step.max()) <= windows.n_steps


def test_controls_are_means_of_what_holds():
    times = np.array([0.0, 0.1, 0.25, 0.4])
    values = np.array([[1.0], [2.0], [4.0], [99.0]])
    np.testing.assert_allclose(_held(times, values, 4, 0.1), [[1.0], [2.0], [3.0], [4.0]])
    # A last step that reaches beyond the log goes on with what held.
    np.testing.assert_allclose(_held(times[:3], values[:3], 3, 0.1), [[1.0], [2.0], [2.0]])


def test_roughness_is_the_noise_of_a_smooth_signal():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.5, 1.5, 2000)) * 0.005
    values = np.sin(3 * times) + 1e-3 * rng.standard_normal(len(times))
    # The median of 2000 samples that overlap scatters by a few percent.
    assert roughness([(times, values)]) == pytest.approx(1e-3, rel=0.1)
