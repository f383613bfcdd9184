"""What can be done with the files of a model, without making a motion."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequest
from . import limits

VERBS = {
    "download": "fetch a published model, or go on with it",
    "remove": "delete what Kinetype downloaded or converted, or forget a linked folder",
    "link": "know a model folder by a name",
    "convert": "make a model folder of a released checkpoint, and compare both",
}
_MAX_PATH_CHARS = 4000


@dataclass(frozen=True)
class ModelTask:
    """One thing to do; whoever sends it has asked the person.

    Attributes:
        verb: a key of :data:`VERBS`.
        model: a name of the list or a hub id (download, remove).
        place: a folder, or a released checkpoint, on the backend's machine (link, convert).
        family: whose release it is; found out when empty (convert).
        text_encoder: folder of the text encoder to put in, or empty (convert).
    """

    id: str
    verb: str
    model: str = ""
    place: str = ""
    family: str = ""
    text_encoder: str = ""

    def validated(self) -> ModelTask:
        """This task; :class:`InvalidRequest` says what is wrong with it."""
        if self.verb not in VERBS:
            raise InvalidRequest(
                f"Unknown task {self.verb[:40]!r}.", f"Use one of: {', '.join(VERBS)}."
            )
        subject = self.model if self.verb in ("download", "remove") else self.place
        if not subject.strip():
            raise InvalidRequest(
                f"Nothing is named to {self.verb}.", "Name a model, or a folder or file."
            )
        too_long = len(self.model) > limits.MAX_MODEL_CHARS
        if too_long or max(len(self.place), len(self.text_encoder)) > _MAX_PATH_CHARS:
            raise InvalidRequest("A name or path is too long.", "Choose a shorter one.")
        return self


@dataclass(frozen=True)
class TaskDone:
    """A finished :class:`ModelTask`: a sentence for the person, and the model's name now."""

    id: str
    text: str
    model: str = ""
