"""Kimodo from the published folder to motion, with constraints, parts and parts made anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.cli.main import main
from backend.errors import ArtifactError, FormatError, InvalidRequest
from backend.motion import kimodo_body
from backend.motion.io import npz
from backend.motion.representations import kimodo, motion135
from backend.motion.representations.kimodo_skeletons import skeleton
from backend.motion.rotations import matrix_to_axis_angle
from backend.motion.skeleton import forward_kinematics
from backend.pipelines import registry
from backend.pipelines.kimodo import KimodoPipeline
from backend.pipelines.kimodo.constraint_file import parse_constraints, read_constraints
from backend.pipelines.kimodo.constraints import PathConstraint, PoseConstraint, observed
from backend.wire.directing import Segment
from backend.wire.messages import Motion, Request
from tests.kimodo_files import PROMPTS, write_release
from tests.kimodo_model import SKELETONS, golden_kimodo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("kimodo") / "soma")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> KimodoPipeline:
    return KimodoPipeline.from_pretrained(folder, device="cpu")


# ---------------------------------------------------------------- files


def test_the_published_folder_gives_the_golden_motion(pipeline: KimodoPipeline) -> None:
    z = golden_kimodo("soma30")
    noise = z["plain.noise0"][0]
    pipeline._noise = lambda seed, frames: noise  # type: ignore[method-assign]
    try:
        (features,) = pipeline.infer_t2m([PROMPTS[0]], [len(noise)], seed=0, steps=8)
    finally:
        del pipeline._noise
    motion = pipeline.decode(features)
    np.testing.assert_allclose(motion.root, z["plain.root_positions"], atol=3e-5)


@pytest.mark.parametrize("name", SKELETONS)
def test_saved_again_it_is_the_same_model(tmp_path: Path, name: str) -> None:
    first = KimodoPipeline.from_pretrained(
        write_release(tmp_path / "a", name, torch_file=True), device="cpu"
    )
    first.save_pretrained(tmp_path / "b")
    again = KimodoPipeline.from_pretrained(tmp_path / "b", device="cpu")
    options = {"lengths": [40], "seed": 3, "steps": 2}
    a, b = (p.infer_t2m([PROMPTS[1]], **options)[0] for p in (first, again))
    assert np.array_equal(a, b)
    assert again.bones.name == name


def test_the_card_tells_the_licence(tmp_path: Path, folder: Path) -> None:
    soma = registry.find_info(folder)
    assert soma.family == "kimodo" and soma.commercial_use == "yes" and soma.ready
    smplx = registry.find_info(write_release(tmp_path / "x", "smplx22"))
    assert smplx.commercial_use == "no" and "non-commercial" in smplx.licence


def test_other_networks_are_refused(tmp_path: Path) -> None:
    place = write_release(tmp_path / "m")
    config = (place / "config.yaml").read_text()
    for old, new, named in (
        ("motion_mask_mode: concat", "motion_mask_mode: none", "motion_mask_mode"),
        ("fps: 30", "norm_first: true", "norm_first"),
        ("num_heads: 4", "num_heads: 5", "heads"),
    ):
        (place / "config.yaml").write_text(config.replace(old, new))
        with pytest.raises(ArtifactError, match=named):
            KimodoPipeline.from_pretrained(place, device="cpu")
    (place / "config.yaml").write_text(config)
    (place / "stats/motion/body/std.npy").unlink()
    with pytest.raises(ArtifactError, match=r"std\.npy"):
        KimodoPipeline.from_pretrained(place, device="cpu")


# ---------------------------------------------------------------- motions


def test_generate_from_the_command_line(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "walk.npz"
    main(["generate", PROMPTS[0], "--model", str(folder), "--seconds", "2", "--steps", "3",
          "--out", str(out), "--no-cleanup"])  # fmt: skip
    motion = npz.read_motion(out)
    assert motion.data.shape == (60, 135) and motion.fps == 30.0
    assert motion.meta["text_source"] == "table"
    assert "commercial use allowed" in motion.meta["licence"]
    assert motion.meta["params"]["steps"] == 3


def test_a_prompt_that_the_table_lacks_is_answered_with_the_nearest(
    pipeline: KimodoPipeline,
) -> None:
    with pytest.raises(InvalidRequest, match="does not hold") as caught:
        pipeline.generate(Request("a person is walking forward", seconds=1, steps=1))
    assert PROMPTS[0] in caught.value.hint


def test_spelling_does_not_matter_to_the_table(pipeline: KimodoPipeline) -> None:
    a, b = (pipeline.encode_text([t]) for t in (PROMPTS[0], "  a PERSON walks   forward"))
    assert torch.equal(a, b)
    assert not pipeline.encode_text([""]).any()


def test_a_clip_does_not_depend_on_its_batch(pipeline: KimodoPipeline) -> None:
    both = pipeline.infer_t2m(PROMPTS[:2], [50, 30], seed=5, steps=2)
    alone = pipeline.infer_t2m([PROMPTS[1]], [30], seed=6, steps=2)
    np.testing.assert_allclose(both[1], alone[0], atol=2e-4)


def test_several_prompts_make_one_motion(pipeline: KimodoPipeline) -> None:
    request = Request("A person walks forward, then waves", seconds=3, steps=2)
    table = pipeline.source
    (motion,) = pipeline.generate(request)
    assert (
        motion.meta["parts"] == ["A person walks forward", "A person waves"]
        or len(motion.meta["parts"]) == 2
    )
    assert len(motion.data) == 90 and pipeline.source is table


def test_a_clip_goes_on(pipeline: KimodoPipeline) -> None:
    (clip,) = pipeline.infer_t2m([PROMPTS[0]], [40], seed=1, steps=2)
    longer = pipeline.infer_sequence([PROMPTS[1]], [30], seed=2, start=clip)
    overlap = 5 + 4
    assert len(longer) == 70
    assert np.array_equal(longer[: 40 - overlap], clip[: 40 - overlap])
    np.testing.assert_allclose(longer[40 - overlap], clip[40 - overlap], atol=1e-6)


@pytest.mark.parametrize("part", [(15, 30), (0, 12), (28, 40)])
def test_a_part_is_made_anew_and_the_rest_stays(
    pipeline: KimodoPipeline, part: tuple[int, int]
) -> None:
    (clip,) = pipeline.infer_t2m([PROMPTS[0]], [40], seed=1, steps=2)
    made = pipeline.remake(clip, part, PROMPTS[2], seed=9)
    outside = np.r_[0 : part[0], part[1] : 40]
    assert np.array_equal(made[outside], clip[outside])
    assert (made[part[0] : part[1]] != clip[part[0] : part[1]]).mean() > 0.9


# ---------------------------------------------------------------- constraints


def test_a_heading_is_asked_for_by_its_angle(pipeline: KimodoPipeline) -> None:
    a, b = (
        pipeline.infer_t2m([PROMPTS[0]], [30], seed=1, steps=2, headings=[h])[0] for h in (0.0, 1.5)
    )
    assert np.abs(a - b).max() > 1e-3


def constraint_values(frames: list[int], kind: str = "fullbody", joints: int = 30) -> dict:
    count = len(frames)
    return {
        "type": kind,
        "frame_indices": frames,
        "local_joints_rot": np.full((count, joints, 3), 0.1).tolist(),
        "root_positions": [[0.1, 0.9, 0.3]] * count,
        "smooth_root_2d": [[0.2, 0.4]] * count,
    }


def test_a_constraint_file_says_what_kimodo_says(tmp_path: Path) -> None:
    bones = skeleton("soma30")
    listed = [
        constraint_values([0, 3]),
        constraint_values([5], "left-foot", 77),
        {**constraint_values([6], "end-effector"), "joint_names": ["RightHand", "Hips"]},
        {
            "type": "root2d",
            "frame_indices": [7, 8],
            "smooth_root_2d": [[1, 9, 2], [3, 9, 4]],
            "global_root_heading": [[0, 1], [1, 0]],
        },
    ]
    path = tmp_path / "constraints.json"
    path.write_text(json.dumps(listed))
    known = observed(read_constraints(path, bones), 10, bones)
    spec = kimodo.spec_of(30)
    joints = spec.columns("joints").start
    assert known.mask[0, : joints + 90].all() and not known.mask[0, joints + 90 :].any()
    np.testing.assert_allclose(known.values[0, [0, 1, 2]], [0.2, 0.9, 0.4], rtol=1e-6)
    # x and z of the pelvis lie where the pelvis is, seen from the smooth root
    np.testing.assert_allclose(known.values[0, joints : joints + 3], [-0.1, 0.9, -0.1], atol=1e-6)
    # columns x and z of a path of three columns, and a heading by cosine and sine
    np.testing.assert_allclose(known.values[7:9, [0, 2]], [[1, 2], [3, 4]])
    np.testing.assert_allclose(known.values[7:9, 3:5], [[0, 1], [1, 0]], atol=1e-7)
    foot = [bones.joints.index(n) for n in ("LeftFoot", "LeftToeBase")]
    assert known.mask[5, joints:].sum() == 3 * len(foot) + 6
    assert known.mask[5, joints + 3 * foot[1]]
    hand = spec.columns("rotations").start + 6 * bones.joints.index("RightHand")
    assert known.mask[6, hand : hand + 6].all()


def test_the_constraint_listed_last_counts() -> None:
    bones = skeleton("smplx22")
    rows = np.array([2])
    paths = [PathConstraint(rows, np.array([[v, v]])) for v in (1.0, 2.0)]
    assert observed(paths, 5, bones).values[2, 0] == 2.0
    assert observed(paths[::-1], 5, bones).values[2, 0] == 1.0


def test_wrong_constraints_are_refused() -> None:
    bones = skeleton("soma30")
    for values, named in (
        ({}, "no list"),
        ([{"type": "magic", "frame_indices": [0]}], "magic"),
        ([{"type": "fullbody", "frame_indices": [0]}], "lacks local_joints_rot"),
        ([constraint_values([0], joints=29)], "do not fit"),
        ([{**constraint_values([0]), "frame_indices": [0.5]}], "whole"),
    ):
        with pytest.raises((FormatError, InvalidRequest), match=named):
            parse_constraints(values, bones, "c.json")
    with pytest.raises(InvalidRequest, match="frames 40 to 40"):
        observed(parse_constraints([constraint_values([40])], bones, "c"), 40, bones)
    hand = parse_constraints([constraint_values([0], "end-effector")], bones, "c")
    with pytest.raises(InvalidRequest, match="end-effector"):
        observed(hand, 40, bones)


def test_constraints_pull_the_motion(pipeline: KimodoPipeline) -> None:
    """Random weights obey nothing; what is told must still reach the result."""
    path = PathConstraint(np.arange(30), np.stack([np.linspace(0, 1, 30)] * 2, -1))
    a, b = (
        pipeline.infer_t2m([PROMPTS[0]], [30], seed=1, steps=2, constraints=[c])[0]
        for c in ([], [path])
    )
    assert np.abs(a - b).max() > 1e-3


# ---------------------------------------------------------------- the other body


@pytest.mark.parametrize("name", SKELETONS)
def test_the_rest_pose_stands_on_both_bodies(name: str) -> None:
    bones = skeleton(name)
    still = np.tile(np.eye(3), (1, bones.count, 1, 1))
    sole = {"soma30": 0.02, "smplx22": 0.007}[name]
    root = np.array([[0.0, sole - bones.neutral[:, 1].min(), 0.0]])
    data, error = kimodo_body.to_motion135(still, root, bones)
    joints = motion135.joints(data.astype(np.float64))
    assert joints[..., 1].min() == pytest.approx(0.019, abs=0.01)
    assert error < 0.07


@pytest.mark.parametrize("name", SKELETONS)
def test_limbs_point_where_they_pointed_and_the_way_back_is_exact(name: str, make_motion) -> None:
    bones = skeleton(name)
    clip = make_motion(30)
    world, root = kimodo_body.from_motion135(clip, bones)
    again, error = kimodo_body.to_motion135(world, root, bones)
    np.testing.assert_allclose(again, clip, atol=1e-5)
    assert error < 0.07
    theirs = bones.positions(world, root)[:, list(bones.smpl)]
    ours = forward_kinematics(*reversed(motion135.unpack(clip)))
    for start, end in ((1, 4), (4, 7), (16, 18), (18, 20)):
        a, b = (x[:, end] - x[:, start] for x in (theirs, ours))
        cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        assert cosine.min() > 1 - 1e-6


def test_a_pose_of_any_rig_becomes_a_constraint(make_motion) -> None:
    """motion_135 to Kimodo's skeleton and into the file's form and back: the same pose."""
    bones = skeleton("soma30")
    world, root = kimodo_body.from_motion135(make_motion(3), bones)
    values = {
        "type": "fullbody",
        "frame_indices": [4],
        "local_joints_rot": matrix_to_axis_angle(bones.local(world[1:2])).tolist(),
        "root_positions": root[1:2].tolist(),
    }
    (pose,) = parse_constraints([values], bones, "c")
    assert isinstance(pose, PoseConstraint)
    np.testing.assert_allclose(pose.world, world[1:2], atol=1e-6)


def test_converted_it_is_verified_and_may_be_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_release(tmp_path / "in", torch_file=True)
    command = ["convert-checkpoint", "kimodo", str(place), str(tmp_path / "out"), "--verify"]
    assert main(command) == 0
    assert capsys.readouterr().out.count("max-abs-diff = 0.0") == 2
    assert main(command) != 0
    assert main([*command, "--overwrite", "--precision", "bfloat16"]) == 0
    half = KimodoPipeline.from_pretrained(tmp_path / "out", device="cpu")
    full = KimodoPipeline.from_pretrained(place, device="cpu")
    a, b = (p.infer_t2m([PROMPTS[0]], [30], seed=1, steps=1)[0] for p in (half, full))
    assert 0 < np.abs(a - b).mean() < 0.02 * np.abs(b).mean()


def test_constraints_from_the_command_line_are_reached_or_reported(
    tmp_path: Path, folder: Path, make_motion
) -> None:
    listed = [
        {
            "type": "fullbody",
            "frame_indices": [0, 29],
            "motion135": make_motion(30)[[0, 29]].tolist(),
        },
        {"type": "root2d", "frame_indices": [10], "smooth_root_2d": [[0.5, 0.5]],
         "global_root_heading": [0.3]},
        constraint_values([20], "right-hand"),
    ]  # fmt: skip
    path = tmp_path / "constraints.json"
    path.write_text(json.dumps(listed))
    out = tmp_path / "m.npz"
    command = ["generate", PROMPTS[0], "--seconds", "1", "--steps", "2", "--out", str(out),
               "--no-cleanup", "--constraints", str(path)]  # fmt: skip
    assert main([*command, "--model", str(folder)]) == 0
    told = npz.read_motion(out).meta["constraints"]
    assert [t["type"] for t in told] == ["fullbody", "root2d", "right-hand"]
    assert told[0]["frames"] == [0, 29] and told[0]["cm_before"] > 1.0
    assert all(t["degrees"] is not None for t in told)
    # what random weights make is far from everything; a hand out of reach is told
    assert told[0]["met"] and told[1]["met"], told
    assert told[2]["met"] or "arm reaches" in told[2]["note"]
    assert all(t["cm_before"] >= t["cm"] for t in told)


def test_a_gap_is_made_anew_and_a_motion_goes_on_through_the_engine(
    tmp_path: Path, folder: Path, make_motion
) -> None:
    given = make_motion(90).astype(np.float32)
    npz.write_motion(tmp_path / "in.npz", Motion(given))
    common = ["--model", str(folder), "--prompt", PROMPTS[1], "--steps", "2", "--quiet"]
    edit = ["edit", str(tmp_path / "in.npz"), "--keep-frames", "0-30,60-", *common]
    assert main([*edit, "--out", str(tmp_path / "gap.npz")]) == 0
    made = npz.read_motion(tmp_path / "gap.npz")
    kept = np.r_[0:30, 60:90]
    np.testing.assert_array_equal(made.data[kept], given[kept])
    assert np.abs(made.data[30:60] - given[30:60]).max() > 0.01
    assert made.meta["edit"]["kept_frames"] == [[0, 30], [60, 90]]
    on = ["continue", str(tmp_path / "in.npz"), "--seconds", "1", *common]
    assert main([*on, "--out", str(tmp_path / "on.npz")]) == 0
    longer = npz.read_motion(tmp_path / "on.npz").data
    np.testing.assert_array_equal(longer[:90], given)
    assert longer.shape == (120, 135) and np.isfinite(longer).all()
    assert main([*edit, "--regenerate", "upper", "--out", str(tmp_path / "no.npz")]) == 2


def test_prompts_in_time_and_a_pin(pipeline: KimodoPipeline) -> None:
    segments = (Segment(PROMPTS[0], 0.0, 1.0), Segment(PROMPTS[1], 1.5, 1.0))
    pin = {"type": "left-hand", "frame_ranges": [[10, 20]], "positions": [[0.3, 1.2, 0.3]]}
    way = {"type": "root2d", "frame_indices": [12], "smooth_root_2d": [[0.1, 0.2]]}
    request = Request("", segments=segments, steps=2, constraints=(pin, way))
    [motion] = pipeline.generate(request)
    assert len(motion.data) == 75
    assert [s["frames"] for s in motion.meta["segments"]] == [[0, 45], [45, 75]]
    known = observed(pipeline.read_constraints([pin, way]), 75, pipeline.bones)
    first = kimodo.spec_of(30).columns("joints").start + 3 * pipeline.bones.joints.index("LeftHand")
    # only where the way is known can the network be told where the hand is
    assert known.mask[:, first].nonzero()[0].tolist() == [12]
    scale = kimodo_body.scale_of(pipeline.bones)
    np.testing.assert_allclose(known.values[12, [0, 2]], [0.1 / scale, 0.2 / scale], rtol=1e-6)
    np.testing.assert_allclose(known.values[12, first], 0.2 / scale, rtol=1e-5)
