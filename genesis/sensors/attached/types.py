"""Numbers of the kinds of sensors, by which `scene.read_sensors()` orders what it reads."""

from __future__ import annotations


class _Types:
    """`gs.sensors.types.IMU` is the number of that kind, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __getattr__(self, name: str) -> int:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._numbers.setdefault(name, len(self._numbers))


types = _Types()
