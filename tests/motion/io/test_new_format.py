"""A file format is one new file and one row: commands, help and documents know it from there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[3]

ADDED = '''
"""Rows of numbers as text, by somebody else."""

import numpy as np

from ..representations import motion135
from ..steps import Clip
from .atomic import atomic_path


def read_clip(path, reading):
    data = np.loadtxt(path, dtype=np.float32, ndmin=2)
    return Clip(data, motion135.SPEC.name, reading.fps or 30.0)


def write_motion(path, motion):
    with atomic_path(path) as temporary:
        np.savetxt(temporary, motion.data)
'''
TABLE = "FORMATS: tuple[Format, ...] = (\n"
ROW = '    Format(".rows", "numbers as text", "rows:read_clip", "rows:write_motion"),\n'


def test_it_is_known_everywhere(tmp_path: Path, clip: np.ndarray) -> None:
    unneeded = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(REPO / "backend", tmp_path / "backend", ignore=unneeded)
    folder = tmp_path / "backend" / "motion" / "io"
    (folder / "rows.py").write_text(ADDED)
    table = (folder / "formats.py").read_text(encoding="utf-8")
    assert table.count(TABLE) == 1
    (folder / "formats.py").write_text(table.replace(TABLE, TABLE + ROW), encoding="utf-8")
    np.save(tmp_path / "a.npy", clip[:40])

    def kinetype(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "backend", *words],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    kinetype("convert", "--quiet", "a.npy", "b.rows", "--to", "motion135")
    np.testing.assert_allclose(np.loadtxt(tmp_path / "b.rows"), clip[:40], atol=1e-6)
    kinetype("convert", "--quiet", "b.rows", "c.npy", "--to", "motion135")
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), clip[:40], atol=1e-6)
    seen = json.loads(kinetype("inspect", "b.rows", "--source-fps", "60", "--json"))
    assert (seen["frames"], seen["fps"]) == (40, 60.0)
    (tmp_path / "names.txt").write_text("b\n")
    judged = kinetype(
        *("evaluate", "--evaluator", "physical", "--gt", ".", "--gt-only", "--split", "names.txt")
    )
    assert "jerk_m_s3" in judged
    for command in ("inspect", "edit"):
        assert ".rows" in kinetype(command, "--help")
