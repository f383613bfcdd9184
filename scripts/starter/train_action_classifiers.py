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
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.training.data.dataset import MotionDataset
from scripts.starter.action_takes import ActionTake, draw, load_takes
from scripts.starter.classifier import MotionClassifier, collate, predict, save
from scripts.starter.classifier_input import expand

NAMES = ("chooser", "judge")
BATCH = 40
BUCKET = 8


def weights_of(takes: Sequence[ActionTake]) -> np.ndarray:
    """Sampling probabilities: labels with few clips nearly as often as the others."""
    counts = Counter(t.label for t in takes)
    weights = np.array([counts[t.label] ** -0.8 for t in takes])
    return weights / weights.sum()


def train(takes: Sequence[ActionTake], steps: int, seed: int, *, shaken: bool) -> MotionClassifier:
    """A classifier of the labels of ``takes``."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net = MotionClassifier(sorted({t.label for t in takes}))
    rows = np.concatenate([expand(t.x) for t in takes])
    net.mean.copy_(torch.from_numpy(rows.mean(0)))
    net.scale.copy_(torch.from_numpy(rows.std(0) + 1e-3))
    index = {name: i for i, name in enumerate(net.labels)}
    weights = weights_of(takes)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.05)
    net.train()
    started, running = time.monotonic(), 0.0
    ready: list[tuple[list[np.ndarray], list[int]]] = []
    for step in range(steps):
        if not ready:
            picks = [takes[i] for i in rng.choice(len(takes), BUCKET * BATCH, p=weights)]
            drawn = [(draw(t, rng, shaken=shaken), index[t.label]) for t in picks]
            drawn.sort(key=lambda pair: len(pair[0]))
            groups = [drawn[i : i + BATCH] for i in range(0, len(drawn), BATCH)]
            rng.shuffle(groups)  # type: ignore[arg-type]
            ready = [([x for x, _ in g], [label for _, label in g]) for g in groups]
        clips, targets = ready.pop()
        _, logits = net(*collate(clips))
        loss = loss_of(logits, torch.tensor(targets))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += (loss.item() - running) / min(step + 1, 50)
        if (step + 1) % 100 == 0:
            print(f"  {step + 1}/{steps} loss {running:.3f} {time.monotonic() - started:.0f} s")
    return net.eval()


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
        net = train(takes, args.steps, seed=17 * number, shaken=name == "chooser")
        save(net, args.out / name)
        found = {"val": score(net, val), "copies": score(net, copies(takes, 5))}
        print(name, {part: (v["right"], v["n"]) for part, v in found.items()})
        (args.out / f"{name}_report.json").write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
