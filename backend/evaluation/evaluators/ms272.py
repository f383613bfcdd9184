"""The evaluator of MotionStreamer for 272 features (Xiao et al. 2025, Evaluator_272)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...errors import ArtifactError
from ...store.model_folder import sha256_of
from ...text.distilbert import DistilBertEncoder
from .parts import base
from .parts.actor import ActorEncoder, encoder_config, from_motionstreamer
from .parts.actor_pair import ActorPairEvaluator

CHECKPOINTS = ("epoch=99.ckpt", "checkpoints/epoch=99.ckpt", "evaluator.safetensors")
MEANS = ("mean_std/Mean.npy", "humanml3d_272/mean_std/Mean.npy", "Mean.npy", "mean.npy")
_STD_NAMES = {"Mean.npy": "Std.npy", "mean.npy": "std.npy"}
_HINT = (
    "It is MotionStreamer's Evaluator_272 (epoch=99.ckpt) with Mean.npy and Std.npy of its data."
)


class MotionStreamer272Evaluator(ActorPairEvaluator):
    """Transformer encoders; the embedding is the mean of the latent."""

    name = "ms272"
    hub_id = "ZeyuLing/motius-evaluator-motionstreamer-272"
    representation = native = "ms272"
    dim = 272
    fps = 30.0
    min_frames = 60
    max_frames = 300

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> MotionStreamer272Evaluator:
        """Load the Lightning checkpoint (tensors only) and the statistics from a folder.

        The frozen DistilBERT is found as :class:`DistilBertEncoder` finds it.

        Raises:
            ArtifactError: a file is missing or of another model.
            MissingDependency: DistilBERT is nowhere on this computer.
        """
        root = Path(folder).expanduser()
        checkpoint = base.first_file(root, CHECKPOINTS, "the checkpoint", _HINT)
        weights = base.read_checkpoint(checkpoint)
        weights = base.section(weights, "state_dict") or weights
        text = base.section(weights, "textencoder")
        text = {k: v for k, v in text.items() if not k.startswith("text_model.")}
        motion_net = _encoder(base.section(weights, "motionencoder"), False, checkpoint)
        text_net = _encoder(text, True, checkpoint)
        mean_file = base.first_file(root, MEANS, "the mean", _HINT)
        std_file = mean_file.with_name(_STD_NAMES[mean_file.name])
        mean, std = base.statistics(mean_file, std_file, motion_net.config.features)
        reader = DistilBertEncoder.load(root, device=device, local_files_only=local_files_only)
        files = (checkpoint, mean_file, std_file)
        hashes = {str(path.relative_to(root)): sha256_of(path) for path in files}
        device = device or "cpu"
        return cls(motion_net.to(device), text_net.to(device), reader, mean, std, hashes)


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
