"""MoMask from the released folders to motion, and back into a folder of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.cli.main import main
from backend.errors import ArtifactError
from backend.motion.io import npz
from backend.pipelines import registry
from backend.pipelines.momask import MoMaskPipeline
from backend.wire.messages import Motion
from tests.momask_files import NAMES, write_release
from tests.momask_model import golden_momask


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("momask"))


@pytest.fixture(scope="module")
def pipeline(root: Path) -> MoMaskPipeline:
    return MoMaskPipeline.from_pretrained(root, device="cpu")


def test_the_released_weights_are_read(pipeline: MoMaskPipeline) -> None:
    z = golden_momask()
    assert torch.equal(pipeline.networks.vq.encode(z["vq.in"]), z["vq.ids"])
    assert pipeline.networks.length_est is not None
    torch.testing.assert_close(pipeline.networks.length_est(z["text"]), z["len.out"])


def test_generate_from_the_command_line(tmp_path: Path, root: Path) -> None:
    out = tmp_path / "walk.npz"
    # a folder above the networks' own will do
    main(["generate", "the walk", "--model", str(root.parents[1]), "--seconds", "2",
          "--steps", "2", "--out", str(out), "--no-cleanup"])  # fmt: skip
    motion = npz.read_motion(out)
    assert motion.data.shape == (60, 135) and motion.meta["params"]["steps"] == 2


def test_converted_and_verified_it_is_the_same_model(
    tmp_path: Path, root: Path, pipeline: MoMaskPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    main(["convert-checkpoint", "momask", str(root), str(out), "--verify"])
    said = capsys.readouterr().out
    assert "max-abs-diff = 0.0" in said and "equal" in said
    assert (out / "clip.safetensors").is_file()
    again = MoMaskPipeline.from_pretrained(out, device="cpu")
    captions, lengths = ["the walk", "a wave"], [40, 60]
    a, b = (p.infer_t2m(captions, lengths, seed=3, timesteps=2) for p in (pipeline, again))
    assert [len(x) for x in a] == lengths
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    info = registry.find_info(out)
    assert info.family == "momask" and "edit" in info.abilities


def test_a_clip_does_not_depend_on_its_batch(pipeline: MoMaskPipeline) -> None:
    both = pipeline.infer_t2m(["the walk", "a wave"], [80, 40], seed=5, timesteps=2)
    alone = pipeline.infer_t2m(["a wave"], [40], seed=6, timesteps=2)
    np.testing.assert_allclose(both[1], alone[0], atol=1e-5)


def test_editing_in_time_keeps_the_rest(pipeline: MoMaskPipeline, make_motion) -> None:
    clip = Motion(make_motion(90).astype(np.float32), 30.0)
    made = pipeline.edit(clip, "a wave", keep_frames=[(0, 30), (60, 90)], seed=1, steps=2)
    kept = np.r_[0:30, 60:90]
    assert np.array_equal(made.data[kept], clip.data[kept])
    assert (made.data[35:55] != clip.data[35:55]).any(axis=1).all()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = write_release(tmp_path, clip=False, length=False)
    assert MoMaskPipeline.from_pretrained(root, device="cpu").networks.length_est is None
    twin = root / "rvq_other"
    twin.mkdir()
    (twin / "opt.txt").write_bytes((root / NAMES["vq"] / "opt.txt").read_bytes())
    with pytest.raises(ArtifactError, match="one tokenizer") as caught:
        MoMaskPipeline.from_pretrained(root, device="cpu")
    assert "--vq-name" in caught.value.hint
    (twin / "opt.txt").unlink()
    (root / NAMES["res"] / "model" / "net_best_fid.tar").unlink()
    with pytest.raises(ArtifactError, match="lacks model/"):
        MoMaskPipeline.from_pretrained(root, device="cpu")
