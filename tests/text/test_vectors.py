"""Text vectors of large encoders: clean-up, pooling, tables, maps, and another process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaModel

from backend.cli.main import main
from backend.errors import ArtifactError, InvalidRequest, ServiceError
from backend.pipelines.kimodo import text as kimodo_text
from backend.text.vectors import llm2vec
from backend.text.vectors.linear_map import LinearMap, fit_map
from backend.text.vectors.prompts import clean_prompt
from backend.text.vectors.remote import RemoteVectors
from backend.text.vectors.source import FirstThatKnows
from backend.text.vectors.table import TableSource, TextTable

WIDTH = 8


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("  a person  walks\nforward ", "A person walks forward."),
        ("...He JUMPS! then runs", "He jumps! Then runs."),
        ("wave (left hand)", "Wave (left hand)."),
        ("turn around - ", "Turn around."),
        ("One. two? three", "One. Two? Three."),
        ("stops.then waves", "Stops. Then waves."),
        ("walk 1.5 m", "Walk 1.5 m."),
        ("", ""),
        ("?!", ""),
    ],
)
def test_prompts_are_written_as_the_model_read_them(typed: str, read: str) -> None:
    assert clean_prompt(typed) == read


# ---------------------------------------------------------------- the encoder


def words(text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
    """A tokenizer of single letters with one mark in front."""
    return {"input_ids": [1] * add_special_tokens + [3 + ord(c) % 50 for c in text]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=60,
    )
    folder = tmp_path_factory.mktemp("llama")
    LlamaModel(config).save_pretrained(folder)
    return folder


def write_adapter(folder: Path) -> dict[str, torch.Tensor]:
    folder.mkdir()
    low = {}
    for layer in range(3):
        for name, out, inner in (("self_attn.q_proj", 32, 32), ("mlp.down_proj", 32, 48)):
            stem = f"base_model.model.model.layers.{layer}.{name}"
            low[f"{stem}.lora_A.weight"] = torch.randn(4, inner) * 0.1
            low[f"{stem}.lora_B.weight"] = torch.randn(out, 4) * 0.1
    save_file(low, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}))
    return low


@torch.no_grad()
def test_adapters_are_merged_and_attention_goes_both_ways(base: Path, tmp_path: Path) -> None:
    low = write_adapter(tmp_path / "a")
    library = LlamaModel.from_pretrained(base).eval()
    ids = torch.randint(0, 60, (1, 7), generator=torch.Generator().manual_seed(1))
    causal = library(ids).last_hidden_state
    for index, layer in enumerate(library.layers):
        for name in ("self_attn.q_proj", "mlp.down_proj"):
            stem = f"base_model.model.model.layers.{index}.{name}"
            change = low[f"{stem}.lora_B.weight"] @ low[f"{stem}.lora_A.weight"]
            layer.get_submodule(name).weight += 8 / 4 * change
    wanted = library(ids, attention_mask=torch.zeros(1, 1, 7, 7)).last_hidden_state
    ours = llm2vec.two_way(llm2vec.build(base, [tmp_path / "a"], precision="float32"), ids)
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-6)
    plain = llm2vec.two_way(llm2vec.build(base, [], precision="float32"), ids)
    assert (plain[0, 0] - causal[0, 0]).abs().max() > 0.1  # the first word hears the last
    for precision, least in (("bfloat16", 0.999), ("int8", 0.999)):
        made = llm2vec.two_way(llm2vec.build(base, [tmp_path / "a"], precision=precision), ids)
        assert torch.cosine_similarity(made.float(), wanted, dim=-1).min() > least


def test_the_text_and_its_end_are_averaged_and_nothing_before(base: Path) -> None:
    ids, pooled = llm2vec.marked(" walk ", words)
    assert pooled == len("walk<|eot_id|>")
    assert ids == words(llm2vec.START + "walk" + llm2vec.END)["input_ids"]
    net = llm2vec.build(base, [], precision="float32")
    encoder = llm2vec.LLM2Vec(net, words)
    states = llm2vec.two_way(net, torch.tensor([ids]))[0]
    torch.testing.assert_close(encoder.encode(["walk"])[0], states[-pooled:].mean(0))


def test_the_memory_it_takes_is_told_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(llm2vec, "physical_memory", lambda: 8 * 10**9)
    with pytest.raises(InvalidRequest, match="17 GB of memory, this computer has 8") as caught:
        llm2vec.LLM2Vec.load(None, local_files_only=True)
    assert "text-vectors table" in caught.value.hint and "int8" in caught.value.hint


# ---------------------------------------------------------------- tables and maps


def table_of(texts: list[str], seed: int = 0) -> TextTable:
    rows = torch.randn(len(texts), WIDTH, generator=torch.Generator().manual_seed(seed))
    place = dict(zip(texts, rows, strict=True))
    return TextTable.make(texts, "test", lambda text: {"text": place[text][None]})


def test_a_table_answers_and_offers_the_nearest(tmp_path: Path) -> None:
    table = table_of(["A person walks.", "A person runs fast.", "A dog jumps."])
    table.save(tmp_path / "t.safetensors")
    again = TextTable.load(tmp_path / "t.safetensors")
    assert torch.equal(again["a  PERSON walks"]["text"], table["A person walks."]["text"])
    with pytest.raises(InvalidRequest) as caught:
        again["a person is running fast"]
    assert caught.value.hint.index("runs fast") < caught.value.hint.index("jumps")


def test_rows_of_texts_may_differ_in_number(tmp_path: Path) -> None:
    made = {"one": torch.ones(1, 4), "three": torch.full((3, 4), 3.0)}
    TextTable.make(list(made), "t", lambda t: {"tokens": made[t]}).save(tmp_path / "t")
    again = TextTable.load(tmp_path / "t")
    assert {t: again[t]["tokens"].shape[0] for t in made} == {"one": 1, "three": 3}
    assert torch.equal(again["three"]["tokens"], made["three"])


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="no table"):
        TextTable.load(path)
    save_file({"text": torch.zeros(2, 4)}, path)
    with pytest.raises(ArtifactError, match="no table"):
        TextTable.load(path)
    with pytest.raises(ArtifactError, match="holds no 'text' of 5"):
        TableSource(table_of(["a", "b"]), "text", 5)


def test_a_map_finds_a_linear_relation_and_says_how_well(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    small = torch.randn(60, 6, generator=generator)
    true = torch.randn(6, WIDTH, generator=generator)
    fitted, fit = fit_map(small, small @ true + 0.5, "small")
    assert fit.cosine > 0.999 and fit.found == 1.0
    fitted.save(tmp_path / "m")
    again = LinearMap.load(tmp_path / "m", lambda texts: small[: len(texts)])
    torch.testing.assert_close(again.encode(["a", "b"]), small[:2] @ true + 0.5, rtol=0, atol=2e-2)
    with pytest.raises(InvalidRequest, match="too few"):
        fit_map(small[:5], small[:5] @ true, "small")
    noise = torch.randn(60, WIDTH, generator=generator)
    assert fit_map(small, noise, "small")[1].cosine < 0.5


def test_the_map_answers_what_the_table_lacks() -> None:
    table = TableSource(table_of(["walk", "run"]), "text", WIDTH)
    every = LinearMap(
        torch.zeros(3, WIDTH), torch.ones(WIDTH), "x", lambda t: torch.zeros(len(t), 3)
    )
    both = FirstThatKnows([table, every])
    assert torch.equal(both.encode(["walk"]), table.encode(["walk"])) and both.name == "table"
    assert torch.equal(both.encode(["fly"]), torch.ones(1, WIDTH)) and both.name == "map"
    with pytest.raises(InvalidRequest, match="does not hold"):
        FirstThatKnows([table]).encode(["fly"])


# ---------------------------------------------------------------- commands and another process


def test_a_table_is_made_served_and_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first.safetensors"
    table_of(["A person walks.", "A person waves."]).save(first)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("# mine\na person walks\n\na person waves\n")
    out = tmp_path / "out.safetensors"
    source = f"table:{first}"
    options = ["--encoder", source, "--width", str(WIDTH)]
    assert main(["text-vectors", "table", str(prompts), "--out", str(out), *options]) == 0
    assert main(["text-vectors", "show", str(out)]) == 0
    assert "a person waves" in capsys.readouterr().out
    command = f"{sys.executable} -m backend text-vectors serve --encoder {source} --width {WIDTH}"
    remote = RemoteVectors(command)
    try:
        assert remote.width == WIDTH
        wanted = TextTable.load(first)["a person waves"]["text"]
        assert torch.equal(remote.encode(["A person waves."]), wanted)
        with pytest.raises(InvalidRequest, match="does not hold"):
            remote.encode(["a person flies"])
        assert remote.encode(["A person walks."]).shape == (1, WIDTH)
    finally:
        remote.close()


def test_a_command_that_says_nothing_is_told() -> None:
    with pytest.raises(ServiceError, match="gives no text vectors"):
        RemoteVectors("true")


def test_the_environment_names_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table_of(["walk"]).save(tmp_path / "t")
    monkeypatch.setenv(kimodo_text.VARIABLE, f"table:{tmp_path / 't'}")
    assert kimodo_text.find_source(None, WIDTH).name == "table"
    with pytest.raises(ArtifactError):
        kimodo_text.find_source(None, WIDTH + 1)
    monkeypatch.setenv(kimodo_text.VARIABLE, "magic")
    with pytest.raises(InvalidRequest, match="no source"):
        kimodo_text.find_source(None, WIDTH)
