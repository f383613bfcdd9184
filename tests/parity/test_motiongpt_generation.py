"""What MotionGPT writes with a seed, against golden data: equal ids, equal motions."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.pipelines.motiongpt import MotionGPTPipeline, folder
from backend.pipelines.motiongpt.decoding import generate_tokens
from backend.pipelines.motiongpt.folder import MotionGPTFiles
from backend.text import motion_prompts as prompts

GOLDEN = Path(__file__).parent / "golden" / "motiongpt"
TASKS = {
    "t2m_official_nolen": "t2m",
    "t2m_official_len": "t2m_with_len",
    "m2t_greedy": "m2t",
    "t2m_greedy": "t2m",
}


def batches() -> list[Any]:
    """The golden generations; items of one case were generated together."""
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for item in json.loads((GOLDEN / "generation_golden.json").read_text(encoding="utf-8")):
        grouped[item["kind"], item["case"]].append(item)
    return [pytest.param(items, id=f"{k}-{c}") for (k, c), items in grouped.items()]


@pytest.fixture(scope="module")
def files() -> MotionGPTFiles:
    return folder.read(GOLDEN / "artifact")


def test_all_kinds_are_there() -> None:
    kinds = {batch.values[0][0]["kind"] for batch in batches()}
    assert kinds == {*TASKS, "t2m_direct"}


@pytest.mark.parametrize("items", batches())
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "plain"])
def test_written_ids(files: MotionGPTFiles, items: list[dict[str, Any]], cached: bool) -> None:
    first = items[0]
    asked = [item["prompt"] for item in items]
    if first["kind"] in TASKS:
        made = prompts.conditional_prompts(
            TASKS[first["kind"]],
            random.Random(first["python_seed"]),
            captions=[item.get("caption", "") for item in items],
            motions=[item["motion_tokens"] for item in items]
            if first["kind"] == "m2t_greedy"
            else None,
            lengths=[
                item.get("target_length", len(item.get("motion_tokens", ()))) for item in items
            ],
        )
        assert made == asked
    encoded = files.tokenizer.encode(asked)
    generator = torch.Generator().manual_seed(first["torch_seed"]) if first["do_sample"] else None
    ids = generate_tokens(
        files.net.language_model,
        encoded.ids,
        encoded.mask,
        max_length=first["max_length"],
        generators=[generator] if generator else None,
        cached=cached,
    )
    for row, item in zip(ids.tolist(), items, strict=True):
        assert row == item["output_ids"]
        text = files.tokenizer.decode(row)
        assert text == item["output_text"]
        if "tokens" in item:
            parsed = prompts.parse_motion(text)
            assert list(parsed.ids) == item["tokens"]
            assert parsed.text == item["cleaned"]
    if generator is not None:
        assert float(torch.rand(1, generator=generator)) == first["next_torch_rand"]


@pytest.mark.parametrize("case", [0, 1, 2])
def test_motions_of_a_published_batch(case: int) -> None:
    """Fallback to the mean, an early end, a cut at the length asked: all in these three."""
    items = next(b.values[0] for b in batches() if b.id == f"t2m_official_nolen-{case}")
    pipeline = MotionGPTPipeline.from_pretrained(GOLDEN / "artifact", device="cpu")
    clips = pipeline.infer_t2m(
        [item["caption"] for item in items],
        [item["target_length"] for item in items],
        seed=items[0]["torch_seed"],
        shared_generator=True,
    )
    with np.load(GOLDEN / "lm_golden.npz", allow_pickle=False) as golden:
        for index, clip in enumerate(clips):
            expected = golden[f"gen{case}_{index}_motion_denorm"]
            assert clip.shape == expected.shape
            np.testing.assert_allclose(clip, expected, rtol=0, atol=1e-4)


def test_published_captions() -> None:
    """Motion to text, from the motions whose tokens the golden captions were made of."""
    items = next(b.values[0] for b in batches() if b.id == "m2t_greedy-0")
    pipeline = MotionGPTPipeline.from_pretrained(GOLDEN / "artifact", device="cpu")
    with np.load(GOLDEN / "vae_golden.npz", allow_pickle=False) as golden:
        normalised = [golden["enc0_motion"][0], golden["enc2_motion"][0], golden["enc0_motion"][1]]
    clips = [pipeline.stats.denormalise(torch.from_numpy(x)).numpy() for x in normalised]
    assert pipeline.encode_motions(clips) == [item["motion_tokens"] for item in items]
    assert pipeline.describe(clips) == [item["caption_stripped"] for item in items]
