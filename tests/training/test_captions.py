"""The caption grammar: complete sentences, fitting sides, deterministic draws."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import FormatError, InvalidRequest
from backend.training.data.caption_words import load_captions, swap_words
from backend.training.data.captions import PARAPHRASES_PATH, CaptionGrammar, Mix

REPO = Path(__file__).resolve().parents[2]
SWAP = {"left": "right", "right": "left", "leftward": "rightward", "rightward": "leftward"}


def phrase(bare: str, third: str, ger: str) -> dict[str, str]:
    return {"bare": bare, "third": third, "ger": ger}


@pytest.fixture
def small() -> dict[str, Any]:
    """A grammar of one's own: two sided contents, one that takes pace words, two styles."""
    return {
        "contents": {
            "hop": {
                "mirror": "hop",
                "takes_pace_words": True,
                "phrases": [phrase("hop", "hops", "hopping")],
            },
            "point-left": {
                "mirror": "point-right",
                "phrases": [phrase("point left", "points left", "pointing left")],
            },
            "point-right": {
                "mirror": "point-left",
                "phrases": [phrase("point right", "points right", "pointing right")],
            },
        },
        "styles": {
            "normal": {"adjectives": [], "subjects": [], "adverbs": ["plainly"], "clauses": []},
            "limping": {
                "adjectives": ["injured"],
                "subjects": ["an injured man"],
                "adverbs": ["painfully"],
                "clauses": ["with a bad left leg"],
            },
        },
        "neutral_subjects": ["a person"],
        "templates": [
            {"t": "{subj} {third}.", "w": 1, "needs": "none_or_subj"},
            {"t": "{subj} {third} {clause}.", "w": 1, "needs": "clause"},
            {"t": "{subj} {third} {adv}.", "w": 1, "needs": "adv"},
            {"t": "a {adj} person {third}.", "w": 1, "needs": "adj"},
        ],
        "pace_words": {"slow": ["slowly"], "fast": ["quickly"], "mid": []},
        "swap": SWAP,
    }


@pytest.fixture(scope="module")
def starter() -> CaptionGrammar:
    """The grammar of the starter data with the paraphrases that come with Kinetype."""
    data = os.environ.get("KINETYPE_STARTER_DATA", REPO.parent / "shared" / "data" / "starter")
    path = Path(data) / "captions.json"
    if not path.is_file():
        pytest.skip("starter captions not present (set KINETYPE_STARTER_DATA)")
    return CaptionGrammar.from_files(path)


def test_every_content_and_style_gives_complete_sentences(starter: CaptionGrammar) -> None:
    rng = np.random.default_rng(0)
    contents, styles = starter.labels()
    for content in contents:
        for style in styles:
            for caption in starter.pool(content, style, 6, rng, pace="slow"):
                assert caption == caption.strip()
                assert not re.search(r"[{}^]|  |\ba (?!one)[aeio]|\ban [^aeiouhL]", caption), (
                    caption
                )


def test_paraphrases_cover_every_content_and_style(starter: CaptionGrammar) -> None:
    extra = load_captions(PARAPHRASES_PATH)
    contents, styles = starter.labels()
    assert set(extra["contents"]) == set(contents)
    assert set(extra["styles"]) == set(styles)
    for content in contents:
        assert len(starter.all_phrases(content)) >= 30, content


def test_no_wording_names_the_wrong_side(starter: CaptionGrammar) -> None:
    extra = load_captions(PARAPHRASES_PATH)["contents"]
    for content, entry in extra.items():
        if "source" in entry:
            assert starter.mirror_of(content) == entry["source"]
            own = {p["bare"] for p in starter.all_phrases(content)}
            other = {swap_words(p["bare"], SWAP) for p in starter.all_phrases(entry["source"])}
            assert own == other
        # "from the lower left to the upper right" names both sides on purpose.
        if content.startswith(("slash", "call")) or not starter.is_sided(content):
            continue
        side = "left" if content.endswith("left") or "-left-" in content else "right"
        for item in starter.all_phrases(content):
            assert not re.search(rf"\b{SWAP[side]}", item["bare"]), (content, item)


def test_unsided_wordings_are_a_minority_of_sided_contents(starter: CaptionGrammar) -> None:
    rng = np.random.default_rng(1)
    texts = [starter.sample("raise-up-left-hand", "happy", rng) for _ in range(1000)]
    share = sum("left" not in text.lower() for text in texts) / len(texts)
    assert 0.10 < share < 0.20


def test_normal_captions_usually_carry_no_style_words(starter: CaptionGrammar) -> None:
    words = load_captions(PARAPHRASES_PATH)["styles"]["normal"]
    listed = re.compile(
        "|".join(map(re.escape, words["adverbs"] + words["clauses"] + words["adjectives"]))
        + "|casually|naturally|calmly|normally|neutral|ordinary|emotion|relaxed|usual|plainly"
    )
    rng = np.random.default_rng(2)
    texts = [starter.sample("bow", "normal", rng) for _ in range(600)]
    assert 0.1 < sum(bool(listed.search(t.lower())) for t in texts) / len(texts) < 0.3


def test_subjects_fit_the_style_and_the_possessive_fits_the_subject(
    starter: CaptionGrammar,
) -> None:
    rng = np.random.default_rng(3)
    for _ in range(400):
        text = starter.sample("wave-left-hand", "feminine", rng).lower()
        assert not re.match(r"(he|a man|a guy|a boy) ", text) or "like" in text or "man in" in text
        assert not re.match(r"(she|a woman|a girl|a lady) .*\bhis\b", text), text


def test_same_seed_gives_the_same_captions(small: dict[str, Any]) -> None:
    grammar = CaptionGrammar(small)
    draws = [
        [grammar.sample("hop", "limping", rng, pace="fast") for _ in range(20)]
        for rng in (np.random.default_rng(7), np.random.default_rng(7), np.random.default_rng(8))
    ]
    assert draws[0] == draws[1] != draws[2]


def test_pool_is_unique_and_stops_when_the_grammar_is_exhausted(small: dict[str, Any]) -> None:
    grammar = CaptionGrammar(small)
    pool = grammar.pool("hop", "limping", 50, np.random.default_rng(0))
    assert sorted(pool) == [
        "a person hops painfully.",
        "a person hops with a bad left leg.",
        "an injured person hops.",
    ]


def test_mirrored_clip_exchanges_the_sides_of_style_words(small: dict[str, Any]) -> None:
    grammar = CaptionGrammar(small)
    texts = {
        grammar.sample("point-right", "limping", np.random.default_rng(seed), mirrored=True)
        for seed in range(40)
    }
    assert "a person points right with a bad right leg." in texts
    assert not any("left" in text for text in texts)


def test_derived_content_takes_swapped_sided_and_unchanged_unsided_phrases(
    small: dict[str, Any],
) -> None:
    extra = {
        "contents": {
            "point-left": {
                "phrases": [phrase("aim left", "aims left", "aiming left")],
                "unsided": [phrase("aim", "aims", "aiming")],
            },
            "point-right": {"derived_by_swap": True, "source": "point-left"},
        },
        "templates": [{"t": "{subj} {third}", "w": 1, "needs": "none_or_subj"}],
    }
    grammar = CaptionGrammar(small, extra, Mix(paraphrase=1.0, unsided=0.0))
    bare = [p["bare"] for p in grammar.all_phrases("point-right")]
    assert bare == ["point right", "aim right", "aim"]
    rng = np.random.default_rng(0)
    texts = {grammar.sample("point-right", "normal", rng).lower() for _ in range(20)}
    assert texts == {"a person aims right"}


def test_templates_of_the_paraphrases_also_serve_contents_they_do_not_know(
    small: dict[str, Any],
) -> None:
    extra = {"templates": [{"t": "please {bare}", "w": 1, "needs": "none_or_subj"}]}
    grammar = CaptionGrammar(small, extra, Mix(paraphrase=1.0, capital=0.0))
    assert grammar.sample("hop", "normal", np.random.default_rng(0)) == "please hop"


def test_pace_words_only_where_the_content_takes_them(small: dict[str, Any]) -> None:
    grammar = CaptionGrammar(small, mix=Mix(pace_when_neutral=1.0))
    rng = np.random.default_rng(0)
    hops = {grammar.sample("hop", "normal", rng, pace="slow") for _ in range(20)}
    points = {grammar.sample("point-left", "normal", rng, pace="slow") for _ in range(20)}
    assert hops == {"a person hops slowly."}
    assert not any("slowly" in text for text in points)


@pytest.mark.parametrize(
    ("content", "style", "pace"),
    [("fly", "normal", None), ("hop", "blue", None), ("hop", "normal", "x")],
)
def test_unknown_labels_are_refused(
    small: dict[str, Any], content: str, style: str, pace: str | None
) -> None:
    with pytest.raises(InvalidRequest):
        CaptionGrammar(small).sample(content, style, np.random.default_rng(0), pace=pace)


def test_broken_grammars_are_refused(small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="placeholder"):
        bad = {**small, "templates": [{"t": "{who} hops", "needs": "adv"}]}
        CaptionGrammar(bad)
    with pytest.raises(FormatError, match="no phrases"):
        CaptionGrammar({**small, "contents": {"hop": {"phrases": []}}})
    with pytest.raises(FormatError, match="lacks"):
        CaptionGrammar({**small, "contents": {"hop": {"phrases": [{"bare": "hop"}]}}})
    with pytest.raises(FormatError, match="styles"):
        CaptionGrammar({key: value for key, value in small.items() if key != "styles"})
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(FormatError, match=r"broken\.json"):
        load_captions(tmp_path / "broken.json")


def test_swap_exchanges_whole_words_both_ways() -> None:
    text = "left-handed cut from the lower left to the right, rightwards, bright"
    assert swap_words(text, SWAP) == (
        "right-handed cut from the lower right to the left, leftwards, bright"
    )
    assert swap_words(swap_words(text, SWAP), SWAP) == text
