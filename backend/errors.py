"""The one exception family of Kinetype (standard library only).

Every error carries a message for a person (what is wrong, which file or value) and a hint
(what to do about it). ``code`` is the stable machine name that crosses the wire and that the
command line maps to exit codes.
"""

from __future__ import annotations

from typing import ClassVar


class KinetypeError(Exception):
    """Base of every error that Kinetype raises on purpose.

    Args:
        message: what is wrong, naming the file or value.
        hint: what the person can do about it.
        detail: technical text for logs (a traceback, the last log lines); never shown first.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidRequest(KinetypeError):
    """A prompt, duration, seed or other request value is out of its limits."""

    code = "invalid_request"


class ModelNotFound(KinetypeError):
    """No model of that name, directory or hub id."""

    code = "model_not_found"


class ModelAbsent(ModelNotFound):
    """A model that could be downloaded, and is not: nothing is fetched unasked.

    ``detail`` is what to download, a name of the list of models or a hub id.
    """

    code = "model_absent"


class ArtifactError(KinetypeError):
    """A model file is missing, truncated, corrupt or of the wrong shape."""

    code = "artifact"


class FormatError(KinetypeError):
    """A motion or data file is not of the expected format."""

    code = "format"


class NoMotion(FormatError):
    """A file is whole and something else than a motion: a body's shape, an animal, a pointer."""

    code = "no_motion"


class ArmatureError(KinetypeError):
    """The armature cannot take a motion: bones are missing, it is no body, or it is gone."""

    code = "armature"


class OutputError(KinetypeError):
    """A result could not be written (read-only folder, full disk, bad suffix)."""

    code = "output"


class MissingDependency(KinetypeError):
    """An optional package or program that this step needs is not installed."""

    code = "missing_dependency"


class Cancelled(KinetypeError):
    """The person cancelled the job."""

    code = "cancelled"


class ServiceError(KinetypeError):
    """The backend process could not start, died, or broke the protocol."""

    code = "service"


class InternalError(KinetypeError):
    """A bug: an exception nobody expected, with its traceback in ``detail``."""

    code = "internal"


def missing_package(error: BaseException) -> str:
    """The package of somebody else's whose import failed, or '' for any other error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.split(".")[0]
    return "" if package == __name__.split(".")[0] else package


def _family(root: type[KinetypeError]) -> dict[str, type[KinetypeError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_family(child))
    return found


def error_class(code: str) -> type[KinetypeError]:
    """The class for a wire ``code``; unknown codes (a newer peer) map to :class:`KinetypeError`."""
    return _family(KinetypeError).get(code, KinetypeError)
