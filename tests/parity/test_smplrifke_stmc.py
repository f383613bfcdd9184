"""Denoiser, timelines and body parts against the goldens of nv-tlabs/stmc @ a8b2a1f."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.diffusion import timeline
from backend.errors import InvalidRequest
from backend.models.stmc import StmcDenoiser, config_of
from backend.motion.body_parts import PART_JOINTS, part_columns
from backend.motion.representations import hml263, smplrifke205

GOLDEN = Path(__file__).parent / "golden" / "smplrifke"


def load(name: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / name, allow_pickle=False) as file:
        return {k: torch.from_numpy(file[k]) for k in file.files}


@pytest.mark.parametrize(
    ("name", "spec"), [("smplrifke", smplrifke205.SPEC), ("guoh3dfeats", hml263.SPEC)]
)
def test_body_part_columns(name: str, spec: object) -> None:
    golden = json.loads((GOLDEN / "body_part_indices.json").read_text())[name]
    assert set(golden) == set(PART_JOINTS)
    for part, columns in golden.items():
        assert part_columns(spec, part).tolist() == columns


def test_denoiser() -> None:
    golden = load("denoiser.npz")
    weights = {k.removeprefix("w/"): v for k, v in golden.items() if k.startswith("w/")}
    net = StmcDenoiser(config_of(weights, heads=4)).eval()
    net.load_state_dict(weights, strict=True)
    mask = golden["mask"]
    with torch.no_grad():
        out = net(golden["x"], golden["t"], golden["tx"][:, 0], mask)
    np.testing.assert_allclose(out[mask], golden["output"][mask], rtol=0, atol=5e-5)
    assert not out[~mask].any()
    with torch.no_grad():
        noisy = torch.where(mask[..., None], golden["x"], torch.tensor(9.0))
        again = net(noisy, golden["t"], golden["tx"][:, 0], mask)
    assert torch.equal(out, again)


def timelines() -> list[tuple[dict, timeline.Timeline]]:
    cases = json.loads((GOLDEN / "stmc_timeline.json").read_text())
    made = []
    for case in cases:
        intervals = [
            timeline.Interval(i["text"], i["start"], i["end"], tuple(i["bodyparts"]))
            for i in case["input"]
        ]
        made.append((case, timeline.plan(intervals, case["overlap"])))
    return made


def test_timelines() -> None:
    for case, ours in timelines():
        assert ours.frames == case["max_t"]
        assert list(ours.lengths) == case["lengths"]
        assert list(ours.texts) == case["texts"]
        assert ours.transitions == case["n_uncond"]
        assert [list(span) for span in ours.spans] == case["extended"]
        for key, segments in (
            ("body_part_segments", ours.body_parts),
            ("transition_segments", ours.between),
        ):
            plain = {
                part: [{"out": list(s.out), "crop": list(s.crop), "index": s.index} for s in own]
                for part, own in segments.items()
            }
            assert plain == case[key]


def test_combination() -> None:
    golden = load("stmc_combine.npz")
    plans = [ours for _, ours in timelines()]
    columns = {part: part_columns(smplrifke205.SPEC, part) for part in PART_JOINTS}
    out = timeline.combine(golden["x_comb"], plans, columns)
    np.testing.assert_allclose(out, golden["output"], rtol=0, atol=1e-5)


def test_crops_of_a_timeline_combine_to_it() -> None:
    """Weights add up to one in every frame and column, also where borders crowd at an end."""
    crowded = timeline.plan(
        timeline.parse(
            """walk # 0 # 3 # legs, spine
            wave # 0.1 # 0.3 # right arm # head
            jump # 2.9 # 4 # legs # head"""
        )
    )
    assert crowded.frames == 80
    plans = [*(ours for _, ours in timelines()), crowded]
    x = torch.randn(3, 110, 205, generator=torch.manual_seed(0))
    for row, ours in enumerate(plans):
        x[row, ours.frames :] = 0.0
    columns = {part: part_columns(smplrifke205.SPEC, part) for part in PART_JOINTS}
    cut, mask = timeline.crops(x, plans)
    assert mask.sum(1).tolist() == [n for ours in plans for n in ours.lengths]
    np.testing.assert_allclose(timeline.combine(cut, plans, columns), x, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("", "no text"),
        ("walk", "line of a timeline"),
        ("walk # a # b # legs", "line of a timeline"),
        ("walk # 0 # nan # legs", "line of a timeline"),
        ("walk # 0 # inf # legs", "line of a timeline"),
        ("walk # 0 # 2", "moves nothing"),
        ("walk # 0 # 2 # tail", "moves tail"),
        ("walk # 2 # 2 # legs", "goes from frame 40 to 40"),
        ("walk # -1 # 2 # legs", "goes from frame -20"),
        ("walk # 0 # 1 # legs\nrun # 2 # 3 # legs", "from frame 20 to 40 of 60"),
        ("walk # 1 # 2 # legs", "from frame 0 to 20 of 40"),
    ],
)
def test_wrong_timelines_are_refused(lines: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        timeline.plan(timeline.parse(lines))
