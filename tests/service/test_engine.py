"""The engine by itself: caching, checks, warnings, clean-up, errors."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import numpy as np
import pytest

from backend.errors import (
    Cancelled,
    InternalError,
    InvalidRequest,
    MissingDependency,
    ModelNotFound,
)
from backend.pipelines import registry
from backend.service.engine import MAX_THREADS, Engine, choose_device, default_threads
from backend.wire.control import ModelInfo
from backend.wire.messages import Edit, Motion, Progress, Request
from backend.wire.skeleton import JOINT_NAMES


def ask(model: str = "fake", **values: object) -> Request:
    return Request(**{"prompt": "a person walks", "cleanup": False, "model": model, **values})


def test_a_pipeline_is_loaded_once(fakes: ModuleType) -> None:
    engine = Engine()
    engine.run(ask(seed=1))
    engine.run(ask(seed=2))
    assert fakes.loads == ["fake"]


def test_the_longest_unused_pipeline_is_dropped(fakes: ModuleType) -> None:
    engine = Engine()
    for model in ("fake", "noisy", "fake", "slow", "fake", "noisy"):
        engine.run(ask(model, steps=1))
    assert fakes.loads == ["fake", "noisy", "slow", "noisy"]


def test_the_prompt_is_checked(fakes: ModuleType) -> None:
    with pytest.raises(InvalidRequest, match="limit is 500"):
        Engine().run(ask(prompt="x" * 10_000))
    assert fakes.loads == []


@pytest.mark.parametrize("seconds", [0, -1, 0.6e9, float("nan"), 12.0])
def test_the_length_is_checked(fakes: ModuleType, seconds: float) -> None:
    with pytest.raises(InvalidRequest, match=r"duration|seconds"):
        Engine().run(ask(seconds=seconds))
    assert fakes.loads == []


def test_an_unknown_model_names_the_known_ones(fakes: ModuleType) -> None:
    with pytest.raises(ModelNotFound, match="starter"):
        Engine().run(ask("nothing"))


def test_warnings_are_collected_once_each(fakes: ModuleType) -> None:
    assert Engine().run(ask(prompt="a fish", samples=3)).warnings == ("Far from what it knows.",)
    assert Engine().run(ask()).warnings == ()


def test_clean_up_is_applied_when_asked_for(fakes: ModuleType) -> None:
    raw = Engine().run(ask(seconds=1.0)).motions[0]
    stages: list[str] = []
    clean = (
        Engine()
        .run(ask(seconds=1.0, cleanup=True), lambda progress: stages.append(progress.stage))
        .motions[0]
    )
    assert clean.data.shape == raw.data.shape
    assert np.abs(clean.data - raw.data).max() > 1e-4
    assert stages[-2:] == ["cleaning up", "scoring"]
    assert clean.meta["cleanup"] is True and clean.meta["seed"] == raw.meta["seed"]


def edit_request(model: str, frames: tuple[int, int] | None, *joints: str, **values: object):
    data = np.random.default_rng(0).normal(size=(48, 135))
    return ask(model, edit=Edit(Motion(data, 24.0, {"prompt": "before"}), frames, joints), **values)


def test_an_edit_changes_what_it_names_and_nothing_else(fakes: ModuleType) -> None:
    request = edit_request("editor", (10, 20), "left_arm", samples=2, seed=7, cleanup=True)
    progress: list[Progress] = []
    result = Engine().run(request, progress.append)
    assert request.edit is not None
    first, second = result.motions
    changed = first.data != request.edit.motion.data
    assert np.nonzero(changed.any(1))[0].tolist() == list(range(10, 20))
    arm = [JOINT_NAMES.index(f"left_{name}") for name in ("collar", "shoulder", "elbow", "wrist")]
    wanted = [3 + 6 * joint + column for joint in arm for column in range(6)]
    assert np.nonzero(changed.any(0))[0].tolist() == sorted(wanted)
    assert not np.array_equal(first.data, second.data)
    assert (first.fps, first.meta["model"], first.meta["seed"]) == (24.0, "editor", 7)
    assert second.meta["seed"] == 8
    assert first.meta["edit"]["foot_lock"] is True
    assert "cleaning up" not in [p.stage for p in progress]
    steps = [(p.step, p.total) for p in progress if p.stage == "sampling"]
    assert steps[0] == (0, 10) and steps[-1] == (10, 10)


def test_an_edit_of_any_length_the_model_would_not_generate(fakes: ModuleType) -> None:
    """``seconds`` is not what counts, and the fake makes at most 10 s."""
    Engine().run(edit_request("editor", None, "upper", seconds=60.0))


def test_frames_are_added_after_a_motion_that_stays(fakes: ModuleType) -> None:
    data = np.random.default_rng(0).normal(size=(200, 135)).astype(np.float32)
    request = ask("editor", edit=Edit(Motion(data, 24.0, {"prompt": "before"}), more=30), seed=5)
    [motion] = Engine().run(request).motions
    assert motion.data.shape == (230, 135) and motion.fps == 24.0
    np.testing.assert_array_equal(motion.data[:200], data)
    assert np.abs(motion.data[200:] - data[-1]).max(1).min() > 0.1
    assert motion.meta["edit"]["kept_frames"] == [[0, 200]]
    assert motion.meta["edit"]["before"] == {"prompt": "before"}


def test_a_model_that_cannot_edit_says_which_can(fakes: ModuleType) -> None:
    with pytest.raises(InvalidRequest, match="'fake' cannot edit") as caught:
        Engine().run(edit_request("fake", (10, 20)))
    assert "starter" in caught.value.hint


def test_an_edit_that_keeps_all_or_nothing_is_refused_before_loading(fakes: ModuleType) -> None:
    for frames, joints, said in [
        ((0, 48), (), "keep something"),
        (None, ("wing",), "no body part"),
        (None, ("upper", "lower"), "keep something"),
    ]:
        with pytest.raises(InvalidRequest, match=said):
            Engine().run(edit_request("editor", frames, *joints))
    assert fakes.loads == []


def test_a_cancel_from_progress_leaves_as_it_is(fakes: ModuleType) -> None:
    steps: list[int] = []

    def stop_at_three(progress: Progress) -> None:
        steps.append(progress.step)
        if progress.step == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        Engine().run(ask(), stop_at_three)
    assert steps == [0, 1, 2, 3]


def test_a_bug_becomes_an_internal_error_with_its_traceback(fakes: ModuleType) -> None:
    with pytest.raises(InternalError, match="ZeroDivisionError: bad step") as caught:
        Engine().run(ask("broken"))
    assert "fake_pipeline.py" in caught.value.detail


def test_a_package_that_is_not_installed_is_no_bug(
    fakes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        importlib.import_module("kinetype_needs_this.part")

    monkeypatch.setattr(fakes.FakePipeline, "step", missing)
    with pytest.raises(MissingDependency, match="'kinetype_needs_this' is not installed") as caught:
        Engine().run(ask())
    assert "doctor" in caught.value.hint and "kinetype_needs_this" in caught.value.detail


def test_too_few_motions_are_a_bug(fakes: ModuleType) -> None:
    class Forgetful(fakes.FakePipeline):
        def generate(self, request: Request, on_step: object = None) -> list[Motion]:
            return []

    registry.register("forgetful", lambda **options: Forgetful(), uses_torch=False)
    with pytest.raises(InternalError, match="0 motions instead of 1"):
        Engine().run(ask("forgetful"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        # what PyTorch raises on a CPU, on Linux and on Windows
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you "
            "tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
)
def test_lack_of_memory_says_what_to_do(fakes: ModuleType, error: Exception) -> None:
    class Greedy(fakes.FakePipeline):
        def step(self, step: int) -> None:
            raise error

    registry.register("greedy", lambda **options: Greedy(), uses_torch=False)
    with pytest.raises(InternalError, match="fewer samples"):
        Engine().run(ask("greedy"))


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == "cpu"
    for device in ("warp-drive", "cuda:97"):
        with pytest.raises(InvalidRequest, match="not available"):
            choose_device(device)


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = default_threads()
    assert threads is not None and 1 <= threads <= min(MAX_THREADS, os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert default_threads() is None


def test_only_a_model_that_estimates_lengths_may_be_asked_to(fakes: ModuleType) -> None:
    with pytest.raises(InvalidRequest, match="cannot estimate how long") as caught:
        Engine().run(ask(estimate_length=True))
    assert "mogents" in caught.value.hint and not fakes.loads


def test_settings_that_a_model_does_not_read_are_named(fakes: ModuleType) -> None:
    info = ModelInfo("", "", options=("steps",))
    registry.register("plain", lambda **_: fakes.FakePipeline(), info, uses_torch=False)
    result = Engine().run(ask(model="plain", steps=3, guidance_scale=2.0, sampler="ddim"))
    assert result.warnings == ("The model 'plain' has no guidance scale, sampler: left out.",)
    assert not Engine().run(ask(model="plain", steps=3)).warnings
