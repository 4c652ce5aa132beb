"""What all recorders have in common: when they record, on which thread they process it, and how data becomes plain."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.recorders.options import RecorderOptions


class Recorder:
    """Records what a function returns.

    A kind of recorder processes a record (`process`), and finishes (`finish`).

    Attributes:
        options: how
        steps_per_sample: of how many steps one is recorded
        run_in_thread: whether records are processed on a thread of their own
    """

    run_in_thread = False

    def __init__(self, data_func: Callable[[], Any], options: RecorderOptions, dt: float) -> None:
        self.options, self._data_func, self._dt = options, data_func, dt
        exact = 1.0 if options.hz is None else 1.0 / (options.hz * dt)
        self.steps_per_sample = max(1, round(exact))
        if abs(exact - self.steps_per_sample) > 1e-6 * exact:
            runtime.logger.warning(
                f"{type(options).__name__}: hz={options.hz} is no whole number of steps of {dt} s; it records at "
                f"{1.0 / (self.steps_per_sample * dt):g} Hz."
            )
        self._waiting: queue.Queue[Any] | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    # -- what a kind of recorder does ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Prepare, when the scene is built."""

    def process(self, data: Any, time: float) -> None:
        """Take a record, of plain arrays (`plain`), and its time [s]."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is left to be written."""

    def forget(self) -> None:
        """The scene was reset."""

    # -- recording ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Prepare, and start the thread where there is one."""
        self.begin()
        if self.run_in_thread:
            self._waiting = queue.Queue(maxsize=self.options.buffer_size)
            self._thread = threading.Thread(target=self._work, daemon=True, name=type(self).__name__)
            self._thread.start()

    def record(self, time: float) -> None:
        """Record at this time. Raises GenesisException where an earlier record could not be processed."""
        self._raise_failure()
        data = plain(self._data_func())
        if self._waiting is None:
            self.process(data, time)
            return
        try:
            self._waiting.put((data, time), timeout=self.options.buffer_full_wait_time)
        except queue.Full:
            runtime.logger.warning("%s: the buffer is full; the oldest record is dropped.", type(self.options).__name__)
            self._waiting.get()
            self._waiting.task_done()
            self._waiting.put((data, time))

    def sync(self) -> None:
        """Wait until every record has been processed."""
        if self._waiting is not None:
            self._waiting.join()
        self._raise_failure()

    def stop(self) -> None:
        """Process what waits, and finish."""
        if self._waiting is not None and self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._waiting = self._thread = None
        self.finish()
        self._raise_failure()

    def _work(self) -> None:
        assert self._waiting is not None
        while True:
            waiting = self._waiting
            item = waiting.get()
            try:
                if item is None:
                    return
                if self._failure is None:
                    self.process(*item)
            except Exception as failure:  # raised where the program looks next: an exception of a thread is not seen
                self._failure = failure
            finally:
                waiting.task_done()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise GenesisException(
                f"{type(self.options).__name__}: a record could not be processed: {failure}"
            ) from failure


def plain(data: Any) -> Any:
    """The same with arrays in the place of tensors, and dictionaries in that of named tuples."""
    if isinstance(data, torch.Tensor):
        return data.detach().cpu().numpy().copy()
    if isinstance(data, np.ndarray):
        return data.copy()
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_asdict"):
        return {key: plain(value) for key, value in data._asdict().items() if value is not None}
    if isinstance(data, (list, tuple)):
        return [plain(value) for value in data]
    return data


def flat(value: Any, owner: str) -> list[Any]:
    """All numbers of plain data, one after the other. Raises GenesisException for what are none."""
    if isinstance(value, Mapping):
        return [x for part in value.values() for x in flat(part, owner)]
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in flat(part, owner)]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.reshape(-1).tolist()
    if isinstance(value, (bool, int, float, str, np.generic)):
        return [value]
    raise GenesisException(
        f"{owner}: what is recorded holds {type(value).__name__}; expected numbers, arrays or tensors."
    )
