#!/usr/bin/env python3
"""What became of a folder of motion files: a table, and a sheet of stick figures.

``python scripts/report_files.py tests/motion/files --sheet docs/files.png``

With a ``truth.npz`` in the folder (``names``, ``joints`` [T, J, 3] in metres, Y-up) each file of as
many frames is held against it: the largest angle of a limb, the angle of the line of the hips, and
how far the lowest joint is from the true one, after the motion has been put on SMPL's body. Of
files that show another pose (:data:`OWN`) the last column says what is known of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from backend.errors import KinetypeError  # noqa: E402
from backend.evaluation import stick_sheet  # noqa: E402
from backend.motion.convert import convert  # noqa: E402
from backend.motion.io import formats  # noqa: E402
from backend.motion.io.load import read_clip  # noqa: E402
from backend.motion.representations import motion135  # noqa: E402
from backend.wire.skeleton import JOINT_NAMES  # noqa: E402

_SIDED = {
    "UpLeg": "hip", "Leg": "knee", "Foot": "ankle", "Shoulder": "collar", "Arm": "shoulder",
    "ForeArm": "elbow", "Hand": "wrist", "ToeBase": "foot",
}  # fmt: skip
LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
)


def _ankles(at: dict[str, np.ndarray]) -> str:
    legs = np.linalg.norm(at["left_knee"] - at["left_hip"], axis=-1)
    apart = 100 * np.linalg.norm(at["left_ankle"] - at["right_ankle"], axis=-1)
    return f"ankles {apart.mean():.1f} cm apart on thighs of {100 * legs.mean():.0f} cm"


def _head(at: dict[str, np.ndarray]) -> str:
    return f"head {100 * (at['head'] - at['pelvis'])[:, 1].mean():.0f} cm above the pelvis"


def _arms(at: dict[str, np.ndarray]) -> str:
    arms = at["left_wrist"] - at["left_shoulder"], at["right_wrist"] - at["right_shoulder"]
    level = max(angle(arm, arm * (1, 0, 1)) for arm in arms)
    return f"arms {level:.1f}° from level"


OWN = {"15_": _ankles, "20_": _head, "21_": _arms}
"""What is known of files of another pose, by how their names begin."""


def truth_of(folder: Path) -> dict[str, np.ndarray]:
    """True positions ``[T, 3]`` by SMPL's name, of the joints that matter; empty without a file."""
    path = folder / "truth.npz"
    if not path.is_file():
        return {}
    with np.load(path) as file:
        at = dict(zip(file["names"], file["joints"].astype(np.float64).swapaxes(0, 1), strict=True))
    found = {
        f"{side.lower()}_{joint}": at[f"{side}{name}"]
        for side in ("Left", "Right")
        for name, joint in _SIDED.items()
    }
    return {**found, "lowest": np.min(list(at.values()), axis=0)}


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Largest angle in degrees between vectors ``[T, 3]``."""
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return float(np.degrees(np.arccos(np.clip((a * b).sum(-1) / lengths, -1, 1))).max())


def row(path: Path, truth: dict[str, np.ndarray], fps: float) -> tuple[str, np.ndarray | None]:
    """A line of the table, and the joints ``[T, 22, 3]`` where the file was read."""
    try:
        try:
            clip = read_clip(path)
        except KinetypeError as error:
            if "frame rate" not in error.message:
                raise
            clip = read_clip(path, fps=fps)
        made = convert(
            clip.data, clip.representation, "motion135", fps=clip.fps, target_fps=clip.fps
        )
    except KinetypeError as error:
        return f"| {path.name} | refused | | | | {error.message.replace(str(path), 'it')} |", None
    joints = motion135.joints(made.data.astype(np.float64))
    figures = " | | "
    at = {name: joints[:, index] for index, name in enumerate(JOINT_NAMES)}
    own = OWN.get(path.name[:3]) if truth else None
    said = [*clip.warnings, *([f"({own(at)})"] if own else [])]
    if truth and not own and len(joints) == len(truth["left_hip"]):
        limb = max(angle(at[b] - at[a], truth[b] - truth[a]) for a, b in LIMBS)
        hips = angle(at["left_hip"] - at["right_hip"], truth["left_hip"] - truth["right_hip"])
        low = 100 * (joints[..., 1].min() - truth["lowest"][:, 1].min())
        figures = f"{limb:.2f} | {hips:.1f} | {low:+.1f}"
    return (
        f"| {path.name} | {clip.representation} | {figures} | {' '.join(said)} |",
        joints,
    )


def main() -> None:
    """Print the table; draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, help="PNG to write")
    parser.add_argument("--fps", type=float, default=30.0, help="of files that do not say it")
    options = parser.parse_args()
    truth = truth_of(options.folder)
    print(
        "| file | read as | limbs ° | hips ° | floor cm | what was said |\n"
        "|---|---|---|---|---|---|"
    )
    drawn = []
    for path in sorted(options.folder.iterdir()):
        if path.suffix.lower() not in formats.readable() or path.name == "truth.npz":
            continue
        line, joints = row(path, truth, options.fps)
        print(line)
        if joints is not None:
            drawn.append((path.name, joints))
    if options.sheet:
        stick_sheet.draw(drawn, options.sheet)


if __name__ == "__main__":
    main()
