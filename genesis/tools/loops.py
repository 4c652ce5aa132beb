"""Genesis's small tools around a loop of steps: threads, clocks, means, images."""

from __future__ import annotations

import collections
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from genesis import runtime
from genesis.errors import GenesisException


def run_in_another_thread(fn: Callable[..., Any], args: Sequence[Any] = ()) -> None:
    """Run `fn(*args)` in a thread of its own, which ends with the program; an exception in it is logged.

    In Genesis the main thread is left to the viewer, which some systems serve from there only. There is none here.
    """

    def run() -> None:
        try:
            fn(*args)
        except Exception:
            runtime.logger.exception("gs.tools.run_in_another_thread: %s raised an exception.", fn)

    # No daemon: in Genesis the viewer keeps the program alive, and here nothing else would.
    threading.Thread(target=run, daemon=False).start()


class Timer:
    """Prints how long the parts of a loop take. ``skip``: print nothing. ``level``: how far the lines are indented.

    `ti_sync`, `qd_sync`: in Genesis, whether to wait for the device; nothing runs behind the program on the CPU.
    """

    def __init__(self, skip: bool = False, level: int = 0, qd_sync: bool = False, ti_sync: bool = False) -> None:
        self.skip, self.level = skip, level
        self.accu_log: dict[str, list[float]] = {}
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.init_time = self.prev_time = time.perf_counter()

    def stamp(self, msg: str = "", _ratio: float = 1.0) -> None:
        """Print the time since the last stamp and since the start [ms], and the mean of stamps of this name."""
        if self.skip:
            return
        now = time.perf_counter()
        step, total = 1e3 * _ratio * (now - self.prev_time), 1e3 * _ratio * (now - self.init_time)
        log = self.accu_log.setdefault(msg, [0, 0.0, 0.0])
        log[0] += 1
        log[1] += step
        log[2] += total
        print(f"{' |  ' * self.level}[{msg}] step: {step:.3f}ms | accu: {total:.3f}ms | mean: {log[1] / log[0]:.3f}ms")
        self.prev_time = time.perf_counter()


timers: dict[str, Timer] = {}


def create_timer(
    name: str | None = None,
    new: bool = False,
    level: int = 0,
    qd_sync: bool = False,
    skip_first_call: bool = False,
    ti_sync: bool = False,
) -> Timer:
    """The timer of that name, started anew; made if there is none, or with `new`. Without a name: one more."""
    if name is None:
        return Timer()
    if name in timers and not new:
        timers[name].skip = False
        timers[name].reset()
    else:
        timers[name] = Timer(skip=skip_first_call, level=level)
    return timers[name]


class Rate:
    """Holds a loop at `rate` turns a second: call `sleep` once in each."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.last_time = time.perf_counter()

    @property
    def rate(self) -> float:
        """Turns per second."""
        return 1.0 / self.period

    @rate.setter
    def rate(self, rate: float) -> None:
        if not rate > 0:
            raise GenesisException(f"gs.tools.Rate: rate={rate!r}; expected a number above zero.")
        self.period = 1.0 / rate

    def advance(self, n_periods: float = 1) -> float:
        """Plan the next turn `n_periods` after the last, and return how long it is until then [s]."""
        now = time.perf_counter()
        due = self.last_time + n_periods * self.period
        self.last_time = max(due, now)  # a loop that is late does not hurry afterwards
        return max(due - now, 0.0)

    def sleep(self, n_periods: float = 1) -> None:
        """Wait until `n_periods` have passed since the last turn."""
        time.sleep(self.advance(n_periods))


class RunningMean:
    """The mean of the last `window` numbers, or one in which older numbers weigh `alpha` as much each; NaN at first."""

    def __init__(self, window: int | None = None, alpha: float | None = None) -> None:
        if (window is None) == (alpha is None) or (window is not None and window < 1):
            raise GenesisException("gs.tools.RunningMean: give window, from 1 on, or alpha, one of the two.")
        self._alpha = alpha
        self._samples: collections.deque[float] = collections.deque(maxlen=window)
        self._value = math.nan

    def update(self, sample: float) -> None:
        """Add a number."""
        if self._alpha is not None:
            old = sample if math.isnan(self._value) else self._value
            self._value = self._alpha * old + (1.0 - self._alpha) * sample
            return
        self._samples.append(sample)
        if len(self._samples) == self._samples.maxlen:
            self._value = sum(self._samples) / len(self._samples)

    @property
    def value(self) -> float:
        """The mean."""
        return self._value


def save_img_arr(arr: np.ndarray, filename: str | os.PathLike[str] = "img.png") -> None:
    """Write an image, shape (height, width[, channels]) of numbers of 8 bits, to a file. Takes the package pillow."""
    if not isinstance(arr, np.ndarray):
        raise GenesisException(
            f"gs.tools.save_img_arr: `arr` is {type(arr).__name__}; expected an array of NumPy. Cameras of this "
            "version render nothing: None."
        )
    try:
        from PIL import Image
    except ImportError:
        raise GenesisException(
            "gs.tools.save_img_arr takes a package that is not installed: pip install pillow."
        ) from None
    os.makedirs(os.path.dirname(os.path.abspath(filename)), exist_ok=True)
    Image.fromarray(arr).save(filename)
    runtime.logger.info("Image saved to %s.", filename)


def animate(imgs: Sequence[Any], filename: str | None = None, fps: float = 60) -> None:
    """In Genesis, writes images as a film. Cameras of this version render nothing: a list of None writes nothing.

    Raises GenesisException for images, which only the cameras of Genesis make.
    """
    if any(image is not None for image in imgs):
        raise GenesisException("gs.tools.animate: films are not written by this version; write the images one by one.")
    runtime.logger.warning("gs.tools.animate: there is no image; nothing is rendered by this version.")
