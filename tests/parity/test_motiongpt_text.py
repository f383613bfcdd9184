"""MotionGPT's prompts, tokenizer and parser against golden data (exact)."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from backend.text import motion_prompts as prompts
from backend.text.motion_tokens import MotionTextTokenizer

GOLDEN = Path(__file__).parent / "golden" / "motiongpt"


def read(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def cases(name: str, *kinds: str) -> list[Any]:
    chosen = [c for c in read(name) if c["task"].startswith(kinds)]
    assert chosen
    return [pytest.param(c, id=f"{c['task']}-{c['python_seed']}") for c in chosen]


@pytest.fixture(scope="module")
def tokenizer() -> MotionTextTokenizer:
    return MotionTextTokenizer.load(GOLDEN / "artifact/deps/flan-t5-base/tokenizer.json")


def test_template_texts() -> None:
    golden = read("templates.json")
    assert {
        "t2m": golden["text_to_motion_no_length"],
        "t2m_with_len": golden["text_to_motion_with_frames"],
        "m2t": golden["motion_to_text"],
        "m2t_with_len": golden["motion_to_text_with_frames"],
        "pred": golden["motion_prediction"],
        "inbetween": golden["motion_inbetween"],
    } == prompts.TEMPLATES


@pytest.mark.parametrize("case", cases("prompts_golden.json", "t2m", "m2t"))
def test_filled_templates(case: dict[str, Any]) -> None:
    rng = random.Random(case["python_seed"])
    lengths = case["lengths"]
    ids = case["motion_tokens"] or [()] * len(lengths)
    motions = [prompts.motion_string(i, n) for i, n in zip(ids, lengths, strict=True)]
    pairs = [(case["template"], [""])] * len(lengths)
    inputs, outputs = prompts.fill_pairs(pairs, case["texts"], motions, lengths, rng)
    assert (inputs, outputs) == (case["inputs"], case["outputs"])
    assert rng.random() == case["next_random"]


@pytest.mark.parametrize("case", cases("prompts_golden.json", "conditional:"))
def test_prompts_of_a_task(case: dict[str, Any]) -> None:
    rng = random.Random(case["python_seed"])
    task = case["task"].removeprefix("conditional:").split("_lengths")[0]
    made = prompts.conditional_prompts(
        task, rng, captions=case["texts"], motions=case["motion_tokens"], lengths=case["lengths"]
    )
    assert made == case["inputs"]
    assert rng.random() == case["next_random"]


@pytest.mark.parametrize("case", cases("prompts_golden.json", "placeholder"))
def test_placeholders(case: dict[str, Any]) -> None:
    template = (
        "s1=<Motion_Placeholder_s1>|s2=<Motion_Placeholder_s2>|mask=<Motion_Placeholder_Masked>"
        "|f=<Frame_Placeholder>|t=<Second_Placeholder>|c=<Caption_Placeholder>"
    )
    rng = random.Random(case["python_seed"])
    made = prompts.fill_template(template, case["text"], case["motion_string"], case["length"], rng)
    assert made == case["result"]


def test_parsed_motions() -> None:
    golden = read("parse_golden.json")
    assert len(golden) == 19
    for case in golden:
        if case["error"]:
            assert case["error"] == "ValueError"
            with pytest.raises(ValueError, match="invalid literal"):
                prompts.parse_motion(case["text"])
        else:
            parsed = prompts.parse_motion(case["text"])
            assert list(parsed.ids) == case["tokens"], case["text"]
            assert parsed.text == case["cleaned"], case["text"]


def test_token_numbers(tokenizer: MotionTextTokenizer) -> None:
    golden = read("tokenizer_golden.json")
    assert tokenizer.text_tokens == golden["n_base"] == golden["motion_id_0"]
    assert len(tokenizer) == golden["n_total"] == golden["model_rows"]


def test_ids_of_texts(tokenizer: MotionTextTokenizer) -> None:
    golden = read("tokenizer_golden.json")
    encoded = tokenizer.encode([case["text"] for case in golden["cases"]])
    assert not any(encoded.truncated)
    for row, mask, case in zip(encoded.ids, encoded.mask, golden["cases"], strict=True):
        assert row[mask].tolist() == case["ids"], case["text"]
        assert int(mask.sum()) == case["n_attended"]
        assert not row[~mask].any()


def test_truncation(tokenizer: MotionTextTokenizer) -> None:
    case = read("tokenizer_golden.json")["truncation_case"]
    encoded = tokenizer.encode([case["text"]])
    assert encoded.truncated == (True,)
    assert encoded.ids[0].tolist() == case["ids"]


def test_texts_of_ids(tokenizer: MotionTextTokenizer) -> None:
    for case in read("tokenizer_golden.json")["decode"]:
        assert tokenizer.decode(case["ids"], clean_up=False) == case["text"]
        assert tokenizer.decode(case["ids"]) == case["text_with_cleanup"]


def test_a_saved_tokenizer_is_the_same(tokenizer: MotionTextTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    again = MotionTextTokenizer.load(tmp_path / "tokenizer.json")
    texts = [case["text"] for case in read("tokenizer_golden.json")["cases"]]
    assert len(again) == len(tokenizer)
    assert again.encode(texts).ids.equal(tokenizer.encode(texts).ids)
