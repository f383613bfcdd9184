"""MDMPipeline: clips, exact mode, requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.diffusion.exact import ReleasedProcess, sample_exact
from backend.errors import ArtifactError, Cancelled, InvalidRequest, ModelAbsent
from backend.models.mdm import load_upstream
from backend.models.mdm.network import MDM
from backend.models.packed_linear import can_pack
from backend.pipelines.humanml3d.lengths import trained_length
from backend.pipelines.mdm import MDMPipeline
from backend.pipelines.mdm.folder import MDMPipelineConfig
from backend.pipelines.mdm.sampling import MdmSampling
from backend.store.model_folder import Stats
from backend.text.clip import ClipTextEncoder
from backend.wire.messages import Progress, Request
from scripts.plain_mdm import PlainMDM, plain_sample
from tests.mdm_files import STEPS, tiny_net, tiny_pipeline, walking_stats

CAPTIONS, LENGTHS = ["walk", "an old man runs", "bow"], [44, 80, 56]


@pytest.fixture(scope="module")
def stats() -> Stats:
    from tests.conftest import _swinging_clip

    return walking_stats(_swinging_clip)


@pytest.fixture(scope="module")
def pipeline(stats: Stats, tmp_path_factory: pytest.TempPathFactory) -> MDMPipeline:
    return tiny_pipeline(stats, tmp_path_factory.mktemp("clip"))


def request(**options: object) -> Request:
    return Request(**{"prompt": "a person walks", "seconds": 2.1, "seed": 7, **options})


# ---------------------------------------------------------------- infer_t2m


@pytest.mark.skipif(not can_pack(torch.device("cpu"), torch.int8), reason="no 8-bit kernels")
def test_int8_through_the_public_path(pipeline: MDMPipeline, tmp_path: Path) -> None:
    folder = pipeline.save_pretrained(tmp_path / "saved", text_encoder=False)
    eighth = MDMPipeline.from_pretrained(folder, device="cpu", precision="int8")
    eighth.reader = pipeline.reader
    usual = pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=3)
    for ours, theirs in zip(eighth.infer_t2m(CAPTIONS, LENGTHS, seed=3), usual, strict=True):
        gap = (ours - theirs) / pipeline.stats.std.numpy()
        signal = (theirs - pipeline.stats.mean.numpy()) / pipeline.stats.std.numpy()
        assert 0 < np.linalg.norm(gap) < 0.1 * np.linalg.norm(signal)  # 20 dB


def test_int8_of_a_decoder_is_refused(pipeline: MDMPipeline) -> None:
    config = replace(pipeline.net.config, arch="gru")
    with pytest.raises(InvalidRequest, match="encoders"):
        MdmSampling(pipeline.config, MDM(config), torch.device("cpu"), torch.int8)


def test_clips_of_mixed_lengths_in_physical_scale(pipeline: MDMPipeline) -> None:
    clips = pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=3)
    assert [c.shape for c in clips] == [(44, 263), (80, 263), (56, 263)]
    assert all(c.dtype == np.float32 and np.isfinite(c).all() for c in clips)
    height = np.concatenate([c[:, 3] for c in clips])
    assert abs(height.mean() - float(pipeline.stats.mean[3])) < 0.2


@pytest.mark.parametrize(
    ("asked", "made"), [(1, 40), (39, 40), (43, 40), (44, 44), (199, 196), (1200, 196)]
)
def test_lengths_are_brought_into_what_was_trained(asked: int, made: int) -> None:
    assert trained_length(asked) == made
    assert trained_length(np.int64(asked)) == made


@pytest.mark.parametrize("length", [0, -4, 10_000, 60.0, True, None])
def test_what_is_no_length_is_refused(pipeline: MDMPipeline, length: object) -> None:
    with pytest.raises(InvalidRequest, match="cannot have") as caught:
        pipeline.infer_t2m(["walk"], [length])
    assert "40 to 196" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mask_frames": True},
        {"arch": "trans_dec"},
        {"arch": "trans_dec", "emb_trans_dec": True},
        {"arch": "gru"},
    ],
    ids=str,
)
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_clip_does_not_depend_on_its_batch(
    stats: Stats, tmp_path: Path, options: dict, sampler: str
) -> None:
    pipeline = tiny_pipeline(stats, tmp_path, **options)
    together = pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=10, sampler=sampler)
    for row in range(3):
        alone = pipeline.infer_t2m([CAPTIONS[row]], [LENGTHS[row]], seed=10 + row, sampler=sampler)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_seed_caption_guidance_and_steps_matter(pipeline: MDMPipeline) -> None:
    def clip(caption: str = "walk", **options: object) -> np.ndarray:
        return pipeline.infer_t2m([caption], [40], **{"seed": 1, **options})[0]

    first = clip()
    np.testing.assert_array_equal(first, clip())
    for other in (clip(seed=2), clip("bow"), clip(guidance_param=6.0), clip(steps=9)):
        assert np.abs(other - first).max() > 1e-5
    assert np.abs(clip(seed=None) - clip(seed=None)).max() > 1e-5


def test_a_thousand_captions_in_chunks(pipeline: MDMPipeline) -> None:
    captions = [f"number {i}" for i in range(1000)]
    seen: list[tuple[int, int]] = []
    lengths = [40 + 4 * (i % 2) for i in range(1000)]
    clips = pipeline.infer_t2m(
        captions, lengths, seed=0, steps=1, on_step=lambda *done: seen.append(done)
    )
    assert [len(c) for c in clips] == lengths
    alone = pipeline.infer_t2m([captions[777]], [lengths[777]], seed=777, steps=1)[0]
    np.testing.assert_allclose(clips[777], alone, atol=1e-5)
    assert seen[-1][0] == seen[-1][1] == 32 and sorted(seen) == seen


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"steps": 0}, "0"),
        ({"steps": STEPS + 1}, str(STEPS)),
        ({"sampler": "euler"}, "euler"),
        ({"guidance_param": float("nan")}, "nan"),
        ({"exact": True, "sampler": "dpmpp"}, "dpmpp"),
    ],
)
def test_bad_settings_are_named(pipeline: MDMPipeline, options: dict, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        pipeline.infer_t2m(["walk"], [40], seed=0, **options)


def test_captions_and_lengths_must_pair(pipeline: MDMPipeline) -> None:
    with pytest.raises(InvalidRequest, match="2 captions but 1 lengths"):
        pipeline.infer_t2m(["a", "b"], [40])
    assert pipeline.infer_t2m([], []) == []


def test_a_model_without_null_captions_is_not_guided(stats: Stats, tmp_path: Path) -> None:
    pipeline = tiny_pipeline(stats, tmp_path, cond_mask_prob=0.0)
    clips = [pipeline.infer_t2m(["bow"], [40], seed=1, guidance_param=g)[0] for g in (1.0, 7.0)]
    np.testing.assert_array_equal(*clips)


def test_another_encoder_is_refused(pipeline: MDMPipeline, stats: Stats) -> None:
    class Narrow:
        def encode(self, captions: list[str], *, context: int | None = None) -> torch.Tensor:
            return torch.zeros(len(captions), 64)

    other = MDMPipeline(pipeline.config, pipeline.net, stats, encoder=Narrow(), device="cpu")
    with pytest.raises(ArtifactError, match="gives 64 numbers, the network reads 512"):
        other.infer_t2m(["walk"], [40])


# ---------------------------------------------------------------- exact mode


def test_exact_mode_is_the_released_loop(pipeline: MDMPipeline) -> None:
    clips = pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=5, exact=True)
    y = {"text_embed": pipeline.encode_text(CAPTIONS)}
    x = sample_exact(
        pipeline.net,
        (3, 263, 1, 80),
        process=ReleasedProcess.of(pipeline.schedule),
        y=y,
        guidance=2.5,
        generator=torch.Generator().manual_seed(5),
    )
    for row, (clip, length) in enumerate(zip(clips, LENGTHS, strict=True)):
        expected = pipeline.denormalise(x[row, :, 0, :length].T)
        np.testing.assert_array_equal(clip, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_exact_mode_has_the_bits_of_the_plain_network_as_its_authors_run_it(
    pipeline: MDMPipeline, threads: int
) -> None:
    """The authors keep requires_grad of the weights, which decides how PyTorch multiplies."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        clips = pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=5, exact=True)
        c = pipeline.net.config
        plain = PlainMDM(pipeline.net.state_dict(), layers=c.layers, positions=c.max_positions)
        assert all(weight.requires_grad for weight in plain.parameters())
        y = {"text_embed": pipeline.encode_text(CAPTIONS)}
        torch.manual_seed(5)
        x = plain_sample(plain, (3, 263, 1, 80), y, steps=c.diffusion_steps, guidance=2.5)
    finally:
        torch.set_num_threads(before)
    for row, (clip, length) in enumerate(zip(clips, LENGTHS, strict=True)):
        np.testing.assert_array_equal(clip, pipeline.denormalise(x[row, :, 0, :length].T))
    assert not any(weight.requires_grad for weight in pipeline.net.parameters())


def test_exact_mode_makes_the_golden_sample(kit: Path) -> None:
    golden = kit / "mdm" / "text_enc"
    net = load_upstream(golden)
    net.config = replace(net.config, diffusion_steps=50)
    with np.load(golden / "sample_ddpm50.npz", allow_pickle=False) as file:
        final, seed, shape = file["final"], int(file["seed"]), file["shape"]
    with np.load(golden / "forward.npz", allow_pickle=False) as file:
        embedded = torch.from_numpy(file["text_embed"])
    plain = Stats(torch.zeros(263), torch.ones(263))
    pipeline = MDMPipeline(MDMPipelineConfig.of(net.config), net, plain, device="cpu")
    lengths = [int(shape[-1])] * int(shape[0])
    x = pipeline.denoise_exact(embedded, lengths, seed, guidance=2.5)
    assert np.abs(x.numpy() - final).max() < 1e-4


# ---------------------------------------------------------------- generate


def test_a_request_ends_in_motion_135(pipeline: MDMPipeline) -> None:
    steps: list[Progress] = []
    motions = pipeline.generate(request(samples=2), steps.append)
    assert [m.data.shape for m in motions] == [(63, 135), (63, 135)]
    assert all(np.isfinite(m.data).all() and m.fps == 30.0 for m in motions)
    assert np.abs(motions[0].data - motions[1].data).max() > 1e-4
    meta = motions[1].meta
    assert meta["seed"] == 8 and meta["prompt"] == "a person walks" and meta["warnings"] == []
    assert meta["params"] == {
        "seconds": 2.1,
        "sampler": "ddim",
        "steps": 4,
        "guidance_scale": 2.5,
    }
    assert "ik_error_mm" in meta
    assert [s.stage for s in steps if s.stage != "sampling"] == ["reading the prompt", "converting"]
    assert [(s.step, s.total) for s in steps if s.stage == "sampling"] == [
        (done, 4) for done in range(5)
    ]


def test_a_sample_can_be_made_again_alone(pipeline: MDMPipeline) -> None:
    _, second = pipeline.generate(request(samples=2))
    (again,) = pipeline.generate(request(seed=8))
    np.testing.assert_allclose(second.data, again.data, atol=1e-3)


def test_cancel_ends_the_sampling(pipeline: MDMPipeline) -> None:
    def stop_at_the_second(progress: Progress) -> None:
        if progress.stage == "sampling" and progress.step == 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        pipeline.generate(request(), stop_at_the_second)


@pytest.mark.parametrize("seconds", [0.5, 1.9, 10.1, 60.0])
def test_durations_the_model_cannot_make(pipeline: MDMPipeline, seconds: float) -> None:
    with pytest.raises(InvalidRequest, match="tiny") as caught:
        pipeline.generate(request(seconds=seconds))
    assert "2 to 9.8 seconds" in caught.value.hint


def test_a_long_prompt_is_cut_with_a_warning(pipeline: MDMPipeline) -> None:
    (motion,) = pipeline.generate(request(prompt="walk " * 30))
    assert "Only the beginning" in motion.meta["warnings"][0]


def test_many_captions_are_cut_with_one_line_in_the_log(
    pipeline: MDMPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        pipeline.infer_t2m(["walk", "walk " * 30, "bow " * 40], [40] * 3, seed=1)
    assert [r.message for r in caplog.records] == ["only the beginning is read of 2 of 3 captions"]


def test_the_large_variance_is_left_to_the_exact_mode(stats: Stats, tmp_path: Path) -> None:
    pipeline = tiny_pipeline(stats, tmp_path, sigma_small=False)
    with pytest.raises(InvalidRequest, match="large variance"):
        pipeline.infer_t2m(["walk"], [40], seed=1, sampler="ddpm", steps=2)
    assert len(pipeline.infer_t2m(["walk"], [40], seed=1, exact=True, steps=2)[0]) == 40
    assert len(pipeline.infer_t2m(["walk"], [40], seed=1)[0]) == 40


def test_kit_models_give_features_but_no_rig(stats: Stats, tmp_path: Path) -> None:
    net = tiny_net(joints=251, dataset="kit")
    plain = Stats(torch.zeros(251), torch.ones(251))
    pipeline = tiny_pipeline(plain, tmp_path, net=net)
    assert pipeline.infer_t2m(["walk"], [40], seed=0)[0].shape == (40, 251)
    with pytest.raises(InvalidRequest, match="KIT-ML"):
        pipeline.generate(request())


def test_without_a_text_encoder_offline(pipeline: MDMPipeline, stats: Stats) -> None:
    config = replace(pipeline.config, text_encoder="nobody/nothing")
    lost = MDMPipeline(config, pipeline.net, stats, device="cpu", local_files_only=True)
    with pytest.raises(ModelAbsent, match="nobody/nothing") as caught:
        lost.infer_t2m(["walk"], [40])
    assert "Download nobody/nothing" in caught.value.hint and "--clip" in caught.value.hint


# ---------------------------------------------------------------- DistilBERT


def test_token_states_of_distilbert(
    stats: Stats, tmp_path: Path, make_motion: Callable[..., np.ndarray]
) -> None:
    from transformers import BertTokenizerFast, DistilBertConfig, DistilBertModel

    from backend.text.distilbert import DistilBertEncoder

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "walk", "bow", "an", "old", "man"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(1)
    sizes = {"n_layers": 1, "n_heads": 2, "dim": 768, "hidden_dim": 16, "vocab_size": len(words)}
    DistilBertModel(DistilBertConfig(**sizes)).save_pretrained(tmp_path / "distilbert")
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "distilbert")
    encoder = DistilBertEncoder.load(tmp_path, local_files_only=True)
    states, padding = encoder.encode(["an old man", "bow"])
    assert states.shape == (5, 2, 768) and padding.tolist()[1] == [False] * 3 + [True] * 2

    net = tiny_net(arch="trans_dec", text_encoder="bert")
    config = MDMPipelineConfig.of(net.config, steps=4)
    pipeline = MDMPipeline(config, net, stats, encoder=encoder, device="cpu")
    together = pipeline.infer_t2m(["an old man", "bow"], [40, 40], seed=2)
    alone = pipeline.infer_t2m(["bow"], [40], seed=3)[0]
    np.testing.assert_allclose(together[1], alone, atol=1e-5)
    folder = pipeline.save_pretrained(tmp_path / "model")
    again = MDMPipeline.from_pretrained(folder, device="cpu", local_files_only=True)
    np.testing.assert_array_equal(again.infer_t2m(["bow"], [40], seed=3)[0], alone)


def test_the_encoder_of_the_folder_is_used(
    pipeline: MDMPipeline, stats: Stats, tmp_path: Path
) -> None:
    folder = pipeline.save_pretrained(tmp_path / "model")
    again = MDMPipeline.from_pretrained(folder, device="cpu", local_files_only=True)
    assert isinstance(again.encoder, ClipTextEncoder)
    for a, b in zip(
        pipeline.infer_t2m(CAPTIONS, LENGTHS, seed=1),
        again.infer_t2m(CAPTIONS, LENGTHS, seed=1),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
