"""Text in several lines, for layouts whose width is known in characters."""

from __future__ import annotations

import textwrap

import bpy

MIN_CHARS = 20


def draw_lines(layout: bpy.types.UILayout, text: str, chars: int) -> None:
    """A text wrapped to so many characters, without an icon."""
    for number, line in enumerate(textwrap.wrap(text, max(MIN_CHARS, chars))):
        row = layout.row()
        if number:
            row.scale_y = 0.8
        row.label(text=line, translate=False)
