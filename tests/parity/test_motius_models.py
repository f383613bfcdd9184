"""Packaged MDM and MoGenTS as Motius @50cf750 saves and samples them, through the public path.

The golden folders bring no CLIP, so the golden's text vectors stand in for the text encoder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.pipelines.mdm import MDMPipeline
from backend.pipelines.mogents import MoGenTSPipeline
from backend.pipelines.motiongpt import MotionGPTPipeline

CAPTIONS = ("first", "second", "third")


class GoldenText:
    """The text vectors of the golden, a caption each."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._rows = dict(zip(CAPTIONS, torch.from_numpy(vectors), strict=False))

    def encode(self, captions: Sequence[str], context: int | None = None) -> Tensor:
        return torch.stack([self._rows[caption] for caption in captions])

    def truncated(self, captions: Sequence[str], context: int | None = None) -> list[bool]:
        return [False] * len(captions)


def loaded(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(
    ("name", "captions", "lengths", "seed"),
    [
        ("both_60_seed10", 2, [60, 60], 10),
        ("one_197_seed11", 1, [197], 11),
        ("mixed_60_120_seed12", 2, [60, 120], 12),
        ("short_7_seed13", 1, [7], 13),
    ],
)
def test_mdm(kit: Path, name: str, captions: int, lengths: list[int], seed: int) -> None:
    golden = loaded(kit / "motius" / "mdm_golden.npz")
    found = MDMPipeline.from_pretrained(kit / "motius" / "mdm_artifact", device="cpu")
    text = GoldenText(golden["text_embed"][0])
    pipeline = MDMPipeline(found.config, found.net, found.stats, encoder=text, device="cpu")
    made = pipeline.infer_t2m(CAPTIONS[:captions], lengths, seed=seed, exact=True)
    for i, clip in enumerate(made):
        assert clip.shape == golden[f"{name}_{i}"].shape
        # equal in every bit on the kind of computer that made the golden
        assert np.abs(clip - golden[f"{name}_{i}"]).max() < 1e-5


@pytest.fixture(scope="module")
def mogents(kit: Path) -> MoGenTSPipeline:
    found = MoGenTSPipeline.from_pretrained(kit / "motius" / "mogents_artifact", device="cpu")
    text = GoldenText(loaded(kit / "motius" / "mogents_golden.npz")["text_embed"])
    return MoGenTSPipeline(found.networks, found.stats, encoder=text, device="cpu")


@pytest.mark.parametrize(("i", "length", "seed"), [(0, 60, 20), (1, 80, 21), (2, 100, 22)])
@pytest.mark.parametrize("exact", [False, True])
def test_mogents(
    kit: Path, mogents: MoGenTSPipeline, i: int, length: int, seed: int, exact: bool
) -> None:
    golden = loaded(kit / "motius" / "mogents_golden.npz")[f"one_{i}_seed{seed}"]
    [made] = mogents.infer_t2m([CAPTIONS[i]], [length], seed=seed, exact=exact)
    assert made.shape == golden.shape and np.abs(made - golden).max() < 1e-5


def test_mogents_batch(kit: Path, mogents: MoGenTSPipeline) -> None:
    golden = loaded(kit / "motius" / "mogents_golden.npz")
    made = mogents.infer_t2m(CAPTIONS, [60, 100, 196], seed=30, exact=True)
    for i, clip in enumerate(made):
        assert np.abs(clip - golden[f"batch_seed30_{i}"]).max() < 1e-5
    # a clip of no frames, which the release lets its estimator ask for, has four here
    estimated = mogents.infer_t2m(CAPTIONS, seed=31, exact=True)
    lengths = [len(golden[f"estimated_seed31_{i}"]) for i in range(3)]
    assert [len(clip) for clip in estimated] == [max(n, 4) for n in lengths]
    assert np.abs(estimated[0] - golden["estimated_seed31_0"]).max() < 1e-5


def test_motiongpt_sentences(kit: Path) -> None:
    golden = json.loads((kit / "motius" / "motiongpt_m2t.json").read_text())
    found = loaded(kit / "motius" / "motiongpt_m2t_inputs.npz")
    motions = [found[f"motion{i}"] for i in range(len(found))]
    pipeline = MotionGPTPipeline.from_pretrained(
        kit / "motiongpt" / "artifact", device="cpu", local_files_only=True
    )
    for name, expected in golden["cases"].items():
        asked = dict(part.split("=") for part in name.split(","))
        made = pipeline.infer_m2t(
            motions,
            golden["lengths_given"] if asked["lengths"] == "given" else None,
            with_len=asked["with_len"] == "True",
            pad_to_batch_max=asked["pad_to_batch_max"] == "True",
        )
        assert made == expected, name
