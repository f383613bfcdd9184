"""Recordings are brought to poses, paths and pins: within the limits, without sliding or a pop."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion.directing import corrected, reports, targets_of
from backend.motion.limb_ik import ARMS, LEGS
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, rotation_about
from backend.motion.skeleton import joint_index

from .conftest import STAND, TURN, WALK, bend, clip, joints_of, sliding


def brought(x: np.ndarray, *constraints: dict) -> tuple[np.ndarray, list]:
    targets = targets_of(constraints, len(x))
    made = corrected(x, targets)
    return made, reports(targets, made, x)


def path(x: np.ndarray, aside: float, every: int, farther: float = 1.0) -> dict:
    """The clip's own way, stretched, and bent to the side by so many metres at its end."""
    rows = np.arange(0, len(x), every)
    share = rows / (len(x) - 1)
    ground = x[rows][:, [0, 2]].astype(float) * farther
    ground[:, 0] += aside * share**2
    return {
        "type": "root2d",
        "frame_indices": rows.tolist(),
        "smooth_root_2d": ground.tolist(),
    }


@pytest.mark.parametrize("name", [WALK, TURN])
@pytest.mark.parametrize(("aside", "every", "farther"), [(0.6, 15, 1.0), (-0.5, 1, 1.1)])
def test_a_path_is_followed_on_the_same_steps(
    name: str, aside: float, every: int, farther: float
) -> None:
    x = clip(name)
    made, [told] = brought(x, path(x, aside, every, farther))
    assert told["cm_before"] > 30 and told["cm"] < 15 and told["met"]
    assert sliding(made) < 1.1 * sliding(x) + 1.0
    assert bend(made).max() < 1.6 * bend(x).max()
    # the lowest foot is as high as it was
    lowest = [joints_of(a)[:, LEGS.ends, 1].min() for a in (x, made)]
    assert abs(lowest[0] - lowest[1]) < 0.02


def test_a_body_faces_its_new_way_as_its_old_one(walk: np.ndarray) -> None:
    rows = np.arange(0, len(walk), 10)
    turn = rotation_about("y", np.array(0.5))
    ground = (walk[rows, :3].astype(float) @ turn.T)[:, [0, 2]]
    asked = {"type": "root2d", "frame_indices": rows.tolist(), "smooth_root_2d": ground.tolist()}
    made, _ = brought(walk, asked)
    across = [joints_of(a)[:, 2] - joints_of(a)[:, 1] for a in (walk, made)]
    angle = [np.arctan2(a[:, 0], a[:, 2]) for a in across]
    np.testing.assert_allclose(np.degrees(angle[1] - angle[0]), 28.6, atol=12.0)


def test_headings_are_met(walk: np.ndarray) -> None:
    rows = np.arange(0, len(walk), 12)
    asked = {
        "type": "root2d",
        "frame_indices": rows.tolist(),
        "smooth_root_2d": walk[rows][:, [0, 2]].tolist(),
        "global_root_heading": (0.6 * np.sin(rows / 25.0)).tolist(),
    }
    made, [told] = brought(walk, asked)
    assert told["degrees_before"] > 25 and told["degrees"] < 15
    assert sliding(made) < 1.1 * sliding(walk) + 1.0


def other_poses(x: np.ndarray, rows: list[int], seed: int) -> dict:
    """Poses near those of a clip: 12 cm and 11 degrees aside, every joint turned a little."""
    rng = np.random.default_rng(seed)
    root, rotations = motion135.unpack(x[rows].astype(float))
    rotations = rotations @ axis_angle_to_matrix(rng.normal(0, 0.07, (len(rows), 22, 3)))
    rotations[:, 0] = rotation_about("y", np.array([0.2, -0.2])) @ rotations[:, 0]
    root[:, [0, 2]] += [[0.12, 0.0], [-0.08, 0.06]]
    return {
        "type": "fullbody",
        "frame_indices": rows,
        "motion135": motion135.pack(root, rotations).tolist(),
    }


@pytest.mark.parametrize("name", [WALK, TURN, STAND])
@pytest.mark.parametrize("seed", [0, 1])
def test_poses_are_reached_exactly_and_nothing_pops(name: str, seed: int) -> None:
    x = clip(name)
    rows = [len(x) // 3, 2 * len(x) // 3]
    made, [told] = brought(x, other_poses(x, rows, seed))
    assert told["cm_before"] > 12
    assert told["cm"] < 0.1 and told["degrees"] < 0.2
    assert bend(made).max() < 1.5 * bend(x).max() + 15.0
    assert sliding(made) < 1.3 * sliding(x) + 4.0
    above_legs = slice(3 + 6 * 12, None)
    assert np.abs(made[:5, above_legs] - x[:5, above_legs]).max() < 0.02


def test_held_frames_stay_bit_for_bit(walk: np.ndarray) -> None:
    held = np.zeros(len(walk), bool)
    held[:30] = held[60:80] = True
    rows = [45, 95]
    targets = targets_of([other_poses(walk, rows, 0)], len(walk))
    made = corrected(walk, targets, held=held)
    np.testing.assert_array_equal(made[held], walk[held])
    assert reports(targets, made)[0]["met"]
    assert bend(made).max() < 1.5 * bend(walk).max() + 15.0


@pytest.mark.parametrize(
    ("kind", "joint"), [("left-hand", 20), ("right-hand", 21), ("left-foot", 7), ("right-foot", 8)]
)
def test_hands_and_feet_are_pinned(kind: str, joint: int) -> None:
    x = clip(STAND)
    middle = len(x) // 2
    place = joints_of(x)[middle, joint] + [0.08, 0.12, 0.1]
    asked = {
        "type": kind,
        "frame_ranges": [[middle - 10, middle + 10]],
        "positions": [place.tolist()],
    }
    made, [told] = brought(x, asked)
    assert told["cm_before"] > 15 and told["cm"] < 2 and told["met"] and told["degrees"] is None
    assert told["frames"] == list(range(middle - 10, middle + 10))
    assert bend(made).max() < bend(x).max() + 15.0
    # elbows and knees keep to their side: the bend points where it pointed
    limbs, side = (ARMS, joint - 20) if joint >= 20 else (LEGS, joint - 7)
    before, after = (elbow_side(a, limbs, side) for a in (x, made))
    assert (before * after).sum(-1).min() > 0.3
    away = np.r_[0 : middle - 45, middle + 45 : len(x)]
    np.testing.assert_allclose(joints_of(made)[away], joints_of(x)[away], atol=0.015)


def elbow_side(x: np.ndarray, limbs: object, side: int) -> np.ndarray:
    """Unit vectors from the line of a limb to its middle joint, seen from the body."""
    joints = joints_of(x)
    first, middle, end = (
        joints[:, part[side]] for part in (limbs.firsts, limbs.middles, limbs.ends)
    )
    line = (end - first) / np.linalg.norm(end - first, axis=-1, keepdims=True)
    off = middle - first
    off = off - (off * line).sum(-1, keepdims=True) * line
    return off / np.linalg.norm(off, axis=-1, keepdims=True)


def test_the_body_leans_to_a_pin_that_is_too_far_and_its_feet_stay() -> None:
    x = clip(STAND)
    row = len(x) // 2
    place = joints_of(x)[row, joint_index("left_shoulder")] + [0.35, 0.1, 0.5]
    asked = {"type": "left-hand", "frame_indices": [row], "positions": [place.tolist()]}
    made, [told] = brought(x, asked)
    assert told["met"]
    assert np.linalg.norm(made[row, :3] - x[row, :3]) > 0.05
    assert sliding(made) < sliding(x) + 1.0


def test_what_is_out_of_reach_is_told() -> None:
    x = clip(STAND)
    asked = {"type": "right-hand", "frame_indices": [30], "positions": [[3.0, 2.0, 0.0]]}
    _, [told] = brought(x, asked)
    assert not told["met"] and told["note"].startswith("The right arm reaches 51 cm")


def test_a_pin_of_a_pose_has_its_direction_too() -> None:
    x = clip(STAND)
    root, rotations = motion135.unpack(x[60:61].astype(float))
    rotations[:, joint_index("left_wrist")] = axis_angle_to_matrix(np.array([0.0, 0.5, 0.6]))
    row = motion135.pack(root, rotations)
    asked = {"type": "left-hand", "frame_indices": [60], "motion135": row.tolist()}
    _, [told] = brought(x, asked)
    assert told["degrees_before"] > 20 and told["degrees"] < 0.5 and told["cm"] < 0.5


def test_all_at_once(walk: np.ndarray) -> None:
    asked = [path(walk, 0.4, 15), other_poses(walk, [100, 120], 3)]
    asked[0]["frame_indices"] = asked[0]["frame_indices"][:5]
    asked[0]["smooth_root_2d"] = asked[0]["smooth_root_2d"][:5]
    place = joints_of(walk)[40, 21] + [0.0, 0.1, 0.1]
    asked.append({"type": "right-hand", "frame_indices": [40], "positions": [place.tolist()]})
    made, told = brought(walk, *asked)
    assert all(each["met"] for each in told), told
    assert np.isfinite(made).all() and made.dtype == walk.dtype


def test_a_motion_that_is_there_already_stays(walk: np.ndarray) -> None:
    row = walk[50:51].tolist()
    made, [told] = brought(walk, {"type": "fullbody", "frame_indices": [50], "motion135": row})
    np.testing.assert_allclose(made, walk, atol=2e-3)
    assert told["met"]


@pytest.mark.parametrize("kind", ["pose", "path", "pin"])
def test_strength_goes_a_part_of_the_way(kind: str) -> None:
    x = clip(STAND)
    place = joints_of(x)[60, 20] + [0.1, 0.1, 0.1]
    asked = {
        "pose": other_poses(x, [40, 80], 0),
        "path": {**path(x, 0.5, 1), "global_root_heading": [0.6] * len(x)},
        "pin": {"type": "left-hand", "frame_indices": [60], "positions": [place.tolist()]},
    }[kind]
    _, [told] = brought(x, {**asked, "strength": 0.5})
    assert 0.35 < told["cm"] / told["cm_before"] < 0.65
