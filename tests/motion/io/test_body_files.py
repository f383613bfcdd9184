"""Arrays and SMPL parameters of many conventions: the true body comes out, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import FormatError, InvalidRequest
from backend.motion import proportions
from backend.motion.convert import IkOptions, convert
from backend.motion.io import body_checks, formats, joint_orders
from backend.motion.io.array_layouts import TO_Y_UP, body_of
from backend.motion.io.load import read_clip
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from backend.motion.skeleton import forward_kinematics
from backend.wire.skeleton import JOINT_NAMES

FILES = Path(__file__).resolve().parents[1] / "files"
_NAMES = {
    "Hips": "pelvis", "Spine": "spine1", "Spine1": "spine2", "Spine2": "spine3", "Neck": "neck",
    "Head": "head", "UpLeg": "hip", "Leg": "knee", "Foot": "ankle", "ToeBase": "foot",
    "Shoulder": "collar", "Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist",
}  # fmt: skip
LIMBS = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"),
                 ("ankle", "foot"))
]  # fmt: skip


def smpl_name(name: str) -> str:
    for side in ("Left", "Right"):
        if name.startswith(side):
            return f"{side.lower()}_{_NAMES[name.removeprefix(side)]}"
    return _NAMES[name]


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """``[6, 22, 3]`` in SMPL's order."""
    with np.load(FILES / "truth.npz") as file:
        names = [smpl_name(name) for name in file["names"]]
        return file["joints"][:, [names.index(name) for name in JOINT_NAMES]].astype(np.float64)


def angle(a: np.ndarray, b: np.ndarray, bone: tuple[str, str]) -> float:
    """Largest angle in degrees between a bone of two bodies."""
    ends = [JOINT_NAMES.index(name) for name in bone]
    u, v = (x[:, ends[1]] - x[:, ends[0]] for x in (a, b))
    cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max())


def as_smpl(path: Path, **options: object) -> np.ndarray:
    """Joints of the motion on SMPL's body, at the file's rate."""
    clip = read_clip(path, fps=30.0, **options)  # type: ignore[arg-type]
    made = convert(clip.data, clip.representation, "motion135", fps=30.0, target_fps=30.0)
    root, rotations = motion135.unpack(made.data.astype(np.float64))
    return forward_kinematics(rotations, root)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("30_joints_right", ""),
        ("31_joints_mm", "millimetres"),
        ("32_joints_z_up", "Z is up"),
        ("34_body25", "BODY_25"),
        ("35_batch_of_one", ""),
        ("36_mdm_layout", ""),
    ],
)
def test_arrays_give_the_true_body(truth: np.ndarray, name: str, told: str) -> None:
    path = FILES / f"{name}.npy"
    warnings = " ".join(read_clip(path).warnings)
    assert (told in warnings) if told else not warnings
    joints = as_smpl(path)
    assert max(angle(joints, truth, limb) for limb in LIMBS) < 1.0
    assert angle(joints, truth, ("right_hip", "left_hip")) < 12.0
    assert angle(joints, truth, ("pelvis", "neck")) < 8.0
    assert abs(joints[..., 1].min() - truth[..., 1].min()) < 0.05
    # the root path times (SMPL leg / this leg)
    scale = proportions.leg_scale(truth)
    path_made, path_true = joints[:, 0] - joints[0, 0], truth[:, 0] - truth[0, 0]
    np.testing.assert_allclose(path_made[:, [0, 2]], scale * path_true[:, [0, 2]], atol=0.01)


def test_smpl_keys_in_y_up_and_without_a_rate() -> None:
    joints = as_smpl(FILES / "20_y_up_amass_keys.npz")
    head, pelvis = JOINT_NAMES.index("head"), JOINT_NAMES.index("pelvis")
    assert joints[:, head, 1] - joints[:, pelvis, 1] == pytest.approx(0.6, abs=0.05)
    right = (
        joints[:, JOINT_NAMES.index("right_wrist")] - joints[:, JOINT_NAMES.index("right_shoulder")]
    )
    assert abs(right[:, 1]).max() < 0.1 and right[:, 0].max() < -0.4
    with pytest.raises(FormatError, match="frame rate") as error:
        read_clip(FILES / "21_no_rate.npz")
    assert "--source-fps" in error.value.hint
    clip = read_clip(FILES / "21_no_rate.npz", fps=30.0)
    assert clip.fps == 30.0 and abs(as_smpl(FILES / "21_no_rate.npz")[..., 1].min()) < 0.05


def test_what_is_no_motion_is_called_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="Git LFS pointer"):
        read_clip(FILES / "40_lfs_pointer.npy")
    for arrays, says in (
        ({"betas": np.zeros(10)}, "the shape of a body"),
        ({"v_template": np.zeros((9, 3)), "shapedirs": np.zeros((9, 3, 10))}, "a body model"),
        ({"markers": np.zeros((5, 40, 3))}, "positions of markers"),
    ):
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(FormatError, match=says):
            read_clip(tmp_path / "x.npz")


def scrambled(x: np.ndarray) -> np.ndarray:
    return x[:, np.random.default_rng(0).permutation(x.shape[1])]


def stretched(x: np.ndarray) -> np.ndarray:
    return x + np.random.default_rng(0).normal(0, 0.15, x.shape)


def one_sided(x: np.ndarray) -> np.ndarray:
    out = x.copy()
    for name in ("left_knee", "left_ankle", "left_foot"):
        i = JOINT_NAMES.index(name)
        hip = out[:, JOINT_NAMES.index("left_hip")]
        out[:, i] = hip + 0.4 * (out[:, i] - hip)
    return out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (scrambled, "SMPL-22"),
        (stretched, "changes its length"),
        (one_sided, "two sides differ"),
        (lambda x: 5.0 * x, "no person's in any unit"),
        (lambda x: x[:, :19], "no known order has 19"),
        (lambda x: np.where(x > 1e9, x, np.nan), "not finite"),
        (lambda x: x.astype(str), "instead of numbers"),
    ],
)
def test_points_that_are_no_body_are_refused_with_what_was_measured(
    truth: np.ndarray, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], says: str
) -> None:
    with pytest.raises(FormatError, match=says):
        body_of(change(truth), "it")


def test_a_child_of_two_is_a_person_in_every_unit(truth: np.ndarray) -> None:
    child = 0.45 * truth
    for units, name in ((1.0, ""), (1000.0, "millimetres")):
        body = body_of(units * child, "it")
        np.testing.assert_allclose(np.ptp(body.joints[..., 1]), np.ptp(child[..., 1]), rtol=1e-4)
        assert name in " ".join(body.notes)


def test_by_force_everything_of_the_right_shape_is_read(truth: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", scrambled(truth))
    with pytest.raises(FormatError):
        read_clip(tmp_path / "odd.npy")
    clip = read_clip(tmp_path / "odd.npy", force=True)
    assert clip.data.shape == truth.shape and clip.warnings[0].startswith("Read by force")


@pytest.mark.parametrize("up", ["z", "-y", "x"])
def test_the_axis_is_measured_or_said(truth: np.ndarray, up: str) -> None:
    turned = truth @ TO_Y_UP[up]
    for given in (None, up):
        body = body_of(turned, "it", up=given)
        assert body.up == up
        np.testing.assert_allclose(body.joints, truth, atol=1e-9)
    with pytest.raises(InvalidRequest, match="no axis"):
        read_clip(FILES / "30_joints_right.npy", up="q")


def test_lying_down_the_floor_tells_which_axis_is_up(truth: np.ndarray) -> None:
    # on the back, sliding along the floor and turning over a little
    lie = axis_angle_to_matrix(np.array([-np.pi / 2, 0.0, 0.0]))
    lying = truth[:1].repeat(40, axis=0) @ lie.T
    lying = (
        lying - [0.0, lying[..., 1].min(), 0.0] + np.linspace(0, 1, 40)[:, None, None] * [1, 0, 1]
    )
    assert body_of(lying, "it").up == "y"
    assert body_of(lying @ TO_Y_UP["z"], "it").up == "z"


@pytest.mark.parametrize("order", [o for o in joint_orders.ORDERS if not o.smpl], ids=str)
def test_every_order_is_told_apart_and_read(
    truth: np.ndarray, order: joint_orders.JointOrder
) -> None:
    """Points made from the true body, as each program names them."""
    at = {name: truth[:, i] for i, name in enumerate(JOINT_NAMES)}
    middle = {part: (at[f"left_{part}"] + at[f"right_{part}"]) / 2 for part in ("hip", "shoulder")}
    up = at["neck"] - at["pelvis"]
    up = up / np.linalg.norm(up, axis=-1, keepdims=True)
    left = at["left_shoulder"] - at["right_shoulder"]
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    forward = np.cross(left, up)
    face = at["head"] + 0.1 * up
    made = {
        **at, "mid_hip": middle["hip"], "mid_shoulder": middle["shoulder"], "head": face,
        "nose": face + 0.1 * forward, **{f"{s}_toe": at[f"{s}_foot"] for s in ("left", "right")},
    }  # fmt: skip
    for side, sign in (("left", 1), ("right", -1)):
        made[f"{side}_ear"] = face + 0.08 * sign * left
        made[f"{side}_eye"] = face + 0.03 * sign * left + 0.09 * forward
        made[f"{side}_heel"] = at[f"{side}_ankle"] - 0.05 * forward
    points = np.zeros((len(truth), order.count, 3)) + middle["shoulder"][:, None]
    for name, index in order.points.items():
        points[:, index] = made[name]
    body = body_of(points, "it")
    assert body.order == order.name and order.name in body.notes[0]
    for limb in LIMBS[:4] + LIMBS[5:9]:
        assert angle(body.joints, truth, limb) < 1e-4
    assert angle(body.joints, truth, ("right_hip", "left_hip")) < 1e-4
    assert angle(body.joints, truth, ("pelvis", "neck")) < 8.0


# --------------------------------------------------------------------------- programs


@pytest.fixture
def motion(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axis-angles ``[T, 22, 3]`` Y-up and SMPL's translation of a swinging clip."""
    root, rotations = motion135.unpack(clip.astype(np.float64))
    return matrix_to_axis_angle(rotations), root - np.array([-0.002, -0.223, 0.028])


def check(path: Path, clip: np.ndarray, rate: float, fps: float | None = None) -> None:
    read = read_clip(path, fps=fps)
    assert read.fps == rate and read.representation == "motion135"
    np.testing.assert_allclose(read.data, clip, atol=2e-5)


def test_gvhmr(tmp_path: Path, clip: np.ndarray, motion: tuple[np.ndarray, np.ndarray]) -> None:
    poses, transl = (torch.from_numpy(x).float() for x in motion)
    params = {
        "global_orient": poses[:, 0], "body_pose": poses[:, 1:].flatten(1), "transl": transl,
        "betas": torch.zeros(len(poses), 10),
    }  # fmt: skip
    camera = {**params, "transl": transl + 5}
    torch.save({"smpl_params_incam": camera, "smpl_params_global": params}, tmp_path / "r.pt")
    check(tmp_path / "r.pt", clip, 30.0)


def test_aist(tmp_path: Path, clip: np.ndarray, motion: tuple[np.ndarray, np.ndarray]) -> None:
    import pickle

    poses, transl = motion
    wide = np.concatenate([poses.reshape(len(poses), -1), np.zeros((len(poses), 6))], axis=1)
    content = {"smpl_poses": wide, "smpl_trans": 93.0 * transl, "smpl_scaling": np.array([93.0])}
    (tmp_path / "gBR.pkl").write_bytes(pickle.dumps(content))
    check(tmp_path / "gBR.pkl", clip, 60.0)
    check(tmp_path / "gBR.pkl", clip, 25.0, fps=25.0)


def test_matrices_and_a_camera_upside_down(
    tmp_path: Path, clip: np.ndarray, motion: tuple[np.ndarray, np.ndarray]
) -> None:
    poses, transl = motion
    matrices = axis_angle_to_matrix(poses)
    flip = TO_Y_UP["-y"]
    matrices[:, 0] = flip.T @ matrices[:, 0]
    rest = np.array([-0.002, -0.223, 0.028])
    trans = (transl + rest) @ flip - rest
    np.savez(tmp_path / "x.npz", pred_rotmat=matrices, pred_trans=trans[:, None], fps=25)
    read = read_clip(tmp_path / "x.npz")
    np.testing.assert_allclose(read.data, clip, atol=2e-5)
    assert "camera" in read.warnings[0]


def test_files_that_would_run_something_are_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    for name in ("evil.pkl", "evil.pt"):
        with pytest.raises(FormatError):
            read_clip(tmp_path / name)


def test_the_published_chain_leaves_proportions_alone(truth: np.ndarray) -> None:
    points = truth.astype(np.float32)
    clean = convert(points, "joints", "motion135", fps=30.0)
    published = convert(
        points, "joints", "motion135", fps=30.0, options=IkOptions.preset("published")
    )
    own = proportions.at_smpl_proportions(truth)
    joints = [motion135.joints(c.data.astype(np.float64)) for c in (clean, published)]
    away = [np.abs(j - own)[..., [0, 2]].max() for j in joints]
    assert away[0] < 0.01 < away[1]


def test_the_documents_tell_the_limits_of_the_gate() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "files.md"
    rows = [line.split("|")[1:-1] for line in page.read_text(encoding="utf-8").splitlines()]
    told = {row[0].strip(" `"): [cell.strip() for cell in row[2:]] for row in rows if len(row) == 4}
    for name, (warns, refuses) in body_checks.LIMITS.items():
        never = "never: it may be a handstand"  # a share is never above 2
        reached = f"{refuses:g}" if name != "head_down" else never
        assert told[name] == [f"{warns:g}", reached]


def test_the_documents_list_the_formats_of_the_table() -> None:
    guide = Path(__file__).resolve().parents[3] / "docs" / "user-guide.md"
    assert formats.markdown() in guide.read_text(encoding="utf-8")
    for row in formats.FORMATS:
        for reference in filter(None, (row.reader, row.writer)):
            assert callable(formats._function(reference))
