"""Readings planned in time, finished motions, and what people are told; no network is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.motion import pathing, repetitions
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import joint_index
from backend.pipelines.dit.candidates import Seen, chosen, seeds_of
from backend.pipelines.dit.compose import plan_windows
from backend.pipelines.dit.finishing import finished
from backend.pipelines.dit.notices import doubts_of, notices_of
from backend.pipelines.dit.script import Limits, script_of
from backend.pipelines.dit.vocabulary import Vocabulary
from backend.text.prompts.amounts import Amounts
from backend.text.prompts.reading import AskedAction, PartReading, Reading

LIMITS = Limits(20, 20.0)


def part(label: str, text: str = "", link: str = "then", **amounts: object) -> PartReading:
    asked = AskedAction(text or label, label, "known", 1.0, (label,))
    found = PartReading(
        text or label,
        {label: 1.0},
        amounts=Amounts(**amounts),
        link=link,
        asked=asked,  # type: ignore[arg-type]
    )
    return found


def reading(*parts: PartReading) -> Reading:
    return Reading("typed", parts)


def gliding(frames: int, speed: float = 1.2, waves: float = 0.0) -> np.ndarray:
    time = np.arange(frames) / 30
    root = np.stack([0 * time, 0.95 + 0 * time, speed * time], axis=1)
    rotations = np.tile(np.eye(3), (frames, 22, 1, 1))
    phase = 2 * np.pi * waves * np.arange(frames) / frames - np.pi / 2
    rotations[:, joint_index("right_shoulder")] = rotation_about("z", 0.6 * np.sin(phase))
    return motion135.pack(root, rotations)


def test_what_ends_gets_what_it_needs_and_what_goes_on_the_rest() -> None:
    script = script_of(reading(part("walk"), part("bow")), 160, LIMITS)
    walk, bow = script.scenes
    assert walk.shown + bow.shown == 160
    assert 1.2 * 20 <= bow.shown <= 3.5 * 20 < walk.shown


def test_a_count_takes_its_time() -> None:
    once = script_of(reading(part("walk"), part("bow")), 200, LIMITS).scenes[1]
    thrice = script_of(reading(part("walk"), part("bow", count=3)), 200, LIMITS).scenes[1]
    assert thrice.times == 3 and thrice.shown > 2 * once.shown


def test_spare_time_is_stood_out_where_the_model_knows_how() -> None:
    knows = Limits(20, 20.0, frozenset({"idle", "walk"}))
    script = script_of(reading(part("walk", metres=2.0)), 120, knows)
    assert [s.part.label for s in script.scenes] == ["walk", "idle"]
    assert script.scenes[0].shown == pytest.approx(2.0 / 1.15 * 20, abs=14)
    assert len(script_of(reading(part("walk", metres=2.0)), 120, LIMITS).scenes) == 1


@pytest.mark.parametrize("frames", [40, 61, 97, 200, 1200])
def test_shares_cover_the_motion(frames: int) -> None:
    parts = [part("walk"), part("bow", count=2)]
    script = script_of(reading(*parts), frames, LIMITS)
    assert sum(scene.shown for scene in script.scenes) == frames
    lines = script.sentences()
    windows = plan_windows(
        [text for text, _, _ in lines],
        script.frames_made,
        min_frames=20,
        max_frames=196,
        shares=[count for _, _, count in lines],
        wishes=[wish for _, wish, _ in lines],
    )
    assert windows[0].start == 0 and windows[-1].end == script.frames_made
    assert windows[0].wish.labels == {"walk": 1.0}


def test_a_slow_walk_is_made_at_its_own_tempo_and_played_slower() -> None:
    slow = part("walk", "walks slowly", speed=0.7)
    slow = replace(slow, controls={"tempo": -0.357, "turn": 1.0})
    script = script_of(reading(slow), 100, LIMITS)
    (text, wish, frames) = script.sentences()[0]
    assert (text, frames) == ("walks", 70) and wish.controls == {"turn": 1.0}
    made, notes = finished(script, [gliding(105)], 150)
    assert len(made) == 150 and not notes
    assert pathing.travelled(made) / 5 == pytest.approx(0.7 * 1.2, rel=0.03)


def test_a_gesture_is_laid_over_a_walk() -> None:
    script = script_of(reading(part("walk"), part("wave", link="with")), 80, LIMITS)
    assert script.layers == 1 and len(script.scenes) == 1
    assert [text for text, _, _ in script.sentences(1)] == ["wave"]
    made, _ = finished(script, [gliding(120), gliding(120, 0.0, waves=3)], 120)
    assert pathing.travelled(made) == pytest.approx(1.2 * 119 / 30, rel=1e-3)
    assert repetitions.count(made, watched=("right_wrist",)) == 3


def test_what_cannot_happen_together_is_told() -> None:
    script = script_of(reading(part("jump"), part("sit_down", "sits down", "with")), 80, LIMITS)
    assert script.layers == 0 and "sits down" in script.notes[0]


def test_counts_circles_spots_and_still_arms() -> None:
    twice = script_of(reading(part("wave", count=2)), 80, LIMITS)
    made, notes = finished(twice, [gliding(120, 0.0, waves=4)], 120)
    assert repetitions.count(made, watched=("right_wrist",)) == 2 and len(made) == 120 and not notes
    circle = script_of(reading(part("walk", turn=2 * np.pi)), 160, LIMITS)
    made, _ = finished(circle, [gliding(240)], 240)
    assert pathing.turned(made) == pytest.approx(2 * np.pi, rel=1e-2)
    spot = script_of(reading(part("walk", spot=True)), 80, LIMITS)
    assert pathing.travelled(finished(spot, [gliding(120)], 120)[0]) < 1e-3
    still = replace(part("walk"), still=("arms",))
    made, _ = finished(script_of(reading(still), 80, LIMITS), [gliding(120, waves=3)], 120)
    assert repetitions.count(made) == 0


def test_a_distance_that_is_missed_is_told() -> None:
    script = script_of(reading(part("walk", metres=1.0)), 200, LIMITS)
    _, notes = finished(script, [gliding(300)], 300)
    assert len(notes) == 1 and notes[0].startswith("1 m were asked for")


def test_notices_name_words_and_who_may_know_them() -> None:
    unknown = AskedAction("juggling", "", "unknown", 0.1, ("throw", "clap"))
    near = AskedAction("a cartwheel", "roll", "near", 0.9, ("roll",), "cartwheel")
    parts = (PartReading("juggling", asked=unknown), PartReading("a cartwheel", asked=near))
    warnings, notices = notices_of(Reading("x", parts, (("wavs", "waves"),)), "starter")
    assert "“juggling”" in warnings[0] and "throw, clap" in warnings[0]
    assert "makes “roll” instead" in warnings[1]
    assert [n["kind"] for n in notices] == ["unknown", "near", "spelling"]
    assert notices[0]["models"] and all(m["download"] for m in notices[0]["models"])
    assert notices[0]["models"][0]["title"] in warnings[0]


def test_a_motion_that_shows_something_else_is_doubted() -> None:
    told = part("wave", "waves")

    def doubts(likely: dict[str, float]) -> list[dict[str, str]]:
        return doubts_of([Seen(told, likely)])

    assert not doubts({"wave": 0.8, "walk": 0.1})
    assert not doubts({"wave": 0.05, "bye": 0.7, "walk": 0.1})  # near enough
    assert not doubts({"walk": 1.0})  # nobody can judge a wave
    (found,) = doubts({"wave": 0.02, "walk": 0.9})
    assert found["made"] == "walk" and "waves" in found["text"]


def test_the_first_good_candidate_is_taken_else_the_best() -> None:
    def seen(share: float) -> list[Seen]:
        return [Seen(part("wave", "waves"), {"wave": share, "walk": 1 - share})]

    assert chosen([seen(0.1), seen(0.6), seen(0.9)]) == 1
    assert chosen([seen(0.1), seen(0.3), seen(0.2)]) == 1
    assert chosen([[Seen(part("", "x"), {})], seen(0.9)]) == 0  # nothing to judge


def test_the_first_candidate_of_a_sample_has_the_sample_s_own_seed() -> None:
    assert seeds_of(7, 3, 1) == [7, 8, 9]
    both = seeds_of(7, 3, 4)
    assert both[::4] == [7, 8, 9] and len(set(both)) == 12
    assert seeds_of(8, 1, 4) == both[4:8]  # a sample made alone has the same candidates


def test_a_manner_that_the_model_has_not_is_told_with_the_model_that_has_it() -> None:
    old = PartReading("an old man walks", {"walk": 1.0}, {"elderly": 1.0})
    told = Reading("x", (old,), ())
    plain = Vocabulary(labels=(), styles=("normal",))
    warnings, notices = notices_of(told, "starter-open", plain)
    assert not warnings and [n["kind"] for n in notices] == ["manner"]
    assert [m["name"] for m in notices[0]["models"]] == ["starter"]
    assert "elderly" in notices[0]["text"] and "Starter" in notices[0]["text"]
    assert notices_of(told, "x", Vocabulary(labels=(), styles=("elderly",))) == ([], [])
    assert notices_of(told, "starter") == ([], [])  # reads manners from the sentence
