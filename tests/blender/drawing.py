"""Draws panels into a real layout where Blender has no window, and reads what came out."""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import bpy

COMPLAINTS = ("property not found", "unknown operator", "rna_uiItem", "Traceback")
"""What Blender prints, and does not raise, when a panel names something that is not there."""


def _sidebar() -> tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return window, area, next(region for region in area.regions if region.type == "UI")


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """What C code writes to descriptor 1 and 2 in the meantime."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as file:
        saved = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            if os.name == "posix":  # C's own buffer, which Python's flush does not reach
                ctypes.CDLL(None).fflush(None)
            for number, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            file.seek(0)
            lines.extend(file.read().decode(errors="replace").splitlines())


def draw(function: Callable[[SimpleNamespace, bpy.types.Context], None]) -> str:
    """Call ``function(panel, context)`` with a real layout; all that was drawn, as text.

    Fails when Blender complained about a property or operator.
    """
    window, area, region = _sidebar()
    with (
        bpy.context.temp_override(window=window, area=area, region=region),
        captured_stderr() as printed,
    ):
        popup = bpy.context.window_manager.popmenu_begin__internal("test")
        panel = SimpleNamespace(layout=popup.layout.column())
        function(panel, bpy.context)
        tree = repr(panel.layout.introspect())
    wrong = [line for line in printed if any(text in line for text in COMPLAINTS)]
    assert not wrong, "\n".join(printed)
    return tree


def draw_panel(panel: type) -> str:
    """Draw a panel class."""
    return draw(panel.draw)


def words(tree: str) -> str:
    """All labels of a drawn tree in order, as one text: wrapped lines are joined again."""
    labels = re.findall(r"'draw_string': (?:'((?:[^'\\\\]|\\\\.)*)'|\"([^\"]*)\")", tree)
    return " ".join(single or double for single, double in labels)
