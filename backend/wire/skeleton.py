"""Joint order of SMPL-22 and the columns of motion_135, shared by the backend and the add-on."""

from __future__ import annotations

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)
"""SMPL body joints in the order of every array here (Loper et al., SMPL, 2015)."""

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19,
)  # fmt: skip
"""Parent index of each joint; the pelvis has none (-1)."""

REST_OFFSETS: tuple[tuple[float, float, float], ...] = (
    (0.0, 0.0, 0.0),
    (0.0695, -0.0914, -0.0068),
    (-0.0677, -0.0905, -0.0043),
    (-0.0025, 0.1090, -0.0267),
    (0.0343, -0.3752, -0.0045),
    (-0.0383, -0.3826, -0.0089),
    (0.0055, 0.1352, 0.0011),
    (-0.0136, -0.3980, -0.0437),
    (0.0158, -0.3984, -0.0423),
    (0.0015, 0.0529, 0.0254),
    (0.0264, -0.0558, 0.1193),
    (-0.0254, -0.0481, 0.1233),
    (-0.0028, 0.2139, -0.0429),
    (0.0788, 0.1217, -0.0341),
    (-0.0818, 0.1188, -0.0386),
    (0.0052, 0.0650, 0.0513),
    (0.0910, 0.0305, -0.0089),
    (-0.0960, 0.0326, -0.0091),
    (0.2596, -0.0128, -0.0275),
    (-0.2537, -0.0133, -0.0214),
    (0.2492, 0.0090, -0.0012),
    (-0.2553, 0.0078, -0.0056),
)
"""Parent-relative rest offsets in metres, Y-up, facing +Z, left side at +X (T-pose).

Approximate neutral adult proportions; the pelvis offset is zero, so the root translation of a
motion is the pelvis position.
"""

HAND_OFFSETS: tuple[tuple[float, float, float], ...] = (
    (0.0840, -0.0082, -0.0149),
    (-0.0846, -0.0061, -0.0103),
)
"""Offsets of the left and right hand (joints 22 and 23 of the 24-joint set) from the wrists."""

SOLE_HEIGHT = 0.019
"""Height of the lowest joint above the ground in metres when the rest body stands flat."""

NUM_JOINTS = len(JOINT_NAMES)
MOTION_FPS = 30.0
"""Frame rate of motion_135."""
ROOT_COLUMNS = slice(0, 3)
ROT6D_COLUMNS = slice(3, 3 + 6 * NUM_JOINTS)
MOTION_DIM = 3 + 6 * NUM_JOINTS
"""Width of motion_135: root translation and 22 parent-relative rot6d (interleaved layout)."""
