"""Files of MoGenTS models: the published folder, and the released training folders.

A folder holds ``mogents_config.json``, ``model_index.json``, one safetensors file per network (a
``.pt`` twin does as well), ``Mean.npy``, ``Std.npy`` and, if they came with it, ``length_est`` and
the text encoder ``clip.safetensors``. It is the layout that HFTrainer packs MoGenTS in; the text
encoder's vocabulary is put beside its weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...errors import ArtifactError
from ...models.mogents.config import MoGenTSConfig, plain_options
from ...models.mogents.networks import Networks
from ...store import model_folder
from ...store.checkpoint_file import load_checkpoint
from ...store.model_folder import COPY_HINT
from ...store.statistics import Stats, read_pair
from ...store.weights import check_fit
from ...text import clip
from ...text.clip import ClipTextEncoder
from ..humanml3d import statistics as hml_statistics
from ..humanml3d.statistics import MEAN, STD

CONFIG, INDEX = "mogents_config.json", "model_index.json"
MODEL_TYPE, FORMAT, CLIP_VERSION = "mogents", "hftrainer-mogents-v1", "ViT-B/32"
PARTS = ("vq", "mask_aux", "mask_ts", "res_aux", "res_ts", "length_est")
OPTIONAL_PARTS = ("length_est",)
SUFFIXES = (".safetensors", ".pt")
CLIP_TWIN = "clip.pt"
TEXT_PREFIX = "clip_model."
"""Text encoder weights that may be stored with each network; all are the same frozen CLIP."""
SHOWN = ("name", "licence", "description", "precision")
"""Entries of ``mogents_config.json`` that are ours."""
_SECTIONS = ("vq", "mask", "res", "length")


def file_names() -> list[str]:
    """Every file that a folder may hold, for downloads."""
    parts = [f"{name}{suffix}" for name in PARTS for suffix in SUFFIXES]
    return [CONFIG, INDEX, MEAN, STD, *parts, *clip.FILES, CLIP_TWIN]


# ---------------------------------------------------------------- reading


def read_config(folder: Path) -> tuple[MoGenTSConfig, dict[str, object]]:
    """The networks' configuration and the whole of ``mogents_config.json``.

    Raises:
        ArtifactError: missing, unreadable, or of no MoGenTS.
    """
    path = folder / CONFIG
    values = model_folder.read_json(path)
    sections = values.get("config")
    if values.get("model_type") != MODEL_TYPE or not isinstance(sections, Mapping):
        raise ArtifactError(f"{path} describes no MoGenTS model.", COPY_HINT)
    ready = {k: plain_options(v) if isinstance(v, dict) else v for k, v in sections.items()}
    if not values.get("has_length_estimator", False):
        ready["length"] = None
    return model_folder.config_from_dict(MoGenTSConfig, ready, f"{path}: config"), values


def load(folder: Path) -> tuple[Networks, Stats, dict[str, Any]]:
    """Everything but the text encoder, on the CPU in float32; each file is checked.

    Returns:
        Networks, statistics and the whole of ``mogents_config.json``.

    Raises:
        ArtifactError: files are missing (all are named), damaged, or do not fit the configuration.
    """
    config, values = read_config(folder)
    wanted = [n for n in PARTS if n not in OPTIONAL_PARTS or config.length is not None]
    found = {name: _part_file(folder, name) for name in wanted}
    missing = [f"{name}.safetensors" for name, path in found.items() if path is None]
    missing += [name for name in (MEAN, STD) if not (folder / name).is_file()]
    if missing:
        raise ArtifactError(f"The model in {folder} lacks {', '.join(missing)}.", COPY_HINT)
    networks = Networks.build(config)
    for name, module in networks.parts():
        path = found[name]
        assert path is not None
        tensors = model_folder.load_tensors(path) if path.suffix != ".pt" else load_checkpoint(path)
        fill(module, tensors, path)
    stats = read_statistics(folder / MEAN, folder / STD, config.vq.dim)
    absent = [name for name in clip.FILES if not (folder / name).is_file()]
    model_folder.verify_checksums(folder, values, where=CONFIG, skip=absent)
    return networks, stats, values


def load_encoder(
    folder: Path | None, *, device: Any = None, local_files_only: bool = False
) -> ClipTextEncoder:
    """The model's own text encoder, else the one of its name; see ``ClipTextEncoder.load``."""
    return ClipTextEncoder.load(folder, device=device, local_files_only=local_files_only)


def _part_file(folder: Path, name: str) -> Path | None:
    paths = [model_folder.inside(folder, f"{name}{suffix}") for suffix in SUFFIXES]
    return next((path for path in paths if path.is_file()), None)


def fill(module: nn.Module, tensors: object, path: Path) -> None:
    """Load a state dict; ``clip_model.*`` may come along, anything else must match exactly.

    Raises:
        ArtifactError: naming the file and what is missing, left over, misshapen or not finite.
    """
    if not isinstance(tensors, Mapping) or not all(
        isinstance(value, Tensor) for value in tensors.values()
    ):
        raise ArtifactError(f"{path} holds no weights.", COPY_HINT)
    weights = {k: v for k, v in tensors.items() if not k.startswith(TEXT_PREFIX)}
    complaint = f"{path} does not fit the configuration"
    hint = "Configuration and weights must come from the same model. " + COPY_HINT
    check_fit(weights, module.state_dict(), complaint, hint, finite=True)
    module.load_state_dict({name: value.float() for name, value in weights.items()})


def read_statistics(mean: Path, std: Path, dim: int) -> Stats:
    """The model's statistics, used as they are stored.

    Its training divided the deviations of root and contacts by 5 before it saved them, so that the
    check of :mod:`.statistics` against the evaluator's does not apply.

    Raises:
        ArtifactError: a file is missing, no plain array ``[dim]``, or of impossible values.
    """
    return read_pair(mean, std, dim)


# ---------------------------------------------------------------- writing


def save(
    folder: Path,
    networks: Networks,
    stats: Stats,
    encoder: ClipTextEncoder | None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a folder in the published layout; ``mogents_config.json`` comes last.

    Args:
        encoder: put into the folder with its vocabulary, or None.
        extra: further entries of ``mogents_config.json`` (name, licence, description).
    """
    for name, module in networks.parts():
        model_folder.save_tensors(folder / f"{name}.safetensors", module.state_dict())
    hml_statistics.write(folder, stats)
    if encoder is not None:
        encoder.save(folder)
    config = networks.config
    sections = {name: getattr(config, name) for name in _SECTIONS}
    model_folder.write_json(folder / INDEX, _index(config.length is not None, encoder is not None))
    values = {
        **(extra or {}),
        "model_type": MODEL_TYPE,
        "format": FORMAT,
        "clip_version": CLIP_VERSION,
        "has_length_estimator": config.length is not None,
        "components": {
            "clip": {
                "name": CLIP_VERSION,
                "stored_in_artifact": encoder is not None,
                "path": clip.WEIGHTS if encoder is not None else None,
            }
        },
        "config": {k: dataclasses.asdict(v) for k, v in sections.items() if v is not None},
    }
    model_folder.record(folder, values, name=CONFIG)
    return folder


def _index(length: bool, text: bool) -> dict[str, object]:
    files = {name: f"{name}.safetensors" for name in PARTS if name not in OPTIONAL_PARTS}
    if length:
        files["length_estimator"] = "length_est.safetensors"
    if text:
        files["clip"] = clip.WEIGHTS
    return {
        "_class_name": "MoGenTSPipeline",
        "model_type": MODEL_TYPE,
        "format": FORMAT,
        "artifacts": {**files, "mean": MEAN, "std": STD},
    }
