"""The phrase bank, and small networks trained on it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.errors import FormatError
from backend.text.prompts.cores import core_of
from backend.training.words import bank, train


class Letters:
    """An encoder that only counts pairs of letters."""

    def encode(self, texts: list[str]) -> SimpleNamespace:
        rows = torch.zeros(len(texts), 64)
        for row, text in zip(rows, texts, strict=True):
            for a, b in pairwise(text):
                row[(ord(a) * 7 + ord(b) * 31) % 64] += 1
        return SimpleNamespace(sentence=torch.nn.functional.normalize(rows + 1e-3, dim=-1))


def test_patterns_expand() -> None:
    assert bank.expand("(sit|get) down (again|)") == [
        "sit down again",
        "sit down",
        "get down again",
        "get down",
    ]
    kinds = {p.text: p.kind for p in bank.phrases_of(["wave", "n: a wave", "s: somebody greeting"])}
    assert kinds == {"wave": "verb", "a wave": "noun", "somebody greeting": "state"}
    assert len(bank.phrases_of(["(a|b|c|d|e) (a|b|c|d|e) (a|b|c|d|e)"])) == bank.MOST


def test_the_bank_is_broad_and_its_labels_do_not_share_wordings_with_others() -> None:
    labels = bank.read_bank(bank.PHRASES, "labels")
    others = bank.read_bank(bank.OTHERS, "fields")
    assert len(labels) >= 130 and min(map(len, labels.values())) >= 10
    assert sum(map(len, others.values())) > 5000
    own = {p.text for phrases in labels.values() for p in phrases}
    strange = {p.text for phrases in others.values() for p in phrases}
    assert len(own & strange) <= 0.01 * len(strange), sorted(own & strange)


def test_phrases_are_said_in_several_forms() -> None:
    rng = np.random.default_rng(0)
    said = {bank.sentences(bank.Phrase("sit down", "verb"), rng) for _ in range(200)}
    assert {"sit down", "sitting down", "a person sits down", "he is sitting down"} <= said
    assert {core_of(text).text for text in said} == {"sit down"}


def test_a_bank_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "phrases.json"
    path.write_text('{"labels": {"wave": 3}}')
    with pytest.raises(FormatError, match="phrase bank"):
        bank.read_bank(path, "labels")


def test_small_networks_learn_a_bank(tmp_path: Path) -> None:
    labels, others = tmp_path / "labels.json", tmp_path / "others.json"
    labels.write_text(
        json.dumps(
            {"labels": {"walk": ["(walk|stroll) (along|on|)"], "bow": ["(bow|bend) (low|)"]}}
        )
    )
    others.write_text(json.dumps({"fields": {"sport": ["(ski|surf|juggle) (now|well|)"]}}))
    data = train.examples({"walk": ["a person walks home"]}, phrases=labels, others=others)
    assert data.labels == ("bow", "walk") and "walk home" in data.texts
    np.testing.assert_allclose(data.targets.sum(axis=1), 1)
    config = train.WordsConfig(networks=2, hidden=16, steps=150, batch=32, noise=0.0, drop=0.0)
    vectors = train.encode(data.texts, Letters())
    weights = train.fit(vectors, torch.from_numpy(data.targets), config)
    words = train.ActionWords(weights, data.labels, frozenset(data.labels))
    right = words.probabilities(vectors).argmax(dim=1).numpy() == data.targets.argmax(axis=1)
    assert right.mean() > 0.95
    again = train.fit(vectors, torch.from_numpy(data.targets), config)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_words_of_phrases_are_counted() -> None:
    counts = train.word_counts(["walk on", "Walk home, now"])
    assert counts == {"walk": 2, "on": 1, "home": 1, "now": 1}
