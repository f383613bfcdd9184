"""Files of Kimodo models, as NVIDIA publishes them.

A folder holds ``config.yaml`` (only its numbers matter), one checkpoint and
``stats/motion/{global_root,local_root,body}/{mean,std}.npy``. Text vectors may lie beside them:
a table (``text_vectors.safetensors``) or a fitted map (``text_map.safetensors``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from ...errors import ArtifactError
from ...models.kimodo.config import KimodoConfig
from ...models.kimodo.network import KimodoDenoiser
from ...models.kimodo.statistics import FeatureStats
from ...motion.representations.kimodo_skeletons import NAMES, KimodoSkeleton, skeleton_of_width
from ...store import model_folder
from ...store.checkpoint_file import load_checkpoint
from ...store.model_folder import COPY_HINT
from ...store.yaml_settings import number_of, read_settings

CONFIG = "config.yaml"
WEIGHTS = "model.safetensors"
RECORD = "record.json"
"""Says what we saved: licence, precision and the other files' sha256."""
TABLE, MAP = "text_vectors.safetensors", "text_map.safetensors"
STATS = Path("stats/motion")
SETS = ("global_root", "local_root", "body")
PREFIX = "denoiser.backbone."
_CHECKPOINTS = (".safetensors", ".ckpt", ".pt", ".pth")
_FIXED = {
    "motion_mask_mode": "concat",
    "norm_first": False,
    "use_text_mask": False,
    "activation": "gelu",
    "input_first_heading_angle": True,
}
"""Settings that every published model has; another value would need another network."""


def file_patterns() -> list[str]:
    """Files that a download needs beside the configuration."""
    stats = [f"{STATS.as_posix()}/{s}/{v}.npy" for s in SETS for v in ("mean", "std")]
    return [*stats, *(f"*{suffix}" for suffix in _CHECKPOINTS)]


def load(folder: Path) -> tuple[KimodoDenoiser, KimodoSkeleton]:
    """The network on the CPU in float32, with its statistics; everything is checked.

    Raises:
        ArtifactError: a file is missing or damaged, does not fit the others, or is of a model that
            this version does not know.
    """
    values = read_settings(folder / CONFIG)
    weights = _weights(folder)
    config = _config(values, weights, folder / CONFIG)
    bones = skeleton_of_width(config.features)
    if bones is None:
        raise ArtifactError(
            f"{folder} makes {config.features} features of an unknown skeleton.",
            f"Kinetype knows {' and '.join(NAMES)}.",
        )
    stats = FeatureStats.of(_statistics(folder, config.features))
    net = KimodoDenoiser(config, stats)
    complaint = f"The checkpoint in {folder} does not fit {CONFIG}"
    model_folder.check_fit(weights, net.state_dict(), complaint, COPY_HINT, finite=True)
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net, bones


def save(folder: Path, net: KimodoDenoiser) -> None:
    """Write a folder in the published layout, the weights as safetensors."""
    c = net.config
    values = {
        "num_base_steps": c.base_steps,
        "fps": c.fps,
        "motion_mask_mode": _FIXED["motion_mask_mode"],
        "denoiser": {
            "llm_shape": [1, c.text_width],
            "num_text_tokens_override": c.text_tokens,
            "use_text_mask": _FIXED["use_text_mask"],
            "latent_dim": c.latent_dim,
            "ff_size": c.ff_size,
            "num_layers": c.num_layers,
            "num_heads": c.num_heads,
            "activation": _FIXED["activation"],
            "input_first_heading_angle": _FIXED["input_first_heading_angle"],
        },
    }
    (folder / CONFIG).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    model_folder.save_tensors(folder / WEIGHTS, net.state_dict())
    s = net.stats
    parts = {
        "global_root": (s.mean[:5], s.std[:5]),
        "local_root": (s.local_mean, s.local_std),
        "body": (s.mean[5:], s.std[5:]),
    }
    for name, (mean, std) in parts.items():
        place = folder / STATS / name
        place.mkdir(parents=True)
        np.save(place / "mean.npy", mean.cpu().numpy())
        np.save(place / "std.npy", std.cpu().numpy())


def recorded_precision(folder: Path) -> str:
    """What a folder that we saved says about the dtype to compute in; float32 where it does not."""
    values = model_folder.read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    return str(values.get("precision") or "float32")


# ---------------------------------------------------------------- inside


def _config(
    values: Mapping[str, object], weights: Mapping[str, Tensor], path: Path
) -> KimodoConfig:
    for name, wanted in _FIXED.items():
        if values.get(name, wanted) != wanted:
            raise ArtifactError(
                f"{path} sets {name} to {values[name]!r}; this version only knows {wanted!r}.",
                "Use a published Kimodo model, or update Kinetype.",
            )
    try:
        text = weights["root_model.embed_text.weight"]
        layers = {k.split(".")[3] for k in weights if k.startswith("root_model.seqTransEncoder.")}
        return KimodoConfig(
            features=len(weights["body_model.output_linear.weight"]) + 5,
            text_width=text.shape[1],
            latent_dim=text.shape[0],
            ff_size=len(weights["root_model.seqTransEncoder.layers.0.linear1.weight"]),
            num_layers=len(layers),
            num_heads=_whole(values, "num_heads", 8),
            text_tokens=_whole(values, "num_text_tokens_override", 50),
            base_steps=_whole(values, "num_base_steps", 1000),
            fps=float(_whole(values, "fps", 30)),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ArtifactError(f"{path.parent} holds no Kimodo denoiser: {error}.", COPY_HINT) from (
            error
        )


def _whole(values: Mapping[str, object], name: str, default: int) -> int:
    value = number_of(values, name, default)
    if value != int(value):
        raise ValueError(f"{name} is {value!r}")
    return int(value)


def _weights(folder: Path) -> dict[str, Tensor]:
    own = (TABLE, MAP)
    found = [p for s in _CHECKPOINTS for p in sorted(folder.glob(f"*{s}")) if p.name not in own]
    if not found:
        raise ArtifactError(f"The model in {folder} lacks its checkpoint.", COPY_HINT)
    path = model_folder.inside(folder, found[0].name)
    values = (
        model_folder.load_tensors(path) if path.suffix == ".safetensors" else load_checkpoint(path)
    )
    if isinstance(values, Mapping) and isinstance(values.get("state_dict"), Mapping):
        values = values["state_dict"]
    if not isinstance(values, Mapping) or not all(isinstance(v, Tensor) for v in values.values()):
        raise ArtifactError(f"{path} holds no weights.", COPY_HINT)
    return {str(name).replace(PREFIX, ""): value for name, value in values.items()}


def _statistics(folder: Path, features: int) -> dict[str, tuple[Tensor, Tensor]]:
    widths = {"global_root": 5, "local_root": 4, "body": features - 5}
    return {
        name: (
            _vector(folder / STATS / name / "mean.npy", width),
            _vector(folder / STATS / name / "std.npy", width),
        )
        for name, width in widths.items()
    }


def _vector(path: Path, width: int) -> Tensor:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} is missing or no plain .npy array.", COPY_HINT) from error
    values = np.asarray(array, dtype=np.float32).reshape(-1)
    if values.shape != (width,) or not np.isfinite(values).all():
        raise ArtifactError(f"{path} does not hold {width} finite numbers.", COPY_HINT)
    return torch.from_numpy(values.copy())
