from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backend.cli.main import main
from backend.errors import ArtifactError
from backend.training.dit.recipe import DiTRecipe
from backend.training.mdm.recipe import MdmRecipe
from backend.training.run import (
    STATE,
    append_row,
    load_state,
    resuming,
    save_torch,
    set_rate,
    share_spent,
    warm_cosine,
)


def test_minutes_go_before_steps_and_no_budget_is_overspent() -> None:
    assert share_spent(50, 30.0, steps=100, minutes=None) == 0.5
    assert share_spent(50, 30.0, steps=100, minutes=2.0) == 0.25
    assert share_spent(500, 30.0, steps=100, minutes=None) == 1.0


def test_the_rate_warms_up_and_ends_at_its_floor() -> None:
    assert warm_cosine(0, 0.0, lr=1.0, warmup=4) == 0.25
    assert warm_cosine(3, 0.0, lr=1.0, warmup=4) == 1.0
    assert warm_cosine(99, 0.5, lr=2.0, warmup=4, final=0.2) == pytest.approx(1.2)
    assert warm_cosine(99, 1.0, lr=2.0, warmup=4, final=0.2) == pytest.approx(0.4)
    assert warm_cosine(99, 1.0, lr=2.0, warmup=4) == pytest.approx(0.0)


def test_every_group_gets_the_rate() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.2)]
    optimizer = torch.optim.SGD(groups)
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]


def test_rows_are_added_and_states_come_back(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    append_row(run, {"step": 1})
    append_row(run, {"step": 2, "loss": 0.5})
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert rows == [{"step": 1}, {"step": 2, "loss": 0.5}]
    save_torch(run / STATE, {"step": 2, "net": {"w": torch.ones(2)}})
    state = load_state(run)
    assert state["step"] == 2 and torch.equal(state["net"]["w"], torch.ones(2))


def test_a_state_of_another_network_is_an_error_with_a_hint(tmp_path: Path) -> None:
    foreign = {"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}
    with pytest.raises(ArtifactError, match="resumed") as caught, resuming(tmp_path / STATE):
        torch.nn.Linear(2, 2).load_state_dict(foreign)
    assert "settings" in caught.value.hint and "size mismatch" in caught.value.detail
    with pytest.raises(ArtifactError, match="cannot be read"), resuming(tmp_path / STATE):
        load_state(tmp_path)


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    for content in (None, b"", b"no state"):
        if content is not None:
            (tmp_path / STATE).write_bytes(content)
        with pytest.raises(ArtifactError, match=r"state\.pt cannot be read"):
            load_state(tmp_path)


@pytest.mark.parametrize("what", ["dit", "tmr", "tokenizer", "action-mdm"])
@pytest.mark.parametrize("holds", [STATE, "log.jsonl", "model000000100.pt"])
def test_a_folder_that_holds_a_run_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, holds: str
) -> None:
    """Before the data is looked for, and nothing of the run is touched."""
    run = tmp_path / "run"
    run.mkdir()
    (run / holds).write_bytes(b"hours of work")
    command = ["train", what, "--data", str(tmp_path / "none"), "--run", str(run)]
    assert main([*command, "--minutes", "1"]) == 2
    said = capsys.readouterr().err
    assert "holds a run already" in said and "--resume" in said
    assert {p.name: p.read_bytes() for p in run.iterdir()} == {holds: b"hours of work"}


def test_a_run_over_a_model_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The action model's run would write a model over it."""
    (tmp_path / "model.safetensors").write_bytes(b"a model")
    command = ["train", "action-mdm", "--data", str(tmp_path), "--run", str(tmp_path)]
    assert main(command) == 2
    assert "model.safetensors, which is not of a training run" in capsys.readouterr().err
    assert (tmp_path / "model.safetensors").read_bytes() == b"a model"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tmr", "--lr", "nan"], "--lr is nan"),
        (["dit", "--steps", "0"], "--steps is 0"),
        (["tokenizer", "--width", "0"], "--width is 0"),
        (["action-mdm", "--epochs", "-3"], "--epochs is -3"),
        (["dit", "--steps", "5", "--minutes", "1"], "Two budgets"),
        (["tmr", "--device", "tpu"], "'tpu'"),
    ],
)
def test_options_are_refused_before_the_data_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    command = ["train", *words, "--data", str(tmp_path / "none"), "--run", str(tmp_path / "run")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert said in error and "hint:" in error and not (tmp_path / "run").exists()


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_that_emulates_bfloat16_trains_in_float32(
    monkeypatch: pytest.MonkeyPatch, has_it: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_it)
    assert DiTRecipe.usual_precision("cpu") == expected
    assert DiTRecipe.usual_precision("cuda") == "bf16"
    assert MdmRecipe.usual_precision("cpu") == "fp32"
