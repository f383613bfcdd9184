"""What is asked of a motion besides its prompt: tempo, reach, variety, loop, in place, quality."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from backend.errors import InvalidRequest
from backend.motion.limb_motion import leaping
from backend.motion.looping import Loop
from backend.motion.representations import motion135
from backend.motion.skeleton import joint_index
from backend.pipelines import registry
from backend.service import finishing
from backend.service.engine import Engine
from backend.wire.control import ModelInfo
from backend.wire.messages import Edit, Motion, Progress, Request
from tests.blender import synthetic

INFO = ModelInfo("made-up", "Made Up", min_seconds=1.0, max_seconds=10.0)
RIGHT_WRIST, FEET = (
    joint_index("right_wrist"),
    [joint_index("left_foot"), joint_index("right_foot")],
)


class Walker:
    """Walks at 1.2 m/s as long as it is asked to, whatever the seed; its guidance is 2.5."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def generate(self, request: Request, tell: object) -> list[Motion]:
        self.asked.append(request)
        return [synthetic.walk(request.seconds)] * request.samples

    def used(self, *_: object) -> dict[str, object]:
        return {"guidance_scale": 2.5}


def make(**values: object) -> tuple[list[Motion], list[Request]]:
    """The motions of a request, and what the model was asked."""
    walker = Walker()
    request = Request("a person walks", **values).validated()
    made = finishing.made(walker, walker.generate, request, INFO, lambda progress: None)
    return [finishing.closed(motion, request) for motion in made], walker.asked


def local_turns(x: np.ndarray) -> np.ndarray:
    return motion135.unpack(x)[1]


def test_what_asks_for_nothing_is_left_as_it_is() -> None:
    [motion], [asked] = make(seconds=3.0)
    assert asked.seconds == 3.0
    assert np.array_equal(motion.data, synthetic.walk(3.0).data) and "finish" not in motion.meta


@pytest.mark.parametrize(("speed", "made"), [(2.0, 6.0), (0.5, 1.5)])
def test_a_speed_keeps_the_length_and_changes_the_pace(speed: float, made: float) -> None:
    [motion], [asked] = make(seconds=3.0, speed=speed)
    assert asked.seconds == made and asked.speed == 1.0
    assert len(motion.data) == 90 and motion.meta["finish"] == {"speed": speed}
    way = motion.data[-1, 2] - motion.data[0, 2]
    assert way == pytest.approx(1.2 * 3.0 * speed, rel=0.03)


def test_a_slow_short_motion_is_made_longer_and_cut() -> None:
    """Half a second is less than the model makes."""
    [motion], [asked] = make(seconds=1.0, speed=0.5)
    assert asked.seconds == INFO.min_seconds and len(motion.data) == 30
    assert motion.data[-1, 2] - motion.data[0, 2] == pytest.approx(0.6, rel=0.05)


def test_a_speed_that_needs_more_than_the_model_makes_is_refused(fakes: ModuleType) -> None:
    with pytest.raises(InvalidRequest, match=r"need 12 seconds.*up to 10") as caught:
        Engine().run(Request("a person walks", model="fake", seconds=6.0, speed=2.0))
    assert "at most 5 seconds" in caught.value.hint and fakes.loads == []


def test_amplitude_moves_the_arms_further_and_leaves_the_legs() -> None:
    plain, _ = make(seconds=3.0)
    [more], [asked] = make(seconds=3.0, amplitude=1.4)
    assert asked.amplitude == 1.0
    ranges = []
    for motion in (plain[0], more):
        joints = motion135.joints(motion.data.astype(np.float64))
        ranges.append(np.ptp(joints[:, RIGHT_WRIST] - joints[:, 0], axis=0)[2])
    assert 1.25 < ranges[1] / ranges[0] < 1.55
    legs = [joint_index(f"{s}_{p}") for s in ("left", "right") for p in ("hip", "knee", "ankle")]
    assert np.allclose(
        local_turns(more.data)[:, legs], local_turns(plain[0].data)[:, legs], atol=1e-5
    )
    assert np.allclose(more.data[:, :3], plain[0].data[:, :3], atol=0.005), "a walk does not fly"


def test_only_flights_become_higher() -> None:
    x = synthetic.walk(2.0, speed=0.0).data
    flight = np.clip(np.sin(np.linspace(0.0, np.pi, 20)), 0.0, None) * 0.5
    x[20:40, 1] += flight
    higher = leaping(x, 1.5)
    assert np.ptp(higher[:, 1]) - np.ptp(x[:, 1]) == pytest.approx(0.5 * 0.45, abs=0.04)
    still = np.r_[0:15, 45:60]
    assert np.allclose(higher[still], x[still], atol=5e-3)


def test_variety_draws_from_the_seed_alone_and_neighbours_differ() -> None:
    together, asked = make(seconds=3.0, samples=4, seed=11, variety=True)
    assert [one.samples for one in asked] == [1] * 4
    assert [one.seed for one in asked] == [11, 12, 13, 14]
    alone, _ = make(seconds=3.0, seed=13, variety=True)
    assert np.array_equal(alone[0].data, together[2].data)
    assert alone[0].meta == together[2].meta
    speeds = [motion.meta["finish"]["speed"] for motion in together]
    amplitudes = [motion.meta["finish"]["amplitude"] for motion in together]
    guidances = [one.guidance_scale for one in asked]
    for values, (low, high), middle in (
        (speeds, finishing.VARIED["speed"], 1.0),
        (amplitudes, finishing.VARIED["amplitude"], 1.0),
        (guidances, finishing.VARIED["guidance_scale"], 2.5),
    ):
        assert all(low * middle - 1e-3 <= value <= high * middle + 1e-3 for value in values)
        assert np.ptp(values) > 0.4 * (high - low) * middle, values
        assert min(abs(np.diff(values))) > 0.08 * middle, values
    assert all(len(motion.data) == 90 for motion in together)


def test_a_loop_closes_and_is_about_as_long_as_asked() -> None:
    [motion], [asked] = make(seconds=4.0, loop=True)
    assert asked.seconds == pytest.approx(4.0 + 0.4 + 1.2)
    assert 0.8 * 4.0 <= len(motion.data) / 30.0 <= asked.seconds
    note = motion.meta["finish"]["loop"]
    loop = Loop(motion.data, note["turn"], np.array(note["step"]), 30.0)
    assert loop.seam()["jump_cm"] < 1.0
    assert note["step"][2] == pytest.approx(1.2 * len(motion.data) / 30.0, rel=0.02)


def test_a_loop_in_place_stays_in_place() -> None:
    [motion], _ = make(seconds=3.0, loop=True, in_place=True)
    assert np.ptp(motion.data[:, [0, 2]], axis=0) == pytest.approx([0.0, 0.0], abs=1e-4)
    assert np.hypot(*np.array(motion.meta["finish"]["loop"]["step"])[[0, 2]]) < 0.01


def test_a_loop_that_turns_says_so() -> None:
    request = Request("x", seconds=3.0, loop=True)
    motion = finishing.closed(synthetic.walk(4.2, turn=0.5), request)
    turn = abs(np.degrees(motion.meta["finish"]["loop"]["turn"]))
    assert turn > 60 and f"turns by {turn:.0f} degrees" in motion.meta["warnings"][0]


def test_the_engine_does_all_of_it_and_keeps_the_progress_whole(fakes: ModuleType) -> None:
    seen: list[Progress] = []
    request = Request(
        "a person walks", model="fake", seconds=2.0, samples=3, seed=5, variety=True, in_place=True,
        cleanup=False,
    )  # fmt: skip
    result = Engine().run(request, seen.append)
    assert [motion.meta["seed"] for motion in result.motions] == [5, 6, 7]
    assert all(len(motion.data) == 60 for motion in result.motions)
    assert all(motion.meta["finish"]["in_place"] for motion in result.motions)
    steps = [(p.step, p.total) for p in seen if p.stage == "sampling"]
    assert steps == [(n, 15) for n in range(1, 16)]


def test_qualities_stand_for_what_the_card_says() -> None:
    info = registry.model_info("starter")
    assert info is not None and set(info.qualities) == {"draft", "best"}
    plain = Request("a person walks")
    assert finishing.with_quality(plain, info) == (plain, ())
    draft, _ = finishing.with_quality(Request("x", quality="draft"), info)
    assert (draft.steps, draft.guidance_scale, draft.sampler) == (8, None, None)
    best, _ = finishing.with_quality(Request("x", quality="best", steps=40), info)
    assert (best.steps, best.guidance_scale) == (40, 1.5), "what is named wins"


def test_a_model_without_the_quality_says_so(fakes: ModuleType) -> None:
    result = Engine().run(Request("a person walks", model="fake", quality="draft", cleanup=False))
    assert "has no quality 'draft'" in result.warnings[0] and len(result.motions) == 1


@pytest.mark.parametrize(
    "values",
    [{"speed": 0.4}, {"speed": float("nan")}, {"amplitude": 1.6}, {"loop": 1}, {"quality": "good"}],
)
def test_bad_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        Request("a person walks", **values).validated()


def test_edits_and_constraints_are_not_shaped() -> None:
    edit = Edit(synthetic.walk(2.0), (0, 30))
    for extra in ({"edit": edit}, {"constraints": ({"type": "fullbody"},)}):
        for shaped in ({"loop": True}, {"speed": 1.2}, {"variety": True}):
            with pytest.raises(InvalidRequest, match="prompt alone"):
                Request("a person walks", **extra, **shaped).validated()
    assert Request("a person walks", edit=edit, quality="draft").validated().quality == "draft"


def test_older_backends_are_not_sent_what_asks_for_nothing() -> None:
    plain = Request("a person walks").to_dict()
    assert not {"quality", "variety", "loop", "in_place", "speed", "amplitude"} & set(plain)
    shaped = Request("a person walks", loop=True, speed=1.5, quality="best")
    told = shaped.to_dict()
    assert (told["loop"], told["speed"], told["quality"]) == (True, 1.5, "best")
    assert Request.from_dict(told) == shaped
