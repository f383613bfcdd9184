"""CLIP's text features against openai/CLIP's own code (golden data, float32)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.text.clip import ClipTextEncoder

GOLDEN = Path(__file__).parent / "golden" / "clip"
TOLERANCE = 1e-5


def test_features_equal_the_released_encoder() -> None:
    with np.load(GOLDEN / "clip_text_golden.npz", allow_pickle=False) as file:
        ids, expected = torch.from_numpy(file["token_ids"]), file["text_features"]
    features = ClipTextEncoder.from_weights(GOLDEN).features(ids).numpy()
    assert features.dtype == np.float32
    assert np.abs(features - expected).max() < TOLERANCE
    assert np.abs(expected).max() > 1  # not normalised
