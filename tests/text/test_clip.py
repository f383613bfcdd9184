"""The CLIP text encoder: files, names, tokens, cache."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import ArtifactError, ModelAbsent
from backend.text.clip import ClipTextEncoder, tower_from
from backend.text.clip_tokens import ClipTokens
from backend.text.clip_tower import openai_names
from tests.clip_files import MERGES, tiny_tower, vocabulary, write_clip, write_hub_clip
from tests.hub_server import run_hub_client, serve_hub

CAPTIONS = ["a person walks forward", "", "walk"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip")


def test_encode_is_the_tower_on_the_tokens(folder: Path) -> None:
    encoder = ClipTextEncoder.load(folder, local_files_only=True)
    with torch.no_grad():
        expected = tiny_tower()(encoder.token_ids(CAPTIONS))
    embedded = encoder.encode(CAPTIONS)
    assert embedded.shape == (3, 512) and embedded.dtype == torch.float32
    assert (embedded - expected).abs().max() < 1e-5
    assert torch.equal(encoder.encode(CAPTIONS), embedded)  # from the cache
    assert encoder.encode([]).shape == (0, 512)


def test_tokens_have_marks_zero_padding_and_are_cut(folder: Path) -> None:
    tokens = ClipTokens.load(folder)
    ids, cut = tokens.encode(["Walk  a", "x" * 60], 22, 77)
    known = vocabulary()
    assert ids.shape == (2, 77)
    assert ids[0, :4].tolist() == [tokens.start, known["walk</w>"], known["a</w>"], tokens.end]
    assert not ids[0, 4:].any() and not ids[1, 22:].any()
    assert ids[1, 21] == tokens.end and ids[1, 20] == known["x"]
    assert cut == [False, True]


def test_context_limits_what_is_read(folder: Path) -> None:
    encoder = ClipTextEncoder.load(folder)
    long = "w" * 30
    assert encoder.truncated([long], 22) == [True] and encoder.truncated([long]) == [False]
    assert not torch.equal(encoder.encode([long], context=22), encoder.encode([long]))
    assert torch.equal(encoder.encode([long], context=22), encoder.encode([long + "w"], context=22))
    with pytest.raises(ValueError, match="78"):
        encoder.encode(["a"], context=78)


def test_save_and_load_give_the_same(folder: Path, tmp_path: Path) -> None:
    encoder = ClipTextEncoder.load(folder)
    names = encoder.save(tmp_path / "copy")
    assert sorted(names) == ["clip.safetensors", "merges.txt", "vocab.json"]
    again = ClipTextEncoder.load(tmp_path / "copy")
    assert torch.equal(again.encode(CAPTIONS), encoder.encode(CAPTIONS))


def _hugging_face_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights under the names of CLIPModel, written out independently."""
    new = {
        "text_model.embeddings.token_embedding.weight": weights["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": weights["positional_embedding"],
        "text_model.final_layer_norm.weight": weights["ln_final.weight"],
        "text_model.final_layer_norm.bias": weights["ln_final.bias"],
        "text_projection.weight": weights["text_projection"].t().contiguous(),
        "vision_model.post_layernorm.bias": torch.zeros(3),
        "logit_scale": torch.tensor(1.0),
    }
    for layer in range(2):
        old, name = f"transformer.resblocks.{layer}", f"text_model.encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            for part, rows in zip(
                "qkv", weights[f"{old}.attn.in_proj_{kind}"].chunk(3), strict=True
            ):
                new[f"{name}.self_attn.{part}_proj.{kind}"] = rows.clone()
            new[f"{name}.self_attn.out_proj.{kind}"] = weights[f"{old}.attn.out_proj.{kind}"]
            new[f"{name}.layer_norm1.{kind}"] = weights[f"{old}.ln_1.{kind}"]
            new[f"{name}.layer_norm2.{kind}"] = weights[f"{old}.ln_2.{kind}"]
            new[f"{name}.mlp.fc1.{kind}"] = weights[f"{old}.mlp.c_fc.{kind}"]
            new[f"{name}.mlp.fc2.{kind}"] = weights[f"{old}.mlp.c_proj.{kind}"]
    return new


@pytest.mark.parametrize("style", ["prefixed", "bare", "openai", "openai in a model"])
def test_every_name_style_is_the_same_encoder(style: str) -> None:
    weights = dict(tiny_tower().state_dict())
    named = {
        "prefixed": _hugging_face_names(weights),
        "bare": {k.removeprefix("text_model."): v for k, v in _hugging_face_names(weights).items()},
        "openai": {**weights, "visual.proj": torch.zeros(2, 2), "context_length": torch.tensor(77)},
        "openai in a model": {f"clip_model.{k}": v for k, v in weights.items()},
    }[style]
    found = openai_names(named)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_the_transformers_model_gives_the_same(tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    torch.manual_seed(3)
    config = CLIPTextConfig(
        vocab_size=len(vocabulary()), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, projection_dim=24, eos_token_id=len(vocabulary()) - 1,
    )  # fmt: skip
    model = CLIPTextModelWithProjection(config).eval()
    model.save_pretrained(tmp_path)
    write_clip(tmp_path / "vocabulary")
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / "vocabulary" / name).rename(tmp_path / name)
    encoder = ClipTextEncoder.load(tmp_path, local_files_only=True)
    with torch.no_grad():
        expected = model(input_ids=encoder.token_ids(CAPTIONS)).text_embeds
    assert (encoder.encode(CAPTIONS) - expected).abs().max() < 1e-5
    encoder.save(tmp_path / "copy")  # four heads of 8 are not OpenAI's rule; the file says so
    again = ClipTextEncoder.load(tmp_path / "copy")
    assert torch.equal(again.encode(CAPTIONS), encoder.encode(CAPTIONS))


def test_the_vocabulary_file_of_openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["version", *(" ".join(pair) for pair in MERGES), "not used"]
    path = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    monkeypatch.setattr("backend.text.clip_tokens._OPENAI_MERGES", len(MERGES))
    write_clip(tmp_path / "other")
    text = "A person's walk, 12 m &amp; back"
    assert ClipTokens.load(tmp_path).words(text) == ClipTokens.load(tmp_path / "other").words(text)


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("a person\u2019s walk", "a person's walk"),
        ("a \u201cquick\u201d walk", 'a "quick" walk'),
        ("\uff57\uff41\uff4c\uff4b", "walk"),
        ("\ufb01ve", "five"),
    ],
)
def test_typographic_forms_read_like_plain_ones(folder: Path, typed: str, plain: str) -> None:
    tokens = ClipTokens.load(folder)
    assert tokens.words(typed) == tokens.words(plain)


# ---------------------------------------------------------------- bad files


def test_missing_encoder_offline_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelAbsent, match="not in the download cache") as caught:
        ClipTextEncoder.load(tmp_path, name="nobody/nothing", local_files_only=True)
    assert "--clip" in caught.value.hint and "nobody/nothing" in caught.value.message


def test_a_model_that_came_without_vocabulary_is_told_which_files_to_add(folder: Path) -> None:
    (folder / "vocab.json").unlink()
    with pytest.raises(ModelAbsent, match="vocabulary") as caught:
        ClipTextEncoder.load(folder, name="nobody/nothing", local_files_only=True)
    assert "tokenizer.json" in caught.value.hint and str(folder) in caught.value.hint


def test_missing_vocabulary_is_named(folder: Path) -> None:
    (folder / "vocab.json").unlink()
    with pytest.raises(ModelAbsent, match="vocabulary"):
        ClipTextEncoder.load(folder, name="nobody/nothing", local_files_only=True)


def test_damaged_weights(folder: Path) -> None:
    path = folder / "clip.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="truncated"):
        ClipTextEncoder.load(folder)


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape", "nan"])
def test_wrong_weights_are_listed(change: str) -> None:
    weights = {k: v.clone() for k, v in tiny_tower().state_dict().items()}
    if change == "missing":
        del weights["ln_final.bias"]
    elif change == "unexpected":
        weights["extra.thing"] = torch.zeros(1)
    elif change == "shape":
        weights["ln_final.bias"] = torch.zeros(3)
    else:
        weights["ln_final.bias"][0] = float("nan")
    with pytest.raises(ArtifactError, match=r"extra\.thing|ln_final\.bias"):
        tower_from(weights)


def test_other_models_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "clip.safetensors")
    with pytest.raises(ArtifactError, match="no CLIP text encoder"):
        ClipTextEncoder.load(tmp_path)
    config = write_hub_clip(tmp_path / "gelu") / "config.json"
    config.write_text(json.dumps({"model_type": "clip", "text_config": {"hidden_act": "gelu"}}))
    with pytest.raises(ArtifactError, match="gelu"):
        ClipTextEncoder.load(tmp_path / "gelu")


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    folder = write_hub_clip(tmp_path / "clip")
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "ran"
    torch.save({"a": _Harmful(mark)}, folder / "pytorch_model.bin")
    with pytest.raises(ArtifactError, match="nothing in it was run"):
        ClipTextEncoder.load(folder)
    assert not mark.exists()


class _Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


# ---------------------------------------------------------------- by name


CLIENT = """
import sys
from backend.errors import KinetypeError
from backend.text.clip import ClipTextEncoder
try:
    encoder = ClipTextEncoder.load(sys.argv[1], name="openai/tiny")
    print(float(encoder.encode(["walk"]).double().sum()))
except KinetypeError as error:
    print(error)
"""


def test_found_by_name_on_the_hub_then_in_the_cache(tmp_path: Path) -> None:
    source = write_hub_clip(tmp_path / "source")
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    files["pytorch_model.bin"] = b"the same weights again, which must not be fetched"
    empty, home = tmp_path / "model", tmp_path / "home"
    empty.mkdir()
    with serve_hub({"openai/tiny": files}) as (address, hub):
        online = run_hub_client(CLIENT, home, address, str(empty))
        asked = [path for _, path in hub.requests]
        assert any("model.safetensors" in path for path in asked), online.stderr
        assert not any("pytorch_model.bin" in path for path in asked)
    expected = float(ClipTextEncoder.load(source).encode(["walk"]).double().sum())
    assert float(online.stdout) == pytest.approx(expected, abs=1e-4)
    cached = run_hub_client(CLIENT, home, address, str(empty), offline=True)
    assert cached.stdout == online.stdout, cached.stderr
    nowhere = run_hub_client(CLIENT, tmp_path / "new", address, str(empty), offline=True)
    assert "Download openai/tiny first" in nowhere.stdout
