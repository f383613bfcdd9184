"""Errors of the Blender side; same family, same message-and-hint shape as the backend's."""

from __future__ import annotations

from typing import ClassVar

from ..backend_access import KinetypeError


class ArmatureError(KinetypeError):
    """The armature cannot take a motion: bones are missing or it is gone."""

    code: ClassVar[str] = "armature"


class RenderError(KinetypeError):
    """Blender could not render (missing graphics library, unknown engine)."""

    code: ClassVar[str] = "render"
