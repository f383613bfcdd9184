"""Editing: what is kept stays exactly, what is made joins it, bad wishes are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import Cancelled, InvalidRequest
from backend.motion.joint_sets import joint_mask
from backend.motion.representations import motion135
from backend.pipelines.dit import DiTPipeline
from backend.pipelines.editing.space_hml263 import Hml263Space
from backend.pipelines.editing.spaces import EditSpace, Smplrifke205Space, kept_rows
from backend.pipelines.mdm import MDMPipeline
from backend.wire.messages import Motion
from tests.conftest import _swinging_clip
from tests.mdm_files import tiny_pipeline as tiny_mdm
from tests.mdm_files import walking_stats

SPACES = [Smplrifke205Space(), Hml263Space()]


@pytest.fixture
def motion(make_motion: Callable[..., np.ndarray]) -> Motion:
    return Motion(make_motion(frames=72, seed=4), 30.0, {"prompt": "a dance", "seed": 9})


@pytest.fixture(scope="module")
def mdm(tmp_path_factory: pytest.TempPathFactory) -> MDMPipeline:
    return tiny_mdm(walking_stats(_swinging_clip), tmp_path_factory.mktemp("clip"))


@pytest.fixture(params=["dit", "mdm"])
def model(request: pytest.FixtureRequest, pipeline: DiTPipeline, mdm: MDMPipeline) -> object:
    return {"dit": pipeline, "mdm": mdm}[request.param]


def columns(joints: np.ndarray) -> np.ndarray:
    """Columns of motion_135 ``[135]`` that belong to joints ``[22]``; the path to the pelvis."""
    return np.concatenate([joints[:1].repeat(3), joints.repeat(6)])


# ---------------------------------------------------------------- kept and new


@pytest.mark.parametrize("keep", ["lower", "upper", ("left_arm", "head")])
def test_kept_joints_are_the_users_own_data(model, motion: Motion, keep) -> None:
    edited = model.edit(motion, "a person waves", keep_joints=keep, seed=1)
    kept = columns(joint_mask(keep))
    np.testing.assert_array_equal(edited.data[:, kept], motion.data[:, kept])
    assert edited.data.shape == motion.data.shape
    assert np.isfinite(edited.data).all()
    new = joint_mask(keep) ^ True
    moved = np.abs(edited.data - motion.data)[:, 3:].reshape(len(motion.data), 22, 6).max((0, 2))
    assert (moved[new] > 1e-3).all()


def test_a_kept_lower_body_does_not_move_a_millimetre(model, motion: Motion) -> None:
    edited = model.edit(motion, "a person waves", keep_joints="lower", seed=1)
    before, after = (motion135.joints(m.data.astype(float)) for m in (motion, edited))
    lower = joint_mask("lower")
    assert np.abs(after - before)[:, lower].max() < 1e-9
    assert np.abs(after - before)[:, ~lower].max() > 0.01


def test_kept_frames_are_exact_and_the_fill_arrives(model, motion: Motion) -> None:
    edited = model.edit(motion, "a person waves", keep_frames=[(0, 24), (48, 72)], seed=2)
    kept = np.r_[0:24, 48:72]
    np.testing.assert_array_equal(edited.data[kept], motion.data[kept])
    assert np.abs(edited.data - motion.data)[24:48].max() > 1e-2
    joints = motion135.joints(edited.data.astype(float))
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)
    # a random network's poses are far from the given ones, and tremble; test_seams is strict
    assert steps[[23, 47]].max() <= 2.0 * steps[24:47].max()
    heading_steps = np.abs(np.diff(edited.data[:, :3], axis=0)).max()
    assert heading_steps < 0.2


@pytest.mark.parametrize("fps", [24.0, 60.0])
def test_frame_rate_and_length_stay(pipeline: DiTPipeline, make_motion, fps: float) -> None:
    motion = Motion(make_motion(frames=83), fps)
    edited = pipeline.edit(motion, "wave", keep_frames=[(0, 20)], seed=0)
    assert (edited.fps, len(edited.data)) == (fps, 83)
    np.testing.assert_array_equal(edited.data[:20], motion.data[:20])


def test_one_key_pose_is_enough(model, motion: Motion) -> None:
    edited = model.edit(motion, "wave", keep_frames=[(35, 36)], seed=0)
    np.testing.assert_array_equal(edited.data[35], motion.data[35])
    joints = motion135.joints(edited.data.astype(float))
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)
    assert steps[[34, 35]].max() <= 1.2 * np.delete(steps, [34, 35]).max()


def test_frames_and_joints_together(pipeline: DiTPipeline, motion: Motion) -> None:
    edited = pipeline.edit(
        motion, "wave", keep_frames=[(0, 20), (60, 72)], keep_joints="lower", seed=0
    )
    lower = columns(joint_mask("lower"))
    np.testing.assert_array_equal(edited.data[:, lower], motion.data[:, lower])
    np.testing.assert_array_equal(edited.data[:20], motion.data[:20])
    assert np.abs(edited.data - motion.data)[20:60, ~lower].max() > 1e-2


def test_longer_than_a_window(pipeline: DiTPipeline, make_motion) -> None:
    motion = Motion(make_motion(frames=240))  # 160 frames at 20 fps, windows of 60
    edited = pipeline.edit(motion, "walk", keep_frames=[(0, 60), (150, 240)], seed=0)
    np.testing.assert_array_equal(edited.data[150:], motion.data[150:])


def test_seed_prompt_and_notes(pipeline: DiTPipeline, motion: Motion) -> None:
    def edit(prompt="wave", seed=1):
        return pipeline.edit(motion, prompt, keep_joints="lower", seed=seed)

    first = edit()
    np.testing.assert_array_equal(first.data, edit().data)
    for other in (edit(seed=2), edit("bow deeply")):
        assert np.abs(other.data - first.data).max() > 1e-4
    assert first.meta["prompt"] == "wave"
    assert first.meta["edit"]["before"] == {"prompt": "a dance", "seed": 9}
    assert first.meta["edit"]["kept_joints"][:2] == ["pelvis", "left_hip"]
    assert first.meta["edit"]["kept_frames"] == []


def test_the_input_may_hold_anything_in_the_gap(pipeline: DiTPipeline, motion: Motion) -> None:
    """What is to be replaced must not shine through: neither its poses nor its heights."""
    wild = motion.data.copy()
    wild[24:48, 1] -= 3.0
    wild[24:48, 3:] = np.roll(wild[24:48, 3:], 9, axis=0)
    ranges = [(0, 24), (48, 72)]
    made = pipeline.edit(motion, "wave", keep_frames=ranges, seed=3).data
    same = pipeline.edit(Motion(wild), "wave", keep_frames=ranges, seed=3).data
    np.testing.assert_allclose(made, same, atol=2e-3)


# ---------------------------------------------------------------- refusals and cancelling


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "keep something"),
        ({"keep_frames": [(0, 72)]}, "keeps everything"),
        ({"keep_joints": ["upper", "lower"]}, "keeps everything"),
        ({"keep_frames": [(10, 90)]}, "0 to 72"),
        ({"keep_frames": [(20, 10)]}, "end above the start"),
        ({"keep_joints": "tail"}, "left_arm"),
        ({"keep_joints": "lower", "seed": -1}, "seed"),
        ({"keep_joints": "lower", "guidance_scale": 99.0}, "guidance"),
        ({"keep_joints": "lower", "sampler": "euler"}, "ddim"),
    ],
)
def test_wishes_that_cannot_be_fulfilled(pipeline, motion: Motion, options, words) -> None:
    with pytest.raises(InvalidRequest) as caught:
        pipeline.edit(motion, "wave", **options)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_lengths_that_a_model_cannot_edit(pipeline, mdm, make_motion) -> None:
    with pytest.raises(InvalidRequest, match="seconds"):
        pipeline.edit(Motion(make_motion(frames=18)), "wave", keep_joints="lower")
    with pytest.raises(InvalidRequest, match=r"up to 9\.8 seconds"):
        mdm.edit(Motion(make_motion(frames=330)), "wave", keep_joints="lower")


def test_cancel(pipeline: DiTPipeline, motion: Motion) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        pipeline.edit(motion, "wave", keep_joints="lower", on_step=stop)


# ---------------------------------------------------------------- spaces


@pytest.mark.parametrize("space", SPACES, ids=["205", "263"])
def test_a_space_gives_back_what_it_was_given(space: EditSpace, motion: Motion) -> None:
    x = motion.data.astype(float)
    x[:, 1] += 0.3  # a motion in the air keeps its height
    features = space.encode(x, 30.0)
    root, rotations = space.decode(features, features, 30.0, len(x))
    before, after = motion135.joints(x), motion135.joints(motion135.pack(root, rotations))
    # the last frame lies beyond the last row at 20 fps
    assert np.abs(after[:-1, :, 1] - before[:-1, :, 1]).max() < 0.04
    reach = [np.linalg.norm(j - j[:, :1], axis=-1)[:-1] for j in (before, after)]
    assert np.abs(reach[0] - reach[1]).max() < 0.04


@pytest.mark.parametrize("space", SPACES, ids=["205", "263"])
def test_a_changed_walk_still_arrives(space: EditSpace, motion: Motion) -> None:
    features = space.encode(motion.data.astype(float), 30.0)
    path = space.path(features)
    changed = features.copy()
    changed[15:30, :4] *= 0.4
    met = space.meet(changed, path, (15, 30))
    np.testing.assert_allclose(space.path(met)[30:], path[30:], atol=1e-9)
    np.testing.assert_array_equal(met[30:], features[30:])
    assert np.abs(space.path(changed)[30] - path[30]).max() > 0.01


def test_263_lower_body_mask_is_the_released_one() -> None:
    """Root columns, and ric, rotation and velocity of the lower joints, and contacts."""
    mask = Hml263Space().mask(np.zeros(1, bool), joint_mask("lower"))[0]
    lower = (0, 1, 2, 4, 5, 7, 8, 10, 11)
    expected = np.zeros(263, bool)
    expected[:4] = expected[259:] = True
    for joint in lower:
        if joint:
            expected[4 + 3 * (joint - 1) : 4 + 3 * joint] = True
            expected[67 + 6 * (joint - 1) : 67 + 6 * joint] = True
        expected[193 + 3 * joint : 193 + 3 * (joint + 1)] = True
    np.testing.assert_array_equal(mask, expected)


def test_rows_of_kept_frames() -> None:
    kept = np.zeros(61, bool)
    kept[10:31] = True  # 0.333 s to 1 s of 30 fps
    rows = kept_rows(kept, 30.0, 20.0, 41)
    np.testing.assert_array_equal(np.flatnonzero(rows), np.arange(7, 21))
    single = np.zeros(61, bool)
    single[11] = True  # between two rows
    assert np.flatnonzero(kept_rows(single, 30.0, 20.0, 41)).tolist() == [7]


def test_edits_do_not_write_into_the_given_motion(pipeline, motion: Motion) -> None:
    before = motion.data.copy()
    pipeline.edit(motion, "wave", keep_frames=[(0, 30)], seed=0)
    np.testing.assert_array_equal(motion.data, before)
