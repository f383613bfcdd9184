"""Prefix completion (DiP): windows, prefixes, captions that change, seeds, refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import Cancelled, FormatError, InvalidRequest
from backend.motion import convert
from backend.motion.representations.hml263 import SPEC
from backend.pipelines.mdm import MDMPipeline, planner
from backend.pipelines.mdm.folder import MDMPipelineConfig
from backend.store.model_folder import Stats
from backend.wire.messages import Motion, Progress, Request
from tests.conftest import _swinging_clip
from tests.mdm_files import network_config, tiny_net, tiny_pipeline, walking_stats

CONTEXT, AHEAD = 5, 8
SHAPE = {"arch": "trans_dec", "context_len": CONTEXT, "pred_len": AHEAD, "diffusion_steps": 6}


@pytest.fixture(scope="module")
def stats() -> Stats:
    return walking_stats(_swinging_clip)


@pytest.fixture(scope="module")
def pipeline(stats: Stats, tmp_path_factory: pytest.TempPathFactory) -> MDMPipeline:
    return tiny_pipeline(stats, tmp_path_factory.mktemp("clip"), **SHAPE)


@pytest.fixture
def walk(make_motion: Callable[..., np.ndarray]) -> Motion:
    return Motion(make_motion(frames=60, seed=2), 30.0)


# ---------------------------------------------------------------- windows


def test_each_window_begins_where_the_one_before_ended() -> None:
    seen = []

    def window(prefix: torch.Tensor, index: int) -> torch.Tensor:
        seen.append(prefix.flatten().tolist())
        return torch.arange(3.0)[None] + 10 * (index + 1)

    x = planner.chain(window, torch.tensor([[1.0, 2.0]]), 8, 3, axis=1)
    assert x.tolist() == [[10, 11, 12, 20, 21, 22, 30, 31]]
    assert seen == [[1, 2], [11, 12], [21, 22]]
    # a context longer than a window reaches back into the one before
    seen.clear()
    planner.chain(window, torch.arange(4.0)[None], 6, 3, axis=1)
    assert seen == [[0, 1, 2, 3], [3, 10, 11, 12]]


@pytest.mark.parametrize("frames", [1, AHEAD, AHEAD + 1, 30])
@pytest.mark.parametrize("exact", [False, True])
def test_any_length(pipeline: MDMPipeline, frames: int, exact: bool) -> None:
    [clip] = pipeline.infer_t2m(["walk"], [frames], seed=1, exact=exact)
    assert clip.shape == (frames, 263) and clip.dtype == np.float32 and np.isfinite(clip).all()


def test_both_modes_follow_the_prefix(pipeline: MDMPipeline, walk: Motion) -> None:
    for exact in (False, True):
        made = [
            pipeline.complete_prefixes(["walk"], [12], seed=1, exact=exact, prefixes=prefix)[0]
            for prefix in (None, walk, convert.motion135_to_hml263(walk.data))
        ]
        assert np.abs(made[0] - made[1]).max() > 1e-4
        np.testing.assert_array_equal(made[1], made[2])


def test_the_first_window_does_not_know_how_long_it_goes_on(pipeline: MDMPipeline) -> None:
    short, long = (pipeline.infer_t2m(["walk"], [n], seed=4)[0] for n in (AHEAD, 3 * AHEAD))
    np.testing.assert_array_equal(short, long[:AHEAD])


def test_a_motion_does_not_depend_on_its_batch(pipeline: MDMPipeline, walk: Motion) -> None:
    captions, lengths, prefixes = ["walk", "jump", "bow"], [20, 7, 33], [None, walk, None]
    together = pipeline.complete_prefixes(captions, lengths, prefixes=prefixes, seed=5)
    for i in range(3):
        [alone] = pipeline.complete_prefixes(
            [captions[i]], [lengths[i]], prefixes=[prefixes[i]], seed=5 + i
        )
        np.testing.assert_allclose(together[i], alone, atol=2e-5)


def test_a_caption_for_each_window(pipeline: MDMPipeline) -> None:
    frames = 3 * AHEAD
    plain, turned, same = pipeline.complete_prefixes(
        ["walk", ["walk", "jump"], ["walk", "walk"]], [frames] * 3, seed=3
    )
    again = pipeline.complete_prefixes([["walk", "jump", "jump"]], [frames], seed=4)[0]
    np.testing.assert_allclose(turned, again, atol=2e-5)
    first = pipeline.complete_prefixes(["walk"], [AHEAD], seed=4)[0]
    np.testing.assert_allclose(turned[:AHEAD], first, atol=2e-5)
    walked = pipeline.complete_prefixes(["walk"], [frames], seed=4)[0]
    assert np.abs(turned - walked)[AHEAD:].max() > 1e-4
    assert same.shape == plain.shape


def test_encoder_networks_complete_prefixes_too(stats: Stats, tmp_path: Path) -> None:
    pipeline = tiny_pipeline(stats, tmp_path, **{**SHAPE, "arch": "trans_enc"})
    clips = [
        pipeline.infer_t2m(["walk"], [20], seed=1, sampler="ddim", guidance_param=g)[0]
        for g in (1.0, 3.0)
    ]
    assert clips[0].shape == (20, 263)
    assert np.abs(clips[0] - clips[1]).max() > 1e-4


class TokenReader:
    """Token states of a caption, a token for each word, as DistilBERT's encoder gives them."""

    def truncated(self, captions: list[str], context: int | None = None) -> list[bool]:
        return [False for _ in captions]

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        words = [caption.split() for caption in captions]
        longest = max(map(len, words))
        states = torch.zeros(longest, len(captions), 768)
        padding = torch.ones(len(captions), longest, dtype=torch.bool)
        for row, caption in enumerate(words):
            for place, word in enumerate(caption):
                seed = sum(map(ord, word))
                generator = torch.Generator().manual_seed(seed)
                states[place, row] = torch.randn(768, generator=generator)
                padding[row, place] = False
        return states, padding


def test_captions_of_tokens_as_the_release_reads_them(stats: Stats) -> None:
    net = tiny_net(**SHAPE, text_encoder="bert", mask_frames=True)
    config = MDMPipelineConfig.of(net.config, name="dip", steps=4)
    pipeline = MDMPipeline(config, net, stats, encoder=TokenReader(), device="cpu")
    captions = ["a person walks slowly on", "jump", ["bow", "a person sits"]]
    together = pipeline.complete_prefixes(captions, [20, 12, 20], seed=5)
    for i, clip in enumerate(together):
        [alone] = pipeline.complete_prefixes([captions[i]], [len(clip)], seed=5 + i)
        np.testing.assert_allclose(clip, alone, atol=2e-5)
    other = pipeline.complete_prefixes(["a person walks"], [20], seed=5)[0]
    assert np.abs(other - together[0]).max() > 1e-4
    exact = pipeline.complete_prefixes(captions, [20, 12, 20], seed=5, exact=True)
    assert [len(clip) for clip in exact] == [20, 12, 20]


# ---------------------------------------------------------------- the standing start


def test_standing_is_at_rest_in_the_mean_pose(stats: Stats) -> None:
    start = planner.standing(stats, SPEC, CONTEXT)
    assert start.shape == (CONTEXT, 263)
    for block in ("yaw_velocity", "root_velocity", "velocities"):
        assert not start[:, SPEC.columns(block)].any()
    assert (start[:, SPEC.columns("contacts")] == 1.0).all()
    pose = SPEC.columns("root_height", "joints", "rotations")
    np.testing.assert_array_equal(start[0, pose], stats.mean.numpy()[pose])


# ---------------------------------------------------------------- through a request


def test_generate_makes_what_is_asked(pipeline: MDMPipeline) -> None:
    steps: list[Progress] = []
    request = Request("a person walks", seconds=12.0, samples=2, seed=8, model="dip")
    motions = pipeline.generate(request, steps.append)
    assert [len(m.data) for m in motions] == [360, 360]
    assert [m.meta["seed"] for m in motions] == [8, 9]
    assert motions[0].meta["params"]["sampler"] == "ddpm"
    assert motions[0].meta["params"]["guidance_scale"] == 7.5
    sampling = [(p.step, p.total) for p in steps if p.stage == "sampling"]
    assert sampling[-1] == (30 * 4, 30 * 4) and sampling == sorted(sampling)


def test_cancel(pipeline: MDMPipeline) -> None:
    def stop(done: int, total: int) -> None:
        if done > 10:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        pipeline.infer_t2m(["walk"], [60], seed=0, on_step=stop)


def test_planners_are_sampled_as_released() -> None:
    config = MDMPipelineConfig.of(network_config(**SHAPE))
    assert (config.sampler, config.steps, config.guidance_param) == ("ddpm", 6, 7.5)
    assert MDMPipelineConfig.of(network_config()).sampler == "ddim"
    assert MDMPipelineConfig.of(network_config(**SHAPE), guidance_param=2.0).guidance_param == 2.0


# ---------------------------------------------------------------- targets


def test_targets_reach_the_network_in_both_modes(stats: Stats, tmp_path: Path) -> None:
    shape = {**SHAPE, "target_cond": True, "target_joints": ["pelvis", "head"]}
    pipeline = tiny_pipeline(stats, tmp_path, **shape)
    target = {
        "target_cond": torch.ones(2, 4, 3),
        "target_joint_names": [["pelvis"], ["head"]],
        "is_heading": torch.tensor([False, True]),
    }
    ask = (["walk", "walk"], [20, 12])
    for exact in (False, True):
        options = {"seed": 2, "exact": exact}
        free = pipeline.complete_prefixes(*ask, **options)
        led = pipeline.complete_prefixes(*ask, target=target, **options)
        assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(free, led, strict=True))
    alone = {key: value[1:] for key, value in target.items()}
    [second] = pipeline.complete_prefixes(["walk"], [12], target=alone, seed=3)
    led = pipeline.complete_prefixes(*ask, target=target, seed=2)
    np.testing.assert_allclose(second, led[1], atol=2e-5)
    with pytest.raises(InvalidRequest, match="does not fit"):
        pipeline.complete_prefixes(*ask, target={"target_cond": torch.ones(2, 4, 3)})
    with pytest.raises(InvalidRequest, match="does not fit"):
        pipeline.complete_prefixes(*ask, target=alone)


def test_targets_of_other_models_are_refused(
    pipeline: MDMPipeline, stats: Stats, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="without targets"):
        pipeline.complete_prefixes(["walk"], [8], target={})
    shape = {**SHAPE, "arch": "trans_enc", "target_cond": True, "target_joints": ["pelvis"]}
    encoder = tiny_pipeline(stats, tmp_path, **shape)
    with pytest.raises(InvalidRequest, match="exact mode"):
        encoder.complete_prefixes(["walk"], [8], target={})


# ---------------------------------------------------------------- refusals


def test_only_planners_complete(stats: Stats, tmp_path: Path) -> None:
    whole = tiny_pipeline(stats, tmp_path, net=tiny_net())
    with pytest.raises(InvalidRequest, match="makes whole motions"):
        whole.complete_prefixes(["walk"], [40])


def test_planners_do_not_edit(pipeline: MDMPipeline, walk: Motion) -> None:
    with pytest.raises(InvalidRequest, match="cannot edit"):
        pipeline.edit(walk, "wave", keep_frames=[(0, 10)])


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        (np.zeros((CONTEXT - 1, 263)), "cannot go on"),
        (np.zeros((CONTEXT, 135)), "cannot go on"),
        (np.full((CONTEXT, 263), np.nan), "not finite"),
    ],
)
def test_prefixes_that_cannot_be_read(pipeline: MDMPipeline, prefix: np.ndarray, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        pipeline.complete_prefixes(["walk"], [8], prefixes=prefix)


@pytest.mark.parametrize("frames", [0, -3, 100_000])
def test_bad_lengths(pipeline: MDMPipeline, frames: int) -> None:
    with pytest.raises(InvalidRequest, match="cannot make"):
        pipeline.infer_t2m(["walk"], [frames])


def test_bad_lists(pipeline: MDMPipeline, walk: Motion) -> None:
    assert pipeline.infer_t2m([], []) == []
    with pytest.raises(InvalidRequest, match="2 captions but 1 lengths"):
        pipeline.infer_t2m(["a", "b"], [8])
    with pytest.raises(InvalidRequest, match="1 prefixes but 2 lengths"):
        pipeline.complete_prefixes(["a", "b"], [8, 8], prefixes=[walk])
    with pytest.raises(InvalidRequest, match="no caption"):
        pipeline.complete_prefixes([[]], [8])
    with pytest.raises(InvalidRequest, match="exact mode has no sampler"):
        pipeline.infer_t2m(["a"], [8], exact=True, sampler="dpmpp")
