"""Which packages that plot are installed, as programs ask for it."""

from __future__ import annotations

import importlib.util

IS_MATPLOTLIB_AVAILABLE = importlib.util.find_spec("matplotlib") is not None
# Plots are drawn by matplotlib here, those of `PyQtLinePlot` too.
IS_PYQTGRAPH_AVAILABLE = False
