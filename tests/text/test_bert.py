"""Our BERT against the library that published it: token ids, states with padding, damaged files."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, DistilBertConfig, DistilBertModel

from backend.errors import ArtifactError, MissingDependency
from backend.text import minilm
from backend.text.bert import load_encoder
from backend.text.minilm import MAX_TOKENS, MiniLMEncoder
from backend.text.wordpiece import WordPiece, cut

REPO = Path(__file__).resolve().parents[2]
ODD_TEXTS = [
    "", " ", "walk", "A Person WALKS", "café naïve Ångström", "e\u0301cole", "你好 world",
    "İstanbul", "straße STRASSE", "\ufb01ne", "a\u00adb", "x\u200by", "tab\tnl\nend",
    "[CLS] [SEP] [MASK] [PAD] [UNK]", "[cls]", "##ing", "don't -- stop!!", "a" * 100, "a" * 101,
    "word " * 300, "😀 👨\u200d👩", "\x00\ufffd\x01", "1,234.5%", "\u1e9e", "ΣΣ σς", "가나다",
    "ก\u0e33", "السلام", "½ ² ™", "\u2028x\u2029", "\u3000full\uff21\uff22", "_under_score_",
    "a\u0301\u0302\u0303", "\u01c5", "\ud7ff\ue000", "left-hand\u2014wave", "\u00a0nbsp\u202f",
]  # fmt: skip


def strange_texts(count: int) -> list[str]:
    """Made-up texts of letters of every plane, sentences, and marks of the tokenizer."""
    rng = random.Random(0)
    words = ["walk", "Runs", "the", "PERSON", "jumps,", "left-hand", "[MASK]", "somersault", "é"]
    found = list(ODD_TEXTS)
    for number in range(count):
        last = (126, 0x2FFF, 0x10FFFF)[number % 3]
        codes = [rng.randint(1, last) for _ in range(rng.randint(1, 40))]
        found.append("".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000))
        found.append(" ".join(rng.choices(words, k=rng.choice((1, 5, 20, 300)))))
    return found


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return minilm.find_folder(local_files_only=True)
    except MissingDependency as error:
        pytest.skip(str(error))


def test_token_ids_are_those_of_the_library(folder: Path) -> None:
    theirs, ours = AutoTokenizer.from_pretrained(folder), WordPiece.load(folder)
    texts = strange_texts(900)
    whole = theirs(texts, truncation=False, verbose=False)["input_ids"]
    assert ours.encode(texts) == whole
    shortened = theirs(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    assert [cut(ids, MAX_TOKENS) for ids in whole] == shortened
    assert any(len(ids) > MAX_TOKENS for ids in whole)


def test_states_and_sentences_are_those_of_the_library(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    encoder = MiniLMEncoder.load(local_files_only=True)
    for text in [*ODD_TEXTS, *strange_texts(900)[len(ODD_TEXTS) :: 60]]:
        inputs = tokenizer([text], truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.no_grad():
            states = network(**inputs).last_hidden_state[0]
        found = encoder.encode([text])
        torch.testing.assert_close(found.tokens[0], states, atol=2e-6, rtol=0)
        mean = torch.nn.functional.normalize(states.mean(0), dim=0)
        torch.testing.assert_close(found.sentence[0], mean, atol=2e-7, rtol=0)


def test_distilbert_with_padding(tmp_path: Path) -> None:
    torch.manual_seed(2)
    sizes = {"n_layers": 2, "n_heads": 4, "dim": 32, "hidden_dim": 48, "vocab_size": 50}
    network = DistilBertModel(DistilBertConfig(**sizes, max_position_embeddings=40)).eval()
    network.save_pretrained(tmp_path)
    ours = load_encoder(tmp_path)
    ids = torch.randint(0, 50, (3, 12), generator=torch.Generator().manual_seed(1))
    real = torch.arange(12) < torch.tensor([12, 7, 1])[:, None]
    with torch.no_grad():
        theirs = network(input_ids=ids, attention_mask=real.long()).last_hidden_state
        found = ours(ids, real)
        alone = ours(ids[1:2, :7])
    torch.testing.assert_close(found[real], theirs[real], atol=1e-6, rtol=0)
    torch.testing.assert_close(found[1, :7], alone[0], atol=1e-6, rtol=0)


def test_the_library_is_not_imported(folder: Path) -> None:
    code = (
        "import sys; from backend.text.minilm import MiniLMEncoder as E;"
        "E.load(local_files_only=True).encode(['walk']);"
        "print(sorted({'transformers', 'scipy', 'huggingface_hub'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


# ---------------------------------------------------------------- damaged files


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"model": {}}',
        '{"model": {"vocab": []}}',
        '{"model": {"vocab": {"[PAD]": 0}}}',
        '{"model": {"vocab": {"[PAD]": 0, "[UNK]": -1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}}}',
        '{"model": {"vocab": {"[PAD]": 0, "[UNK]": 1.5, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}}}',
        '{"model": ' + '{"a":' * 100_000,
    ],
)
def test_a_damaged_vocabulary_is_refused(tmp_path: Path, text: str) -> None:
    """Never by the Rust library, which panics on some of them."""
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        WordPiece.load(tmp_path)


def test_another_vocabulary_is_not_minilms(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words that changed places would give other embeddings without a word."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    values = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    words = values["model"]["vocab"]
    words["walk"], words["run"] = words["run"], words["walk"]
    (copy / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    monkeypatch.setattr(minilm, "find_folder", lambda **_: copy)
    with pytest.raises(ArtifactError, match="vocabulary"):
        MiniLMEncoder.load(local_files_only=True)


def test_a_vocabulary_of_plain_lines(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "vocab.txt", tmp_path)
    assert WordPiece.load(tmp_path).vocabulary == WordPiece.load(folder).vocabulary


@pytest.mark.parametrize("activation", ["relu", 3])
def test_another_activation_is_refused(tmp_path: Path, activation: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"activation": activation}))
    with pytest.raises(ArtifactError, match="activation"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("heads", [0, 7, "many", None, 2.0, 10**400])
def test_impossible_heads_are_refused(tmp_path: Path, heads: object) -> None:
    network = DistilBertModel(
        DistilBertConfig(n_layers=1, n_heads=2, dim=16, hidden_dim=16, vocab_size=9)
    )
    network.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"n_heads": heads}))
    with pytest.raises(ArtifactError, match="holds no encoder"):
        load_encoder(tmp_path)


def test_tensors_that_do_not_belong_are_named(tmp_path: Path) -> None:
    network = DistilBertModel(
        DistilBertConfig(n_layers=1, n_heads=2, dim=16, hidden_dim=16, vocab_size=9)
    )
    network.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    save_file({**load_file(path), "adapter.weight": torch.zeros(2)}, path)
    with pytest.raises(ArtifactError, match=r"unexpected adapter\.weight"):
        load_encoder(tmp_path)
