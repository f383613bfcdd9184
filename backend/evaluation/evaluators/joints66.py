"""The evaluator of joint positions (Motius, July 2026): a TMR over the joints of one skeleton.

It reads motions of any model alike, because all are first put on the neutral SMPL skeleton.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import ArtifactError
from ...store.model_folder import sha256_of
from ...text.distilbert import DistilBertEncoder
from .parts import base
from .parts.actor import ActorEncoder, encoder_config
from .parts.actor_pair import ActorPairEvaluator

HUB_FILES = ("model.safetensors", "stats/*", "text_encoder/*")
TEXT_ENCODER = "text_encoder"
_HINT = "It is the published folder: model.safetensors, stats/ and text_encoder/."


class Joints66Evaluator(ActorPairEvaluator):
    """Embeddings are the means of the latents, as they are; motions are joints66, any length."""

    name = "joints66"
    hub_id = "ZeyuLing/motius-evaluator-universal-smplh-joints66"
    representation = native = "joints66"
    dim = 66
    fps = 30.0
    min_frames = 1
    max_frames = 100_000

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> Joints66Evaluator:
        """Load the published folder or its hub id; a folder without words takes DistilBERT's.

        Raises:
            ArtifactError: a file is missing or of another model.
            MissingDependency: DistilBERT is nowhere on this computer.
        """
        root = base.folder_of(folder, HUB_FILES, local_files_only=local_files_only)
        path = base.first_file(root, ("model.safetensors",), "the weights", _HINT)
        weights = base.read_checkpoint(path)
        weights = base.section(weights, "tmr") or weights
        nets = {}
        for name in ("motion_encoder", "text_encoder"):
            tensors = base.section(weights, name)
            try:
                nets[name] = ActorEncoder(encoder_config(tensors))
            except KeyError as error:
                raise ArtifactError(f"{path} lacks the tensor {name}.{error}.", _HINT) from error
            base.load_exact(nets[name], tensors, f"{path} ({name})")
        mean_file = base.first_file(root, ("stats/mean.npy", "mean.npy"), "the mean", _HINT)
        std_file = mean_file.with_name("std.npy")
        mean, std = base.statistics(mean_file, std_file, nets["motion_encoder"].config.features)
        reader = DistilBertEncoder.load(
            root / TEXT_ENCODER, device=device, local_files_only=local_files_only
        )
        files = (path, mean_file, std_file, root / TEXT_ENCODER / "model.safetensors")
        hashes = {str(f.relative_to(root)): sha256_of(f) for f in files if f.is_file()}
        motion, text = (nets[n].to(device or "cpu") for n in ("motion_encoder", "text_encoder"))
        return cls(motion, text, reader, mean, std, hashes)
