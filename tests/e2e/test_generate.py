"""``kinetype generate``: files that hold the motion, the same again for the same seed."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation import take_scores
from backend.motion.io import bvh, npz
from backend.pipelines.registry import model_info

from .conftest import Kinetype


def test_files_of_every_plain_format(kinetype: Kinetype, tiny_model: Path, tmp_path: Path) -> None:
    names = ["out/walk.npz", "out/walk.bvh", "out/walk.npy"]
    outs = [word for name in names for word in ("--out", name)]
    done = kinetype(
        "generate", "  a person walks ", "--model", tiny_model, "--seconds", 2, "--seed", 7, *outs
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == names
    motion = npz.read_motion(tmp_path / "out/walk.npz")
    assert motion.data.shape == (60, 135)
    assert motion.fps == 30
    assert motion.meta["prompt"] == "a person walks"
    assert motion.meta["seed"] == 7
    np.testing.assert_array_equal(np.load(tmp_path / "out/walk.npy"), motion.data)
    assert len(bvh.read(tmp_path / "out/walk.bvh").local_rotations) == 60
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "walk.bvh",
        "walk.npy",
        "walk.npz",
    ]


def test_samples_differ_and_each_can_be_made_again(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    common = ("generate", "wave", "--model", tiny_model, "--seconds", 1)
    assert kinetype_here(*common, "--seed", 3, "--samples", 2, "--out", "a.npz").returncode == 0
    first = npz.read_motion(tmp_path / "a_00.npz").data
    second = npz.read_motion(tmp_path / "a_01.npz").data
    assert not (tmp_path / "a.npz").exists()
    assert np.abs(first - second).max() > 1e-3
    assert kinetype_here(*common, "--seed", 4, "--out", "b.npz").returncode == 0
    again = npz.read_motion(tmp_path / "b.npz").data
    np.testing.assert_allclose(again, second, atol=1e-4)


def test_the_best_of_several_says_which_it_was(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    common = ("generate", "wave", "--model", tiny_model, "--seconds", 1)
    asked = (*common, "--seed", 3, "--samples", 3)
    assert kinetype_here(*asked, "--out", "all.npz").returncode == 0
    every = [npz.read_motion(path) for path in sorted(tmp_path.glob("all_*.npz"))]
    scores = [motion.meta["scores"] for motion in every]
    assert kinetype_here(*asked, "--keep-best", "--out", "best.npz").returncode == 0
    assert [path.name for path in tmp_path.glob("best*")] == ["best.npz"]
    kept = npz.read_motion(tmp_path / "best.npz")
    assert kept.meta["seed"] == 3 + take_scores.best(scores)
    assert kept.meta["scores"] == scores[take_scores.best(scores)]
    done = kinetype_here(*common, "--seed", kept.meta["seed"], "--out", "again.npz")
    assert done.returncode == 0
    again = npz.read_motion(tmp_path / "again.npz")
    np.testing.assert_allclose(again.data, kept.data, atol=1e-4)


def test_settings_reach_the_motion(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    done = kinetype_here(
        *("generate", "wave", "--model", tiny_model, "--seconds", 1, "--out", "a.npz"),
        *("--steps", 3, "--sampler", "ddpm", "--guidance-scale", 1.5, "--no-cleanup", "--quiet"),
    )
    assert done.returncode == 0, done.stderr
    assert "%" not in done.stderr
    meta = npz.read_motion(tmp_path / "a.npz").meta
    assert meta["params"]["steps"] == 3
    assert meta["params"]["sampler"] == "ddpm"
    assert meta["params"]["guidance_scale"] == 1.5
    assert not meta.get("cleanup", False)


def test_an_output_is_replaced_unless_protected(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.npz").write_text("mine")
    common = ("generate", "wave", "--model", tiny_model, "--seconds", 1, "--out", "a.npz")
    refused = kinetype_here(*common, "--no-overwrite")
    assert refused.returncode == 1
    assert "exists already" in refused.stderr
    assert (tmp_path / "a.npz").read_text() == "mine"
    assert kinetype_here(*common).returncode == 0
    assert len(npz.read_motion(tmp_path / "a.npz").data) == 30


@pytest.mark.skipif(find_spec("bpy") is None, reason="needs bpy")
def test_blend_and_video(kinetype: Kinetype, tiny_model: Path, tmp_path: Path) -> None:
    done = kinetype(
        *("generate", "stand", "--model", tiny_model, "--seconds", 1),
        *("--out", "a.npz", "--out", "a.blend", "--out", "a.mp4"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["a.npz", "a.blend", "a.mp4"]
    assert b"ftyp" in (tmp_path / "a.mp4").read_bytes()[:16]
    ask = (
        "import bpy, sys\n"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1])\n"
        "rigs = [o for o in bpy.data.objects if o.type == 'ARMATURE']\n"
        "action = rigs[0].animation_data.action\n"
        "print('found', len(rigs), *map(int, action.frame_range))\n"
    )
    opened = subprocess.run(
        [sys.executable, "-c", ask, str(tmp_path / "a.blend")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "found 1 1 30" in opened.stdout, opened.stdout + opened.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("moment", "sent", "code", "said"),
    [
        ("loading model", signal.SIGINT, 130, "cancelled"),
        ("sampling", signal.SIGINT, 130, "cancelled"),
        ("sampling", signal.SIGTERM, 143, "ended by SIGTERM"),
    ],
)
def test_ctrl_c_and_sigterm_end_cleanly(
    environment: dict[str, str],
    tiny_model: Path,
    tmp_path: Path,
    moment: str,
    sent: signal.Signals,
    code: int,
    said: str,
) -> None:
    command = [sys.executable, "-m", "backend", "generate", "walk", "--model", str(tiny_model)]
    command += ["--seconds", "4", "--samples", "64", "--sampler", "ddpm", "--steps", "20"]
    with subprocess.Popen(
        [*command, "--out", "a.npz"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background may have been started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        seen = ""
        while moment not in seen and (letter := process.stderr.read(1)):
            seen += letter
        process.send_signal(sent)
        rest = process.stderr.read()
        assert process.wait(timeout=120) == code, seen + rest
    assert said in rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not (info := model_info("starter")) or not info.ready, reason="needs the starter model"
)
def test_starter_model_follows_the_readme(kinetype: Kinetype, tmp_path: Path) -> None:
    done = kinetype(
        *("generate", "a tired man walks forward", "--seconds", 5, "--seed", 3),
        *("--out", "walk.npz"),
    )
    assert done.returncode == 0, done.stderr
    motion = npz.read_motion(tmp_path / "walk.npz")
    assert motion.data.shape == (150, 135)
    assert motion.meta["cleanup"] is True
    travelled = np.linalg.norm(motion.data[-1, [0, 2]] - motion.data[0, [0, 2]])
    assert travelled > 1.0, "a walk of five seconds goes somewhere"


@pytest.mark.skipif(
    not (info := model_info("starter")) or not info.ready, reason="needs the starter model"
)
def test_an_unknown_action_is_warned_about(kinetype: Kinetype) -> None:
    done = kinetype("generate", "a person juggles three balls", "--seconds", 2, "--out", "a.npz")
    assert done.returncode == 0, done.stderr
    assert "warning:" in done.stderr
