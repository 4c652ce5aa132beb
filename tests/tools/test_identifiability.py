"""Standard errors and what is not determined, of informations that are known."""

import numpy as np
import torch

from genesis.tools.identification.identifiability import analyse

NAMES = ["a", "b", "c"]


def information(*rows):
    jacobian = torch.tensor(rows, dtype=torch.float64)
    return jacobian.mT @ jacobian


def test_errors_are_those_of_the_inverse():
    full = information([100.0, 0, 0], [10.0, 50.0, 0], [0, 5.0, 20.0])
    found = analyse(full, torch.eye(3, dtype=torch.float64), NAMES)
    assert found.rank == 3
    assert bool(found.determined.all())
    assert not found.undetermined
    torch.testing.assert_close(found.covariance, torch.linalg.inv(full), rtol=1e-9, atol=0.0)


def test_a_sum_is_seen_and_a_difference_is_not():
    full = information([100.0, 100.0, 0.0], [0.0, 0.0, 30.0])
    found = analyse(full, torch.eye(3, dtype=torch.float64), NAMES)
    assert found.rank == 2
    assert found.determined.tolist() == [False, False, True]
    (unknown,) = found.undetermined
    assert set(unknown.names) == {"a", "b"}
    np.testing.assert_allclose(sorted(unknown.weights), [-np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-9)
    assert str(unknown) in ("0.71 a - 0.71 b", "0.71 b - 0.71 a")
    total = next(c for c in found.determined_combinations if len(c.names) == 2)
    assert sorted(total.names) == ["a", "b"]
    np.testing.assert_allclose(total.weights, [1.0, 1.0], rtol=1e-9)
    np.testing.assert_allclose(total.error, 1 / 100, rtol=1e-9)


def test_what_is_known_to_a_factor_only_is_not_determined():
    full = information([100.0, 0, 0], [0, 0.5, 0], [0, 0, 2.0])
    found = analyse(full, torch.eye(3, dtype=torch.float64), NAMES)
    assert found.determined.tolist() == [True, False, True]


def test_errors_of_values_follow_their_derivative():
    full = information([100.0, 0], [0, 50.0])
    jacobian = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]], dtype=torch.float64)
    found = analyse(full, jacobian, NAMES)
    errors = found.covariance.diagonal().sqrt().tolist()
    np.testing.assert_allclose(errors, [2 / 100, 3 / 50, np.hypot(1 / 100, 1 / 50)], rtol=1e-9)


def test_a_value_that_no_coordinate_moves_is_not_determined():
    found = analyse(information([100.0]), torch.tensor([[1.0], [0.0]], dtype=torch.float64), ["a", "b"])
    assert found.determined.tolist() == [True, False]
