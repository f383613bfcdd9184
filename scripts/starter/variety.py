"""How far the samples of a prompt lie apart, with and without Variety.

    python scripts/starter/variety.py --model starter --samples 4 --quality draft

prints for each prompt the mean distance (cm) between two samples, over all joints and over the
wrists, with the pelvis of every frame above the origin.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.motion.representations import motion135
from backend.motion.skeleton import joint_index
from backend.service.engine import Engine
from backend.wire import limits
from backend.wire.messages import Motion, Request

PROMPTS = ("a person waves with the right hand", "a person bows", "a person claps")
WRISTS = [joint_index("left_wrist"), joint_index("right_wrist")]


def spread(motions: list[Motion]) -> tuple[float, float]:
    """Mean distance (cm) between two motions: of all joints, of the wrists."""
    frames = min(len(motion.data) for motion in motions)
    found = np.stack([motion135.joints(motion.data[:frames]) for motion in motions])
    found = found - found[:, :, :1] * [1.0, 0.0, 1.0]
    apart = [np.linalg.norm(a - b, axis=-1) for a, b in itertools.combinations(found, 2)]
    return 100.0 * float(np.mean(apart)), 100.0 * float(np.mean([d[:, WRISTS] for d in apart]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=limits.DEFAULT_MODEL)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--quality", choices=limits.QUALITIES, default="standard")
    parser.add_argument("--prompt", action="append", help=f"default: {'; '.join(PROMPTS)}")
    options = parser.parse_args()
    engine = Engine()
    print("prompt | joints cm | with variety | wrists cm | with variety")
    for prompt in options.prompt or PROMPTS:
        cells = []
        for variety in (False, True):
            request = Request(
                prompt, seconds=options.seconds, samples=options.samples, seed=1,
                model=options.model, quality=options.quality, variety=variety,
            )  # fmt: skip
            cells.append(spread(list(engine.run(request).motions)))
        (joints, wrists), (joints_varied, wrists_varied) = cells
        print(
            f"{prompt} | {joints:.1f} | {joints_varied:.1f} | {wrists:.1f} | {wrists_varied:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
