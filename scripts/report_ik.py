#!/usr/bin/env python3
"""How well real motion survives HumanML3D-263: encode, decode, IK, compare.

Recordings of a Kinetype dataset are encoded as 263 features at 20 fps and come back by "IK
refine-80". Errors are against the joints that the features hold (what IK was asked for) and, for
rotations, against the recording at the same times. Positions do not determine the twist of
single-bone joints, so rotations are split into the swing of the bone and the twist about it.

Usage: ``python scripts/report_ik.py DATASET [--clips 40] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from backend.motion import convert, edits, ik, resample  # noqa: E402
from backend.motion.representations import hml263, motion135  # noqa: E402
from backend.motion.rotations import transpose  # noqa: E402
from backend.motion.skeleton import CHILDREN, NUM_JOINTS, global_rotations, rest_offsets  # noqa: E402
from backend.training.data.dataset import MotionDataset  # noqa: E402

_LENGTHS = np.array(hml263.HML22.bone_lengths)[:, None]
_DIRECTIONS = rest_offsets() / np.maximum(
    np.linalg.norm(rest_offsets(), axis=-1, keepdims=True), 1e-12
)
METHODS = {
    "clean": convert.IkOptions.preset("clean"),
    "published": convert.IkOptions.preset("published"),
    "clean without hinge twist": convert.IkOptions(hinge_twist=False),
    "gauss-newton": convert.IkOptions(ik.Refinement("gauss_newton"), keep_directions=False),
    "closed form": convert.IkOptions(None, keep_directions=False),
    "closed form without hinge twist": convert.IkOptions(
        None, hinge_twist=False, keep_directions=False
    ),
    "closed form, bone lengths of 263": convert.IkOptions(None, offsets=_DIRECTIONS * _LENGTHS),
}
MAX_FRAMES = 300
MIN_FRAMES = 30


def angle(rotations: np.ndarray) -> np.ndarray:
    """Angle (degrees) of ``[..., 3, 3]``."""
    trace = np.trace(rotations, axis1=-2, axis2=-1)
    return np.rad2deg(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0)))


def swing(fitted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Angle (degrees) ``[T, K]`` between the bones of joints with one child, in the world."""
    single = [j for j in range(NUM_JOINTS) if len(CHILDREN[j]) == 1]
    bones = rest_offsets()[[CHILDREN[j][0] for j in single], :, None]
    a, b = (global_rotations(r)[:, single] @ bones for r in (fitted, true))
    lengths = np.linalg.norm(a[..., 0], axis=-1) * np.linalg.norm(b[..., 0], axis=-1)
    cosine = (a * b).sum((-1, -2)) / lengths
    return np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0)))


def one_clip(x: np.ndarray, options: convert.IkOptions) -> dict[str, np.ndarray]:
    """Errors of one recording ``[T, 135]`` at 30 fps, per frame (and joint)."""
    features = convert.motion135_to_hml263(x)
    points = convert.hml263_to_joints(features)
    fitted, error = convert.joints_to_motion135(points, hml263.SPEC.fps, options=options)
    # where the fitted frames lie in the recording: 20 fps samples, then the stretched grid
    grid = resample.end_aligned_grid(len(points), hml263.SPEC.fps, motion135.SPEC.fps)
    source = np.minimum(grid * motion135.SPEC.fps / hml263.SPEC.fps, len(x) - 1.0)
    true = motion135.unpack(resample.resample_at(edits.align_heading(x), source))[1]
    rotations = motion135.unpack(fitted.astype(np.float64))[1]
    # 263 turns the clip by the hips and shoulders, not by the pelvis: take the same start
    turn = rotations[0, 0] @ true[0, 0].T
    yaw = np.arctan2(turn[0, 2] - turn[2, 0], turn[0, 0] + turn[2, 2])
    true = motion135.unpack(edits.align_heading(_with(true), _heading(true[0, 0]) + yaw))[1]
    carriers = [j for j in range(NUM_JOINTS) if CHILDREN[j]]
    apart = angle(transpose(rotations) @ true)
    return {"mpjpe_mm": error, "rotation": apart[:, carriers], "swing": swing(rotations, true)}


def _with(rotations: np.ndarray) -> np.ndarray:
    return motion135.pack(np.zeros((len(rotations), 3)), rotations)


def _heading(rotation: np.ndarray) -> float:
    return float(np.arctan2(rotation[0, 2], rotation[2, 2]))


def spread(values: np.ndarray) -> dict[str, float]:
    """Mean and percentiles, rounded."""
    p50, p95, top = np.percentile(values, [50, 95, 100])
    figures = {"mean": values.mean(), "p50": p50, "p95": p95, "max": top}
    return {k: round(float(v), 2) for k, v in figures.items()}


def report(folder: Path, clips: int) -> dict[str, Any]:
    """All figures, as plain JSON values."""
    dataset = MotionDataset.load(folder)
    long_enough = [c for c in dataset.clips if c.length >= MIN_FRAMES]
    chosen = long_enough[:: max(1, len(long_enough) // clips)][:clips]
    out: dict[str, Any] = {"clips": len(chosen)}
    for name, options in METHODS.items():
        parts = [
            one_clip(dataset.clip_motion(c)[:MAX_FRAMES].astype(np.float64), options)
            for c in chosen
        ]
        joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        out["frames"] = len(joined["mpjpe_mm"])
        out[name] = {
            "mpjpe_mm of clips": spread(np.array([p["mpjpe_mm"].mean() for p in parts])),
            "mpjpe_mm of frames": spread(joined["mpjpe_mm"]),
            "rotation_deg": spread(joined["rotation"]),
            "swing_deg": spread(joined["swing"]),
        }
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("dataset", type=Path, help="dataset folder")
    parser.add_argument("--clips", type=int, default=40, help="evenly chosen (default 40)")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args(arguments)
    text = json.dumps(report(options.dataset, options.clips), indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
