"""Matplotlib, which is needed for pictures only, imported when a picture is asked for."""

from __future__ import annotations

from typing import Any

from ..errors import MissingDependency


def figure(width: float, height: float, dpi: int) -> Any:
    """A blank figure of ``width`` x ``height`` inches that is drawn in memory, on no screen.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency(
            "Drawing needs matplotlib, which is not installed.", "Run: pip install matplotlib"
        ) from error
    made = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(made)
    return made
