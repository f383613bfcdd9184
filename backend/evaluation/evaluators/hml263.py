"""The evaluator of HumanML3D (Guo et al., CVPR 2022), as MDM, MoMask and the others report it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import ArtifactError
from ...store.model_folder import sha256_of
from ..hml3d_items import PADDED_FRAMES, Caption
from ..words import GLOVE_FILES, Vocabulary, tokenise
from .parts import base
from .parts.hml263_network import UNIT_FRAMES, T2MEvaluator, T2MEvaluatorConfig

CHECKPOINTS = (
    "model.safetensors",
    *(f"{place}text_mot_match/model/finest.tar" for place in ("", "t2m/", "checkpoints/t2m/")),
    "finest.tar",
    "text_mot_match.tar",
)
MEANS = (
    "stats/mean.npy",
    "t2m_mean.npy",
    *(
        f"{place}Comp_v6_{kind}/meta/mean.npy"
        for place in ("t2m/", "checkpoints/t2m/", "")
        for kind in ("KLD01", "KLD005")
    ),
    "meta/mean.npy",
    "mean.npy",
)
GLOVES = ("glove", "vocab")
HUB_FILES = ("model.safetensors", "stats/*", "glove/*")
_HINT = (
    "It is the published folder (model.safetensors, stats/, glove/), or that of t2m.zip"
    " (text_mot_match, Comp_v6_KLD01) with glove/ and t2m_mean.npy, t2m_std.npy, as MDM's README"
    " links them."
)
_ROOT_HEIGHT = 3
_TRAINING_DEVIATION = 0.05
"""The evaluator's deviation of the root height is 0.006; the data set's own is 0.15 (metres)."""


class HumanML263Evaluator(base.Evaluator):
    """Movement and motion encoders over 263 features, GRU text encoder over GloVe and tags."""

    name = "hml263"
    hub_id = "ZeyuLing/motius-evaluator-humanml3d-official"
    representation = native = "hml263"
    dim = 263
    fps = 20.0
    min_frames = UNIT_FRAMES
    max_frames = PADDED_FRAMES

    def __init__(
        self,
        net: T2MEvaluator,
        vocabulary: Vocabulary,
        mean: np.ndarray,
        std: np.ndarray,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(mean, std, hashes)
        self.net = net.eval().requires_grad_(False)
        self.vocabulary = vocabulary
        self.dim = net.config.pose

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, local_files_only: bool = False
    ) -> HumanML263Evaluator:
        """Load weights, ``glove/`` and the evaluator's own mean and std.

        Args:
            folder: the published one or its hub id, or the release of text-to-motion.

        Raises:
            ArtifactError: a file is missing or of another model, or the statistics are those of
                the training data (their root deviations are 25 times larger).
        """
        root = base.folder_of(folder, HUB_FILES, local_files_only=local_files_only)
        checkpoint = base.first_file(root, CHECKPOINTS, "the checkpoint", _HINT)
        weights = base.read_checkpoint(checkpoint)
        parts = {
            name: base.section(weights, name)
            for name in ("text_encoder", "motion_encoder", "movement_encoder")
        }
        try:
            config = T2MEvaluatorConfig.of_weights(*parts.values())
        except KeyError as error:
            raise ArtifactError(f"{checkpoint} lacks the tensor {error}.", _HINT) from error
        net = T2MEvaluator(config)
        for name, tensors in parts.items():
            base.load_exact(getattr(net, name), tensors, f"{checkpoint} ({name})")
        mean_file = base.first_file(root, MEANS, "the evaluator's mean", _HINT)
        std_file = mean_file.with_name(mean_file.name.replace("mean", "std"))
        mean, std = base.statistics(mean_file, std_file, config.pose)
        if config.pose == cls.dim and std[_ROOT_HEIGHT] > _TRAINING_DEVIATION:
            raise ArtifactError(
                f"{std_file} holds the statistics of the training data, not the evaluator's: its"
                f" root height deviates by {std[_ROOT_HEIGHT]:.3f} m instead of about 0.006.",
                "Take t2m_mean.npy and t2m_std.npy, or mean.npy and std.npy of Comp_v6_KLD01/meta.",
            )
        glove = next((root / g for g in GLOVES if (root / g).is_dir()), root / GLOVES[0])
        hashes = {
            str(path.relative_to(root)): sha256_of(path)
            for path in (checkpoint, mean_file, std_file, *(glove / n for n in GLOVE_FILES))
            if path.is_file()
        }
        words = Vocabulary.load(glove)
        if words.vectors.shape[1] != config.word:
            raise ArtifactError(
                f"{glove} holds vectors of {words.vectors.shape[1]} numbers; the evaluator reads "
                f"{config.word}.",
                _HINT,
            )
        return cls(net.to(device or "cpu"), words, mean, std, hashes)

    def _embed_motion_batch(self, motions: Sequence[np.ndarray]) -> Tensor:
        device = next(self.net.parameters()).device
        # the last movement token sees frames beyond the length: the protocol pads to 196 with zeros
        x = self._padded(motions, PADDED_FRAMES).to(device)
        lengths = base.lengths_of(motions) // UNIT_FRAMES * UNIT_FRAMES
        x = x * (torch.arange(PADDED_FRAMES) < lengths[:, None])[..., None].to(x)
        return self.net.embed_motion(x, lengths)

    def _embed_text_batch(self, captions: Sequence[Caption]) -> Tensor:
        device = next(self.net.parameters()).device
        bare = [c for c in captions if not c.tokens]
        made = dict(zip((c.text for c in bare), tokenise([c.text for c in bare]), strict=True))
        encoded = [self.vocabulary.encode(c.tokens or made[c.text]) for c in captions]
        words = torch.from_numpy(np.stack([e[0] for e in encoded])).to(device)
        tags = torch.from_numpy(np.stack([e[1] for e in encoded])).to(device)
        return self.net.embed_text(words, tags, torch.tensor([e[2] for e in encoded]))
