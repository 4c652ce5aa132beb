"""What data say of parameters: standard errors, and which combinations they say nothing of."""

from __future__ import annotations

from dataclasses import dataclass

import torch

# A combination whose standard error is above this, 1 meaning a change by the parameters' own size, is not determined:
# the data do not even tell its order of magnitude.
LARGEST_ERROR = 1.0
# Eigenvalues of the information below this fraction of the largest are rounding, however exact the data are.
RANK_TOLERANCE = 1e-13
# Share of a value's own direction that may lie in what is not determined.
LARGEST_SHARE = 0.05
# Smallest coefficient that is written down, of the largest.
SMALLEST_TERM = 0.02


@dataclass
class Combination:
    """A weighted sum of values, each in units of its own size.

    Attributes:
        names, weights: its terms, the largest weight first
        error: standard error, in units in which 1 means the values' own size; infinite: not determined
    """

    names: list[str]
    weights: list[float]
    error: float

    def __str__(self) -> str:
        text = ""
        for name, weight in zip(self.names, self.weights, strict=True):
            sign = "-" if weight < 0 else "+" if text else ""
            text += (" " if text else "") + (f"{sign} " if sign and text else sign) + f"{abs(weight):.2f} {name}"
        return text


@dataclass
class Analysis:
    """What the information at the solution says.

    Attributes:
        rank: number of combinations that are determined
        covariance: of the values, (n_v, n_v): from what is determined, and, as far as a value also moves with what is
            not, from an error of `LARGEST_ERROR` there
        determined: (n_v,) bool
        undetermined_basis: (p, k) orthonormal combinations of z that are not determined
        undetermined, determined_combinations: the same as combinations of values, and those that are determined
    """

    rank: int
    covariance: torch.Tensor
    determined: torch.Tensor
    undetermined_basis: torch.Tensor
    undetermined: list[Combination]
    determined_combinations: list[Combination]


def split(information: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and vectors of the information (p, p), and which are determined: (values, vectors)."""
    return torch.linalg.eigh(information)


def is_determined(values: torch.Tensor) -> torch.Tensor:
    """Which eigenvalues of the information, (p,), stand for what is determined."""
    if not len(values):
        return values > 0
    return (values > 1.0 / LARGEST_ERROR**2) & (values > RANK_TOLERANCE * values.max())


def is_determined_alone(information: torch.Tensor) -> torch.Tensor:
    """Which coordinates would be determined if all others were known: of the information's diagonal, (p,)."""
    return information > 1.0 / LARGEST_ERROR**2


def analyse(information: torch.Tensor, jacobian: torch.Tensor, names: list[str]) -> Analysis:
    """Of the information on z (p, p), and values whose derivative by z is ``jacobian`` (n_v, p)."""
    values, vectors = torch.linalg.eigh(information)
    good = is_determined(values)
    known, unknown = vectors[:, good], vectors[:, ~good]
    covariance_z = (known / values[good]) @ known.mT
    along_unknown = LARGEST_ERROR * (jacobian @ unknown)
    covariance = jacobian @ covariance_z @ jacobian.mT + along_unknown @ along_unknown.mT
    size = torch.linalg.vector_norm(jacobian, dim=1)
    share = torch.linalg.vector_norm(jacobian @ unknown, dim=1)
    determined = (size > 0) & (share <= LARGEST_SHARE * size)
    unit = torch.where(size > 0, size, torch.ones_like(size))
    scaled = jacobian / unit[:, None]
    undetermined = [
        _combination(row / row.norm(), names, float("inf"))
        for row in _reduced((scaled @ unknown).mT)
        if float(row.norm()) > 0
    ]
    # A sum c of changes of values is determined if c' J lies in the span of what is known of z.
    back = torch.linalg.pinv(scaled)
    combinations = []
    for row in _reduced(known.mT @ back):
        by_z = row @ scaled
        error = float((by_z @ covariance_z @ by_z).clamp(min=0.0).sqrt())
        combinations.append(_combination(row, names, error))
    return Analysis(int(good.sum()), covariance, determined, unknown, undetermined, combinations)


def _combination(row: torch.Tensor, names: list[str], error: float) -> Combination:
    largest = float(row.abs().max())
    order = [int(k) for k in row.abs().argsort(descending=True) if abs(float(row[k])) > SMALLEST_TERM * largest]
    sign = 1.0 if not order or float(row[order[0]]) > 0 else -1.0
    return Combination([names[k] for k in order], [sign * float(row[k]) for k in order], error)


def _reduced(rows: torch.Tensor) -> torch.Tensor:
    """The same span by rows of few numbers: Gauss-Jordan elimination with full pivoting."""
    rows = rows.clone()
    free = torch.ones(rows.shape[1], dtype=torch.bool, device=rows.device)
    for k in range(len(rows)):
        candidates = rows[k:].abs() * free
        place = int(candidates.argmax())
        pivot, column = k + place // rows.shape[1], place % rows.shape[1]
        if float(candidates.max()) < 1e-9:
            return rows[:k]
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k] = rows[k] / rows[k, column].clone()
        others = [i for i in range(len(rows)) if i != k]
        rows[others] -= rows[others, column][:, None] * rows[k]
        free[column] = False
    return rows
