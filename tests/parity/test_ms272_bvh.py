"""BVH export against the file shipped with 272-dim-Motion-Representation @ 90cb9a8."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.motion.io import bvh, bvh_motionstreamer
from backend.motion.representations import motion135, ms272
from backend.motion.rotations import axis_angle_to_matrix

GOLDEN = Path(__file__).parent / "golden" / "ms272"


def degrees_apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs((a - b + 180.0) % 360.0 - 180.0).max())


def test_shipped_file_to_the_digit(kit: Path, tmp_path: Path) -> None:
    with np.load(kit / "ms272" / "real_000000_golden.npz", allow_pickle=False) as file:
        golden = dict(file)
    assert list(bvh_motionstreamer.ORDER) == golden["bvh_channel_to_smpl24"].tolist()
    chosen = np.searchsorted(golden["frame_index"], golden["bvh_frame_index"])
    axis_angles = golden["decode_smpl_aa"][chosen].reshape(len(chosen), -1, 3)

    rotations, root = axis_angle_to_matrix(axis_angles), golden["decode_trans"][chosen]
    offsets = np.empty((24, 3))
    offsets[list(bvh_motionstreamer.ORDER)] = golden["bvh_offsets"]
    position, angles = bvh_motionstreamer.channels(rotations, root, offsets[0])
    np.testing.assert_allclose(position, golden["bvh_root_position"], atol=1e-6, rtol=0)
    assert degrees_apart(angles, golden["bvh_rotations_deg"]) < 5e-5

    bvh_motionstreamer.write(tmp_path / "a.bvh", rotations, root, fps=60, offsets=offsets)
    clip = bvh.read(tmp_path / "a.bvh")
    assert clip.fps == 60 and clip.parents == tuple(golden["bvh_parents"])
    np.testing.assert_allclose(clip.offsets, golden["bvh_offsets"], atol=1e-6)
    np.testing.assert_allclose(
        clip.local_positions[:, 0], golden["bvh_root_position"], atol=2e-6, rtol=0
    )


def test_synthetic_angles_and_reading_back(tmp_path: Path) -> None:
    for number in range(4):
        with np.load(GOLDEN / f"synth_{number}.npz", allow_pickle=False) as file:
            golden = dict(file)
        rotations, root = ms272.decode(golden["rep272"])
        offsets = bvh_motionstreamer.rest_offsets24()
        offsets[0] = [-0.0018, -0.2233, 0.0282]
        _, angles = bvh_motionstreamer.channels(rotations, root, offsets[0])
        order = list(bvh_motionstreamer.ORDER)
        body = angles[:, np.argsort(order)][:, :22]
        assert degrees_apart(body, golden["decode_euler_zyx_deg"]) < 1e-4
        bvh_motionstreamer.write(tmp_path / "a.bvh", rotations, root, offsets=offsets)
        lines = (tmp_path / "a.bvh").read_text().splitlines()
        assert "\tOFFSET -0.001800 -0.223300 0.028200" in lines and "Frame Time: 0.033333" in lines
        back = bvh.read_motion(tmp_path / "a.bvh")
        np.testing.assert_allclose(back.data, motion135.pack(root, rotations), atol=2e-5)
