"""Word vectors and test items against the released loader on its tiny data set."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from backend.errors import ArtifactError, FormatError
from backend.evaluation import hml3d_items, words

GOLDEN = Path(__file__).parent / "golden" / "evaluators"


def golden(name: str) -> tuple[dict[str, np.ndarray], dict]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return dict(file), json.loads((GOLDEN / f"{name}.manifest.json").read_text())


def test_word_vectors_and_tags() -> None:
    z, manifest = golden("word_vectorizer")
    vocabulary = words.Vocabulary.load(GOLDEN / "glove")
    for row, token in enumerate(manifest["tokens"]):
        vector, tag = vocabulary.look_up(token)
        assert np.array_equal(vector, z["vector"][row]), token
        assert np.array_equal(tag, z["pos_onehot"][row]), token


def test_items_are_drawn_as_released() -> None:
    z, manifest = golden("dataset_items")
    folder = GOLDEN / "dataset"
    names = (folder / "test.txt").read_text().split()
    random_letters = random.Random(manifest["seed_load"])
    items, skipped = hml3d_items.load_items(folder, names, rng=random_letters)
    assert [item.name for item in items] == manifest["names_sorted"]
    assert set(skipped) == set(names) - {name.split("_")[-1] for name in manifest["names_sorted"]}

    vocabulary = words.Vocabulary.load(GOLDEN / "glove")
    sampler = hml3d_items.ItemSampler(manifest["seed_items"])
    for row, item in enumerate(items):
        caption, start, length = sampler.draw(item)
        assert caption.text == manifest["captions"][row]
        tokens, count = words.frame_tokens(caption.tokens)
        assert "_".join(tokens) == manifest["tokens"][row]
        vectors, tags, same = vocabulary.encode(caption.tokens)
        assert count == same == z["sent_len"][row]
        assert np.abs(vectors.sum(1) - z["word_emb_sum"][row]).max() < 1e-5
        assert np.array_equal(tags.argmax(1), z["pos_index"][row])
        assert length == z["m_length"][row]
        window = (item.motion[start : start + length] - z["mean"]) / z["std"]
        assert np.abs(window - z["motion"][row, :length]).max() < 1e-6
        assert not z["motion"][row, length:].any()


def test_bad_words_and_lines_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"our_vab_data\.npy") as caught:
        words.Vocabulary.load(tmp_path)
    assert "glove.zip" in caught.value.hint
    vocabulary = words.Vocabulary.load(GOLDEN / "glove")
    with pytest.raises(FormatError, match="word/TAG"):
        vocabulary.look_up("walk")
    text = tmp_path / "a.txt"
    text.write_text("a man walks.#a/DET#0.0#0.0\nbroken line\n")
    with pytest.raises(FormatError, match="line 2"):
        hml3d_items.read_captions(text)
