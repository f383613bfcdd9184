"""Files of HY-Motion models, as Tencent publishes them: ``config.yml`` and ``latest.ckpt``.

``text_features.safetensors`` beside them holds features of known prompts
(:mod:`backend.text.vectors.table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from torch import Tensor

from ...errors import ArtifactError
from ...models.hymotion.config import MASK_MODES, HYMotionConfig, config_of
from ...models.hymotion.network import HYMotionNet
from ...store import model_folder
from ...store.checkpoint_file import load_checkpoint
from ...store.model_folder import COPY_HINT, Stats
from ...store.weights import filled
from ...store.yaml_settings import number_of, read_settings
from .sampling import NullFeatures

CONFIG, CHECKPOINT, WEIGHTS = "config.yml", "latest.ckpt", "model.safetensors"
TABLE = "text_features.safetensors"
PREFIX = "motion_transformer."
RECORD = "record.json"
"""Says what we saved: licence, precision and the other files' sha256."""
FILES = (CHECKPOINT, WEIGHTS, TABLE)


@dataclass(frozen=True)
class Released:
    """A model as it was read: the network, its statistics, what stands for no text."""

    net: HYMotionNet
    stats: Stats
    nulls: NullFeatures
    others: dict[str, Tensor]
    """Tensors of the file that only its authors use; they are kept when it is saved."""


def load(folder: Path) -> Released:
    """Everything of a folder, on the CPU in float32.

    Raises:
        ArtifactError: a file is missing or damaged, or lacks a tensor of the network.
    """
    tensors = _tensors(folder)
    settings = read_settings(folder / CONFIG)
    own = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    try:
        config = config_of(shapes, **_options(settings))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise ArtifactError(f"{folder} holds no HY-Motion network: {error}.", COPY_HINT) from error
    complaint = f"The checkpoint in {folder} is no whole HY-Motion network"
    weights = {k: v.float() for k, v in own.items()}
    net = filled(lambda: HYMotionNet(config), weights, complaint, COPY_HINT, finite=True)
    width = config.features
    rest = {k: v.float() for k, v in tensors.items() if not k.startswith(PREFIX)}
    for name, count in (
        ("mean", width),
        ("std", width),
        ("null_vtxt_feat", config.pooled_width),
        ("null_ctxt_input", config.text_width),
    ):
        if name not in rest or rest[name].numel() != count or not rest[name].isfinite().all():
            raise ArtifactError(f"The checkpoint in {folder} lacks {name} [{count}].", COPY_HINT)
    nulls = NullFeatures(
        rest["null_vtxt_feat"].flatten(),
        rest["null_ctxt_input"].flatten(),
        settings.get("enable_ctxt_null_feat") is True,
    )
    return Released(net, Stats(rest["mean"].flatten(), rest["std"].flatten()), nulls, rest)


def save(folder: Path, model: Released) -> None:
    """Write a folder that :func:`load` reads, the weights as safetensors."""
    c = model.net.config
    values = {
        "train_pipeline_args": {"enable_ctxt_null_feat": model.nulls.replaces_tokens},
        "network_module_args": {
            "mask_mode": c.mask_mode,
            "narrowband_length": c.band / c.fps,
            "apply_rope_to_single_branch": c.rope_motion_only,
            "time_factor": c.time_factor,
            "train_frames": c.frames,
        },
    }
    (folder / CONFIG).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    own = {PREFIX + name: value for name, value in model.net.state_dict().items()}
    model_folder.save_tensors(folder / WEIGHTS, {**model.others, **own})


def recorded_precision(folder: Path) -> str:
    """What a folder that we saved says about the dtype to compute in; float32 where it does not."""
    values = model_folder.read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    return str(values.get("precision") or "float32")


# ---------------------------------------------------------------- inside


def _tensors(folder: Path) -> dict[str, Tensor]:
    if (folder / WEIGHTS).is_file():
        return model_folder.load_tensors(model_folder.inside(folder, WEIGHTS))
    path = model_folder.inside(folder, CHECKPOINT)
    if not path.is_file():
        raise ArtifactError(f"The model in {folder} lacks {CHECKPOINT}.", COPY_HINT)
    values = load_checkpoint(path)
    if isinstance(values, Mapping):
        values = values.get("model_state_dict", values)
    if not isinstance(values, Mapping) or not all(isinstance(v, Tensor) for v in values.values()):
        raise ArtifactError(f"{path} holds no weights.", COPY_HINT)
    return dict(values)


def _options(settings: Mapping[str, object]) -> dict[str, object]:
    """What of the shape is in no tensor; see :class:`HYMotionConfig`."""
    default = HYMotionConfig()
    fps = number_of(settings, "fps", default.fps)
    mode = settings.get("mask_mode") or "none"
    if "mask_mode" not in settings:
        mode = default.mask_mode
    if mode not in MASK_MODES:
        raise ValueError(f"mask_mode {mode!r} is none of {', '.join(MASK_MODES)}")
    return {
        "fps": fps,
        "mask_mode": mode,
        "band": round(fps * number_of(settings, "narrowband_length", default.band / default.fps)),
        "frames": int(number_of(settings, "train_frames", default.frames)),
        "rope_motion_only": settings.get("apply_rope_to_single_branch") is True,
        "time_factor": number_of(settings, "time_factor", default.time_factor),
    }
