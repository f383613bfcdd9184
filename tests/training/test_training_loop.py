"""The one loop on the smallest recipe there is: a weight that shall become the mean of its data."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backend.errors import ArtifactError, InvalidRequest, OutputError
from backend.training import loop
from backend.training.loop import Training
from backend.training.recipe import Average, Recipe
from backend.training.run import LOG, STATE, RunFolder, load_state


@dataclass(frozen=True)
class Config:
    steps: int = 12
    minutes: float | None = None
    lr: float = 0.1
    clip: float | None = None
    seed: int = 3


class Mean(Recipe):
    """Random batches from a generator of its own, noise from PyTorch's, dropout's kind."""

    log_steps = 4
    save_seconds = None

    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config)
        self.net = nn.Linear(2, 1)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=config.lr)
        self.average = Average(self.net, 0.9)
        self.draw = np.random.default_rng(config.seed)
        self.wrong: dict[int, float] = {}
        self.finished = 0

    def batch(self, step: int) -> tuple[int, Tensor]:
        return step, torch.from_numpy(self.draw.normal(2.0, 1.0, (4, 2))).float()

    def step(self, batch: tuple[int, Tensor]) -> dict[str, Tensor | float]:
        step, x = batch
        error = self.net(x + torch.randn_like(x)) - x.sum(1, keepdim=True)
        loss = error.square().mean()
        if step in self.wrong:
            loss = loss * self.wrong[step]
        return {"loss": loss, "half": float(loss.detach()) / 2}

    def state(self) -> dict[str, Any]:
        return {"draw": json.dumps(self.draw.bit_generator.state)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.draw.bit_generator.state = json.loads(state["draw"])

    def finish(self, folder: Path) -> None:
        self.finished += 1


def training(run: Path, **changes: Any) -> Training:
    recipe = Mean(replace(Config(), **changes))
    return Training(recipe, recipe.folder(run))


def weights(done: Training) -> list[float]:
    average = done.recipe.average
    assert average is not None
    rows = [done.recipe.net.state_dict(), average.weights]
    return [float(v) for row in rows for value in row.values() for v in value.flatten()]


def rows(run: Path) -> list[dict[str, float]]:
    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is no JSON")

    lines = (run / LOG).read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


# ---------------------------------------------------------------- a run


def test_a_run_learns_logs_and_ends_with_its_steps(tmp_path: Path) -> None:
    done = training(tmp_path, steps=402, lr=0.05)
    assert done.fit() and done.step == 402
    found = rows(tmp_path)
    assert [row["step"] for row in found] == [*range(4, 401, 4), 402]
    # noise of variance 1 on either input: weights of 2/3 would leave about 1.2
    assert found[-1]["loss"] < 0.25 * found[0]["loss"]
    assert all(row["half"] == pytest.approx(row["loss"] / 2, rel=1e-4) for row in found)
    assert done.recipe.finished == 1  # type: ignore[attr-defined]
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 402


def test_a_row_holds_the_means_since_the_row_before(tmp_path: Path) -> None:
    done = training(tmp_path, steps=8)
    seen: list[float] = []
    plain = done.train_step

    def watched(batch: object = None) -> dict[str, float]:
        values = plain(batch)
        seen.append(values["loss"])
        return values

    done.train_step = watched  # type: ignore[method-assign]
    done.fit()
    found = [row["loss"] for row in rows(tmp_path)]
    assert found == [
        pytest.approx(np.mean(seen[:4]), rel=1e-5),
        pytest.approx(np.mean(seen[4:]), rel=1e-5),
    ]


@pytest.mark.parametrize("stopped", [1, 5, 11])
def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path: Path, stopped: int) -> None:
    whole = training(tmp_path / "whole")
    whole.fit()
    training(tmp_path / "parts", steps=stopped).fit()
    torch.manual_seed(99)
    again = training(tmp_path / "parts")
    again.resume()
    assert again.step == stopped
    again.fit()
    assert weights(again) == weights(whole)


def test_minutes_are_a_budget_over_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(clock)))  # a step takes 1 s
    first = training(tmp_path, minutes=0.1)
    assert first.fit() and (first.step, first.elapsed) == (6, 6.0)
    assert [row["minutes"] for row in rows(tmp_path)] == [round(4 / 60, 3), 0.1]
    again = training(tmp_path, minutes=0.2)
    again.resume()
    assert again.progress() == pytest.approx(0.5)
    assert again.fit() and again.step == 12


def test_the_gradient_is_bounded_where_the_configuration_says_so(tmp_path: Path) -> None:
    bounded = training(tmp_path, clip=1e-3)
    values = bounded.train_step()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in bounded.recipe.net.parameters()))  # type: ignore[union-attr]
    assert norm == pytest.approx(1e-3, rel=1e-3) and values["grad"] > 1.0


# ---------------------------------------------------------------- divergence


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_state(
    tmp_path: Path, wrong: float
) -> None:
    training(tmp_path, steps=5).fit()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again = training(tmp_path)
    again.resume()
    again.recipe.wrong = {8: wrong}  # type: ignore[attr-defined]
    kept = None
    with pytest.raises(ArtifactError, match="diverged before step 9") as caught:
        again.fit()
    assert "--lr" in caught.value.hint
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert after.pop(LOG).startswith(before.pop(LOG))
    assert after == before and kept is None
    assert all(math.isfinite(v) for v in weights(again))
    rows(tmp_path)  # every line is JSON


def test_single_steps_are_left_out_where_the_recipe_has_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mean, "patience", 2)
    done = training(tmp_path)
    done.recipe.wrong = {2: math.nan, 3: math.inf, 7: math.nan}  # type: ignore[attr-defined]
    assert done.fit() and all(math.isfinite(v) for v in weights(done))
    worse = training(tmp_path / "worse")
    worse.recipe.wrong = dict.fromkeys((2, 3, 4), math.nan)  # type: ignore[attr-defined]
    with pytest.raises(ArtifactError, match="diverged before step 5"):
        worse.fit()


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    training(tmp_path, steps=3).fit()
    before = (tmp_path / STATE).read_bytes()
    again = training(tmp_path, steps=4)
    again.resume()
    with torch.no_grad():
        again.recipe.average.weights["bias"].fill_(math.nan)  # type: ignore[union-attr]
    with pytest.raises(ArtifactError, match="diverged"):
        again.save()
    assert (tmp_path / STATE).read_bytes() == before


# ---------------------------------------------------------------- the folder


def test_the_states_before_the_last_one_stay(tmp_path: Path) -> None:
    done = training(tmp_path)
    for _ in range(5):
        done.train_step()
        done.save()
    names = (STATE, "state-1.pt", "state-2.pt")
    steps = [torch.load(tmp_path / name, weights_only=True)["step"] for name in names]
    assert steps == [5, 4, 3]
    assert sorted(p.name for p in tmp_path.glob("state*")) == sorted(names)
    (tmp_path / STATE).write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"state\.pt cannot be read") as caught:
        training(tmp_path).resume()
    assert "state-1.pt" in caught.value.hint


def test_states_are_kept_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("os.link", no_links)
    test_the_states_before_the_last_one_stay(tmp_path)


def test_a_folder_of_another_project_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidRequest, match=r"config\.json, which is not of a training run"):
        RunFolder(tmp_path).check(resume=False)
    (tmp_path / "config.json").unlink()
    (tmp_path / "notes.txt").write_text("mine")  # a log of the shell, say: nothing is at stake
    RunFolder(tmp_path).check(resume=False)
    with pytest.raises(InvalidRequest, match=r"notes\.txt"):
        RunFolder(tmp_path, also=("notes.txt",)).check(resume=False)
    with pytest.raises(InvalidRequest, match="no run to go on with"):
        RunFolder(tmp_path).check(resume=True)
    with pytest.raises(InvalidRequest, match="is a file"):
        RunFolder(tmp_path / "notes.txt").check(resume=False)


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with first.held(resume=False):
        with pytest.raises(OutputError, match="Another training"), second.held(resume=False):
            pass
        training(tmp_path / "run", steps=1).save()
    # the second one waited, and looks again before it begins
    with pytest.raises(InvalidRequest, match="holds a run already"), second.held(resume=False):
        pass
    with second.held(resume=True):
        pass


def test_a_state_of_another_network_says_so(tmp_path: Path) -> None:
    training(tmp_path).save()
    state = load_state(tmp_path)
    state["net"]["weight"] = torch.zeros(7, 7)
    torch.save(state, tmp_path / STATE)
    with pytest.raises(ArtifactError, match="cannot be resumed"):
        training(tmp_path).resume()


def test_the_average_begins_with_a_short_memory() -> None:
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(0.0)
    average = Average(net, 0.999, warm=True)
    with torch.no_grad():
        net.weight.fill_(1.0)
    average.update(0)
    assert float(average.weights["weight"]) == pytest.approx(0.9)  # decay 1/10
    average.update(10**6)
    assert float(average.weights["weight"]) == pytest.approx(0.9001)
