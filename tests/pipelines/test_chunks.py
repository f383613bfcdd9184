"""Many clips at once: bounded memory, and no clip depends on what it is batched with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.pipelines import calls
from tests import model_zoo

CLIPS = 9


@pytest.mark.parametrize("family", ["dit", "action_mdm"])
def test_chunks_are_bounded_and_change_nothing(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = model_zoo.tiny(family, tmp_path)
    captions = [("walk", "jump")[i % 2] for i in range(CLIPS)]
    lengths = [30 + (7 * i) % 10 for i in range(CLIPS)]
    sizes: list[int] = []
    forward = pipeline.net.forward

    def watched(x: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
        sizes.append(x.shape[0] * x.shape[1])
        return forward(x, *rest, **more)

    monkeypatch.setattr(pipeline.net, "forward", watched)
    whole = pipeline.infer_t2m(captions, lengths, seed=3)
    one_batch = max(sizes)
    told: list[tuple[int, int]] = []
    monkeypatch.setitem(calls.FRAMES_AT_ONCE, "cpu", 100)
    sizes.clear()
    parts = pipeline.infer_t2m(captions, lengths, seed=3, on_step=_to(told))
    assert max(sizes) < one_batch / 2
    assert [len(clip) for clip in parts] == lengths
    assert max(np.abs(a - b).max() for a, b in zip(whole, parts, strict=True)) < 1e-5
    [alone] = pipeline.infer_t2m(captions[4:5], lengths[4:5], seed=7)
    assert np.abs(alone - whole[4]).max() < 1e-5
    assert told == sorted(told) and told[-1][0] == told[-1][1]


def _to(told: list[tuple[int, int]]) -> Callable[[int, int], None]:
    return lambda done, total: told.append((done, total))


def test_like_lengths_come_together_within_the_limit() -> None:
    lengths = [10, 50, 12, 48, 11, 200]
    chunks = calls.chunks_of_like_length(lengths, frames=100)
    assert chunks == [[0, 4, 2], [3, 1], [5]]  # the last is longer than the limit, and alone
    assert calls.chunks_of_like_length(lengths, 2, 1000) == [[0, 4], [2, 3], [1, 5]]
    assert calls.chunks_of_like_length([], frames=5) == []
