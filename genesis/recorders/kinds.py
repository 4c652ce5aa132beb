"""Which class records what is described."""

from __future__ import annotations

from typing import Any

from genesis.errors import GenesisException
from genesis.recorders import options as described
from genesis.recorders.files import CSVRecorder, NPZRecorder
from genesis.recorders.plots import ImagePlot, LinePlot, VectorPlot
from genesis.recorders.recorder import Recorder
from genesis.recorders.video import VideoRecorder

KINDS: dict[type[described.RecorderOptions], type[Recorder]] = {
    described.NPZFile: NPZRecorder,
    described.CSVFile: CSVRecorder,
    described.VideoFile: VideoRecorder,
    described.MPLLinePlot: LinePlot,
    described.PyQtLinePlot: LinePlot,
    described.MPLImagePlot: ImagePlot,
    described.MPLVectorFieldPlot: VectorPlot,
}


def kind_of(options: Any) -> type[Recorder]:
    """The class of the recorder; raises GenesisException for what describes none."""
    kind = KINDS.get(type(options))
    if kind is None:
        known = ", ".join(f"gs.recorders.{one.__name__}" for one in KINDS)
        raise GenesisException(f"start_recording: `rec_options` is {options!r}; expected one of {known}.")
    return kind
