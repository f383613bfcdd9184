from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.mirror import mirror_motion135
from backend.motion.representations import smplrifke205
from backend.training.data.described_clips import build, merge, with_words
from backend.training.data.made_examples import add_made, hold, join, still_stretch
from tests.training.described import standing, walking, written


def test_clips_are_stored_as_they_are_and_mirrored(tmp_path: Path) -> None:
    data = build(*written(tmp_path))
    train = [i for i in data.items if i.split == "train"]
    assert [(i.label, i.mirrored, i.source) for i in train] == [
        ("glide", False, "capture"),
        ("glide", True, "capture"),
        ("glide", False, "hand-keyed"),
        ("glide", True, "hand-keyed"),
        ("rest", False, "capture"),
        ("rest", True, "capture"),
    ]
    assert [i.mirrored for i in data.items if i.split == "val"] == [False]
    assert train[0].clip == "t1"
    own = smplrifke205.from_motion135(walking().data)
    other = smplrifke205.from_motion135(mirror_motion135(walking().data))
    assert np.abs(data.item_features(train[0]) - own).max() < 1e-4
    assert np.abs(data.item_features(train[1]) - other).max() < 1e-4


def test_captions_change_sides_as_whole_words(tmp_path: Path) -> None:
    data = build(*written(tmp_path))
    assert data.pools[data.items[1].pool] == (
        "a person glides ahead and swings the right arm",
        "glide upright",
    )


def test_only_chooses_by_any_key_and_phrases_join_their_label(tmp_path: Path) -> None:
    clips, captions, split = written(tmp_path)
    data = build(clips, captions, split, only={"tier": "A"}, phrases={"rest": ["lean left"]})
    assert {i.split for i in data.items} == {"train"}
    pools = {i.mirrored: data.pools[i.phrases] for i in data.items if i.label == "rest"}
    assert pools == {False: ("lean left",), True: ("lean right",)}
    assert {i.phrases for i in data.items if i.label == "glide"} == {-1}


def test_no_clip_and_no_captions_are_told(tmp_path: Path) -> None:
    clips, captions, _ = written(tmp_path)
    with pytest.raises(FormatError, match="No described npz"):
        build(clips, captions, only={"tier": "C"})
    captions.write_text('{"glide_1": {"action": "glide"}}', encoding="utf-8")
    with pytest.raises(FormatError, match="glide_1 has no captions"):
        build(clips, captions)


def test_words_for_speed_follow_the_sentence() -> None:
    assert with_words(["jump", "he hops"], ["slowly"]) == ["jump slowly", "he hops slowly"]


def test_merging_keeps_every_item_with_its_captions(tmp_path: Path) -> None:
    one, two = build(*written(tmp_path / "a")), build(*written(tmp_path / "b"))
    both = merge([one, two])
    assert len(both.items) == 2 * len(one.items) and both.pools == one.pools
    last, same = both.items[-1], two.items[-1]
    assert np.array_equal(both.item_features(last), two.item_features(same))
    assert both.pools[last.pool] == two.pools[same.pool]
    assert np.array_equal(both.clip_motion(both.clips[-1]), two.clip_motion(two.clips[-1]))


def test_a_quiet_stand_is_held_and_described_as_standing(tmp_path: Path) -> None:
    data = add_made(build(*written(tmp_path)), joined=0, seed=0)
    held = [i for i in data.items if i.source == "held"]
    assert {i.label for i in held} == {"idle"} and len(held) == 2
    assert "stand still" in data.pools[held[0].pool]


def test_a_held_pose_goes_to_and_fro_without_a_jump() -> None:
    x = smplrifke205.from_motion135(standing().data)
    assert still_stretch(x) is not None
    assert still_stretch(smplrifke205.from_motion135(walking().data)) is None
    kept = hold(x, 160)
    step = np.abs(np.diff(x[:, 4:], axis=0)).max()
    assert kept.shape == (160, 205) and np.abs(np.diff(kept[:, 4:], axis=0)).max() <= step
    # whatever the pelvis does it takes back
    assert abs(kept[:, 1:3].sum(0)).max() < 0.01


def test_two_clips_join_where_they_are_alike_and_only_there() -> None:
    a = smplrifke205.from_motion135(walking(90).data)
    joined = join(a, a)
    assert joined is not None and len(a) < len(joined) < 2 * len(a)
    assert np.array_equal(joined[:40], a[:40]) and np.array_equal(joined[-40:], a[-40:])
    fallen = a.copy()
    fallen[:, smplrifke205.SPEC.columns("joints")] *= -1
    assert join(a, fallen) is None
