"""How the time of a motion that goes on is shared by what the prompt tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from backend.pipelines.editing.extending import READ_SECONDS, STRIDE_SECONDS, extended
from backend.wire.messages import Motion


class Holds:
    """A model that holds the last pose; it remembers what it was asked for."""

    edit_seconds = (1.0, 60.0)

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def seconds_needed(self, parts: Sequence[str]) -> list[float]:
        return [3.0 if "turn" in part else 1.0 for part in parts]

    def edit(self, motion: Motion, prompt: str, *, keep_frames: Any, **_: object) -> Motion:
        [(_, read)] = keep_frames
        self.asked.append((prompt, read, len(motion.data) - read))
        return Motion(motion.data, motion.fps, {"edit": {}})


@pytest.fixture
def walk(make_motion: Any) -> Motion:
    return Motion(make_motion(frames=200).astype(np.float32))


def test_actions_share_the_time_by_what_they_need(walk: Motion) -> None:
    model = Holds()
    made = extended(model, walk, "a person turns left, then bows", 120)
    stride = round(STRIDE_SECONDS * 30)
    assert [frames for _, _, frames in model.asked] == [90, 30]
    assert [read for _, read, _ in model.asked] == [stride, stride]
    assert "warnings" not in made.meta and len(made.data) == 320


def test_too_little_time_is_told(walk: Motion) -> None:
    made = extended(Holds(), walk, "a person turns left, then bows", 75)
    [text] = made.meta["warnings"]
    assert "takes about 4.0 seconds" in text and "in 2.5" in text


def test_a_single_action_reads_more(walk: Motion) -> None:
    model = Holds()
    extended(model, walk, "a person walks", 90)
    assert model.asked == [("a person walks", round(READ_SECONDS * 30), 90)]
