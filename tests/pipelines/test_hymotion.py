"""HY-Motion from the published folder to motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.cli.main import main
from backend.errors import ArtifactError, InvalidRequest
from backend.motion.io import npz
from backend.motion.representations import motion135
from backend.pipelines import registry
from backend.pipelines.hymotion import HYMotionPipeline
from backend.text.vectors import qwen
from backend.wire.messages import Request
from tests.hymotion_files import PROMPTS, write_release


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("hymotion") / "model")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> HYMotionPipeline:
    return HYMotionPipeline.from_pretrained(folder, device="cpu")


def test_generate_from_the_command_line(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "walk.npz"
    main(["generate", PROMPTS[0], "--model", str(folder), "--seconds", "1.5", "--steps", "3",
          "--out", str(out), "--no-cleanup"])  # fmt: skip
    motion = npz.read_motion(out)
    assert motion.data.shape == (45, 135) and motion.fps == 30.0
    assert "NOT granted in the European Union" in motion.meta["licence"]
    assert motion.meta["params"] == {
        "seconds": 1.5, "steps": 3, "sampler": "euler", "guidance_scale": 5.0
    }  # fmt: skip
    assert motion135.joints(motion.data.astype(np.float64))[..., 1].min() == pytest.approx(
        0.019, abs=1e-4
    )


def test_saved_again_it_is_the_same_model(tmp_path: Path, pipeline: HYMotionPipeline) -> None:
    pipeline.save_pretrained(tmp_path / "again")
    again = HYMotionPipeline.from_pretrained(tmp_path / "again", device="cpu")
    assert again.net.config == pipeline.net.config
    a, b = (p.infer_t2m(list(PROMPTS), [45, 30], seed=3, steps=2) for p in (pipeline, again))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_clip_does_not_depend_on_its_batch(pipeline: HYMotionPipeline) -> None:
    both = pipeline.infer_t2m(list(PROMPTS), [60, 30], seed=5, steps=3)
    alone = pipeline.infer_t2m([PROMPTS[1]], [30], seed=6, steps=3)
    np.testing.assert_allclose(both[1], alone[0], atol=1e-4)


def test_samplers_of_flows(pipeline: HYMotionPipeline) -> None:
    def made(steps: int, sampler: str) -> np.ndarray:
        return pipeline.infer_t2m([PROMPTS[0]], [30], seed=1, steps=steps, sampler=sampler)[0]

    far, near = made(1, "heun"), made(12, "heun")
    true = made(40, "euler")
    assert 0 < np.abs(near - true).mean() < 0.5 * np.abs(far - true).mean()
    with pytest.raises(InvalidRequest, match="does not fit"):
        made(2, "ddim")


def test_what_cannot_be_made_is_refused(pipeline: HYMotionPipeline) -> None:
    with pytest.raises(InvalidRequest, match="cannot make"):
        pipeline.infer_t2m([PROMPTS[0]], [61])
    with pytest.raises(InvalidRequest, match="does not hold") as caught:
        pipeline.generate(Request("a person is waving", seconds=1, steps=1))
    assert PROMPTS[1] in caught.value.hint


def test_the_card_and_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    place = write_release(tmp_path / "m")
    info = registry.find_info(place)
    assert info.family == "hymotion" and "South Korea" in info.licence
    offered = registry.model_info("hymotion")
    assert offered is not None and not offered.ready and offered.size_bytes > 10**9
    weights = torch.load(place / "latest.ckpt", weights_only=True)["model_state_dict"]
    lacking = dict(weights)
    del lacking["motion_transformer.single_blocks.1.linear2.weight"]
    torch.save({"model_state_dict": lacking}, place / "latest.ckpt")
    with pytest.raises(ArtifactError, match="no whole HY-Motion"):
        HYMotionPipeline.from_pretrained(place, device="cpu")
    (place / "latest.ckpt").unlink()
    with pytest.raises(ArtifactError, match=r"latest\.ckpt"):
        HYMotionPipeline.from_pretrained(place, device="cpu")


def test_memory_is_told_before_the_encoders_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write_release(tmp_path / "m", table=False)
    monkeypatch.setattr(qwen, "physical_memory", lambda: 8 * 10**9)
    pipeline = HYMotionPipeline.from_pretrained(place, device="cpu")
    with pytest.raises(InvalidRequest, match="18 GB of memory, this computer has 8"):
        pipeline.encode_text([PROMPTS[0]])


def test_states_begin_where_the_prompt_begins() -> None:
    class Chat:
        def apply_chat_template(self, conversation, **_):
            return "".join(f"<{turn['role']}>{turn['content']}|" for turn in conversation)

        def __call__(self, text, **_):
            return {"input_ids": [ord(c) for c in text]}

    class Net:
        def __call__(self, ids):
            self.last_hidden_state = ids[..., None].float()
            return self

    states = qwen.prompt_states("walk", Net(), Chat(), "be short")
    assert "".join(chr(int(v)) for v in states[:, 0]) == "walk|"
    assert len(qwen.prompt_states("x" * 300, Net(), Chat())) == qwen.MAX_TOKENS


def test_converted_it_is_verified(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["convert-checkpoint", "hymotion", str(folder), str(out), "--verify"]) == 0
    assert capsys.readouterr().out.count("max-abs-diff = 0.0") == 2
    assert (out / "text_features.safetensors").is_file()
