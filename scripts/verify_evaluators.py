"""Check an evaluator on real motions: do its published ground-truth numbers come out?

    python scripts/verify_evaluators.py --which hml263 --weights t2m/ --data HumanML3D/
    python scripts/verify_evaluators.py --which ms272 --weights Evaluator_272/ --data humanml3d_272/

Reads the test split of a data set folder and prints the measured row beside the published one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.cli.main import main as kinetype

LAYOUTS = {
    "hml263": ("new_joint_vecs", "texts", "test.txt"),
    "ms272": ("motion_data", "texts", "split/test.txt"),
    "tmr": ("new_joint_vecs", "texts", "test.txt"),
    "joints66": ("joints66", "texts", "test.txt"),
    "motionclip135": ("motions", "texts", "test.txt"),
}
"""Folder of motions, of captions, and the split file inside ``--data``."""
PUBLISHED = {
    "hml263": "R@1/2/3 .511/.703/.797, MM-Dist 2.974, Diversity 9.503 (HumanML3D, Guo et al. 2022)",
    "ms272": "R@1/2/3 .706/.857/.911, MM-Dist 15.007, Diversity 27.281 (all captions);"
    " .770/.903/.944, 14.88, 27.77 (one caption for each of 4,042 clips: --preset leaderboard)",
    "joints66": "R@1/3 .687/.906, MM-Dist 27.60, Diversity 53.94"
    " (4,034 clips: --preset leaderboard)",
}


def main() -> int:
    """Run ``kinetype evaluate --gt-only`` with the data set's layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--which", choices=sorted(LAYOUTS), required=True)
    parser.add_argument("--weights", required=True, help="folder of the evaluator's files")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--motions", help="folder of motions, if not the usual one")
    parser.add_argument("--captions", help="folder of captions, if not the usual one")
    parser.add_argument("--split", help="split file, if not the usual one")
    parser.add_argument("--pred", help="also score predictions of the same names")
    parser.add_argument("--preset", default="kinetype", help="kinetype or leaderboard")
    parser.add_argument("--repeats")
    parser.add_argument("--seed")
    parser.add_argument("--device")
    parser.add_argument("--out")
    options = parser.parse_args()
    motions, captions, split = LAYOUTS[options.which]
    command = [
        "evaluate", "--evaluator", options.which, "--weights", options.weights,
        "--gt", options.motions or str(options.data / motions),
        "--captions", options.captions or str(options.data / captions),
        "--split", options.split or str(options.data / split),
        "--preset", options.preset,
    ]  # fmt: skip
    command += ["--caption", "random"] if options.preset == "kinetype" else []
    command += ["--pred", options.pred] if options.pred else ["--gt-only"]
    for name in ("device", "out", "repeats", "seed"):
        if getattr(options, name):
            command += [f"--{name}", getattr(options, name)]
    code = kinetype(command)
    if code == 0 and options.which in PUBLISHED:
        print(f"published, ground truth: {PUBLISHED[options.which]}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
