"""A released DiP from the command line: converted, generating, going on from a motion file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.motion.io import npz
from backend.wire.messages import Motion
from tests.clip_files import write_clip
from tests.conftest import _swinging_clip
from tests.mdm_files import tiny_net, walking_stats, write_release

from .conftest import Kinetype


@pytest.fixture
def model(kinetype_here: Kinetype, tmp_path: Path) -> Path:
    """A converted planner of 5 frames ahead of 8, with a tiny text encoder."""
    net = tiny_net(arch="trans_dec", context_len=5, pred_len=8, diffusion_steps=6)
    release = write_release(tmp_path / "release", net, walking_stats(_swinging_clip))
    clip = write_clip(tmp_path / "clip")
    done = kinetype_here("convert-checkpoint", "mdm", release, "dip", "--clip", clip, "--verify")
    assert done.returncode == 0, done.stderr
    assert "max-abs-diff = 0.0" in done.stdout
    return tmp_path / "dip"


def test_generate_starts_from_standing(
    kinetype_here: Kinetype, model: Path, tmp_path: Path
) -> None:
    config = json.loads((model / "mdm_config.json").read_text())
    assert (config["sampler"], config["guidance_param"]) == ("ddpm", 7.5)
    made = kinetype_here(
        "generate", "a person walks", "--model", model, "--seconds", 11, "--out", "x.npz",
        "--quiet", "--offline",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert npz.read_motion(tmp_path / "x.npz").data.shape == (330, 135)


def test_a_motion_goes_on_as_the_prompt_tells(
    kinetype_here: Kinetype, model: Path, tmp_path: Path, make_motion: Callable[..., np.ndarray]
) -> None:
    given = make_motion(frames=60).astype(np.float32)
    npz.write_motion(tmp_path / "in.npz", Motion(given, 30.0))
    common = ("continue", "in.npz", "--model", model, "--seconds", 1.5, "--offline")
    outs = {}
    for name, more in {
        "walk": ("--prompt", "a person walks"),
        "jump": ("--prompt", "a person jumps"),
        "free": (),
    }.items():
        done = kinetype_here(*common, *more, "--out", f"{name}.npz")
        assert done.returncode == 0, done.stderr
        assert "going on" in done.stderr and done.stdout.split() == [f"{name}.npz"]
        outs[name] = npz.read_at_own_rate(tmp_path / f"{name}.npz")
        np.testing.assert_array_equal(outs[name].data[:60], given)
        assert len(outs[name].data) == pytest.approx(60 + 45, abs=3)
    assert outs["walk"].meta["prompt"] == "a person walks"
    assert np.abs(outs["walk"].data - outs["jump"].data)[60:].max() > 1e-4
    assert np.abs(outs["walk"].data - outs["free"].data)[60:].max() > 1e-4

    several = kinetype_here(
        *common, "--prompt", "a person walks", "--samples", 2, "--out", "s.npz", "--quiet"
    )
    assert several.stdout.split() == ["s_00.npz", "s_01.npz"]
    first = npz.read_at_own_rate(tmp_path / "s_00.npz")
    np.testing.assert_allclose(first.data, outs["walk"].data, atol=1e-4)


def test_what_a_planner_does_not_do(
    kinetype_here: Kinetype, model: Path, tmp_path: Path, make_motion: Callable[..., np.ndarray]
) -> None:
    for name, frames in (("in", 60), ("short", 8)):
        npz.write_motion(tmp_path / f"{name}.npz", Motion(make_motion(frames=frames), 30.0))
    out = ("--model", model, "--out", "o.npz", "--quiet")
    for arguments, code, text in (
        (("continue", "in.npz", "--greedy"), 2, "none is the likeliest"),
        (("continue", "in.npz", "--in-between"), 2, "make the middle"),
        (("continue", "in.npz", "--seconds", 100), 2, "0.05 to 60"),
        (("continue", "short.npz"), 1, "too short"),
        (("edit", "in.npz", "--keep-frames", "0-1s"), 2, "can: generate, continue"),
    ):
        done = kinetype_here(*arguments, *out)
        assert done.returncode == code, (arguments, done.stderr)
        assert text in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "o.npz").exists()


def test_a_model_of_whole_motions_goes_on_by_editing(
    kinetype_here: Kinetype, tmp_path: Path, make_motion: Callable[..., np.ndarray]
) -> None:
    npz.write_motion(tmp_path / "in.npz", Motion(make_motion(frames=60), 30.0))
    release = write_release(tmp_path / "release", tiny_net(), walking_stats(_swinging_clip))
    clip = write_clip(tmp_path / "clip")
    assert kinetype_here(
        "convert-checkpoint", "mdm", release, "whole", "--clip", clip
    ).returncode == 0  # fmt: skip
    done = kinetype_here(
        "continue", "in.npz", "--model", "whole", "--out", "o.npz", "--seconds", 1, "--quiet",
        "--prompt", "a person walks", "--steps", 3,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = npz.read_motion(tmp_path / "o.npz")
    assert made.data.shape == (90, 135)
    np.testing.assert_array_equal(made.data[:60], npz.read_motion(tmp_path / "in.npz").data)
    assert made.meta["continued"] == {"kept_frames": 60}
