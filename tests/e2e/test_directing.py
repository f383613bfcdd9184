"""Poses, pins, paths and prompts in time, from files to files through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.motion.io import npz
from backend.motion.representations import motion135
from backend.wire.messages import Motion
from tests import mdm_files
from tests.conftest import _swinging_clip

from .conftest import Kinetype


@pytest.fixture(scope="module")
def tiny_mdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("mdm")
    model = mdm_files.tiny_pipeline(mdm_files.walking_stats(_swinging_clip), place / "clip")
    return model.save_pretrained(place / "model")


@pytest.fixture(params=["dit", "mdm"])
def model(request: pytest.FixtureRequest, tiny_model: Path, tiny_mdm: Path) -> Path:
    return {"dit": tiny_model, "mdm": tiny_mdm}[request.param]


def standing_pose(aside: float, ahead: float, turn: float) -> list[float]:
    """A body that stands with bent arms; one row of motion_135."""
    x = _swinging_clip(frames=2, seed=5)[:1].copy()
    x[0, [0, 2]] = aside, ahead
    return x[0].tolist()


def written(folder: Path, name: str, values: object) -> Path:
    (folder / name).write_text(json.dumps(values))
    return folder / name


def test_poses_and_ranges_come_back_exactly(
    kinetype_here: Kinetype, model: Path, tmp_path: Path
) -> None:
    given = _swinging_clip(frames=60, seed=2, turns=0.1)[30:40]
    listed = [
        {"type": "fullbody", "frame_indices": [0], "motion135": [standing_pose(0.0, 0.0, 0.0)]},
        {"type": "fullbody", "frame_ranges": [[50, 60]], "motion135": given.tolist()},
    ]
    asked = written(tmp_path, "c.json", listed)
    done = kinetype_here(
        *("generate", "a person walks", "--model", model, "--seconds", 3, "--steps", 4),
        *("--constraints", asked, "--out", "o.npz"),
    )
    assert done.returncode == 0, done.stderr
    assert "constraint 2 (fullbody, frames 50-59): 0.0 cm -> 0.0 cm" in done.stderr
    made = npz.read_motion(tmp_path / "o.npz")
    np.testing.assert_allclose(made.data[50:60], given, atol=2e-5)
    told = made.meta["constraints"]
    assert [each["frames"] for each in told] == [[0], list(range(50, 60))]
    assert all(each["met"] and each["cm"] < 0.01 and each["degrees"] < 0.1 for each in told)
    assert len(made.data) == 90 and np.isfinite(made.data).all()


def test_a_path_from_points_and_a_pin(kinetype_here: Kinetype, model: Path, tmp_path: Path) -> None:
    (tmp_path / "way.csv").write_text("seconds,x,z,heading\n0,1,0,90\n1,1.5,0,90\n2,2,0,90\n")
    pin = {"type": "left-hand", "frame_ranges": [[40, 50]], "positions": [[1.75, 1.2, 0.1]]}
    asked = written(tmp_path, "c.json", [pin])
    common = ("generate", "a person walks", "--model", model, "--seconds", 2.5, "--steps", 4,
              "--path", "way.csv", "--constraints", asked, "--quiet")  # fmt: skip
    done = kinetype_here(*common, "--out", "o.npz")
    assert done.returncode == 0, done.stderr
    made = npz.read_motion(tmp_path / "o.npz")
    told = made.meta["constraints"]
    assert [each["type"] for each in told] == ["left-hand", "root2d"]
    assert told[1]["frames"] == [0, 30, 60] and told[1]["limit_cm"] == 15.0
    # the sampling is led along the way: the correction finds it there already
    assert told[1]["cm_before"] < 60 and told[1]["met"], told
    hand = motion135.joints(made.data.astype(float))[40:50, 20]
    assert np.abs(hand - [1.75, 1.2, 0.1]).max() < 0.02
    assert kinetype_here(*common, "--no-correct", "--out", "n.npz").returncode == 0
    other = npz.read_motion(tmp_path / "n.npz").meta["constraints"]
    assert [each["cm"] for each in other] == [each["cm_before"] for each in told]


def test_an_edit_reaches_a_pin_in_its_gap(
    kinetype_here: Kinetype, model: Path, tmp_path: Path
) -> None:
    given = _swinging_clip(frames=90, seed=1, turns=0.1).astype(np.float32)
    npz.write_motion(tmp_path / "in.npz", Motion(given))
    place = motion135.joints(given.astype(float))[45, 21] + [0.0, 0.1, 0.05]
    asked = written(
        tmp_path,
        "c.json",
        [{"type": "right-hand", "frame_indices": [45], "positions": [place.tolist()]}],
    )
    done = kinetype_here(
        *("edit", "in.npz", "--model", model, "--keep-frames", "0-30,60-", "--steps", 4),
        *("--constraints", asked, "--out", "o.npz"),
    )
    assert done.returncode == 0, done.stderr
    made = npz.read_motion(tmp_path / "o.npz")
    kept = np.r_[0:30, 60:90]
    np.testing.assert_array_equal(made.data[kept], given[kept])
    assert made.meta["constraints"][0]["met"]


def test_prompts_in_time_are_one_motion(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path
) -> None:
    parts = [
        {"prompt": "a person walks", "start": 0, "length": 2},
        {"prompt": "a person bows", "start": 2.5, "length": 1.5, "transition": 0.3},
    ]
    done = kinetype_here(
        *("generate", "", "--segments", written(tmp_path, "s.json", parts)),
        *("--model", tiny_model, "--steps", 4, "--quiet", "--out", "o.npz"),
    )
    assert done.returncode == 0, done.stderr
    made = npz.read_motion(tmp_path / "o.npz")
    assert made.data.shape == (120, 135)
    assert made.meta["prompt"] == "a person walks, then a person bows"
    assert made.meta["parts"] == ["a person walks", "a person bows"]
    assert [each["frames"] for each in made.meta["segments"]] == [[0, 75], [75, 120]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([{"type": "end-effector", "frame_indices": [0]}], "cannot be told several pinned joints"),
        ([{"type": "fullbody", "frame_indices": [500], "motion135": [[0.0] * 135]}], "frame 500"),
        ([{"type": "root2d"}], "needs frame_indices"),
        ({"type": "root2d"}, "holds no list"),
        ([{"type": "root2d", "frame_indices": [0], "smooth_root_2d": [[0, 0]], "strength": 2}],
         "strength 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_refused_before_the_model_is_loaded(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path, values: object, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from backend.pipelines import registry

    def loads(*_: object, **__: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(registry, "load_pipeline", loads)
    done = kinetype_here(
        *("generate", "a person walks", "--model", tiny_model, "--out", "o.npz", "--quiet"),
        *("--constraints", written(tmp_path, "c.json", values)),
    )
    assert done.returncode == 2 and said in done.stderr, done.stderr


@pytest.mark.parametrize("text", ["", "1,2\n", "a,b,c\n", "seconds,x\n0,1\n", "0,0,0\n1,nan"])
def test_a_file_without_points_is_refused(
    kinetype_here: Kinetype, tiny_model: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "way.csv").write_text(text)
    done = kinetype_here(
        *("generate", "a person walks", "--model", tiny_model, "--out", "o.npz", "--quiet"),
        *("--path", "way.csv"),
    )
    assert done.returncode == 2 and "way.csv" in done.stderr
