"""A representation is one new file: its spec, its ways to and from others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from backend.motion.representations import motion135

REPO = Path(__file__).resolve().parents[2]

ADDED = '''
"""Joints in centimetres, by somebody else."""

from ...wire.skeleton import NUM_JOINTS
from . import joints
from .spec import RepresentationSpec

SPEC = RepresentationSpec("centimetres", 30.0, (("joints", 3 * NUM_JOINTS), ("unused", 1)))


def stored_joints(x):
    return SPEC.check(x)[:, :-1].reshape(len(x), NUM_JOINTS, 3) / 100.0


def _from_joints(clip, options):
    import numpy as np

    flat = 100.0 * joints.as_joints(clip.data).reshape(len(clip.data), -1)
    return clip.to(SPEC, np.pad(flat, ((0, 0), (0, 1))), fps=clip.fps)


STEPS = {
    ("joints", "centimetres"): _from_joints,
    ("centimetres", "joints"): lambda clip, options: clip.to(
        joints.SPEC, stored_joints(clip.data), fps=clip.fps
    ),
}
'''
PROGRAM = """
import sys
from backend.motion import representations

representations.__path__.append(sys.argv.pop(1))
from backend.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


def test_it_is_known_everywhere(tmp_path: Path, clip: np.ndarray) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "centimetres.py").write_text(ADDED)
    points = motion135.joints(clip[:9].astype(np.float64)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)

    def kinetype(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "more"), *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    kinetype("convert", "--quiet", "a.npy", "b.npy", "--to", "centimetres")
    made = np.load(tmp_path / "b.npy")
    assert made.shape == (9, 67)
    np.testing.assert_allclose(made[:, :66], 100.0 * points.reshape(9, -1), rtol=1e-6)
    # the file is known by its width, and there are ways on
    kinetype("convert", "--quiet", "b.npy", "c.npy", "--to", "joints")
    np.testing.assert_allclose(np.load(tmp_path / "c.npy").reshape(9, 22, 3), points, rtol=1e-5)
    (tmp_path / "names.txt").write_text("b\n")
    judged = kinetype(
        *("evaluate", "--evaluator", "physical", "--gt", ".", "--gt-only", "--split", "names.txt")
    )
    assert "jerk_m_s3" in judged
