"""Errors of the Blender side; same family, same message-and-hint shape as the backend's."""

from __future__ import annotations

from typing import ClassVar

from ..backend_access import ArmatureError, KinetypeError

__all__ = ["ArmatureError", "RenderError"]


class RenderError(KinetypeError):
    """Blender could not render (missing graphics library, unknown engine)."""

    code: ClassVar[str] = "render"
