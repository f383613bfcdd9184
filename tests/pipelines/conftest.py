"""A tiny random model and a text encoder that needs no weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from backend.diffusion.schedule import Schedule
from backend.models.dit import DiT, DiTConfig
from backend.motion.representations import smplrifke205
from backend.pipelines.dit.pipeline import DiTPipeline, DiTPipelineConfig
from backend.store.model_folder import Stats
from backend.text.minilm import TextEmbedding
from backend.wire.skeleton import NUM_JOINTS

WIDTH = 16


class HashEncoder:
    """Bag of words: each word has a fixed random vector, so shared words mean likeness."""

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        tokens = [[self._word(w) for w in t.lower().split()] for t in texts]
        longest = max(map(len, tokens))
        padded = torch.zeros(len(texts), longest, WIDTH)
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        for row, words in enumerate(tokens):
            padded[row, : len(words)] = torch.stack(words)
            mask[row, : len(words)] = True
        sentence = torch.nn.functional.normalize(padded.sum(1), dim=-1)
        cut = torch.tensor([len(words) > 40 for words in tokens])
        return TextEmbedding(sentence, padded, mask, cut)

    @staticmethod
    def _word(word: str) -> torch.Tensor:
        seed = int.from_bytes(hashlib.sha256(word.strip(",.").encode()).digest()[:4], "big")
        return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))


def standing_stats() -> Stats:
    """Mean of a body that stands still; small deviations."""
    rotations = np.broadcast_to(np.eye(3), (5, NUM_JOINTS, 3, 3)).copy()
    rotations[:, 0] = smplrifke205.Z_UP_FROM_Y_UP
    joints = smplrifke205.joints24(np.broadcast_to(np.eye(3), (5, 22, 3, 3)), np.zeros((5, 3)))
    x = smplrifke205.encode(rotations, np.zeros((5, 3)), joints @ smplrifke205.Z_UP_FROM_Y_UP.T)
    return Stats(torch.from_numpy(x[0]).float(), torch.full((205,), 0.05))


def tiny_pipeline(text_tokens: bool = True, action_words: int = 0, **options) -> DiTPipeline:
    torch.manual_seed(0)
    network = DiTConfig(
        width=32,
        depth=2,
        heads=2,
        stem_width=16,
        text_dim=WIDTH,
        text_tokens=text_tokens,
        action_words=action_words,
    )
    net = DiT(network)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    options = {"name": "tiny", "steps": 4, "max_frames": 60, **options}
    config = DiTPipelineConfig(network, Schedule("cosine", 50), **options)
    return DiTPipeline(config, net, standing_stats(), encoder=HashEncoder(), device="cpu")


@pytest.fixture(scope="module")
def pipeline() -> DiTPipeline:
    return tiny_pipeline()
