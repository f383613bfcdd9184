"""What constraints mean, and which are refused."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import FormatError, InvalidRequest
from backend.motion.directing import Path, Pin, Pose, targets_of
from backend.motion.kimodo_body import from_motion135, scale_of, to_motion135
from backend.motion.representations import motion135
from backend.motion.representations.kimodo_skeletons import skeleton
from backend.motion.rotations import matrix_to_axis_angle
from backend.wire.messages import Request


def test_our_own_form(clip: np.ndarray) -> None:
    pose, pin, path = targets_of(
        [
            {"type": "fullbody", "frame_indices": [4, 9], "motion135": clip[[4, 9]].tolist()},
            {"type": "left-foot", "frame_ranges": [[2, 5], [7, 8]], "positions": [[1, 2, 3]]},
            {"type": "root2d", "frame_indices": [0], "smooth_root_2d": [[1, 9, 2]],
             "global_root_heading": [[0, 1]]},
        ],
        10,
    )  # fmt: skip
    assert isinstance(pose, Pose) and isinstance(pin, Pin) and isinstance(path, Path)
    np.testing.assert_allclose(pose.joints, motion135.joints(clip[[4, 9]]), atol=1e-12)
    assert pin.frames.tolist() == [2, 3, 4, 7] and pin.joints == (7,) and pin.world is None
    np.testing.assert_array_equal(pin.positions[:, 0], [[1, 2, 3]] * 4)
    np.testing.assert_array_equal(path.ground, [[1, 2]])
    np.testing.assert_allclose(path.heading, [np.pi / 2])


@pytest.mark.parametrize("name", ["soma30", "smplx22"])
def test_kimodos_form_is_of_its_own_body(clip: np.ndarray, name: str) -> None:
    bones = skeleton(name)
    world, root = from_motion135(clip[:2], bones)
    turns = matrix_to_axis_angle(bones.local(world))
    own = {"frame_indices": [0, 1], "local_joints_rot": turns.tolist(),
           "root_positions": root.tolist()}  # fmt: skip
    pose, hips, path = targets_of(
        [
            {"type": "fullbody", **own},
            {"type": "end-effector", "joint_names": ["Hips", "LeftHand"], **own},
            {"type": "root2d", "frame_indices": [1], "smooth_root_2d": [[1.0, 2.0]]},
        ],
        5,
    )
    expected = motion135.joints(to_motion135(world, root, bones)[0].astype(float))
    np.testing.assert_allclose(pose.joints, expected, atol=1e-5)
    np.testing.assert_allclose(hips.positions, expected[:, [0, 20]], atol=1e-5)
    np.testing.assert_allclose(path.ground, [[scale_of(bones), 2 * scale_of(bones)]])


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ({"type": "magic", "frame_indices": [0]}, "of type 'magic'"),
        ({"type": "fullbody", "frame_indices": [0]}, "lacks motion135"),
        ({"type": "fullbody", "frame_indices": [0], "motion135": [[0.0] * 134]}, "do not fit"),
        ({"type": "fullbody", "frame_indices": [0], "motion135": [[0.0] * 135]}, "pelvis"),
        ({"type": "root2d", "frame_indices": [0, 1], "smooth_root_2d": [[0, 0]]}, "do not fit"),
        ({"type": "root2d", "frame_indices": [0], "smooth_root_2d": [[0, "a"]]}, "no numbers"),
        ({"type": "root2d", "frame_indices": [0], "smooth_root_2d": [[0, float("nan")]]}, "shape"),
        ({"type": "left-hand", "frame_indices": [10], "positions": [[0, 0, 0]]}, "0 to 9"),
        ({"type": "end-effector", "frame_indices": [0], "joint_names": ["Nose"],
          "motion135": []}, "shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(constraint: dict, said: str) -> None:
    with pytest.raises((FormatError, InvalidRequest), match=said):
        targets_of([constraint], 10)


@pytest.mark.parametrize(
    "constraint",
    [
        {"type": "root2d"},
        {"type": "root2d", "frame_indices": []},
        {"type": "root2d", "frame_indices": [-1]},
        {"type": "root2d", "frame_indices": [0.5]},
        {"type": "root2d", "frame_indices": [True]},
        {"type": "root2d", "frame_indices": [float("inf")]},
        {"type": "root2d", "frame_indices": 3},
        {"type": "root2d", "frame_indices": [0], "frame_ranges": [[0, 1]]},
        {"type": "root2d", "frame_ranges": [[5, 5]]},
        {"type": "root2d", "frame_ranges": [[0, 10**9]]},
        {"type": "root2d", "frame_ranges": ["ab"]},
        {"frame_indices": [0]},
        "root2d",
    ],
)
def test_requests_refuse_what_is_no_constraint(constraint: object) -> None:
    with pytest.raises(InvalidRequest, match="Constraint 0"):
        Request("a", constraints=(constraint,)).validated()
