"""Train the classifiers of actions on real clips of a described dataset, and test them.

    python scripts/starter/train_action_classifiers.py --data data/open --out runs/actions

``chooser`` guides development; ``judge`` is trained apart (other weights, draws and noise) and is
only asked for the figures on a model's card. Both learn from the training split. Their reports hold
what they recognise of the validation clips and, with mirrored and retimed copies, of the labels
that have too few takes for any.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models.motion_classifier import MotionClassifier, predict, save
from backend.training.data.dataset import MotionDataset
from backend.training.judge.recipe import JudgeConfig, JudgeRecipe
from backend.training.judge.takes import ActionTake, draw, load_takes
from backend.training.loop import Training
from backend.training.run import RunFolder

NAMES = ("chooser", "judge")


def score(net: MotionClassifier, takes: Sequence[ActionTake]) -> dict[str, object]:
    """How many whole clips are recognised, and the mistakes."""
    known = [t for t in takes if t.label in net.labels]
    found = predict(net, [t.x for t in known]).names
    right = [a.label == b for a, b in zip(known, found, strict=True)]
    wrong = Counter(f"{a.label} as {b}" for a, b in zip(known, found, strict=True) if a.label != b)
    return {"n": len(known), "right": sum(right), "mistakes": dict(wrong.most_common(40))}


def copies(takes: Sequence[ActionTake], seed: int) -> list[ActionTake]:
    """Mirrored and retimed copies: what one can ask of labels with one take."""
    rng = np.random.default_rng(seed)
    return [ActionTake(t.item, t.label, draw(t, rng, shaken=True)) for t in takes]


def main() -> None:
    """Train both and write their report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/actions"))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--only", choices=NAMES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset = MotionDataset.load(args.data)
    takes, val = load_takes(dataset, "train"), load_takes(dataset, "val")
    args.out.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        if args.only not in (None, name):
            continue
        config = JudgeConfig(steps=args.steps, seed=17 * number, shaken=name == "chooser")
        recipe = JudgeRecipe(config, takes, val)
        Training(recipe, RunFolder(args.out / f"run_{name}")).fit()
        net = recipe.net.eval()
        save(net, args.out / name)
        found = {"val": score(net, val), "copies": score(net, copies(takes, 5))}
        print(name, {part: (v["right"], v["n"]) for part, v in found.items()})
        (args.out / f"{name}_report.json").write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
