"""A whole character in one call: armature and mannequin."""

from __future__ import annotations

import bpy

from .armature import CHARACTER_NAME, create_armature
from .body import create_body


def create_character(
    context: bpy.types.Context,
    *,
    name: str = CHARACTER_NAME,
    collection: bpy.types.Collection | None = None,
    with_body: bool = True,
) -> bpy.types.Object:
    """A SMPL-22 armature, wearing the mannequin unless told otherwise; returns the armature.

    Mode, selection and the active object stay as they are.
    """
    armature = create_armature(context, name=name, collection=collection)
    if with_body:
        create_body(armature, collection=collection)
    return armature
