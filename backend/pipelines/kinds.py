"""Kinds of model folder, told apart by their files; nothing is imported or loaded.

Models of our own hold a ``config.json`` that names its pipeline. Published artifacts came before
us: each is known by a marker file of its authors' layout.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ArtifactError

CONFIG_FILE = "config.json"
INDEX_FILE = "model_index.json"
PIPELINE_KEY = "pipeline"
"""Key of ``config.json`` that names the kind."""
COPY_AGAIN = "Copy or download the model again."


@dataclass(frozen=True)
class Kind:
    """Where the pipeline class of a kind lives, and the marker file that names it."""

    module: str
    class_name: str
    marker: str
    recognise: Callable[[Path], bool] | None = None
    """A look into the marker file, where its name alone says too little."""
    traces: tuple[str, ...] = ()
    """Files that only this kind has together: they tell what is wrong where the marker is gone."""
    unmistakable: str = ""
    """A file that names the kind where the marker, which its authors did not make, is not there."""


def _index_of_motiongpt(path: Path) -> bool:
    return "motiongpt" in path.read_text(encoding="utf-8", errors="replace").lower()


KINDS: dict[str, Kind] = {
    "dit": Kind(".dit", "DiTPipeline", CONFIG_FILE),
    "mdm": Kind(
        ".mdm",
        "MDMPipeline",
        "mdm_config.json",
        traces=("model.safetensors", "Mean.npy", "Std.npy"),
    ),
    "action_mdm": Kind(".action_mdm", "ActionMDMPipeline", "action_mdm_config.json"),
    "mogents": Kind(
        ".mogents",
        "MoGenTSPipeline",
        "mogents_config.json",
        traces=("vq.safetensors", "mask_ts.safetensors"),
    ),
    "motiongpt": Kind(
        ".motiongpt",
        "MotionGPTPipeline",
        INDEX_FILE,
        _index_of_motiongpt,
        unmistakable="motiongpt_s3_h3d.tar",
    ),
}
MARKERS: tuple[str, ...] = tuple(dict.fromkeys(kind.marker for kind in KINDS.values()))
"""Every file that a hub repository is asked for to find out its kind."""


def kind_in(folder: Path) -> str:
    """The kind of a model folder, a key of :data:`KINDS`.

    Raises:
        ArtifactError: no marker is there, or ``config.json`` is unreadable or of a newer version.
    """
    for name, kind in KINDS.items():
        path = folder / kind.marker
        if kind.unmistakable and (folder / kind.unmistakable).is_file():
            return name
        if kind.marker == CONFIG_FILE or not path.is_file():
            continue
        if kind.recognise is None or kind.recognise(path):
            return name
    if not (folder / CONFIG_FILE).is_file():
        _refuse_incomplete(folder)
        raise ArtifactError(
            f"{folder} holds no model: none of {', '.join(MARKERS)} is there.",
            "Give the folder of a model, or convert a released checkpoint first"
            " (kinetype convert-checkpoint).",
        )
    kind_name = config_in(folder).get(PIPELINE_KEY)
    if not isinstance(kind_name, str) or kind_name not in KINDS:
        raise ArtifactError(
            f"{folder / CONFIG_FILE} names the pipeline {kind_name!r}, which this version lacks.",
            f"It knows {', '.join(sorted(KINDS))}; update Kinetype.",
        )
    return kind_name


def _refuse_incomplete(folder: Path) -> None:
    """:class:`ArtifactError` that names the missing marker, if the other files tell the kind."""
    for name, kind in KINDS.items():
        if kind.traces and all((folder / trace).is_file() for trace in kind.traces):
            raise ArtifactError(f"The {name} model in {folder} lacks {kind.marker}.", COPY_AGAIN)
    if (folder / "args.json").is_file() and any(folder.glob("model*.pt")):
        raise ArtifactError(
            f"{folder} is a released MDM checkpoint, not a model folder.",
            f"Convert it first: kinetype convert-checkpoint mdm {folder} OUT; one of actions is "
            "used as it is: kinetype sample --checkpoint.",
        )


def config_in(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model folder; :class:`ArtifactError` if it is no JSON object."""
    # artifacts.read_json would import torch
    path = folder / CONFIG_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", COPY_AGAIN) from error
    if not isinstance(values, dict):
        raise ArtifactError(f"{path} must hold a JSON object.", COPY_AGAIN)
    return values
