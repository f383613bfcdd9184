"""Metrics of sentences, against values found on paper."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.errors import InvalidRequest
from backend.evaluation import text_metrics
from backend.evaluation.text_metrics import BertScore, bleu, cider, rouge_l, words_of


def test_words() -> None:
    assert words_of("The man's left-hand, waves!") == ["the", "man's", "left", "hand", "waves"]


def test_bleu() -> None:
    # the example of Papineni et al.: seven times "the" has two hits at most
    made = bleu(["the the the the the the the"], [["The cat is on the mat.", "a cat on a mat"]])
    assert made[0] == pytest.approx(2 / 7) and made[1:] == [0.0, 0.0, 0.0]
    assert bleu(["a b c d e"], [["a b c d e"]]) == pytest.approx([1.0] * 4)
    # 3 of 4 words, 2 of 3 pairs; two words shorter than the closest reference
    made = bleu(["a b c x"], [["a b c d e f"]])
    penalty = math.exp(1 - 6 / 4)
    assert made[0] == pytest.approx(penalty * 3 / 4)
    assert made[1] == pytest.approx(penalty * math.sqrt(3 / 4 * 2 / 3))
    # a corpus adds up counts, it is no mean of sentences
    two = bleu(["a b", "x y z w"], [["a b"], ["x q q q"]])
    assert two[0] == pytest.approx(3 / 6)
    assert bleu([""], [["a"]]) == [0.0] * 4


def test_rouge() -> None:
    # longest common subsequence: a c d
    precision, recall = 3 / 4, 3 / 5
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert rouge_l(["a x c d"], [["a b c d e"]]) == pytest.approx(expected)
    assert rouge_l(["a b"], [["z", "a b"]]) == pytest.approx(1.0)
    assert rouge_l(["", "a"], [["a"], ["a"]]) == pytest.approx(0.5)


def test_cider() -> None:
    texts = ["a man walks forward slowly", "she jumps over there twice"]
    same = cider(texts, [[t] for t in texts])
    assert same == pytest.approx(10.0)
    # what all motions' references hold weighs nothing
    assert cider(["a", "a"], [["a"], ["a"]]) == 0.0
    # one of two words, each of one reference of two: 1-grams only, same length
    made = cider(["p q", "r s"], [["p z"], ["r s"]])
    first = 10.0 / 4 * (1 / math.sqrt(2) / math.sqrt(2))
    assert made == pytest.approx((first + 10.0 / 4 * 2) / 2)
    # words beyond the reference's count for a gap in length
    made = cider(["p p", "r"], [["p"], ["r"]])
    gap = math.exp(-1 / (2 * 36))
    assert made == pytest.approx(10.0 / 4 * (0.5 * gap + 1.0) / 2)
    with pytest.raises(InvalidRequest, match="reference"):
        cider(["a"], [[]])


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path / "bert"
    folder.mkdir()
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "a",
        "person",
        "walks",
        "jumps",
        "forward",
    ]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(words), intermediate_size=32, **size)).save_pretrained(
        folder
    )
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_bert_score_matches_words(encoder: Path) -> None:
    score = BertScore(encoder)
    assert score(["a person walks"], [["a person walks"]]) == pytest.approx(1.0)
    a, b = score._states("a person walks"), score._states("a person jumps forward")
    assert a.shape == (3, 16) and b.shape == (4, 16)
    cosines = np.array([[x @ y for y in b] for x in a])
    p, r = cosines.max(1).mean(), cosines.max(0).mean()
    assert score(["a person walks"], [["a person jumps forward"]]) == pytest.approx(
        2 * p * r / (p + r)
    )
    assert score(["", "a"], [["a"], ["a"]]) == pytest.approx(0.5)


def test_from_the_command_line(
    encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("made", "captions"):
        (tmp_path / name).mkdir()
    known = {
        "a": ["a person walks forward#x/X#0.0#0.0", "someone walks ahead#x/X#0.0#0.0"],
        "b": ["a person jumps#x/X#0.0#0.0", "he jumps up high#x/X#0.0#0.0"],
        "c": ["a person sits down#x/X#0.0#0.0"],
    }
    for name, lines in known.items():
        (tmp_path / "captions" / f"{name}.txt").write_text("\n".join(lines))
    (tmp_path / "made" / "a.txt").write_text("a person walks forward\n")
    (tmp_path / "made" / "b.txt").write_text("a person walks\n")
    command = ["evaluate", "--evaluator", "m2t", "--pred", str(tmp_path / "made")]
    command += ["--captions", str(tmp_path / "captions"), "--weights", str(encoder)]
    assert main([*command, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert report["missing_predictions"] == ["c"] and report["n"] == 2
    texts = ["a person walks forward", "a person walks"]
    references = [
        ["a person walks forward", "someone walks ahead"],
        ["a person jumps", "he jumps up high"],
    ]
    row = report["table"]["predictions"]
    assert row["BLEU-1"]["mean"] == pytest.approx(text_metrics.bleu(texts, references)[0])
    assert row["CIDEr"]["mean"] == pytest.approx(text_metrics.cider(texts, references))
    assert row["BERTScore"]["mean"] > report["table"]["shuffled captions"]["BERTScore"]["mean"] - 1
    assert "one caption against the others" in capsys.readouterr().out
    assert main([*command[:5], "--captions", str(tmp_path / "none")]) == 2
    assert main([*command[:-1], str(tmp_path / "none")]) == 1
