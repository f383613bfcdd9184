"""Files of MoMask models: a folder of ours, or the released one as it is.

A folder holds ``momask_config.json``, one safetensors file a network, ``Mean.npy``, ``Std.npy`` and
the text encoder's files, if it came with one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from ...errors import ArtifactError
from ...models.mogents.config import plain_options
from ...models.momask.config import MoMaskConfig
from ...models.momask.networks import PARTS, Networks
from ...store import model_folder
from ...store.model_folder import COPY_HINT, Stats
from ...text import clip
from ...text.clip import ClipTextEncoder
from ..humanml3d import statistics as hml_statistics
from ..humanml3d.statistics import MEAN, STD
from ..mogents import folder as token_files
from .layout import is_release, root_of
from .release import read_release

CONFIG = "momask_config.json"
MODEL_TYPE = "momask"
_SECTIONS = ("vq", "mask", "res", "length")


def file_names() -> list[str]:
    """Every file that a folder may hold, for downloads."""
    return [CONFIG, MEAN, STD, *(f"{name}.safetensors" for name in PARTS), *clip.FILES]


def load(folder: Path) -> tuple[Networks, Stats, dict[str, object]]:
    """Everything but the text encoder, on the CPU in float32; each file is checked.

    Raises:
        ArtifactError: files are missing (all are named), damaged, or do not fit the configuration.
    """
    if not (folder / CONFIG).is_file() and is_release(folder):
        return *read_release(folder), {}
    values = model_folder.read_json(folder / CONFIG)
    sections = values.get("config")
    if values.get("model_type") != MODEL_TYPE or not isinstance(sections, Mapping):
        raise ArtifactError(f"{folder / CONFIG} describes no MoMask model.", COPY_HINT)
    ready = {k: plain_options(v) if isinstance(v, dict) else v for k, v in sections.items()}
    config = model_folder.config_from_dict(MoMaskConfig, ready, f"{folder / CONFIG}: config")
    wanted = [name for name in PARTS if name != "length_est" or config.length is not None]
    names = [*(f"{name}.safetensors" for name in wanted), MEAN, STD]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ArtifactError(f"The model in {folder} lacks {', '.join(missing)}.", COPY_HINT)
    networks = Networks.build(config)
    for name, module in networks.parts():
        path = model_folder.inside(folder, f"{name}.safetensors")
        token_files.fill(module, model_folder.load_tensors(path), path)
    stats = token_files.read_statistics(folder / MEAN, folder / STD, config.vq.dim)
    absent = [name for name in clip.FILES if not (folder / name).is_file()]
    model_folder.verify_checksums(folder, values, where=CONFIG, skip=absent)
    return networks, stats, dict(values)


def text_folder(folder: Path) -> Path:
    """Where the text encoder of a model may lie: the folder, or the release's own below it."""
    return folder if clip.has_weights(folder) else root_of(folder) or folder


def save(
    folder: Path,
    networks: Networks,
    stats: Stats,
    encoder: ClipTextEncoder | None,
    extra: Mapping[str, object],
) -> None:
    """Write a folder; ``momask_config.json`` comes last and records the other files' sha256."""
    for name, module in networks.parts():
        model_folder.save_tensors(folder / f"{name}.safetensors", module.state_dict())
    hml_statistics.write(folder, stats)
    if encoder is not None:
        encoder.save(folder)
    config = networks.config
    sections = {name: getattr(config, name) for name in _SECTIONS}
    values = {
        **extra,
        "model_type": MODEL_TYPE,
        "has_length_estimator": config.length is not None,
        "config": {
            name: None if section is None else dataclasses.asdict(section)
            for name, section in sections.items()
        },
    }
    model_folder.record(folder, values, name=CONFIG)
