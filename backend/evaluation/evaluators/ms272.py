"""The evaluator of MotionStreamer for 272 features (Xiao et al. 2025, Evaluator_272)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from ...errors import ArtifactError
from ...store.model_folder import sha256_of
from ...text.distilbert import DistilBertEncoder
from .parts import base
from .parts.actor import ActorEncoder, encoder_config, from_motionstreamer
from .parts.actor_pair import ActorPairEvaluator

CHECKPOINTS = (
    "model.safetensors",
    "epoch=99.ckpt",
    "checkpoints/epoch=99.ckpt",
    "evaluator.safetensors",
)
MEANS = (
    "stats/mean.npy",
    "mean_std/Mean.npy",
    "humanml3d_272/mean_std/Mean.npy",
    "Mean.npy",
    "mean.npy",
)
HUB_FILES = ("model.safetensors", "stats/*", "tokenizer/*")
TOKENIZER = "tokenizer"
UNIT_FRAMES = 4
"""Lengths are floored to a multiple of it, which is also the least."""
_STD_NAMES = {"Mean.npy": "Std.npy", "mean.npy": "std.npy"}
_HINT = (
    "It is the published folder (model.safetensors, stats/, tokenizer/), or MotionStreamer's"
    " Evaluator_272 (epoch=99.ckpt) with Mean.npy and Std.npy of its data."
)


class MotionStreamer272Evaluator(ActorPairEvaluator):
    """Transformer encoders; the embedding is the mean of the latent."""

    name = "ms272"
    hub_id = "ZeyuLing/motius-evaluator-motionstreamer-272"
    representation = native = "ms272"
    dim = 272
    fps = 30.0
    min_frames = UNIT_FRAMES
    max_frames = 300

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> MotionStreamer272Evaluator:
        """Load weights (tensors only) and statistics.

        Args:
            folder: the published one or its hub id, or one with the Lightning checkpoint. The
                frozen DistilBERT is in the published weights; for the checkpoint it is found as
                :class:`DistilBertEncoder` finds it.

        Raises:
            ArtifactError: a file is missing or of another model.
            MissingDependency: DistilBERT is nowhere on this computer.
        """
        root = base.folder_of(folder, HUB_FILES, local_files_only=local_files_only)
        checkpoint = base.first_file(root, CHECKPOINTS, "the checkpoint", _HINT)
        weights = base.read_checkpoint(checkpoint)
        weights = base.section(weights, "state_dict") or weights
        motion, text = (
            base.section(weights, f"{part}_encoder") or base.section(weights, f"{part}encoder")
            for part in ("motion", "text")
        )
        words = base.section(text, "text_model")
        text = {k: v for k, v in text.items() if not k.startswith("text_model.")}
        motion_net = _encoder(motion, False, checkpoint)
        text_net = _encoder(text, True, checkpoint)
        mean_file = base.first_file(root, MEANS, "the mean", _HINT)
        std_file = mean_file.with_name(_STD_NAMES[mean_file.name])
        mean, std = base.statistics(mean_file, std_file, motion_net.config.features)
        if (root / TOKENIZER).is_dir():
            reader = DistilBertEncoder.from_tensors(words, root / TOKENIZER, device=device)
        else:
            reader = DistilBertEncoder.load(root, device=device, local_files_only=local_files_only)
        files = (checkpoint, mean_file, std_file)
        hashes = {str(path.relative_to(root)): sha256_of(path) for path in files}
        device = device or "cpu"
        return cls(motion_net.to(device), text_net.to(device), reader, mean, std, hashes)

    def checked(self, motion: np.ndarray, what: str) -> np.ndarray:
        """As the others; the length becomes a multiple of 4."""
        motion = super().checked(motion, what)
        return motion[: len(motion) // UNIT_FRAMES * UNIT_FRAMES]


def _encoder(weights: Mapping[str, Tensor], relu_first: bool, checkpoint: Path) -> ActorEncoder:
    renamed = from_motionstreamer(weights)
    try:
        net = ActorEncoder(encoder_config(renamed, relu_first=relu_first))
    except KeyError as error:
        raise ArtifactError(
            f"{checkpoint} lacks the tensor {error} of the evaluator.", _HINT
        ) from error
    base.load_exact(net, renamed, str(checkpoint))
    return net
