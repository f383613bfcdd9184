"""Blender data by the number that it keeps: undo builds all of it anew behind Python's back."""

from __future__ import annotations

from collections.abc import Iterable

import bpy


def by_uid(collection: Iterable[bpy.types.ID], uid: int) -> bpy.types.ID | None:
    """The one with a session number; None when it was deleted."""
    return next((item for item in collection if item.session_uid == uid), None)
