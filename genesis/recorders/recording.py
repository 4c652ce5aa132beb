"""The recorders of a scene."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from genesis import runtime
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.recorders.recorder import Recorder


class Recording:
    """What a scene records after its steps."""

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._recorders: list[Recorder] = []
        self._running = False

    def add(self, data_func: Callable[[], Any], options: Any) -> Recorder:
        """A recorder more. Raises GenesisException for what is no function and no description, and where a package
        that it needs is missing."""
        from genesis.recorders.kinds import kind_of  # only here, for programs without any

        if not callable(data_func):
            raise GenesisException(
                f"start_recording: `data_func` is {data_func!r}; expected a function without arguments, as sensor.read."
            )
        recorder = kind_of(options)(data_func, options, self._dt)
        self._recorders.append(recorder)
        return recorder

    def begin(self) -> None:
        """The scene is built."""
        if not self._recorders:
            return
        for recorder in self._recorders:
            recorder.start()
        self._running = True
        # A program that ends without stop_recording() keeps what it has recorded.
        atexit.register(_stop, weakref.ref(self))

    def stepped(self, step: int) -> None:
        """The scene has made so many steps."""
        if self._running:
            for recorder in self._recorders:
                if step % recorder.steps_per_sample == 0:
                    recorder.record(step * self._dt)

    def refuse_rollout(self, owner: str) -> None:
        """Raises GenesisException while something is recorded."""
        if self._running:
            raise GenesisException(
                f"{owner}: the scene records after every step, and a rollout shows only its end; use scene.step(), or "
                "scene.stop_recording() first."
            )

    def reset(self) -> None:
        """The scene was reset."""
        if self._running:
            for recorder in self._recorders:
                recorder.forget()

    def stop(self) -> None:
        """End every recording; the first failure is raised after all have ended."""
        if not self._running:
            if runtime.is_initialized():
                runtime.logger.debug("stop_recording: nothing is recorded.")
            return
        self._running = False
        failure: Exception | None = None
        for recorder in self._recorders:
            try:
                recorder.stop()
            except Exception as error:  # the others are to be written all the same
                failure = failure or error
        self._recorders = []
        if failure is not None:
            raise failure


def _stop(recording: weakref.ref[Recording]) -> None:
    alive = recording()
    if alive is not None:
        alive.stop()
