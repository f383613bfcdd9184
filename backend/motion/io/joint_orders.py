"""Joint orders of the field's arrays, and the 22 joints of SMPL from each.

An order is recognised by its number of joints and by the body that the points then form: limbs that
keep their length, two sides alike, proportions of a person. Orders that lack joints of SMPL get
them at the proportions of SMPL's rest pose; which ones is told.

Sources of the orders: SMPL (Loper et al. 2015), SMPL-H and SMPL-X (``smplx.joint_names``), COCO
keypoints (Lin et al. 2014), OpenPose BODY_25 (Cao et al. 2019), MediaPipe Pose (Bazarevsky et al.
2020), Human3.6M with 17 joints (Martinez et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...wire.skeleton import JOINT_NAMES, REST_OFFSETS
from ..proportions import body_frame

_REST = dict(zip(JOINT_NAMES, np.array(REST_OFFSETS), strict=True))


@dataclass(frozen=True)
class JointOrder:
    """Which point of an array is which joint.

    Attributes:
        name: as people call it.
        count: points per frame.
        points: joint -> index; besides SMPL's names ``left_ear``, ``left_toe`` ... and "head" for
            a point near the middle of the head.
        tolerance: how much a limb may change its length, relative: estimators are less exact.
        smpl: these are SMPL's own joints, so that nothing is made up.
    """

    name: str
    count: int
    points: dict[str, int] = field(default_factory=dict)
    tolerance: float = 0.35
    smpl: bool = False


def _of(names: str) -> dict[str, int]:
    """Space-separated names by place; "-" has none."""
    return {name: index for index, name in enumerate(names.split()) if name != "-"}


_SMPL = {name: index for index, name in enumerate(JOINT_NAMES)}
_SMPL_TOLERANCE = 0.15

ORDERS: tuple[JointOrder, ...] = (
    JointOrder("SMPL-22", 22, _SMPL, _SMPL_TOLERANCE, True),
    JointOrder("SMPL-24", 24, _SMPL, _SMPL_TOLERANCE, True),
    JointOrder("SMPL-H", 52, _SMPL, _SMPL_TOLERANCE, True),
    JointOrder("SMPL-X", 55, _SMPL, _SMPL_TOLERANCE, True),
    JointOrder("SMPL-X with landmarks", 127, _SMPL, _SMPL_TOLERANCE, True),
    JointOrder("SMPL-X with contour", 144, _SMPL, _SMPL_TOLERANCE, True),
    JointOrder(
        "COCO-17",
        17,
        _of(
            "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
            "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee "
            "left_ankle right_ankle"
        ),
    ),
    JointOrder(
        "Human3.6M-17",
        17,
        _of(
            "mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle - mid_shoulder "
            "- head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
        ),
    ),
    JointOrder(
        "OpenPose BODY_25",
        25,
        _of(
            "nose mid_shoulder right_shoulder right_elbow right_wrist left_shoulder left_elbow "
            "left_wrist mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle "
            "right_eye left_eye right_ear left_ear left_toe - left_heel right_toe - right_heel"
        ),
    ),
    JointOrder(
        "MediaPipe-33",
        33,
        _of(
            "nose - left_eye - - right_eye - left_ear right_ear - - left_shoulder right_shoulder "
            "left_elbow right_elbow left_wrist right_wrist - - - - - - left_hip right_hip "
            "left_knee right_knee left_ankle right_ankle left_heel right_heel left_toe right_toe"
        ),
    ),
)

_LIMBS = (
    ("hip", "knee"),
    ("knee", "ankle"),
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
)
SIDES = ("left", "right")


@dataclass(frozen=True)
class Likeness:
    """How much points look like a body in some order; all are relative, 0 is perfect.

    Attributes:
        order: the order that was tried.
        change: how much the limb that changes most varies in length (95 % of the frames).
        asymmetry: difference between the left and the right limb, of the pair that differs most.
        proportion: how far the ratio of thigh to shin, upper arm to forearm, arm to leg or trunk to
            leg is outside what people have.
        limb: the limb that changes most.
    """

    order: JointOrder
    change: float
    asymmetry: float
    proportion: float
    limb: str

    @property
    def fits(self) -> bool:
        """Whether this may be that order."""
        return (
            self.change <= self.order.tolerance and self.asymmetry <= 0.3 and self.proportion <= 0.0
        )

    @property
    def badness(self) -> float:
        """One number to compare orders by."""
        return self.change + self.asymmetry + 2 * self.proportion


_RATIOS = {
    # thighs, upper arms, arms and trunks (mid-hips to mid-shoulders) against their partners, with
    # room for children, dwarfs of animation and estimators that shorten what points at the camera
    "thigh to shin": (0.6, 1.75),
    "upper arm to forearm": (0.65, 1.8),
    "arm to leg": (0.4, 1.1),
    "trunk to leg": (0.38, 1.15),
}


def likeness(points: np.ndarray, order: JointOrder) -> Likeness:
    """Measure ``[T, J, 3]`` points as a body of an order (any unit, any up axis)."""
    at = {name: points[:, index].astype(np.float64) for name, index in order.points.items()}
    change, worst, medians = 0.0, "", {}
    for side in SIDES:
        for upper, lower in _LIMBS:
            a, b = at[f"{side}_{upper}"], at[f"{side}_{lower}"]
            length = np.linalg.norm(b - a, axis=-1)
            middle = float(np.median(length))
            medians[side, upper] = middle
            spread = float(np.quantile(np.abs(length - middle), 0.95)) / max(middle, 1e-9)
            if spread > change:
                change, worst = spread, f"{side} {upper} to {lower}"
    pairs = [(medians["left", upper], medians["right", upper]) for upper, _ in _LIMBS]
    asymmetry = max(abs(a - b) / max((a + b) / 2, 1e-9) for a, b in pairs)
    thigh, shin, upper_arm, forearm = (max((a + b) / 2, 1e-9) for a, b in pairs)
    hips = (at["left_hip"] + at["right_hip"]) / 2
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    trunk = float(np.median(np.linalg.norm(shoulders - hips, axis=-1)))
    ratios = dict(
        zip(
            _RATIOS,
            (
                thigh / shin,
                upper_arm / forearm,
                (upper_arm + forearm) / (thigh + shin),
                trunk / (thigh + shin),
            ),
            strict=True,
        )
    )
    outside = (
        max(low / max(ratios[n], 1e-9), ratios[n] / high) - 1 for n, (low, high) in _RATIOS.items()
    )
    return Likeness(order, change, asymmetry, max(0.0, *outside), worst)


def recognised(points: np.ndarray) -> tuple[Likeness | None, list[Likeness]]:
    """The order that ``[T, J, 3]`` points have, or None; and all that were tried, best first."""
    tried = sorted(
        (likeness(points, order) for order in ORDERS if order.count == points.shape[1]),
        key=lambda found: found.badness,
    )
    return next((found for found in tried if found.fits), None), tried


# --------------------------------------------------------------------------- SMPL's joints


def to_smpl22(points: np.ndarray, order: JointOrder) -> tuple[np.ndarray, tuple[str, ...]]:
    """SMPL's joints of a body in another order.

    What the order lacks is placed at the proportions of SMPL's rest pose: the spine between hips
    and shoulders, the collars beside it, the head above the neck, toes ahead of the ankles.

    Args:
        points: ``[T, J, 3]`` metres, Y-up.

    Returns:
        ``[T, 22, 3]`` and the names of the joints that had to be made up.
    """
    at = {name: points[:, index].astype(np.float64) for name, index in order.points.items()}
    if order.smpl:
        return np.stack([at[name] for name in JOINT_NAMES], axis=1), ()
    given = set(at) & set(JOINT_NAMES)
    hips = (at["left_hip"] + at["right_hip"]) / 2
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    rest_hips, rest_shoulders = _middle_at_rest("hip"), _middle_at_rest("shoulder")
    size = np.linalg.norm(shoulders - hips, axis=-1) / np.linalg.norm(rest_shoulders - rest_hips)
    size = float(np.median(size))
    lower = body_frame(at["left_hip"] - at["right_hip"], shoulders - hips)
    upper = body_frame(at["left_shoulder"] - at["right_shoulder"], shoulders - hips)
    made = dict(at)
    made["pelvis"] = hips - size * lower @ rest_hips
    # between the hips' and the shoulders' frames: what lies low turns with the hips
    for name in ("spine1", "spine2", "spine3", "neck", "left_collar", "right_collar"):
        rest = _at_rest(name)
        share = float(np.clip((rest[1] - rest_hips[1]) / (rest_shoulders[1] - rest_hips[1]), 0, 1))
        from_hips = hips + size * lower @ (rest - rest_hips)
        from_shoulders = shoulders + size * upper @ (rest - rest_shoulders)
        made[name] = (1 - share) * from_hips + share * from_shoulders
    made["head"] = _head(at, made["neck"], upper, size)
    for side in SIDES:
        made[f"{side}_foot"] = _foot(at, side, lower)
    joints = np.stack([made[name] for name in JOINT_NAMES], axis=1)
    return joints, tuple(name for name in JOINT_NAMES if name not in given)


def _at_rest(name: str) -> np.ndarray:
    """Where a joint of SMPL's rest pose is, from the pelvis."""
    chain = {
        "spine1": ("spine1",),
        "spine2": ("spine1", "spine2"),
        "spine3": ("spine1", "spine2", "spine3"),
        "neck": ("spine1", "spine2", "spine3", "neck"),
    }
    if name.endswith("collar"):
        return _at_rest("spine3") + _REST[name]
    if name.endswith("shoulder"):
        return _at_rest(name.replace("shoulder", "collar")) + _REST[name]
    return np.sum([_REST[part] for part in chain.get(name, (name,))], axis=0)


def _middle_at_rest(part: str) -> np.ndarray:
    return (_at_rest(f"left_{part}") + _at_rest(f"right_{part}")) / 2


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def _head(
    at: dict[str, np.ndarray], neck: np.ndarray, upper: np.ndarray, size: float
) -> np.ndarray:
    """SMPL's head joint lies in front of the neck, well below the ears."""
    reach = size * float(np.linalg.norm(_REST["head"]))
    if "left_ear" in at:
        target = (at["left_ear"] + at["right_ear"]) / 2
    elif "head" in at:
        target = at["head"]
    elif "nose" in at:
        target = at["nose"]
    else:
        return neck + size * upper @ _REST["head"]
    # a point high in the head says where it leans; the rest pose says how far forward it lies
    lean = body_frame(upper[..., 0], target - neck)
    forward = np.arctan2(_REST["head"][2], _REST["head"][1])
    direction = np.cos(forward) * lean[..., 1] + np.sin(forward) * lean[..., 2]
    return neck + reach * direction


def _foot(at: dict[str, np.ndarray], side: str, lower: np.ndarray) -> np.ndarray:
    """SMPL's foot joint: the ball of the foot."""
    ankle = at[f"{side}_ankle"]
    rest = _REST[f"{side}_foot"]
    leg = np.linalg.norm(_REST[f"{side}_knee"]) + np.linalg.norm(_REST[f"{side}_ankle"])
    thigh = np.linalg.norm(at[f"{side}_knee"] - at[f"{side}_hip"], axis=-1)
    shin = np.linalg.norm(ankle - at[f"{side}_knee"], axis=-1)
    size = float(np.median(thigh + shin)) / float(leg)
    toe = at.get(f"{side}_toe")
    if toe is not None:
        return ankle + size * np.linalg.norm(rest) * _unit(toe - ankle)
    # at a right angle to the shin, ahead of it
    up = _unit(at[f"{side}_knee"] - ankle)
    ahead = lower[..., 2] - (lower[..., 2] * up).sum(-1, keepdims=True) * up
    return ankle + size * (rest[1] * up + np.hypot(rest[0], rest[2]) * _unit(ahead))
