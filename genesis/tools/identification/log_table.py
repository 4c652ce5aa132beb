"""What is known of a log without a scene: what it holds, the names of its columns, and what may be wrong with it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from genesis.errors import GenesisException
from genesis.tools.identification.outputs import QUANTITIES

CONTROLS = ("force", "position", "velocity", "actuators")
_MOST_SHOWN = 6  # damaged places in one message


class Damage:
    """Collects what is wrong with a log, to say it at once: the first places, and how many there are in all."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._found: list[str] = []
        self._count = 0

    def add(self, place: str, what: str) -> None:
        """`place`: "line 12, column 'time'"; `what`: given and expected."""
        self._count += 1
        if len(self._found) < _MOST_SHOWN:
            self._found.append(f"{place}: {what}" if place else what)

    def raise_if_any(self, advice: str = "Correct the file, or leave the damaged rows out.") -> None:
        """Raises GenesisException if something was added."""
        if self._count == 0:
            return
        if self._count == 1:
            raise GenesisException(f"{self._source}: {self._found[0]} {advice}")
        more = f"\n  and {self._count - len(self._found)} more." if self._count > len(self._found) else ""
        listed = "".join(f"\n  {text}" for text in self._found)
        raise GenesisException(f"{self._source}: {self._count} places are damaged. {advice}{listed}{more}")


class LogTable(Protocol):
    """What is read of a `Log`; its attributes are those of it."""

    source: str
    times: np.ndarray
    measurements: dict[str, np.ndarray]
    controls: dict[str, np.ndarray]
    control: str
    noise: dict[str, np.ndarray]
    segments: tuple[slice, ...]

    def place(self, row: int) -> str:
        """Where a row comes from."""

    def control_name(self, key: str) -> str:
        """What files call a control."""

    @staticmethod
    def column(name: str, array: np.ndarray, column: Any) -> str:
        """What a column of an array is called."""


def column_names(name: str, width: int) -> list[str] | None:
    """Names of the columns of one array, as "arm.qpos[0]", "arm.gyro[hand].x"; None where only the scene knows them."""
    base, bracket, parts = name.partition("[")
    quantity = QUANTITIES.get(base.rpartition(".")[2])
    if width == 1 and (bracket or (quantity is None and ".control_" not in name)):
        return [name]
    components = quantity.components if quantity is not None and quantity.per == "link" else ("",)
    count, rest = divmod(width, len(components))
    listed = [part.strip() for part in parts.removesuffix("]").split(",")] if bracket else list(map(str, range(count)))
    if rest or len(listed) != count:
        return None
    return [f"{base}[{part}]" + (f".{c}" if c else "") for part in listed for c in components]
