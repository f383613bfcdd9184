"""MotionGPT's pipeline on the small golden model: what people see when things go well or not."""

from __future__ import annotations

import contextlib
import json
import pickle
import random
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import (
    ArtifactError,
    Cancelled,
    FormatError,
    InvalidRequest,
    ModelNotFound,
    OutputError,
)
from backend.pipelines import registry
from backend.pipelines.motiongpt.answers import read_answer
from backend.pipelines.motiongpt.pipeline import MAX_FRAMES, MotionGPTPipeline
from backend.text.motion_prompts import (
    HEAD_SHARE,
    PROMPT_MODES,
    conditional_prompts,
    motion_string,
)
from backend.wire.messages import Motion, Progress, Request
from tests.hub_server import run_hub_client, serve_hub

ARTIFACT = Path(__file__).parents[1] / "parity/golden/motiongpt/artifact"
CAPTIONS = ["a person walks forward.", "the figure jumps twice, then stands up.", "someone waves"]
LENGTHS = [40, 17, 120]


@pytest.fixture(scope="module")
def pipeline() -> MotionGPTPipeline:
    return MotionGPTPipeline.from_pretrained(ARTIFACT, device="cpu")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(ARTIFACT, tmp_path / "artifact"))


@pytest.fixture
def clips(pipeline: MotionGPTPipeline) -> list[np.ndarray]:
    return pipeline.decode_motions([range(0, 400, 40), range(7, 500, 70)])


def edit_json(path: Path, **changes: object) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")


def edit_checkpoint(folder: Path, **changes: object) -> None:
    path = folder / "motiongpt_s3_h3d.tar"
    content = torch.load(path, weights_only=True)
    state = {**content["state_dict"], **changes}
    content["state_dict"] = {name: value for name, value in state.items() if value is not None}
    torch.save(content, path)


# ---------------------------------------------------------------- text to motion


@pytest.mark.parametrize("mode", PROMPT_MODES)
def test_a_batch_gives_the_same_as_one_by_one(pipeline: MotionGPTPipeline, mode: str) -> None:
    together = pipeline.answer_captions(CAPTIONS, LENGTHS, seed=5, prompt_mode=mode)
    for index, (caption, length) in enumerate(zip(CAPTIONS, LENGTHS, strict=True)):
        [alone] = pipeline.answer_captions([caption], [length], seed=5 + index, prompt_mode=mode)
        assert alone.prompt == together[index].prompt
        assert alone.text == together[index].text
        np.testing.assert_allclose(alone.features, together[index].features, rtol=0, atol=1e-4)


def test_many_captions_are_worked_off_in_chunks(
    pipeline: MotionGPTPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions, lengths = ["walk", "jump up", "bow", "run", "sit"], [40, 80, 40, 40, 60]
    whole = pipeline.answer_captions(captions, lengths, seed=4)
    monkeypatch.setattr("backend.pipelines.motiongpt.core.PROMPTS_AT_ONCE", 2)
    monkeypatch.setattr("backend.pipelines.motiongpt.core.CLIPS_AT_ONCE", 1)
    steps: list[tuple[int, int]] = []
    parts = pipeline.answer_captions(
        captions, lengths, seed=4, on_step=lambda done, total: steps.append((done, total))
    )
    assert [a.text for a in parts] == [a.text for a in whole]
    for a, b in zip(parts, whole, strict=True):
        np.testing.assert_allclose(a.features, b.features, atol=1e-4)
    assert steps == sorted(steps) and steps[-1] == (3 * 127, 3 * 127)
    together = pipeline.answer_captions(captions, lengths, seed=4, shared_generator=True)
    monkeypatch.undo()
    shared = pipeline.answer_captions(captions, lengths, seed=4, shared_generator=True)
    assert [a.text for a in together] == [a.text for a in shared]


def test_seeds_differ_and_greedy_needs_none(pipeline: MotionGPTPipeline) -> None:
    texts = {
        pipeline.answer_captions(CAPTIONS[:1], seed=seed, prompt_mode="direct")[0].text
        for seed in range(3)
    }
    assert len(texts) == 3
    greedy = [
        pipeline.answer_captions(CAPTIONS[:1], seed=s, greedy=True, prompt_mode="direct")[0].text
        for s in (0, 1)
    ]
    assert greedy[0] == greedy[1]


def test_prompt_modes(pipeline: MotionGPTPipeline) -> None:
    asked = {
        mode: pipeline.answer_captions(["someone waves"], [40], seed=1, prompt_mode=mode)[0].prompt
        for mode in PROMPT_MODES
    }
    assert asked["direct"] == "someone waves"
    assert asked["official_nolen"] in ("Generate motion: someone waves",
                                       'Generate motion: "someone waves"')  # fmt: skip
    assert asked["official_len"].startswith("Generate motion with 40 frames: ")
    with pytest.raises(InvalidRequest, match="prompt mode 'chat'"):
        pipeline.infer_t2m(["x"], [40], prompt_mode="chat")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="needs lengths"):
        pipeline.infer_t2m(["x"], prompt_mode="official_len")


def test_fallback_is_the_mean_and_is_flagged(pipeline: MotionGPTPipeline) -> None:
    answers = pipeline.answer_captions(CAPTIONS, LENGTHS, seed=0, shared_generator=True)
    found = [answer for answer in answers if answer.fallback]
    assert found
    for answer in found:
        assert "wrote no motion" in answer.warnings[0]
        assert (answer.features == pipeline.stats.mean.numpy()).all()
    assert [len(a.features) for a, n in zip(answers, LENGTHS, strict=True) if a.fallback] == [
        n for a, n in zip(answers, LENGTHS, strict=True) if a.fallback
    ]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", (0,)),
        ("no motion", (0,)),
        ("<motion_id_512><motion_id_1>x_y><z<motion_id_513>", (0,)),
        (motion_string([5]), (5,)),
    ],
)
def test_answers_without_a_motion(text: str, ids: tuple[int, ...]) -> None:
    answer = read_answer(text, "prompt")
    assert answer.fallback and answer.ids == ids and len(answer.warnings) == 1


def test_stray_start_tokens_become_codes() -> None:
    answer = read_answer(motion_string([3, 512, 514, 4]), "prompt")
    assert (answer.ids, answer.fallback) == ((3, 511, 511, 4), False)


def test_long_captions_are_cut_with_a_warning(
    pipeline: MotionGPTPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    long = ["walks and turns " * 120]
    [answer] = pipeline.answer_captions(long, [40], seed=0, greedy=True)
    assert any("Only the beginning of the prompt was read" in w for w in answer.warnings)
    with caplog.at_level("WARNING"):
        pipeline.infer_t2m(long, [40], seed=0, greedy=True)
    assert [r.message for r in caplog.records] == list(answer.warnings)


def test_lengths_are_checked(pipeline: MotionGPTPipeline) -> None:
    with pytest.raises(InvalidRequest, match="2 captions but 1 lengths"):
        pipeline.infer_t2m(["a", "b"], [40])
    for wrong in (0, MAX_FRAMES + 1):
        with pytest.raises(InvalidRequest, match=f"{wrong} frames"):
            pipeline.infer_t2m(["a"], [wrong])
    assert pipeline.infer_t2m([], []) == []


def test_a_request_becomes_motions(pipeline: MotionGPTPipeline) -> None:
    request = Request("a person walks", seconds=2.0, seed=3, samples=2, guidance_scale=2.0)
    reports: list[Progress] = []
    motions = pipeline.generate(request, reports.append)
    assert [motion.meta["seed"] for motion in motions] == [3, 4]
    assert all(motion.data.shape[1] == 135 for motion in motions)
    stages = [report.stage for report in reports]
    assert stages[-1] == "converting" and stages.count("writing motion tokens") > 2
    json.dumps(motions[0].meta)


def test_cancel_between_tokens(pipeline: MotionGPTPipeline) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        pipeline.generate(Request("a person walks", seconds=2.0), stop)


# ---------------------------------------------------------------- motion to text and motion


def test_describe_takes_motions_and_features(
    pipeline: MotionGPTPipeline, clips: list[np.ndarray], clip: np.ndarray
) -> None:
    one_by_one = [pipeline.describe([c])[0] for c in clips]
    assert pipeline.describe(clips) == one_by_one
    [text] = pipeline.describe([Motion(clip)], with_length=True)
    assert text == text.strip()
    assert pipeline.describe([]) == []


def test_describe_says_when_a_motion_is_too_long(pipeline: MotionGPTPipeline) -> None:
    long = np.tile(pipeline.stats.mean.numpy(), (1100, 1))
    warnings: list[str] = []
    pipeline.describe([long], on_warning=warnings.append)
    assert len(warnings) == 1 and "only its beginning" in warnings[0]


@pytest.mark.parametrize(
    ("shape", "value", "message"),
    [((3, 263), 0.0, "4 or more"), ((8, 262), 0.0, "263"), ((8, 263), np.nan, "NaN")],
)
def test_clips_that_cannot_be_read(
    pipeline: MotionGPTPipeline, shape: tuple[int, int], value: float, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        pipeline.describe([np.full(shape, value, np.float32)])


@pytest.mark.parametrize("ids", [[512], [-1, 3], []])
def test_tokens_out_of_range(pipeline: MotionGPTPipeline, ids: list[int]) -> None:
    with pytest.raises(InvalidRequest, match="0 to 511"):
        pipeline.decode_motions([ids])


def test_continuation_keeps_the_beginning(
    pipeline: MotionGPTPipeline, clips: list[np.ndarray]
) -> None:
    known = pipeline.encode_motions(clips)
    for share, kept in ((1.0, [10, 8]), (0.2, [2, 1])):
        answers = pipeline.continue_motions(clips, share=share, seed=2)
        for answer, ids, count in zip(answers, known, kept, strict=True):
            assert list(answer.ids[:count]) == ids[:count]
            assert len(answer.features) == 4 * len(answer.ids)
            if answer.fallback:
                assert len(answer.ids) == count
    with pytest.raises(InvalidRequest, match="share"):
        pipeline.continue_motions(clips, share=0.0)


def test_a_fifth_of_a_clip_is_asked_about_as_published(
    pipeline: MotionGPTPipeline, clips: list[np.ndarray]
) -> None:
    published = conditional_prompts(
        "pred",
        random.Random(0),
        motions=pipeline.encode_motions(clips),
        lengths=[len(clip) for clip in clips],
    )
    answers = pipeline.continue_motions(clips, share=HEAD_SHARE, seed=0)
    assert [answer.prompt for answer in answers] == published


def test_completion_keeps_the_quarters(
    pipeline: MotionGPTPipeline, clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(asked: list[str], **options: object) -> tuple[list[str], tuple[bool, ...]]:
        assert all("<motion_id_514>" in text for text in asked)
        return [motion_string(range(20)), "nothing"], (False, False)

    # the tiny model hardly ever writes a motion: its answers are given here
    monkeypatch.setattr(pipeline, "write_texts", written)
    whole, gap = pipeline.complete_motions(clips, seed=1)
    quarter = len(clips[0]) // 4
    assert whole.features.shape == clips[0].shape
    np.testing.assert_array_equal(whole.features[:quarter], clips[0][:quarter])
    np.testing.assert_array_equal(whole.features[-quarter:], clips[0][-quarter:])
    [decoded] = pipeline.decode_motions([range(20)])
    np.testing.assert_array_equal(
        whole.features[quarter : 3 * quarter], decoded[quarter : 3 * quarter]
    )
    assert gap.fallback and gap.warnings
    assert len(gap.features) == 2 * (len(clips[1]) // 4)


# ---------------------------------------------------------------- files


def test_own_folder_is_the_same_model(pipeline: MotionGPTPipeline, tmp_path: Path) -> None:
    folder = pipeline.save_pretrained(tmp_path / "own")
    with pytest.raises(OutputError, match="not empty"):
        pipeline.save_pretrained(folder)
    assert pipeline.save_pretrained(folder, overwrite=True) == folder
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}
    again = registry.load_pipeline(folder, device="cpu")
    assert isinstance(again, MotionGPTPipeline)
    for name, value in pipeline.net.state_dict().items():
        assert torch.equal(again.net.state_dict()[name], value)
    assert pipeline.answer_captions(CAPTIONS, seed=1)[0].text == (
        again.answer_captions(CAPTIONS, seed=1)[0].text
    )


def test_bf16_products(pipeline: MotionGPTPipeline) -> None:
    half = MotionGPTPipeline.from_pretrained(ARTIFACT, device="cpu", precision="bf16")
    assert half.net.language_model.lm_head.weight.dtype == torch.bfloat16
    assert half.net.language_model.shared.weight.dtype == torch.float32
    ids, mask = torch.tensor([[5, 3, 25, 1]]), torch.ones(1, 4, dtype=torch.bool)
    with torch.inference_mode(), half._autocast():
        low = half.net.language_model.encode(ids, mask)
    full = pipeline.net.language_model.encode(ids, mask)
    assert 0.0 < float((low - full).abs().max()) < 0.2


def test_bundle_kwargs(tmp_path: Path) -> None:
    MotionGPTPipeline.from_pretrained(
        str(ARTIFACT), bundle_kwargs={"local_files_only": True}, device="cpu"
    )
    with pytest.raises(InvalidRequest, match="dtype"):
        MotionGPTPipeline.from_pretrained(ARTIFACT, bundle_kwargs={"dtype": "bf16"})
    with pytest.raises(ModelNotFound):
        MotionGPTPipeline.from_pretrained(tmp_path / "nothing")


@pytest.mark.parametrize(
    "name",
    [
        "motiongpt_s3_h3d.tar",
        "assets/meta/std.npy",
        "deps/flan-t5-base/config.json",
        "deps/flan-t5-base/tokenizer.json",
    ],
)
def test_a_missing_file_is_named(artifact: Path, name: str) -> None:
    (artifact / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        MotionGPTPipeline.from_pretrained(artifact)


def test_an_ordinary_t5_is_explained(artifact: Path) -> None:
    edit_json(artifact / "deps/flan-t5-base/config.json", feed_forward_proj="relu", d_ff=3072)
    with pytest.raises(ArtifactError, match=r"ordinary T5.*3072.*flan-t5-base"):
        MotionGPTPipeline.from_pretrained(artifact)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lm.language_model.lm_head.weight": None}, "missing lm.language_model.lm_head"),
        ({"lm.extra": torch.zeros(2)}, "unexpected lm.extra"),
        ({"vae.quantizer.codebook": torch.full((512, 24), torch.nan)}, "NaN"),
        ({"lm.language_model.encoder.embed_tokens.weight": torch.zeros(731, 32)}, "shares them"),
        ({"lm.language_model.shared.weight": torch.zeros(800, 32)}, "731 words"),
    ],
)
def test_a_checkpoint_that_does_not_fit(
    artifact: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    if "731" in message:
        # all three names, or the message is about sharing
        table = change["lm.language_model.shared.weight"]
        change = {**change, "lm.language_model.encoder.embed_tokens.weight": table,
                  "lm.language_model.decoder.embed_tokens.weight": table}  # fmt: skip
    edit_checkpoint(artifact, **change)
    with pytest.raises(ArtifactError, match=message):
        MotionGPTPipeline.from_pretrained(artifact)


def test_what_training_leaves_in_a_checkpoint(artifact: Path) -> None:
    """Whatever is of neither network is dropped; unknown classes are not even made."""
    path = artifact / "motiongpt_s3_h3d.tar"
    edit_checkpoint(
        artifact,
        **{"_losses.total": torch.zeros(1), "metrics.count": torch.zeros((), dtype=torch.long)},
    )
    content = torch.load(path, weights_only=True)
    for part in ("encoder", "decoder"):  # the same table once more
        del content["state_dict"][f"lm.language_model.{part}.embed_tokens.weight"]
    content["hyper_parameters"] = Namespace(lr=1e-4, folder=Path("somewhere"))
    torch.save(content, path)
    MotionGPTPipeline.from_pretrained(artifact)


class _Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_a_checkpoint_cannot_run_code(artifact: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(_Harmful(mark)))
    assert mark.exists(), "the trap itself must work"
    mark.unlink()
    path = artifact / "motiongpt_s3_h3d.tar"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "trap": _Harmful(mark)}, path)
    with contextlib.suppress(ArtifactError):
        MotionGPTPipeline.from_pretrained(artifact)
    assert not mark.exists()


def test_damaged_files(artifact: Path) -> None:
    path = artifact / "motiongpt_s3_h3d.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ArtifactError, match=r"motiongpt_s3_h3d\.tar is damaged"):
        MotionGPTPipeline.from_pretrained(artifact)


def test_statistics_of_another_width(artifact: Path) -> None:
    np.save(artifact / "assets/meta/mean.npy", np.zeros(251))
    with pytest.raises(ArtifactError, match=r"mean\.npy.*263"):
        MotionGPTPipeline.from_pretrained(artifact)


def test_download_from_a_hub_and_use_it_offline(tmp_path: Path) -> None:
    repo = "ZeyuLing/hftrainer-motiongpt-humanml3d"
    names = [
        path.relative_to(ARTIFACT).as_posix() for path in ARTIFACT.rglob("*") if path.is_file()
    ]
    files = {name: (ARTIFACT / name).read_bytes() for name in names}
    script = (
        "import sys\n"
        "from backend.pipelines.motiongpt import MotionGPTPipeline\n"
        "options = {'local_files_only': sys.argv[2] == 'offline'}\n"
        "pipeline = MotionGPTPipeline.from_pretrained(sys.argv[1], bundle_kwargs=options)\n"
        "print(pipeline.answer_captions(['a person waves'], seed=1)[0].text)\n"
    )
    with serve_hub({repo: {**files, "other.bin": b"unwanted"}}) as (endpoint, hub):
        online = run_hub_client(script, tmp_path, endpoint, repo, "online")
        assert online.returncode == 0, online.stderr
        assert not any("other.bin" in path for _, path in hub.requests if "resolve" in path)
    offline = run_hub_client(script, tmp_path, "http://127.0.0.1:9", repo, "offline")
    assert offline.returncode == 0, offline.stderr
    assert offline.stdout == online.stdout
