"""MoGenTS from the command line: convert a release, prove it, make a motion."""

from __future__ import annotations

import shutil
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch

from tests.mogents_model import unpack, unpack_model

from .conftest import Kinetype


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("upstream", tmp_path_factory.mktemp("release"))


def convert(
    kinetype_here: Kinetype, release: Path, out: Path, *more: object
) -> CompletedProcess[str]:
    roots = ("--weights-root", release / "logs", "--length-root", release / "checkpoints")
    return kinetype_here("convert-checkpoint", "mogents", *roots, out, *more)


def test_convert_verify_generate(kinetype_here: Kinetype, release: Path, tmp_path: Path) -> None:
    clip = unpack_model(tmp_path / "published")
    done = convert(kinetype_here, release, tmp_path / "model", "--clip", clip, "--verify")
    assert done.returncode == 0, done.stderr
    assert "max-abs-diff = 0.0" in done.stdout
    assert "equal" in done.stdout
    names = {path.name for path in (tmp_path / "model").iterdir()}
    parts = ("vq", "mask_aux", "mask_ts", "res_aux", "res_ts", "length_est", "clip")
    assert names >= {f"{part}.safetensors" for part in parts}
    assert names >= {"mogents_config.json", "model_index.json", "Mean.npy", "Std.npy"}
    made = kinetype_here(
        "generate", "a person walks.", "--model", tmp_path / "model", "--seconds", 2,
        "--out", "x.npz", "--offline", "--quiet",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert np.isfinite(file["poses"]).all()
        assert len(file["poses"]) == 60


def test_the_converted_folder_equals_the_published_one(
    kinetype_here: Kinetype, release: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    published = unpack("artifact", tmp_path)
    assert convert(kinetype_here, release, tmp_path / "model").returncode == 0
    for name in ("vq", "mask_aux", "mask_ts", "res_aux", "res_ts", "length_est"):
        one = load_file(tmp_path / "model" / f"{name}.safetensors")
        two = load_file(published / f"{name}.safetensors")
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize(
    "gone",
    [
        "logs/humanml3d/pretrain_mtrans/model/net_best_fid.tar",
        "logs/humanml3d/pretrain_vq/opt.txt",
        "logs/humanml3d/pretrain_vq/meta/std.npy",
        "checkpoints/humanml3d/length_estimator/model/finest.tar",
    ],
)
def test_what_a_release_lacks(
    kinetype_here: Kinetype, release: Path, tmp_path: Path, gone: str
) -> None:
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    (copy / gone).unlink()
    done = convert(kinetype_here, copy, tmp_path / "model")
    assert done.returncode != 0
    assert gone in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()


def test_entries_that_do_not_fit(kinetype_here: Kinetype, release: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    path = copy / "logs/humanml3d/pretrain_rtrans/model/net_best_fid.tar"
    content = torch.load(path, weights_only=True)
    torch.save({k: v for k, v in content.items() if k != "res_transformer_ts"}, path)
    done = convert(kinetype_here, copy, tmp_path / "model")
    assert done.returncode != 0
    assert "has no entry res_transformer_ts" in done.stderr
