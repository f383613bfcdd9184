"""The bundled evaluator: works offline, judges motions of the starter model's kind.

Its numbers compare only with each other: it was trained on the same recordings as the starter
model, on about a hundred labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import ArtifactError
from ...motion.representations import smplrifke205
from ...store.model_folder import (
    CONFIG,
    STATS,
    WEIGHTS,
    Stats,
    config_from_dict,
    load_stats,
    read_json,
    sha256_of,
)
from ...text import minilm
from ...text.sides import named_sides
from ..hml3d_items import Caption
from .parts import base
from .parts.starter_network import SentenceTMR, TMRConfig

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "starter_evaluator"
REFERENCE_JSON, REFERENCE = "reference.json", "reference.safetensors"
_HINT = "Install Kinetype again, or train one: kinetype train tmr."


@dataclass(frozen=True)
class Reference:
    """The real motions that the evaluator compares with, without the motions themselves.

    Attributes:
        captions: one list for each motion.
        frames: ``[N]`` lengths at 30 fps.
        embeddings: ``[N, D]`` of the real motions.
        physical: physical metrics of each real motion.
    """

    captions: tuple[tuple[str, ...], ...]
    frames: np.ndarray
    embeddings: np.ndarray
    physical: tuple[Mapping[str, float], ...]


class StarterEvaluator(base.Evaluator):
    """Reads motion_135 at 30 fps; distances are those of unit vectors."""

    name = "starter"
    unit = tmr_score = True
    representation = native = "motion135"
    dim = 135
    fps = 30.0
    min_frames = 12
    max_frames = 300

    def __init__(
        self,
        net: SentenceTMR,
        stats: Stats,
        reference: Reference | None = None,
        *,
        reader: minilm.MiniLMEncoder | None = None,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(stats.mean.numpy(), stats.std.numpy(), hashes)
        self.net = net.eval().requires_grad_(False)
        self.reference = reference
        self._reader = reader

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path | None = None,
        *,
        device: str | None = None,
        local_files_only: bool = False,
    ) -> StarterEvaluator:
        """Load a folder of ``kinetype train tmr``; the bundled one when None.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        root = Path(folder or FOLDER).expanduser()
        values = read_json(root / CONFIG)
        config = config_from_dict(TMRConfig, values.get("network"), str(root / CONFIG))
        path = base.first_file(root, (WEIGHTS,), "the weights", _HINT)
        weights = {key: value.float() for key, value in base.read_checkpoint(path).items()}
        net = SentenceTMR(config)
        own = dict(net.decoder.state_dict(prefix="decoder."))
        # the decoder is for training and is not shipped
        base.load_exact(net, own | weights, str(path))
        stats = load_stats(root / STATS, config.features)
        hashes = {
            name: sha256_of(root / name)
            for name in (WEIGHTS, STATS, REFERENCE, REFERENCE_JSON)
            if (root / name).is_file()
        }
        net = net.to(device or "cpu")
        return cls(net, stats, read_reference(root), hashes=hashes)

    @classmethod
    def loaded(cls, weights: str | Path | None, *, device: str | None = None) -> StarterEvaluator:
        """The evaluator from ``weights``, else the bundled one."""
        return cls.from_pretrained(weights, device=device)

    @property
    def reader(self) -> minilm.MiniLMEncoder:
        """The sentence encoder, loaded on first use."""
        if self._reader is None:
            self._reader = minilm.shared(local_files_only=True)
        return self._reader

    def checked(self, motion: np.ndarray, what: str) -> np.ndarray:
        """motion_135 to the features that the network reads, at 20 fps."""
        motion = super().checked(motion, what)
        return smplrifke205.from_motion135(motion, self.fps).astype(np.float32)

    def looks_normalised(self, motions: Sequence[np.ndarray]) -> bool:
        """Whether rotations are no rotations: rot6d columns of motion_135 have length 1."""
        x = np.concatenate([np.asarray(m, np.float64)[:, 3:] for m in motions])
        length = np.linalg.norm(x.reshape(-1, 22, 3, 2), axis=2)
        return bool(np.abs(np.median(length) - 1.0) > 0.1)

    def _embed_motion_batch(self, motions: Sequence[np.ndarray]) -> Tensor:
        device = next(self.net.parameters()).device
        x = self._padded(motions)
        short = -x.shape[1] % self.net.config.patch_frames
        x = torch.nn.functional.pad(x, (0, 0, 0, short)).to(device)
        return self.net.embed_motion(x, base.lengths_of(motions).to(device))[0]

    def _embed_text_batch(self, captions: Sequence[Caption]) -> Tensor:
        device = next(self.net.parameters()).device
        texts = [c.text for c in captions]
        sentence = self.reader.encode(texts).sentence.to(device)
        return self.net.embed_text(sentence, named_sides(texts).to(device))[0]


def read_reference(folder: Path) -> Reference | None:
    """The reference set of an evaluator folder, or None where it has none."""
    if not (folder / REFERENCE_JSON).is_file():
        return None
    try:
        entries = json.loads((folder / REFERENCE_JSON).read_text(encoding="utf-8"))
        embeddings = base.read_checkpoint(folder / REFERENCE)["embeddings"].float().numpy()
        found = Reference(
            tuple(tuple(map(str, e["captions"])) for e in entries),
            np.array([int(e["frames"]) for e in entries]),
            embeddings,
            tuple({k: float(v) for k, v in e["physical"].items()} for e in entries),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The reference in {folder} cannot be read: {error}.", _HINT) from error
    if len(found.captions) != len(embeddings) or not all(found.captions):
        raise ArtifactError(f"The reference in {folder} does not fit itself.", _HINT)
    return found
