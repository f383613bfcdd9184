"""Bodies of every kind against the smplx package, on made-up model files."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from backend.errors import FormatError
from backend.motion import synthetic_body
from backend.motion.body_model import KINDS, BodyModel
from backend.motion.representations import motion135
from backend.motion.rotations import matrix_to_axis_angle

MotionMaker = Callable[..., np.ndarray]
BETAS = np.array([1.5, -2.0, 0.5])


def write(path: Path, kind: str) -> Path:
    arrays: dict[str, object] = dict(synthetic_body.arrays(kind, vertices=180))
    if path.suffix == ".npz":
        np.savez(path, **arrays, joint2num=np.array([{"pelvis": 0}], dtype=object))  # type: ignore[arg-type]
    else:
        arrays["J_regressor"] = sparse.csc_matrix(arrays["J_regressor"])
        path.write_bytes(pickle.dumps(arrays | {"bs_style": "lbs"}, protocol=2))
    return path


def reference(path: Path, kind: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints of ``smplx`` itself for motion_135 ``[T, 135]``."""
    import smplx
    import torch
    from smplx.utils import Struct

    with np.load(path, allow_pickle=False) as file:
        arrays = {k: file[k] for k in file.files if k != "joint2num"}
    root, rotations = motion135.unpack(x)
    options: dict[str, object] = {"batch_size": len(x)}
    if kind != "smplx":
        options["data_struct"] = Struct(**arrays)
    if kind != "smpl":
        options |= {"use_pca": False, "flat_hand_mean": True}
    with contextlib.redirect_stdout(io.StringIO()):
        body = {"smpl": smplx.SMPL, "smplh": smplx.SMPLH, "smplx": smplx.SMPLX}[kind](
            str(path), **options
        )
    body.vertex_joint_selector.extra_joints_idxs = torch.zeros(0, dtype=torch.long)
    pose = torch.tensor(matrix_to_axis_angle(rotations), dtype=torch.float32)
    body_pose = torch.zeros(len(x), 3 * body.NUM_BODY_JOINTS)
    body_pose[:, :63] = pose[:, 1:].reshape(len(x), -1)
    betas = torch.zeros(len(x), 10)
    betas[:, : len(BETAS)] = torch.tensor(BETAS)
    rest = BodyModel.load(path).rest_joints(BETAS)[0]
    done = body(
        betas=betas,
        global_orient=pose[:, 0],
        body_pose=body_pose,
        transl=torch.tensor(root - rest, dtype=torch.float32),
    )
    return done.vertices.detach().numpy(), done.joints.detach().numpy()[:, :22]


@pytest.mark.parametrize("kind", sorted(KINDS.values()))
def test_equals_smplx(tmp_path: Path, make_motion: MotionMaker, kind: str) -> None:
    pytest.importorskip("smplx")
    path, x = write(tmp_path / "body.npz", kind), make_motion(6)
    body = BodyModel.load(path)
    assert body.kind == kind
    vertices, joints = reference(path, kind, x)
    np.testing.assert_allclose(body.vertices(x, BETAS), vertices, atol=2e-6)
    np.testing.assert_allclose(body.joints(x, BETAS), joints, atol=2e-6)
    assert np.abs(body.vertices(x) - vertices).max() > 1e-3  # betas matter


@pytest.mark.parametrize("kind", sorted(KINDS.values()))
def test_pickles_and_npz_hold_the_same_body(tmp_path: Path, kind: str) -> None:
    a, b = (BodyModel.load(write(tmp_path / f"body.{s}", kind)) for s in ("npz", "pkl"))
    for name in ("template", "joint_regressor", "parents", "weights", "faces"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-15)


def test_rest_and_long_motions(tmp_path: Path, make_motion: MotionMaker) -> None:
    pytest.importorskip("smplx")
    body = BodyModel.load(write(tmp_path / "body.npz", "smpl"))
    offsets = body.offsets()
    np.testing.assert_allclose(offsets[0], body.rest_joints()[0])
    x = make_motion(70)
    whole = body.vertices(x)
    assert whole.shape == (70, 180, 3) and whole.dtype == np.float32
    np.testing.assert_allclose(body.vertices(x[66:]), whole[66:], atol=1e-6)
    identity = motion135.pack(body.rest_joints()[:1], np.tile(np.eye(3), (1, 22, 1, 1)))
    np.testing.assert_allclose(body.vertices(identity)[0], body.template, atol=1e-6)


def test_bad_files_and_betas(tmp_path: Path) -> None:
    path = write(tmp_path / "body.npz", "smpl")
    body = BodyModel.load(path)
    with pytest.raises(FormatError, match="up to 10"):
        body.rest_joints(np.zeros(11))
    arrays = synthetic_body.arrays("smpl", vertices=180)
    table = arrays["kintree_table"].copy()
    table[0, 5] = 4
    for change, message in (
        ({"weights": arrays["weights"][:, :20]}, "weights has shape"),
        ({"J_regressor": arrays["J_regressor"][:23]}, "is no body of 23 joints"),
        ({"kintree_table": table}, "another way"),
        ({"f": arrays["f"] + 100}, "name no vertices"),
        ({"posedirs": arrays["posedirs"] * np.nan}, "posedirs holds NaN"),
        ({"v_template": np.array([{}], dtype=object)}, "no v_template"),
    ):
        np.savez(path, **(arrays | change))  # type: ignore[arg-type]
        with pytest.raises(FormatError, match=message):
            BodyModel.load(path)
    with pytest.raises(FormatError, match=r"no body model"):
        BodyModel.load(tmp_path / "body.fbx")
