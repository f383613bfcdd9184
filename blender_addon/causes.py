"""In which circumstances an error came up: its notice goes when they are no longer the same.

An error about the request goes when the request changes, one about the character when another one
is chosen, one about something that is not installed when it is, or when another model or backend is
chosen. A broken backend is broken until it is restarted.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import backend_access as access
from .fixes import OfflineError


@dataclass(frozen=True)
class Asked:
    """What a person sees and has chosen.

    Attributes:
        request: prompt, model, length and all the other settings.
        model: its name, and whether it is ready.
        character: what receives the motion, and how it is selected.
        backend: the preferences, whether Blender may go online, what is installed.
    """

    request: tuple[object, ...]
    model: tuple[object, ...]
    character: tuple[object, ...]
    backend: tuple[object, ...]

    def differs(self, now: Asked, kind: type[access.KinetypeError]) -> bool:
        """Whether something changed that an error of this kind may be about."""
        for kinds, names in _ABOUT:
            if issubclass(kind, kinds):
                return any(getattr(self, name) != getattr(now, name) for name in names)
        return False


_MODEL = ("model", "backend")
_ABOUT: tuple[tuple[type[access.KinetypeError], tuple[str, ...]], ...] = (
    (access.ArmatureError, ("character",)),
    (OfflineError, _MODEL),
    (access.MissingDependency, _MODEL),
    (access.errors.ModelNotFound, _MODEL),
    (access.errors.ArtifactError, _MODEL),
    (access.InvalidRequest, ("request", "character", "backend")),
)
