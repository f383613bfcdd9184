"""The same prompts and seeds here and in another checkout: are the motions the same bits?

    python scripts/compare_motions.py ../before

The other checkout writes one tiny model of every family and lends its own starter; both command
lines then generate the same list from the same folders, offline, on one thread. What the models
themselves make (``infer_t2m``) is compared apart from the files: joints of a tiny untrained model
are no body's, so that another setting of inverse kinematics moves them far. Prints for each case
whether all numbers are equal and how far they differ; exit code 1 above the tolerance, and where
one side makes a motion that the other refuses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
WRITE = """
import sys
from pathlib import Path
import torch
from backend.models.action_mdm import ActionMDM, ActionMDMConfig
from backend.motion.representations import motion135
try:
    from backend.pipelines.action_mdm.pipeline import ActionMDMPipeline, ActionMDMPipelineConfig
except ImportError:
    from backend.pipelines.action_mdm import ActionMDMPipeline, ActionMDMPipelineConfig
try:
    from backend.store.model_folder import Stats
except ImportError:
    from backend.artifacts import Stats
from tests import mdm_files, mogents_model
from tests.conftest import _swinging_clip

folder = Path(sys.argv[1])
stats = mdm_files.walking_stats(_swinging_clip)
mdm_files.tiny_pipeline(stats, folder / "clip").save_pretrained(folder / "mdm")
mdm_files.tiny_pipeline(
    stats, folder / "clip2", context_len=20, pred_len=40, arch="trans_dec"
).save_pretrained(folder / "planner")
mogents_model.unpack_model(folder).rename(folder / "mogents")
torch.manual_seed(0)
network = ActionMDMConfig(num_actions=2, latent_dim=16, num_heads=2, num_layers=1, ff_dim=32)
config = ActionMDMPipelineConfig(network, ("walk", "jump"), num_frames=60)
joints = torch.from_numpy(motion135.joints(_swinging_clip(frames=40))).float()
still = Stats(joints.mean(0).flatten(), torch.full((66,), 0.05))
actions = ActionMDMPipeline(config, ActionMDM(network), still, device="cpu")
actions.save_pretrained(folder / "action")
"""
GENERATE = """
import json, sys
from backend.cli.main import main
for line in sys.stdin:
    try:
        code = main(json.loads(line))
    except SystemExit as end:
        code = end.code
    print("code", code, file=sys.stderr, flush=True)
"""
FEATURES = """
import json, sys
import numpy as np
from backend.pipelines.registry import load_pipeline
for line in sys.stdin:
    folder, out = json.loads(line)
    pipeline = load_pipeline(folder, device="cpu", local_files_only=True)
    [clip] = pipeline.infer_t2m(["walk"], [60], seed=7)
    np.savez(out, features=np.asarray(clip))
"""
LONG = "a person walks forward, then turns around, then sits down"


def cases(other: Path, folder: Path) -> dict[str, list[str]]:
    """Name of each case -> arguments of ``kinetype generate``."""
    starter = str(other / "backend/assets/starter")
    motiongpt = str(other / "tests/parity/golden/motiongpt/artifact")
    short = ["--seconds", "3", "--samples", "2"]
    found = {
        "starter": ["a person walks forward", "--model", starter, *short],
        "starter, three actions": [LONG, "--model", starter, "--seconds", "9"],
        "starter, no clean-up": ["wave", "--model", starter, *short, "--no-cleanup"],
        "starter, DDPM": ["run", "--model", starter, "--seconds", "3", "--sampler", "ddpm"],
        "starter, DPM++": ["jump", "--model", starter, "--seconds", "3", "--sampler", "dpmpp"],
        "starter, guidance 4": ["bow", "--model", starter, "--seconds", "2", "--guidance", "4"],
        "MDM": ["walk", "--model", str(folder / "mdm"), *short],
        "MDM, DDPM": ["walk", "--model", str(folder / "mdm"), *short, "--sampler", "ddpm"],
        "MDM planner (DiP)": ["walk", "--model", str(folder / "planner"), "--seconds", "5"],
        "MoGenTS": ["a cat", "--model", str(folder / "mogents"), *short],
        "MotionGPT": ["walk", "--model", motiongpt, *short],
        "action MDM": ["walk", "--model", str(folder / "action"), *short],
    }
    return {name: ["generate", *arguments] for name, arguments in found.items()}


def run(checkout: Path, script: str, *arguments: str, given: str = "") -> str:
    """Run Python code in a checkout, offline and on one thread; returns its stderr."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=checkout,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{checkout}:\n{done.stderr}")
    return done.stderr


def numbers(path: Path) -> dict[str, np.ndarray]:
    """Arrays of the files of a case, by file and name; empty where it made none."""
    found: dict[str, np.ndarray] = {}
    for file in sorted(path.parent.glob(f"{path.stem}*.npz")):
        with np.load(file) as arrays:
            found |= {f"{file.stem}:{k}": v for k, v in arrays.items() if v.dtype.kind == "f"}
    return found


def compared(ours: Path, theirs: Path) -> tuple[str, float]:
    """What to print of one case, and the largest difference (infinite where they do not match)."""
    a, b = numbers(ours), numbers(theirs)
    if not a and not b:
        return "refused by both", 0.0
    if {k: v.shape for k, v in a.items()} != {k: v.shape for k, v in b.items()}:
        return f"{len(a)} and {len(b)} arrays, or other shapes", float("inf")
    if all(a[name].tobytes() == b[name].tobytes() for name in a):
        return "equal bits", 0.0
    worst = max(float(np.abs(a[name].astype("f8") - b[name]).max()) for name in a)
    return f"max |a - b| = {worst:.3g}", worst


def main() -> int:
    """Write, generate twice, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="another checkout of this repository")
    parser.add_argument("--seed", default="7")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="largest difference allowed")
    options = parser.parse_args()
    other = options.other.resolve()
    worst, count, equal = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run(other, WRITE, str(folder))
        for side, checkout in (("theirs", other), ("ours", HERE)):
            (folder / side).mkdir()
            rest = ["--seed", options.seed, "--device", "cpu", "--quiet", "--out"]
            lines = [
                [*case, *rest, str(folder / side / f"{index:02d}.npz")]
                for index, case in enumerate(cases(other, folder).values())
            ]
            run(checkout, GENERATE, given="".join(json.dumps(line) + "\n" for line in lines))
            models = {case[case.index("--model") + 1] for case in cases(other, folder).values()}
            jobs = [[m, str(folder / side / f"{Path(m).name}-features.npz")] for m in models]
            run(checkout, FEATURES, given="".join(json.dumps(job) + "\n" for job in jobs))
        names = {f"{Path(m).name}-features": f"{Path(m).name}: features" for m in sorted(models)}
        names |= {f"{index:02d}": name for index, name in enumerate(cases(other, folder))}
        for stem, name in names.items():
            ours, theirs = (folder / side / f"{stem}.npz" for side in ("ours", "theirs"))
            told, difference = compared(ours, theirs)
            print(f"{name:26} {told}")
            worst, count = max(worst, difference), count + 1
            equal += told == "equal bits"
    print(f"{equal} of {count} equal in every bit, largest difference {worst:.3g}")
    return int(worst > options.tolerance)


if __name__ == "__main__":
    sys.exit(main())
