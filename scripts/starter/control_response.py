"""What comes out when a model is asked for numbers: speed, distance, turn, extent, tempo, steps.

    python scripts/starter/control_response.py runs/open --out runs/controls.json

Each row asks one action for several values of one control, a few seeds each, and measures the
motions with the code that measured the training data.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.pipelines.dit import DiTPipeline
from backend.pipelines.dit.vocabulary import CONTROLS, Wish
from backend.training.data.controls import joint_speed, measure

NAMES = [control.name for control in CONTROLS]
ASKED: tuple[tuple[str, str, float, tuple[float, ...]], ...] = (
    ("walk", "speed", 3.0, (0.6, 1.0, 1.4, 1.8)),
    ("walk", "forward", 3.0, (1.0, 2.0, 3.0, 4.0)),
    ("walk", "turn", 3.0, (-1.6, 0.0, 1.6)),
    ("walk", "steps", 3.0, (2.0, 4.0, 6.0)),
    ("walk", "tempo", 3.0, (-0.4, 0.0, 0.3)),
    ("run", "speed", 1.5, (2.0, 3.0)),
    ("turn_around", "turn", 2.5, (-3.1, 3.1)),
    ("wave", "right_hand", 2.5, (0.2, 0.5, 0.9)),
    ("punch", "tempo", 2.0, (-0.4, 0.0, 0.4)),
    ("sit_down", "tempo", 3.0, (-0.4, 0.0, 0.3)),
    ("jump", "highest", 2.5, (1.0, 1.2, 1.4)),
    ("jump_forward", "forward", 3.0, (0.5, 1.5, 2.5)),
    ("crouch", "lowest", 2.0, (0.4, 0.6)),
    ("idle", "end_motion", 3.0, (0.0,)),
    ("dribble", "speed", 4.0, (0.0, 1.0)),
)
"""Label, control, seconds, values in the control's unit."""


def came_out(x: np.ndarray, control: str, usual: float) -> float:
    """The measured value of a control of ``[T, 205]``."""
    return float(measure(x, usual, True)[NAMES.index(control)])


def main() -> None:
    """Print and write asked against measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--guidance", type=float)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = DiTPipeline.from_pretrained(options.model)
    known = pipeline.vocabulary.label_index if pipeline.vocabulary else {}
    rows = []
    for label, control, seconds, values in ASKED:
        if label not in known:
            continue
        frames, text = round(seconds * pipeline.config.fps), label.replace("_", " ")

        def clips(wish: Wish, text: str = text, frames: int = frames) -> list[np.ndarray]:
            count = options.seeds
            return pipeline.infer_t2m(
                [text] * count,
                [frames] * count,
                seed=0,
                guidance_scale=options.guidance,
                wishes=[wish] * count,
            )

        plain = clips(Wish({label: 1.0}))
        usual = float(np.median([joint_speed(x).mean() for x in plain]))
        found = {"nothing": [came_out(x, control, usual) for x in plain]}
        for value in values:
            asked = Wish({label: 1.0}, {}, {control: value})
            found[str(value)] = [came_out(x, control, usual) for x in clips(asked)]
        row = {
            k: [round(float(np.mean(v)), 2), round(float(np.std(v)), 2)] for k, v in found.items()
        }
        rows.append({"label": label, "control": control, "mean_and_deviation": row})
        print(label, control, row, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
