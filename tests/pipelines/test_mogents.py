"""MoGenTS's pipeline on the small golden model: what people see when things go well or not."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import (
    ArtifactError,
    Cancelled,
    FormatError,
    InvalidRequest,
    ModelAbsent,
    OutputError,
)
from backend.models.mogents.config import VQConfig
from backend.models.mogents.draws import BatchDraws, ClipDraws
from backend.models.mogents.layout import Layout
from backend.models.mogents.sampling import MaskOptions, ResidualOptions, sample_residual
from backend.models.mogents.vq import DualVQ
from backend.pipelines import registry
from backend.pipelines.mogents import MoGenTSPipeline
from backend.wire.messages import Progress, Request
from tests.mogents_model import unpack_model

CAPTIONS = ["a person walks forward.", "the figure jumps twice", "someone waves"]
LENGTHS = [60, 43, 100]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_model(tmp_path_factory.mktemp("mogents"))


@pytest.fixture(scope="module")
def pipeline(model: Path) -> MoGenTSPipeline:
    return MoGenTSPipeline.from_pretrained(model, device="cpu", local_files_only=True)


@pytest.fixture
def broken(model: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(model, tmp_path / "broken"))


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "mogents_config.json"
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**values, **changes}), "utf-8")


# ---------------------------------------------------------------- text to motion


def test_a_clip_does_not_depend_on_its_batch(pipeline: MoGenTSPipeline) -> None:
    # a seed without near ties: rounding, which the batch does change, could turn one over
    seed = 7
    together = pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=seed)
    assert [clip.shape for clip in together] == [(60, 263), (40, 263), (100, 263)]
    for index, (caption, length) in enumerate(zip(CAPTIONS, LENGTHS, strict=True)):
        [alone] = pipeline.infer_t2m([caption], [length], seed=seed + index)
        np.testing.assert_allclose(alone, together[index], rtol=0, atol=1e-4)


def test_alone_equals_the_released_way(pipeline: MoGenTSPipeline) -> None:
    [ours] = pipeline.infer_t2m(CAPTIONS[:1], [60], seed=3)
    [released] = pipeline.infer_t2m(CAPTIONS[:1], [60], seed=3, exact=True)
    np.testing.assert_allclose(ours, released, rtol=0, atol=1e-4)


def test_seeds_and_options_matter(pipeline: MoGenTSPipeline) -> None:
    def clip(**options: object) -> np.ndarray:
        return pipeline.infer_t2m(CAPTIONS[:1], [40], **{"seed": 1, **options})[0]  # type: ignore[arg-type]

    assert np.array_equal(clip(), clip())
    for other in (
        {"seed": 2},
        {"guidance_scale": 1.0},
        {"residual_guidance_scale": 1.0},
        {"timesteps": 3},
        {"mask": MaskOptions(gumbel=True)},
        {"residual": ResidualOptions(layers=1)},
    ):
        assert not np.array_equal(clip(), clip(**other)), other


def test_length_estimator_when_no_length_is_given(pipeline: MoGenTSPipeline) -> None:
    together = pipeline.infer_t2m(CAPTIONS, seed=4)
    rows = [
        pipeline.estimate_lengths(
            pipeline.encode_text([caption]),
            ClipDraws([torch.Generator().manual_seed(4 + index)]),
        )[0]
        for index, caption in enumerate(CAPTIONS)
    ]
    assert [len(clip) for clip in together] == [4 * n for n in rows]
    assert len(set(rows)) > 1


def test_estimator_never_asks_for_an_empty_clip(pipeline: MoGenTSPipeline) -> None:
    class Nothing(BatchDraws):
        def bins(self, probabilities: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(probabilities), dtype=torch.int64)

    draws = Nothing(torch.Generator())
    assert pipeline.estimate_lengths(torch.zeros(2, 512), draws) == [1, 1]


def test_lengths_are_brought_into_what_was_trained(pipeline: MoGenTSPipeline) -> None:
    clips = pipeline.infer_t2m(["a", "b"], [7, 500], seed=0, timesteps=1)
    assert [len(clip) for clip in clips] == [40, 196]
    for length in (0, -4, 2.5, True):
        with pytest.raises(InvalidRequest):
            pipeline.infer_t2m(["a"], [length], seed=0)  # type: ignore[list-item]
    with pytest.raises(InvalidRequest, match="2 captions but 1 lengths"):
        pipeline.infer_t2m(["a", "b"], [40])
    assert pipeline.infer_t2m([], []) == []


def test_bfloat16_stays_close(model: Path, pipeline: MoGenTSPipeline) -> None:
    fast = MoGenTSPipeline.from_pretrained(model, device="cpu", precision="bfloat16")
    [clip] = fast.infer_t2m(CAPTIONS[:1], [40], seed=0)
    assert clip.dtype == np.float32
    assert np.isfinite(clip).all()
    with pytest.raises(InvalidRequest, match="precision"):
        MoGenTSPipeline.from_pretrained(model, precision="int3")


# ---------------------------------------------------------------- requests


def test_generate(pipeline: MoGenTSPipeline) -> None:
    seen: list[Progress] = []
    request = Request("a person walks.", 2.0, seed=9, samples=2, model="m", steps=4)
    motions = pipeline.generate(request, seen.append)
    assert [motion.data.shape for motion in motions] == [(60, 135), (60, 135)]
    assert [motion.meta["seed"] for motion in motions] == [9, 10]
    assert motions[0].meta["params"]["residual_guidance_scale"] == 5.0
    assert motions[0].meta["params"]["guidance_scale"] == 4.0
    assert motions[0].meta["params"]["steps"] == 4
    steps = [(p.step, p.total) for p in seen if p.stage == "sampling"]
    assert steps == [(n, 18) for n in range(19)]


def test_generate_with_the_estimated_length(pipeline: MoGenTSPipeline) -> None:
    request = Request("a person walks.", 2.0, seed=4, samples=2, steps=1)
    motions = pipeline.generate(replace(request, estimate_length=True))
    features = pipeline.infer_t2m(["a person walks."] * 2, seed=4, timesteps=1)
    for motion, clip in zip(motions, features, strict=True):
        assert abs(motion.seconds - len(clip) / 20) < 1 / 30
        assert motion.meta["params"]["seconds"] == len(clip) / 20
        assert motion.meta["warnings"] == []


def test_cancel_between_steps(pipeline: MoGenTSPipeline) -> None:
    steps = []

    def stop(progress: Progress) -> None:
        steps.append(progress.step)
        if progress.step == 3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        pipeline.generate(Request("a person walks.", 2.0), stop)
    assert steps[-1] == 3


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (Request("a person walks", 1.0), "2 to 9.8 seconds"),
        (Request("a person walks", 12.0), "2 to 9.8 seconds"),
    ],
)
def test_requests_it_cannot_do(pipeline: MoGenTSPipeline, request_: Request, named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        pipeline.generate(request_)
    assert named in str(caught.value)


def test_what_is_cut_is_said(pipeline: MoGenTSPipeline, caplog: pytest.LogCaptureFixture) -> None:
    prompt = "a person walks and walks " * 8
    [motion] = pipeline.generate(Request(prompt, 2.0, steps=1))
    assert any("Only the beginning" in text for text in motion.meta["warnings"])
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        pipeline.encode_text([prompt, "short"])
    assert len([r for r in caplog.records if "only the beginning" in r.message]) == 1


# ---------------------------------------------------------------- tokens


def test_motion_to_tokens_and_back(pipeline: MoGenTSPipeline) -> None:
    [clip] = pipeline.infer_t2m(CAPTIONS[:1], [40], seed=0)
    [(ids1d, ids2d)] = pipeline.encode_motions([clip])
    assert ids1d.shape == (10, 6)
    assert ids2d.shape == (10, 6, 6)
    back = pipeline.decode_tokens(
        torch.from_numpy(ids1d)[None], torch.from_numpy(ids2d)[None], [10]
    )
    assert back[0].shape == clip.shape
    for bad in (clip[:3], clip[:, :-1], clip * np.nan, clip[0]):
        with pytest.raises(FormatError):
            pipeline.encode_motions([bad])


@pytest.mark.parametrize(
    ("ids1d", "ids2d", "named"),
    [
        ((1, 4, 6), (1, 5, 6, 6), "do not belong together"),
        ((1, 4, 6), (1, 4, 5, 6), "do not belong together"),
        ((1, 4, 9), (1, 4, 6, 6), "6 codebooks"),
    ],
)
def test_tokens_of_wrong_shape(
    pipeline: MoGenTSPipeline, ids1d: tuple[int, ...], ids2d: tuple[int, ...], named: str
) -> None:
    one, two = (torch.zeros(shape, dtype=torch.int64) for shape in (ids1d, ids2d))
    with pytest.raises(FormatError, match=named):
        pipeline.decode_tokens(one, two, [4])


def test_token_ids_out_of_range(pipeline: MoGenTSPipeline) -> None:
    ids1d = torch.zeros(1, 4, 6, dtype=torch.int64)
    ids2d = torch.zeros(1, 4, 6, 6, dtype=torch.int64)
    for wrong in (-2, 32):
        bad = ids1d.clone()
        bad[0, 1, 2] = wrong
        with pytest.raises(FormatError, match=r"between -1 \(padding\) and 31"):
            pipeline.decode_tokens(bad, ids2d, [4])
    net, draws = pipeline.networks.res_ts, BatchDraws(torch.Generator())
    text, layout = torch.zeros(1, 512), Layout([4])
    for base in (torch.full((1, 4, 6), 24), torch.full((1, 4, 6), -1)):
        with pytest.raises(FormatError, match="between 0 and 23"):
            sample_residual(net, base, text, layout, draws)
    with pytest.raises(FormatError, match="do not fit 1 clips"):
        sample_residual(net, torch.zeros(1, 5, 6, dtype=torch.int64), text, layout, draws)


@torch.no_grad()
def test_the_skeleton_of_kit() -> None:
    """21 joints, 251 columns; the root's block and the contacts do not reach the 2-D stream."""
    sizes = {"code_dim1d": 4, "nb_code1d": 8, "code_dim2d": 4, "nb_code2d": 8, "width": 8}
    vq = DualVQ(VQConfig(dataset_name="kit", num_quantizers=2, **sizes)).eval()
    motion = torch.arange(251.0).repeat(1, 9, 1)
    joints = vq.split_joints(motion)
    assert joints.shape == (1, 9, 21, 12)
    assert joints[0, 0, 1, :3].tolist() == [4, 5, 6]
    assert joints[0, 0, 1, 3:9].tolist() == list(range(64, 70))
    assert joints[0, 0, 0].tolist() == [0] * 9 + [184, 185, 186]
    assert joints.max() == 246
    ids1d, ids2d = vq.encode(motion)
    assert ids1d.shape == (1, 2, 2)
    assert ids2d.shape == (1, 2, 6, 2)
    assert vq.decode(ids1d, ids2d)[0].shape == (1, 8, 251)


@pytest.mark.parametrize("lengths", [[], [3, 0], [4, 200]])
def test_clips_of_impossible_length(lengths: list[int]) -> None:
    with pytest.raises(FormatError, match="from 1 to 198 token rows"):
        Layout(lengths)


def test_text_features_of_wrong_shape(pipeline: MoGenTSPipeline) -> None:
    draws = BatchDraws(torch.Generator())
    for shape in ((1, 512), (2, 511)):
        with pytest.raises(FormatError, match=r"\[2, 512\]"):
            pipeline.sample_tokens(torch.zeros(shape), [4, 5], draws)


@pytest.mark.parametrize(
    "options",
    [
        {"timesteps": 0},
        {"threshold": 1.0},
        {"temperature": float("nan")},
    ],
)
def test_bad_sampling_options(options: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        MaskOptions(**options)  # type: ignore[arg-type]


# ---------------------------------------------------------------- files


def test_saved_and_loaded_again(pipeline: MoGenTSPipeline, tmp_path: Path) -> None:
    folder = pipeline.save_pretrained(tmp_path / "copy")
    assert registry.load_pipeline(folder, local_files_only=True).generate is not None
    copy = MoGenTSPipeline.from_pretrained(folder, device="cpu", local_files_only=True)
    for one, two in zip(
        pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=1),
        copy.infer_t2m(CAPTIONS, LENGTHS, seed=1),
        strict=True,
    ):
        assert np.array_equal(one, two)
    with pytest.raises(OutputError):
        pipeline.save_pretrained(folder)
    with (folder / "res_ts.safetensors").open("r+b") as stream:
        stream.seek(-4, 2)
        stream.write(b"\x00\x00\x00\x3f")
    with pytest.raises(ArtifactError, match=r"res_ts\.safetensors"):
        MoGenTSPipeline.from_pretrained(folder)


def test_saved_offline_without_vocabulary(broken: Path, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        (broken / name).unlink()
    pipeline = MoGenTSPipeline.from_pretrained(broken, device="cpu", local_files_only=True)
    folder = pipeline.save_pretrained(tmp_path / "copy")
    assert (folder / "clip.safetensors").is_file()
    MoGenTSPipeline.from_pretrained(folder, device="cpu", local_files_only=True)


@pytest.mark.parametrize(
    "name", ["vq.safetensors", "mask_ts.safetensors", "length_est.safetensors", "Std.npy"]
)
def test_a_missing_part_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(ArtifactError, match=f"lacks {name}"):
        MoGenTSPipeline.from_pretrained(broken)


def test_all_missing_parts_are_named_at_once(broken: Path) -> None:
    for name in ("mask_aux", "res_ts"):
        (broken / f"{name}.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"lacks mask_aux\.safetensors, res_ts\.safetensors"):
        MoGenTSPipeline.from_pretrained(broken)


def test_damaged_and_foreign_files(broken: Path, model: Path) -> None:
    shutil.copy(model / "mask_aux.safetensors", broken / "mask_ts.safetensors")
    with pytest.raises(ArtifactError, match=r"mask_ts\.safetensors does not fit"):
        MoGenTSPipeline.from_pretrained(broken)
    (broken / "mask_ts.safetensors").write_bytes(b"short")
    with pytest.raises(ArtifactError, match="truncated"):
        MoGenTSPipeline.from_pretrained(broken)
    (broken / "mogents_config.json").write_text("{}", "utf-8")
    with pytest.raises(ArtifactError, match="no MoGenTS"):
        MoGenTSPipeline.from_pretrained(broken)


def test_statistics_of_another_model(broken: Path) -> None:
    np.save(broken / "Mean.npy", np.zeros(251, np.float32))
    with pytest.raises(ArtifactError, match="must hold 263 numbers"):
        MoGenTSPipeline.from_pretrained(broken)


def test_without_length_estimator(broken: Path) -> None:
    (broken / "length_est.safetensors").unlink()
    edit_config(broken, has_length_estimator=False)
    pipeline = MoGenTSPipeline.from_pretrained(broken, device="cpu")
    with pytest.raises(ArtifactError, match="length estimator"):
        pipeline.infer_t2m(["a person walks"])
    assert len(pipeline.infer_t2m(["a person walks"], [40], timesteps=1)) == 1


def test_pt_twins_are_read(broken: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(broken / "res_aux.safetensors")
    torch.save({**state, "clip_model.logit_scale": torch.zeros(())}, broken / "res_aux.pt")
    (broken / "res_aux.safetensors").unlink()
    MoGenTSPipeline.from_pretrained(broken)


def test_text_encoder_absent_and_offline(
    pipeline: MoGenTSPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    folder = pipeline.save_pretrained(tmp_path / "model", text_encoder=True)
    for name in ("clip.safetensors", "vocab.json", "merges.txt"):
        (folder / name).unlink()
    pipeline = MoGenTSPipeline.from_pretrained(folder, device="cpu", local_files_only=True)
    with pytest.raises(ModelAbsent, match="CLIP") as caught:
        pipeline.generate(Request("a person walks", 2.0))
    assert "--clip" in caught.value.hint


@pytest.mark.parametrize("name", ["guidance_scale", "residual_guidance_scale"])
def test_guidance_that_is_no_number(pipeline: MoGenTSPipeline, name: str) -> None:
    with pytest.raises(InvalidRequest, match="guidance"):
        pipeline.infer_t2m(["a cat"], [40], seed=1, **{name: float("nan")})
