from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import ArtifactError, Cancelled, InvalidRequest, ModelNotFound
from backend.pipelines.dit import DiTPipeline
from backend.pipelines.dit.knowledge import Knowledge
from backend.pipelines.family import families
from backend.text.actions import ACTION_WORDS
from backend.wire.control import ModelInfo
from backend.wire.messages import Request

from .conftest import HashEncoder, tiny_pipeline


def request(**options) -> Request:
    return Request(**{"prompt": "a person walks", "seconds": 1.5, "seed": 7, **options})


# ---------------------------------------------------------------- infer_t2m


def test_native_clips_of_mixed_lengths(pipeline: DiTPipeline) -> None:
    clips = pipeline.infer_t2m(["walk", "run fast", "bow"], [20, 47, 60], seed=3)
    assert [c.shape for c in clips] == [(20, 205), (47, 205), (60, 205)]
    assert all(c.dtype == np.float32 and np.isfinite(c).all() for c in clips)
    height = np.concatenate([c[:, 0] for c in clips])
    assert abs(height.mean() - float(pipeline.stats.mean[0])) < 0.2  # un-normalised


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
@pytest.mark.parametrize("text_tokens", [True, False])
def test_a_clip_does_not_depend_on_its_batch(sampler: str, text_tokens: bool) -> None:
    pipeline = tiny_pipeline(text_tokens)
    captions, lengths = ["walk", "an old man runs", "bow"], [25, 60, 31]
    together = pipeline.infer_t2m(captions, lengths, seed=10, sampler=sampler)
    for row in range(3):
        alone = pipeline.infer_t2m([captions[row]], [lengths[row]], seed=10 + row, sampler=sampler)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-4)


def test_seed_prompt_and_guidance_matter(pipeline: DiTPipeline) -> None:
    def clip(caption="walk", **options):
        return pipeline.infer_t2m([caption], [30], **{"seed": 1, **options})[0]

    first = clip()
    np.testing.assert_array_equal(first, clip())
    for other in (clip(seed=2), clip("bow"), clip(guidance_scale=6.0), clip(steps=9)):
        assert np.abs(other - first).max() > 1e-4
    assert np.abs(clip(seed=None) - clip(seed=None)).max() > 1e-4


def test_longer_than_a_window(pipeline: DiTPipeline) -> None:
    clips = pipeline.infer_t2m(["walk", "run"], [150, 30], seed=0)
    assert [len(c) for c in clips] == [150, 30]
    # the short clip is the same as alone, although the long one has windows
    alone = pipeline.infer_t2m(["run"], [30], seed=1)
    np.testing.assert_allclose(clips[1], alone[0], atol=1e-4)


@pytest.mark.parametrize("length", [0, 19, 1201])
def test_lengths_out_of_range_name_the_limits(pipeline: DiTPipeline, length: int) -> None:
    with pytest.raises(InvalidRequest, match="tiny") as caught:
        pipeline.infer_t2m(["walk"], [length])
    assert "1 to 60 seconds" in caught.value.hint
    assert "20 to 1200 frames" in caught.value.hint


def test_captions_and_lengths_must_pair(pipeline: DiTPipeline) -> None:
    with pytest.raises(InvalidRequest, match="2 captions but 1 lengths"):
        pipeline.infer_t2m(["a", "b"], [30])
    assert pipeline.infer_t2m([], []) == []


# ---------------------------------------------------------------- generate


def test_generate_gives_motion_135(pipeline: DiTPipeline) -> None:
    motions = pipeline.generate(request(samples=2, seconds=2.0))
    assert [m.data.shape for m in motions] == [(60, 135)] * 2
    assert all(m.fps == 30 and np.isfinite(m.data).all() for m in motions)
    assert np.abs(motions[0].data - motions[1].data).max() > 1e-4
    meta = motions[1].meta
    assert meta["prompt"] == "a person walks"
    assert meta["seed"] == 8
    assert meta["params"] == {
        "seconds": 2.0,
        "sampler": "ddim",
        "steps": 4,
        "guidance_scale": 2.5,
    }
    assert meta["warnings"] == []
    json.dumps(meta)


def test_any_sample_can_be_made_again_alone(pipeline: DiTPipeline) -> None:
    batch = pipeline.generate(request(samples=3))
    alone = pipeline.generate(request(seed=9))
    np.testing.assert_allclose(batch[2].data, alone[0].data, atol=1e-4)


@pytest.mark.parametrize("seconds", [1.0, 1.03, 2.71, 7.0])
def test_length_is_the_duration(pipeline: DiTPipeline, seconds: float) -> None:
    motion = pipeline.generate(request(seconds=seconds))[0]
    assert len(motion.data) == round(seconds * 30)


def test_a_sequence_is_split_into_parts(pipeline: DiTPipeline) -> None:
    prompt = "an old man walks slowly, then bows"
    motion = pipeline.generate(request(prompt=prompt, seconds=4.0))[0]
    assert motion.meta["parts"] == ["an old man walks slowly", "an old man bows"]
    assert len(motion.data) == 120
    with pytest.raises(InvalidRequest, match="2 actions"):
        pipeline.generate(request(prompt=prompt, seconds=1.5))


def test_overlapping_parts_join_smoothly(pipeline: DiTPipeline) -> None:
    """No jump at the seam that would not occur inside a part."""
    x = pipeline.generate(request(prompt="a man runs fast; he bows low", seconds=5.0))[0].data
    change = np.abs(np.diff(x[:, 3:], axis=0)).max(axis=1)
    seam = len(x) // 2
    assert change[seam - 10 : seam + 10].max() < 2 * np.percentile(change, 95)


def test_progress_and_cancel(pipeline: DiTPipeline) -> None:
    seen = []
    asked = request()
    pipeline.generate(asked, on_step=seen.append)
    assert {p.id for p in seen} == {asked.id}
    steps = [(p.step, p.total) for p in seen if p.stage == "sampling"]
    assert steps == [(i, 4) for i in range(5)]

    def stop(progress):
        if progress.step == 2:
            raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        pipeline.generate(asked, on_step=stop)


def test_a_bundled_model_is_loaded_by_its_name(
    pipeline: DiTPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = ModelInfo("mine", "Mine", path=str(pipeline.save_pretrained(tmp_path / "m")))
    card = replace(families()["dit"], models=(info,))
    monkeypatch.setitem(families(), "dit", card)
    loaded = DiTPipeline.from_pretrained("mine", local_files_only=True)
    assert loaded.config.network == pipeline.config.network
    with pytest.raises(ModelNotFound, match="theirs"):
        DiTPipeline.from_pretrained("theirs", local_files_only=True)


def test_bad_requests(pipeline: DiTPipeline) -> None:
    for bad in ({"prompt": "  "}, {"seconds": 0.6}, {"seconds": -1.0}, {"steps": 51}):
        with pytest.raises(InvalidRequest) as caught:
            pipeline.generate(request(**bad))
        assert caught.value.hint


def test_unknown_actions_are_warned_about(pipeline: DiTPipeline) -> None:
    sentence = HashEncoder().encode(["a person walks"]).sentence.numpy()
    known = Knowledge(sentence, np.zeros(1, np.int32), ("walk",), threshold=0.9)
    informed = tiny_pipeline()
    informed.knowledge = known
    assert informed.generate(request())[0].meta["warnings"] == []
    far = informed.generate(request(prompt="quantum chromodynamics"))[0].meta["warnings"]
    assert len(far) == 1
    assert "quantum chromodynamics" in far[0]
    assert "walk" in far[0]
    long = informed.generate(request(prompt="a person walks " + "on " * 50))[0].meta["warnings"]
    assert any("Only the beginning" in w for w in long)


# ---------------------------------------------------------------- files


@pytest.fixture
def saved(pipeline: DiTPipeline, tmp_path: Path) -> Path:
    return pipeline.save_pretrained(tmp_path / "tiny")


@pytest.mark.parametrize("half", [False, True])
def test_round_trip(pipeline: DiTPipeline, tmp_path: Path, half: bool) -> None:
    folder = pipeline.save_pretrained(tmp_path / "model", half=half)
    loaded = DiTPipeline.from_pretrained(folder, device="cpu", local_files_only=True)
    loaded._encoder = HashEncoder()
    assert replace(loaded.config, sha256={}) == replace(pipeline.config, sha256={})
    ours, theirs = (p.infer_t2m(["walk"], [30], seed=1)[0] for p in (pipeline, loaded))
    np.testing.assert_allclose(ours, theirs, atol=5e-3 if half else 1e-6)


def test_a_model_from_before_action_words_loads_as_it_was(
    pipeline: DiTPipeline, saved: Path
) -> None:
    path = saved / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    assert values["network"].pop("action_words") == 0
    path.write_text(json.dumps(values), encoding="utf-8")
    loaded = DiTPipeline.from_pretrained(saved, device="cpu", local_files_only=True)
    loaded._encoder = HashEncoder()
    ours, theirs = (p.infer_t2m(["she waves"], [30], seed=1)[0] for p in (pipeline, loaded))
    np.testing.assert_array_equal(ours, theirs)


def test_action_words_are_read_from_the_caption() -> None:
    pipeline = tiny_pipeline(action_words=len(ACTION_WORDS))
    flags = pipeline.encode_text(["she waves", "greet a friend"])["actions"]
    assert [w for w, f in zip(ACTION_WORDS, flags[0], strict=True) if f] == ["wave"]
    assert not flags[1].any()
    assert pipeline.infer_t2m(["she waves"], [30], seed=1)[0].shape == (30, 205)
    assert "actions" not in tiny_pipeline().encode_text(["she waves"])


def test_knowledge_travels_with_the_model(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.knowledge = Knowledge(np.eye(3, dtype=np.float32), np.arange(3), ("a", "b", "c"))
    folder = pipeline.save_pretrained(tmp_path / "model")
    loaded = DiTPipeline.from_pretrained(folder, device="cpu")
    assert loaded.knowledge is not None
    assert loaded.knowledge.labels == ("a", "b", "c")
    (folder / "knowledge.safetensors").unlink()
    with pytest.raises(ArtifactError, match="knowledge"):
        DiTPipeline.from_pretrained(folder)


def edit_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"frames_per_second": 20},
        {"schedule": {"kind": "quadratic", "steps": 50}},
        {"network": {"width": 31, "heads": 2}},
        {"network": {"width": 32, "heads": 2, "depth": 2, "stem_width": 16, "colour": 1}},
        {"sampler": "euler"},
        {"steps": 51},
        {"representation": "hml263"},
        {"min_frames": 100},
    ],
)
def test_configs_that_do_not_make_sense(saved: Path, changes: dict) -> None:
    edit_config(saved, **changes)
    with pytest.raises(ArtifactError):
        DiTPipeline.from_pretrained(saved)


def test_weights_of_another_network(saved: Path) -> None:
    values = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    edit_config(saved, network={**values["network"], "depth": 3})
    with pytest.raises(ArtifactError, match=r"missing blocks\.2"):
        DiTPipeline.from_pretrained(saved)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        DiTPipeline.from_pretrained(tmp_path / "nowhere")


def test_global_random_state_is_left_alone(pipeline: DiTPipeline) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    pipeline.infer_t2m(["walk"], [30], seed=1, sampler="ddpm")
    assert torch.equal(before, torch.get_rng_state())
