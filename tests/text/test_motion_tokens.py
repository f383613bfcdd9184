"""MotionGPT's tokenizer: files that are not one, and the limit of a prompt."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from backend.errors import ArtifactError
from backend.text import motion_prompts as prompts
from backend.text.motion_tokens import MotionTextTokenizer

TOKENIZER = (
    Path(__file__)
    .parents[1]
    .joinpath("parity/golden/motiongpt/artifact/deps/flan-t5-base/tokenizer.json")
)


def test_prompts_are_padded_and_cut() -> None:
    tokenizer = MotionTextTokenizer.load(TOKENIZER)
    found = tokenizer.encode(["walks", "someone waves with both hands"], limit=6)
    assert found.truncated == (False, True)
    assert found.ids.shape == (2, 6) and found.ids[1, -1] == 1
    assert found.mask.sum(1).tolist() == [2, 6]
    assert not found.ids[0, 2:].any()


def test_files_that_are_no_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(ArtifactError, match="is missing"):
        MotionTextTokenizer.load(path)
    path.write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        MotionTextTokenizer.load(path)
    values = json.loads(TOKENIZER.read_text(encoding="utf-8"))
    normalizer = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    path.write_text(json.dumps({**values, "normalizer": normalizer}))  # the library panics
    with pytest.raises(ArtifactError, match="cannot be read: the tokenizers library gave up"):
        MotionTextTokenizer.load(path)
    for token in values["added_tokens"]:
        if token["id"] == 2:
            token["content"] = "[UNK]"
    values["model"]["vocab"][2][0] = "[UNK]"
    path.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="no T5 tokenizer"):
        MotionTextTokenizer.load(path)


def test_a_tokenizer_with_motion_tokens_is_refused(tmp_path: Path) -> None:
    values = json.loads(TOKENIZER.read_text(encoding="utf-8"))
    last = max(values["added_tokens"], key=lambda token: token["id"])
    extra = {**last, "id": len(values["model"]["vocab"]), "content": "<motion_id_0>"}
    values["added_tokens"].append(extra)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="motion tokens already"):
        MotionTextTokenizer.load(path)


@pytest.mark.parametrize("quoted", [True, False])
def test_quotes_are_drawn(quoted: bool) -> None:
    seed = next(s for s in range(9) if (random.Random(s).random() < 0.5) == quoted)
    text = prompts.fill_template("<Caption_Placeholder>", "hop", "", 0, random.Random(seed))
    assert text == ('"hop"' if quoted else "hop")


def test_a_caption_with_a_placeholder_is_filled_too() -> None:
    """As published: later placeholders are replaced inside the caption."""
    rng = random.Random(5)
    text = prompts.fill_template("<Caption_Placeholder>", "<Frame_Placeholder>", "", 40, rng)
    assert text == "40"
