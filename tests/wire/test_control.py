"""Descriptions of models."""

from __future__ import annotations

import pytest

from backend.errors import InvalidRequest
from backend.wire.control import ModelInfo


def test_lengths_within_the_bounds_pass() -> None:
    info = ModelInfo("starter", "Starter", min_seconds=1.2, max_seconds=30.0)
    for seconds in (1.2, 5.0, 30.0):
        info.check_seconds(seconds)


@pytest.mark.parametrize("seconds", [1.19, 30.1])
def test_other_lengths_say_what_is_possible(seconds: float) -> None:
    info = ModelInfo("starter", "Starter", min_seconds=1.2, max_seconds=30.0)
    with pytest.raises(InvalidRequest, match=f"Starter cannot make {seconds:g}") as caught:
        info.check_seconds(seconds)
    assert "1.2 to 30" in caught.value.hint


def test_a_model_without_bounds_leaves_them_to_its_pipeline() -> None:
    ModelInfo("other", "Other").check_seconds(1000.0)
