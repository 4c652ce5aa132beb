"""How a run of steps went: what each run returns, beside what it computes."""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Outcome:
    """How a run went. On CUDA, where looking would wait for the device, it says that all is well.

    Attributes:
        crowded: env -> contacts that it found, of those that found more than they have slots
        diverged: env -> number of steps after which its state was still right, of those where it is not any more: it
            holds NaN or infinite numbers, or positions, velocities or accelerations beyond `LARGEST_STATE`
    """

    crowded: dict[int, int] = field(default_factory=dict)
    diverged: dict[int, int] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether nothing went wrong."""
        return not self.crowded and not self.diverged


ALL_WELL = Outcome()


def crowded_rows(needed: torch.Tensor, slots: int) -> dict[int, int]:
    """Row -> contacts, where these (N,) are more than there are slots."""
    if not needed.numel() or int(needed.max()) <= slots:
        return {}
    return {int(row): int(needed[row]) for row in torch.nonzero(needed > slots)}
