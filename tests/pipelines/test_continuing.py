"""Motions that go on or get a new middle: kept part, place, heading, time and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from backend.errors import Cancelled, FormatError, InvalidRequest
from backend.motion import convert
from backend.motion.representations import motion135
from backend.motion.resample import resample_motion135
from backend.motion.rotations import rotation_about
from backend.pipelines.editing.continuing import READ_FRAMES, Drawing, go_on, new_middle
from backend.pipelines.editing.requests import edit_motions
from backend.pipelines.motiongpt.answers import Answer
from backend.wire.messages import Edit, Motion, Progress, Request

FRAMES = 120
FOOT_LOCK_OFF = Drawing(foot_lock=False)


class KnowsTheClip:
    """A model that remembers a whole clip ``[T, 263]`` and answers with it, from what is given."""

    config = SimpleNamespace(licence="CC0-1.0")
    continues_by = "tokens"

    def __init__(self, whole: np.ndarray, *, writes: int | None = None) -> None:
        self.whole, self.writes = whole, len(whole) if writes is None else writes
        self.given: list[np.ndarray] = []

    def used(self, *settings: object) -> dict[str, object]:
        return {}

    def _answers(self, clips: Sequence[np.ndarray], features: np.ndarray) -> list[Answer]:
        self.given = list(clips)
        return [Answer("", "", (1, 2), fallback=self.writes == 0, features=features)] * len(clips)

    def continue_motions(self, clips: Sequence[np.ndarray], **options: object) -> list[Answer]:
        given = clips[0]
        gaps = [
            np.abs(self.whole[i : i + len(given)] - given).mean()
            for i in range(len(self.whole) - len(given))
        ]
        return self._answers(clips, self.whole[int(np.argmin(gaps)) :][: self.writes])

    def complete_motions(self, clips: Sequence[np.ndarray], **options: object) -> list[Answer]:
        return self._answers(clips, self.whole)

    def decode_motions(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        return [self.whole[: self.writes]] * len(ids)


def turned(data: np.ndarray, angle: float) -> np.ndarray:
    """The clip elsewhere and facing elsewhere, on a floor of its own."""
    root, rotations = motion135.unpack(data)
    turn = rotation_about("y", angle)
    rotations = rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    return motion135.pack(root @ turn.T + [3.0, 0.4, -2.0], rotations)


@pytest.fixture
def whole(make_motion: Callable[..., np.ndarray]) -> np.ndarray:
    return turned(make_motion(frames=FRAMES, seed=3), 2.0)


@pytest.fixture
def model(whole: np.ndarray) -> KnowsTheClip:
    return KnowsTheClip(convert.motion135_to_hml263(whole, 30.0))


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean joint distance of each frame, metres."""
    joints = [motion135.joints(np.asarray(x, float)) for x in (a, b)]
    return np.linalg.norm(joints[0] - joints[1], axis=-1).mean(1)


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_goes_on_at_the_place_heading_and_time_of_its_end(
    whole: np.ndarray, model: KnowsTheClip, fps: float
) -> None:
    whole = resample_motion135(whole, 30.0, fps)
    half = len(whole) // 2
    [take] = go_on(model, Motion(whole[:half], fps), FOOT_LOCK_OFF)
    assert take.motion is not None and not take.warnings
    np.testing.assert_array_equal(take.motion.data[:half], whole[:half].astype(np.float32))
    assert take.motion.fps == fps
    assert abs(len(take.motion.data) - len(whole)) <= fps / 10
    n = min(len(take.motion.data), len(whole))
    # what the true clip does next, as far as another skeleton's features can tell
    assert distance(take.motion.data[:n], whole[:n]).max() < 0.07


def test_the_joined_seam_has_no_jump(whole: np.ndarray, model: KnowsTheClip) -> None:
    [take] = go_on(model, Motion(whole[:60], 30.0), FOOT_LOCK_OFF)
    assert take.motion is not None
    joints = motion135.joints(take.motion.data.astype(float))
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)
    assert steps[59] < 1.3 * max(steps[50:59].max(), steps[60:70].max())


def test_a_share_is_kept_and_the_rest_forgotten(whole: np.ndarray, model: KnowsTheClip) -> None:
    how = Drawing(share=0.5, seed=7, takes=2)
    takes = go_on(model, Motion(whole, 30.0, {"source": "a.npz"}), how)
    half = FRAMES // 2
    assert len(model.given[0]) * 1.5 == pytest.approx(half, abs=6)
    for seed, take in enumerate(takes, 7):
        assert take.motion is not None
        np.testing.assert_array_equal(take.motion.data[:half], whole[:half].astype(np.float32))
        meta = take.motion.meta
        assert (meta["source"], meta["seed"], meta["continued"]) == (
            "a.npz", seed, {"kept_frames": half},
        )  # fmt: skip


def test_the_new_part_can_be_cut(whole: np.ndarray, model: KnowsTheClip) -> None:
    how = Drawing(longest_seconds=0.5)
    [take] = go_on(model, Motion(whole[:60], 30.0), how)
    assert take.motion is not None
    assert len(take.motion.data) == pytest.approx(60 + 15, abs=2)


def test_of_a_long_clip_the_model_reads_the_end(make_motion: Callable[..., np.ndarray]) -> None:
    whole = make_motion(frames=450, seed=3)
    model = KnowsTheClip(convert.motion135_to_hml263(whole, 30.0))
    [take] = go_on(model, Motion(whole[:390], 30.0), FOOT_LOCK_OFF)
    assert len(model.given[0]) == READ_FRAMES
    assert take.motion is not None
    n = min(len(take.motion.data), len(whole))
    assert n > 440
    assert distance(take.motion.data[:n], whole[:n]).max() < 0.07


def test_a_request_goes_on_as_far_as_asked(whole: np.ndarray, model: KnowsTheClip) -> None:
    asked = Request("", model="own", samples=2, edit=Edit(Motion(whole[:60], 30.0), more=15))
    told: list[Progress] = []
    made = edit_motions(model, asked, told.append)
    for motion in made:
        assert len(motion.data) == pytest.approx(60 + 15, abs=2)
        np.testing.assert_array_equal(motion.data[:60], whole[:60].astype(np.float32))
    silent = KnowsTheClip(model.whole, writes=0)
    with pytest.raises(InvalidRequest, match="wrote no motion"):
        edit_motions(silent, asked)


class Holds:
    """A model that edits clips of 1 to 6 seconds: in its gap the root rises by how often it ran."""

    config = SimpleNamespace(licence="CC0-1.0", name="holds")
    edit_seconds = (1.0, 6.0)
    continues_by = "editing"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def edit(
        self,
        motion: Motion,
        prompt: str,
        *,
        keep_frames: list[tuple[int, int]],
        on_step: Callable | None,
        **options: object,
    ) -> Motion:
        [(zero, end)] = keep_frames
        assert zero == 0
        self.asked.append((prompt, end, len(motion.data)))
        if on_step is not None:
            on_step(1, 1)
        data = motion.data.copy()
        data[end:, 1] += len(self.asked)
        return Motion(data, motion.fps, {**motion.meta, "prompt": prompt, "edit": {}})


def test_parts_of_a_prompt_and_long_ways_are_made_piece_by_piece(whole: np.ndarray) -> None:
    model, told = Holds(), []
    how = Drawing(
        prompt="a person turns around, then bows",
        longest_seconds=10.0,
        on_step=lambda done, total: told.append((done, total)),
    )
    given = Motion(np.concatenate([whole, whole]), 30.0)
    [take] = go_on(model, given, how)  # type: ignore[arg-type]
    assert take.motion is not None
    # 1.5 of 6 seconds are read, so of each part's 5 seconds less than 4.5 are made at once
    words = [prompt for prompt, _, _ in model.asked]
    assert words == ["a person turns around"] * 2 + ["a person bows"] * 2
    assert {end for _, end, _ in model.asked} == {45}
    assert max(frames for _, _, frames in model.asked) <= 6 * 30
    rises = np.diff(take.motion.data[:, 1])[239:].round(3)
    assert np.nonzero(rises > 0.5)[0].tolist() == [0, 75, 150, 225]
    assert len(take.motion.data) == 240 + 300
    np.testing.assert_array_equal(take.motion.data[:240], given.data)
    assert take.motion.meta["prompt"] == "a person turns around, then bows"
    assert told == [(i, 4) for i in range(1, 5)]


def test_a_short_clip_is_read_whole_and_made_as_long_as_the_model_likes(whole: np.ndarray) -> None:
    model = Holds()
    how = Drawing(prompt="bow, then wave", longest_seconds=0.5)
    [take] = go_on(model, Motion(whole[:6], 30.0), how)  # type: ignore[arg-type]
    assert take.motion is not None and len(take.motion.data) == 6 + 15
    assert [(prompt, end) for prompt, end, _ in model.asked] == [("bow, then wave", 6)]
    assert model.asked[0][2] >= 30


def test_a_request_tells_of_takes_that_are_missing(
    whole: np.ndarray, model: KnowsTheClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Request("", seed=7, samples=3, edit=Edit(Motion(whole[:60], 30.0), more=15))
    both = model.continue_motions

    def second_is_silent(clips: Sequence[np.ndarray], **options: object) -> list[Answer]:
        first, second, third = both(clips, **options)
        return [first, replace(second, fallback=True), third]

    monkeypatch.setattr(model, "continue_motions", second_is_silent)
    made = edit_motions(model, asked)
    assert [motion.meta["seed"] for motion in made] == [7, 9]
    (said,) = made[0].meta["warnings"]
    assert said.startswith("Seed 8:") and "no motion" in said and not made[1].meta["warnings"]


# ---------------------------------------------------------------- a new middle


def test_a_new_middle_arrives_where_the_motion_goes_on(
    whole: np.ndarray, model: KnowsTheClip
) -> None:
    empty = whole.copy()
    empty[40:80] = empty[40]
    [take] = new_middle(model, Motion(empty, 30.0), FOOT_LOCK_OFF)
    assert take.motion is not None and len(take.motion.data) == FRAMES
    [(zero, first), (last, end)] = take.motion.meta["in_between"]["kept_frames"]
    assert (zero, end) == (0, FRAMES) and 25 <= first <= 32 and 85 <= last <= 91
    kept = np.r_[0:first, last:end]
    np.testing.assert_array_equal(take.motion.data[kept], empty[kept].astype(np.float32))
    assert distance(take.motion.data, whole).max() < 0.07


def test_too_little_makes_the_middle_shorter(whole: np.ndarray, model: KnowsTheClip) -> None:
    short = KnowsTheClip(model.whole, writes=48)
    [take] = new_middle(short, Motion(whole, 30.0), FOOT_LOCK_OFF)
    assert take.motion is not None
    missing = FRAMES - len(take.motion.data)
    assert missing == pytest.approx((3 * (len(model.whole) // 4) - 48) * 1.5, abs=1)
    [_, (last, end)] = take.motion.meta["in_between"]["kept_frames"]
    np.testing.assert_array_equal(
        take.motion.data[last:end], whole[last + missing :].astype(np.float32)
    )


# ---------------------------------------------------------------- nothing to show, and refusals


@pytest.mark.parametrize("ask", [go_on, new_middle])
def test_no_motion_is_no_take(ask: Callable, whole: np.ndarray, model: KnowsTheClip) -> None:
    [take] = ask(KnowsTheClip(model.whole, writes=0), Motion(whole, 30.0), Drawing())
    assert take.motion is None
    assert "no motion" in take.warnings[0]


def test_an_answer_that_only_repeats_is_no_take(whole: np.ndarray, model: KnowsTheClip) -> None:
    for ask, writes in ((go_on, 12), (new_middle, 16)):
        [take] = ask(KnowsTheClip(model.whole, writes=writes), Motion(whole, 30.0), Drawing())
        assert take.motion is None and "too little" in take.warnings[0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"share": 0.0}, "share"),
        ({"share": 1.5}, "share"),
        ({"share": float("nan")}, "share"),
        ({"longest_seconds": 0.0}, "seconds"),
        ({"longest_seconds": float("nan")}, "seconds"),
        ({"longest_seconds": float("inf")}, "seconds"),
        ({"seed": -1}, "seed"),
        ({"takes": 0}, "samples"),
    ],
)
def test_bad_wishes(options: dict, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        Drawing(**options)


def test_lengths_that_the_model_cannot_read(
    model: KnowsTheClip, make_motion: Callable[..., np.ndarray]
) -> None:
    for ask, frames in ((go_on, 7), (new_middle, 24)):
        with pytest.raises(FormatError, match="too short"):
            ask(model, Motion(make_motion(frames=frames), 30.0), Drawing())
    with pytest.raises(InvalidRequest, match="up to"):
        new_middle(model, Motion(make_motion(frames=400), 30.0), Drawing())


def test_cancel_reaches_the_model(whole: np.ndarray, model: KnowsTheClip) -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled("stopped")

    def writing(clips: Sequence[np.ndarray], *, on_step: Callable, **_: object) -> list[Answer]:
        on_step(1, 2)
        raise AssertionError("went on after it was cancelled")

    model.continue_motions = writing  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        go_on(model, Motion(whole, 30.0), Drawing(on_step=stop))
