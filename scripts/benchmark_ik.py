#!/usr/bin/env python3
"""How fast "IK refine-80" is without a mesh, against refining through ``smplx`` in the same run.

The clip has 196 frames at 30 fps. Both start from the same closed form and minimise the published
objective with Adam (80 steps, rate 0.02). The reference way differentiates the ``smplx`` forward
pass, which skins all 6890 vertices of a (made-up) SMPL file in every step; ours differentiates
analytic kinematics of 22 joints.

Usage: ``python scripts/benchmark_ik.py [--repeats 5] [--mesh-steps 8] [--json FILE]``. Figures are
CPU time, so that other programs do not count; set OMP_NUM_THREADS=1 for figures of one core. The
mesh is refined for ``--mesh-steps`` steps and the time scaled to 80 (give 80 to measure them all).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from backend.motion import ik, synthetic_body  # noqa: E402
from backend.motion.body_model import BodyModel  # noqa: E402
from backend.motion.io.npz import read_arrays  # noqa: E402
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle  # noqa: E402
from backend.motion.skeleton import NUM_JOINTS, forward_kinematics  # noqa: E402

FRAMES, VERTICES, STEPS = 196, 6890, 80
MIN_RATIO = 20.0


def targets(offsets: np.ndarray) -> np.ndarray:
    """Joints ``[196, 22, 3]`` of a swinging body with other bone lengths than ``offsets``."""
    rng = np.random.default_rng(0)
    t = np.arange(FRAMES)[:, None, None] / 30.0
    speed, phase = rng.uniform(1, 6, (1, NUM_JOINTS, 3)), rng.uniform(0, 6, (1, NUM_JOINTS, 3))
    rotations = axis_angle_to_matrix(0.4 * np.sin(speed * t + phase))
    root = np.concatenate([0.6 * t[:, 0], 0.9 + 0 * t[:, 0], np.sin(t[:, 0])], -1)
    return forward_kinematics(rotations, root, offsets * rng.uniform(0.93, 1.07, (22, 1)))


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median CPU time of ``work`` after one call that does not count."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times)


class MeshRefinement:
    """The published refinement through the ``smplx`` forward pass."""

    def __init__(self, body_file: Path, points: np.ndarray) -> None:
        import smplx
        import torch
        from smplx.utils import Struct

        with contextlib.redirect_stdout(io.StringIO()):  # it prints a remark about 10 betas
            self.body = smplx.SMPL(
                str(body_file), data_struct=Struct(**read_arrays(body_file)), batch_size=FRAMES
            )
        # joints picked from the mesh (nose, toes, ...) are not fitted
        self.body.vertex_joint_selector.extra_joints_idxs = torch.zeros(0, dtype=torch.long)
        self.offsets = BodyModel.load(body_file).offsets()
        rotations = ik.initial_rotations(points, self.offsets)
        pose = torch.tensor(matrix_to_axis_angle(rotations), dtype=torch.float32)
        root = torch.tensor(points[:, 0] - self.offsets[0], dtype=torch.float32)
        self.first = (pose[:, 0], pose[:, 1:].reshape(FRAMES, -1), root)
        self.targets = torch.tensor(points, dtype=torch.float32)

    def __call__(self, steps: int) -> float:
        """Refine for ``steps``; the mean joint distance in mm afterwards."""
        import torch

        orient, pose, root = (a.clone().requires_grad_() for a in self.first)
        adam = torch.optim.Adam([orient, pose, root], lr=ik.Refinement().learning_rate)
        for _ in range(steps):
            adam.zero_grad()
            joints = self._joints(orient, pose, root)
            loss = ((joints - self.targets) ** 2).sum(-1).mean()
            loss = loss + 1e-4 * ((pose - self.first[1]) ** 2).mean()
            bends = [torch.diff(a, n=2, dim=0).square().mean() for a in (root, pose)]
            loss = loss + 1e-3 * (bends[0] + 0.01 * bends[1])
            loss.backward()
            adam.step()
        with torch.no_grad():
            apart = (self._joints(orient, pose, root) - self.targets).norm(dim=-1)
        return 1000.0 * float(apart.mean())

    def _joints(self, orient: Any, pose: Any, root: Any) -> Any:
        import torch

        hands = torch.zeros(FRAMES, 6)
        done = self.body(global_orient=orient, body_pose=torch.cat([pose, hands], 1), transl=root)
        assert done.vertices.shape == (FRAMES, VERTICES, 3)
        return done.joints[:, :NUM_JOINTS]


def measure(repeats: int, mesh_steps: int) -> dict[str, Any]:
    """All figures, as plain JSON values."""
    with tempfile.TemporaryDirectory() as folder:
        body_file = Path(folder) / "body.npz"
        np.savez(body_file, **synthetic_body.arrays("smpl", VERTICES))
        offsets = BodyModel.load(body_file).offsets()
        points = targets(offsets)
        mesh = MeshRefinement(body_file, points)
    fits: dict[str, dict[str, float]] = {}
    for name, refinement in (
        ("closed form", None),
        ("refine-80 (published objective)", ik.Refinement()),
        ("refine-80, root not settled", ik.Refinement(settle=False)),
        ("gauss-newton", ik.Refinement("gauss_newton")),
    ):

        def fit(refinement: ik.Refinement | None = refinement) -> ik.IkFit:
            return ik.fit(points, offsets, refinement=refinement, foot_align=False)[0]

        fits[name] = {
            "ms_per_clip": round(1000.0 * seconds(fit, repeats), 1),
            "mpjpe_mm": round(float(fit().error_mm.mean()), 3),
        }
    begin = time.process_time()
    error = mesh(mesh_steps)
    spent = (time.process_time() - begin) * STEPS / mesh_steps
    ours = fits["refine-80 (published objective)"]["ms_per_clip"]
    return {
        "frames": FRAMES,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "without mesh": fits,
        "through smplx": {
            "vertices": VERTICES,
            "steps_run": mesh_steps,
            "ms_per_clip": round(1000.0 * spent, 1),
            "mpjpe_mm_after_steps_run": round(error, 3),
        },
        "ratio": round(1000.0 * spent / ours, 1),
        "wanted_ratio": MIN_RATIO,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail where the ratio is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mesh-steps", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args(arguments)
    result = measure(options.repeats, options.mesh_steps)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0 if result["ratio"] >= MIN_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
