"""What TMR and the MotionStreamer evaluator share: two ACTOR-style encoders and a token encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...hml3d_items import Caption
from . import base
from .actor import ActorEncoder


class TokenReader(Protocol):
    """A frozen text encoder of token states."""

    def encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States ``[N, B, F]`` and their padding ``[B, N]``."""


class ActorPairEvaluator(base.Evaluator):
    """Embeddings are the means of the latents of ``motion`` and ``text``."""

    def __init__(
        self,
        motion: ActorEncoder,
        text: ActorEncoder,
        reader: TokenReader,
        mean: np.ndarray,
        std: np.ndarray,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(mean, std, hashes)
        self.motion = motion.eval().requires_grad_(False)
        self.text = text.eval().requires_grad_(False)
        self.reader = reader

    def _embed_motion_batch(self, motions: Sequence[np.ndarray]) -> Tensor:
        x, lengths = self._padded(motions), base.lengths_of(motions)
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        device = self.motion.tokens.device
        return self.motion(x.to(device), mask.to(device))[0]

    def _embed_text_batch(self, captions: Sequence[Caption]) -> Tensor:
        states, padding = self.reader.encode([c.text for c in captions])
        return self.text(states.transpose(0, 1), ~padding)[0]
