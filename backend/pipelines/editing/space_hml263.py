"""HumanML3D's 263 features as a space to edit in: positions, rotations, speeds and contacts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...motion import convert
from ...motion.joint_sets import chains_inside
from ...motion.representations import hml263, motion135
from ...motion.representations.hml263 import HML22, SPEC
from ...motion.resample import resample_motion135
from ...motion.skeleton import joint_index, rest_offsets
from ...wire.skeleton import SOLE_HEIGHT
from .spaces import arriving

_LEGS = list(HML22.legs)
SCALE = float(
    np.array(HML22.bone_lengths)[_LEGS].sum() / np.linalg.norm(rest_offsets()[_LEGS], axis=-1).sum()
)
"""Size of HumanML3D's skeleton, by its legs, as a multiple of the neutral one's."""


class Hml263Space:
    """MDM's representation; see :class:`backend.pipelines.editing.spaces.EditSpace`."""

    fps = SPEC.fps
    dim = SPEC.dim
    fitted = True

    def encode(self, x: np.ndarray, fps: float) -> np.ndarray:
        """See :class:`EditSpace`; a pose is added at the end, because the features lose one."""
        slow = resample_motion135(x, fps, self.fps)
        points = motion135.joints(slow)
        points = np.concatenate([points, 2.0 * points[-1:] - points[-2:-1]])
        features = hml263.encode(points)
        height = SPEC.columns("root_height").start
        shift = SCALE * (slow[0, 1] - SOLE_HEIGHT) - features[0, height]
        features[:, height] += shift
        joints = SPEC.columns("joints")
        features[:, joints.start + 1 : joints.stop : 3] += shift
        return features

    def mask(self, frames: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """See :class:`EditSpace`; for the lower body these are MDM's columns."""
        pelvis = joint_index("pelvis")
        steps = (frames & np.append(frames[1:], frames[-1]))[:, None]
        placed = chains_inside(joints)
        mask = np.zeros((len(frames), SPEC.dim), dtype=bool)
        mask[:, SPEC.columns("yaw_velocity", "root_velocity")] = steps | joints[pelvis]
        mask[:, SPEC.columns("root_height")] = frames[:, None] | joints[pelvis]
        here = frames[:, None]
        mask[:, SPEC.columns("joints")] = np.repeat(here | placed[None, 1:], 3, axis=1)
        mask[:, SPEC.columns("rotations")] = np.repeat(here | joints[None, 1:], 6, axis=1)
        mask[:, SPEC.columns("velocities")] = np.repeat(steps | placed[None], 3, axis=1)
        mask[:, SPEC.columns("contacts")] = steps | placed[None, list(HML22.feet)]
        return mask

    def decode(
        self, sample: np.ndarray, raw: np.ndarray, fps: float, frames: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`EditSpace`; rotations are fitted to the positions by inverse kinematics."""
        smooth = raw.copy()
        speeds = SPEC.columns("yaw_velocity", "root_velocity")
        smooth[:, speeds] = sample[:, speeds]
        points = hml263.decode_joints(smooth) / SCALE
        options = replace(convert.IkOptions.of_features("clean"), floor_align=False)
        x, _ = convert.joints_to_motion135(points, self.fps, self.fps, options)
        root, rotations = motion135.unpack(
            resample_motion135(x.astype(np.float64), self.fps, fps, frames)
        )
        root[:, 1] += SOLE_HEIGHT
        return root, rotations

    def placed(self, x: np.ndarray, rows: np.ndarray, joint: int, points: np.ndarray) -> np.ndarray:
        """See :class:`EditSpace`; these columns are of HumanML3D's larger body."""
        first = SPEC.columns("joints").start + 3 * (joint - 1)
        out = x.copy()
        out[rows, first : first + 3] = SCALE * (points - [0.0, SOLE_HEIGHT, 0.0])
        return out

    def path(self, x: np.ndarray) -> np.ndarray:
        """See :class:`EditSpace`; the features hold half of the turn that undoes the heading."""
        half, root = hml263.recover_root(x)
        return np.stack([root[:, 0], root[:, 2], -2.0 * half], -1)

    def meet(self, x: np.ndarray, path: np.ndarray, gap: tuple[int, int]) -> np.ndarray:
        """See :class:`EditSpace`."""
        first, last = gap[0] - 1, gap[1]
        rows = slice(first, last)
        out = x.copy()
        turns = -2.0 * out[rows, SPEC.columns("yaw_velocity").start]
        steps = out[rows, SPEC.columns("root_velocity")]
        # a step is written in the heading of the frame that it leads to
        turns, steps = arriving(turns, steps, path[first], path[last], ahead=True)
        out[rows, SPEC.columns("yaw_velocity").start] = -0.5 * turns
        out[rows, SPEC.columns("root_velocity")] = steps
        return out
