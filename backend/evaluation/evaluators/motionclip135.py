"""MotionCLIP-135: CLIP-like towers over motion_135 with column-major rot6d."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import ArtifactError
from ...motion.representations import motion135
from ...motion.rotations import matrix_to_rot6d_column
from ...store.model_folder import sha256_of
from ..hml3d_items import Caption
from .parts import base
from .parts.motionclip135_network import MotionCLIP, TowerConfig

WEIGHTS = ("motionclip_model.safetensors", "model.safetensors")
CONFIG = "bundle_config.json"
MAX_WORDS = 256
_HINT = "It is the folder with motionclip_model.safetensors, bundle_config.json, the SMPL-22 mean"
_HINT += " and std JSON, and CLIP's tokenizer."
_BUFFERS = ("position_ids",)


class MotionCLIP135Evaluator(base.Evaluator):
    """Raw projections, no L2 normalisation; diversity is taken on unit vectors with the L1 norm."""

    name = "motionclip135"
    unit_l1 = True
    representation = native = "motion135"
    dim = 135
    fps = 30.0
    min_frames = 1
    max_frames = 300

    def __init__(
        self,
        net: MotionCLIP,
        tokenizer: Any,
        mean: np.ndarray,
        std: np.ndarray,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(mean, std, hashes)
        self.net = net.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> MotionCLIP135Evaluator:
        """Load a folder.

        Raises:
            ArtifactError: a file is missing, or its tensors have other names than the documented
                shape; both lists are then in the error's detail.
        """
        root = Path(folder).expanduser()
        path = base.first_file(root, WEIGHTS, "the weights", _HINT)
        config = _config(root / CONFIG)
        weights = {
            key: value
            for key, value in base.read_checkpoint(path).items()
            if not key.endswith(_BUFFERS)
        }
        net = MotionCLIP(_tower(config.get("text_config", {}), config, 256),
                         _tower(config.get("motion_config", {}), config, 512))  # fmt: skip
        base.load_exact(net, weights, str(path))
        stats = base.first_file(
            root, ("mean_std.json", "smpl22_mean_std.json", "stats.json"), "the statistics", _HINT
        )
        mean, std = _statistics(stats)
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(root, local_files_only=True)
        except Exception as error:  # transformers raises many kinds for a damaged folder
            raise ArtifactError(f"{root} holds no CLIP tokenizer.", _HINT, str(error)) from error
        hashes = {p.name: sha256_of(p) for p in (path, stats)}
        return cls(net.to(device or "cpu"), tokenizer, mean, std, hashes)

    def checked(self, motion: np.ndarray, what: str) -> np.ndarray:
        """As the others; the row-major rot6d of motion_135 becomes column-major."""
        motion = super().checked(motion, what)
        root, rotations = motion135.unpack(motion)
        columns = matrix_to_rot6d_column(rotations).reshape(len(motion), -1)
        return np.concatenate([root, columns], -1).astype(np.float32)

    def _embed_motion_batch(self, motions: Sequence[np.ndarray]) -> Tensor:
        x, lengths = self._padded(motions), base.lengths_of(motions)
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        last = x[torch.arange(len(x)), lengths - 1]
        # the protocol pads with the last frame; masked anyway
        x = torch.where(mask[..., None], x, last[:, None])
        device = self.net.logit_scale.device
        return self.net.embed_motion(x.to(device), mask.to(device))

    def _embed_text_batch(self, captions: Sequence[Caption]) -> Tensor:
        made = self.tokenizer(
            [c.text for c in captions],
            padding="max_length",
            max_length=MAX_WORDS,
            truncation=True,
            return_tensors="pt",
        )
        device = self.net.logit_scale.device
        ids, mask = made["input_ids"].to(device), made["attention_mask"].to(device)
        return self.net.embed_text(ids, mask)


def _config(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", _HINT) from error
    if not isinstance(values, dict):
        raise ArtifactError(f"{path} must hold a JSON object.", _HINT)
    return values


def _tower(values: Mapping[str, Any], config: Mapping[str, Any], positions: int) -> TowerConfig:
    try:
        return TowerConfig(
            width=int(values.get("hidden_size", 512)),
            layers=int(values.get("num_hidden_layers", 12)),
            heads=int(values.get("num_attention_heads", 8)),
            feed_forward=int(values.get("intermediate_size", 2048)),
            positions=int(values.get("max_position_embeddings", positions)),
            projection=int(config.get("projection_dim", 512)),
            vocabulary=int(values.get("vocab_size", 49408)),
        )
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{CONFIG}: {error}.", _HINT) from error


def _statistics(path: Path) -> tuple[np.ndarray, np.ndarray]:
    values = _config(path)
    try:
        mean, std = (np.asarray(values[key], np.float32).ravel() for key in ("mean", "std"))
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{path} must hold 'mean' and 'std'.", _HINT) from error
    if mean.shape != (135,) or std.shape != (135,) or not (std > 0).all():
        raise ArtifactError(f"{path} must hold 135 means and positive deviations.", _HINT)
    return mean, std
