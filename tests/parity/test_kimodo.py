"""Kimodo against nv-tlabs/kimodo @7330e7e, small random weights, both skeletons (spec A.12)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from backend.motion.representations import kimodo
from backend.motion.representations.kimodo_skeletons import KimodoSkeleton, skeleton
from backend.pipelines.kimodo.constraints import (
    Observed,
    PathConstraint,
    PoseConstraint,
    nothing,
    observed,
)
from backend.pipelines.kimodo.sampling import KimodoOptions, sample_features
from backend.pipelines.kimodo.segments import plan, sample_sequence
from tests.kimodo_model import SKELETONS, build, forward_case, golden_kimodo

STEPS = KimodoOptions(steps=8)
"""The golden runs have 8 steps and the released weights of guidance, 2 and 2."""


@pytest.fixture(params=SKELETONS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def close(a: Any, b: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance)


@pytest.mark.parametrize("mask", [False, True])
def test_forward(name: str, mask: bool) -> None:
    z = golden_kimodo(name)
    out = build(name)(*forward_case(name, mask))
    real = z["fwd.pad"].bool()
    close(out[real], z["fwd.out_mask" if mask else "fwd.out_nomask"][real], 1e-5)


def test_padded_frames_influence_nothing(name: str) -> None:
    x, t, y = forward_case(name, mask=True)
    net = build(name)
    short = int(y["lengths"].min())
    row = int(y["lengths"].argmin())
    cut = {k: v[row : row + 1] for k, v in y.items() if k != "lengths"}
    cut |= {k: cut[k][:, :short] for k in ("mask", "observed")}
    alone = net(x[row : row + 1, :short], t[row : row + 1], cut)
    close(net(x, t, y)[row, :short], alone[0], 1e-5)


def test_encoding(name: str) -> None:
    z, spec = golden_kimodo(name), kimodo.spec_of(skeleton(name).count)
    rotations, root = z["rep.local_rots"][0].numpy(), z["rep.root"][0].numpy()
    x, wanted = kimodo.encode(rotations, root, skeleton(name)), z["rep.feats"][0].numpy()
    tolerances = {"smooth_root": 1e-4, "joints": 1e-4, "velocities": 2e-5, "contacts": 0.0}
    for block in spec.names:
        columns = spec.columns(block)
        close(x[:, columns], wanted[:, columns], tolerances.get(block, 2e-6))
    stats = build(name).stats
    close(stats.normalise(z["rep.feats"]), z["rep.feats_norm"], 1e-5)
    close(stats.denormalise(z["rep.feats_norm"]), z["rep.feats"], 1e-5)


def test_decoding(name: str) -> None:
    z = golden_kimodo(name)
    motion = kimodo.decode(z["rep.feats"][0].numpy(), skeleton(name))
    close(motion.joints, z["rep.inv_joints"][0], 2e-6)
    close(skeleton(name).local(motion.world), z["rep.inv_local"][0], 2e-6)


def own_joints(bones: KimodoSkeleton, values: torch.Tensor) -> np.ndarray:
    """The skeleton's joints of SOMA's 77, whose hands are posed and whose finger ends differ."""
    return values.numpy()[:, list(bones.full)] if bones.full else values.numpy()


def check_motion(name: str, case: str, features: np.ndarray) -> None:
    z, bones = golden_kimodo(name), skeleton(name)
    golden = {k.removeprefix(f"{case}."): v for k, v in z.items() if k.startswith(f"{case}.")}
    if case == "multi":
        golden = {k: v[0] for k, v in golden.items()}
    motion = kimodo.decode(features, bones)
    close(motion.root, golden["root_positions"], 3e-5)
    close(motion.smooth_root, golden["smooth_root_pos"], 2e-5)
    close(motion.heading, golden["global_root_heading"], 1e-5)
    rotations = own_joints(bones, golden["local_rot_mats"])
    close(bones.local(motion.world), rotations, 1e-3)
    joints = own_joints(bones, golden["posed_joints"])
    ends = [i for i, n in enumerate(bones.joints) if n.endswith(("ThumbEnd", "MiddleEnd"))]
    rest = [i for i in range(bones.count) if i not in ends]
    close(motion.joints[:, rest], joints[:, rest], 1e-4)
    wrong = motion.contacts != golden["foot_contacts"].numpy()
    assert wrong.mean() <= 0.01


def run(name: str, case: str, number: int, known: Observed, heading: float) -> np.ndarray:
    z = golden_kimodo(name)
    return sample_features(
        build(name),
        z[f"{case}.text{number}"],
        [known],
        [heading],
        [z[f"{case}.noise{number}"][0]],
        STEPS,
    )[0]


def test_sampling_from_text_alone(name: str) -> None:
    frames = golden_kimodo(name)["plain.noise0"].shape[1]
    features = run(name, "plain", 0, nothing(frames, skeleton(name)), 0.0)
    check_motion(name, "plain", features)


def golden_constraints(name: str) -> Observed:
    """Full poses at 0, 20 and 39, a path from 5 to 14, the left hand at 30; of the same clip."""
    z, bones = golden_kimodo(name), skeleton(name)
    root = z["rep.root"][0].numpy()
    world = bones.world(z["rep.local_rots"][0].numpy().astype(np.float64))
    path = z["rep.feats"][0, :, [0, 2]].numpy()

    def poses(kind: str, frames: list[int]) -> PoseConstraint:
        rows = np.array(frames)
        return PoseConstraint(kind, rows, world[rows], root[rows], path[rows])

    between = np.arange(5, 15)
    listed = [
        poses("fullbody", [0, 20, 39]),
        PathConstraint(between, path[between]),
        poses("left-hand", [30]),
    ]
    return observed(listed, len(root), bones)


def test_constraints_as_values_and_mask(name: str) -> None:
    z, known = golden_kimodo(name), golden_constraints(name)
    mask = z["constrained.mask"][0].numpy()
    assert np.array_equal(known.mask, mask)
    normalised = build(name).stats.normalise(torch.from_numpy(known.values)).numpy()
    close(normalised[mask], z["constrained.obs"][0].numpy()[mask], 1e-5)


def test_sampling_under_constraints(name: str) -> None:
    features = run(name, "constrained", 0, golden_constraints(name), 0.0)
    check_motion(name, "constrained", features)


def test_two_prompts_in_a_row(name: str) -> None:
    z, bones = golden_kimodo(name), skeleton(name)
    first, both = z["multi.noise0"].shape[1], z["multi.root_positions"].shape[1]
    segments = plan([first, both - first])
    assert segments[1].made == z["multi.noise1"].shape[1]
    features = sample_sequence(
        lambda number, known, heading: run(name, "multi", number, known, heading), segments, bones
    )
    check_motion(name, "multi", features)
