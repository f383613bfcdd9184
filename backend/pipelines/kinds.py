"""Kinds of model folder, told apart by their files; nothing is imported or loaded.

Models of our own hold a ``config.json`` that names its pipeline. Published artifacts came before
us: each is known by a marker file of its authors' layout.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ArtifactError
from ..store.config_files import COPY_HINT, read_json
from .family import CONFIG_FILE, families

PIPELINE_KEY = "pipeline"
"""Key of ``config.json`` that names the kind."""


def markers() -> tuple[str, ...]:
    """Every file that a hub repository is asked for to find out its kind."""
    return tuple(dict.fromkeys(kind.marker for kind in families().values()))


def kind_in(folder: Path) -> str:
    """The kind of a model folder, a name of :func:`.family.families`.

    Raises:
        ArtifactError: no marker is there, or ``config.json`` is unreadable or of a newer version.
    """
    for name, kind in families().items():
        path = folder / kind.marker
        if kind.unmistakable and (folder / kind.unmistakable).is_file():
            return name
        if kind.marker == CONFIG_FILE or not path.is_file():
            continue
        if kind.recognise is None or kind.recognise(path):
            return name
    if not (folder / CONFIG_FILE).is_file():
        for name, kind in families().items():
            if kind.layout is not None and kind.layout(folder):
                return name
        _refuse_incomplete(folder)
        raise ArtifactError(
            f"{folder} holds no model: none of {', '.join(markers())} is there.",
            "Give the folder of a model, or convert a released checkpoint first"
            " (kinetype convert-checkpoint).",
        )
    kind_name = read_json(folder / CONFIG_FILE).get(PIPELINE_KEY)
    if not isinstance(kind_name, str) or kind_name not in families():
        raise ArtifactError(
            f"{folder / CONFIG_FILE} names the pipeline {kind_name!r}, which this version lacks.",
            f"It knows {', '.join(families())}; update Kinetype.",
        )
    return kind_name


def _refuse_incomplete(folder: Path) -> None:
    """:class:`ArtifactError` that names the missing marker, if the other files tell the kind."""
    for name, kind in families().items():
        if kind.traces and all((folder / trace).is_file() for trace in kind.traces):
            raise ArtifactError(f"The {name} model in {folder} lacks {kind.marker}.", COPY_HINT)
    if (folder / "args.json").is_file() and any(folder.glob("model*.pt")):
        raise ArtifactError(
            f"{folder} is a released MDM checkpoint, not a model folder.",
            f"Convert it first: kinetype convert-checkpoint mdm {folder} OUT; one of actions is "
            "used as it is: kinetype sample --checkpoint.",
        )
