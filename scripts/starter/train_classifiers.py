"""Train the content and style classifiers that judge the starter model, and test them.

    python scripts/starter/train_classifiers.py --data data/starter --out runs/classifiers

They learn from the training split only. ``report.json`` in the output folder holds

- accuracy on the validation clips, which no classifier has seen;
- accuracy on takes of the training split that a fold held out, for contents that have no
  validation clips (by recording or style; by segment where all segments come from one recording;
  thirds of the dance), from separate classifiers trained without that fold;
- the contents that cannot be held out because there is one take of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models.motion_classifier import MotionClassifier, collate, inputs, predict, save
from backend.training.data.dataset import MotionDataset, read_json
from backend.training.judge.takes import frozen, jitter, warp
from scripts.starter.labels import STATIC
from scripts.starter.real_takes import FOLDS, Take, load_takes

TARGETS = ("content", "style")
BUCKET = 6
STYLE_FRAMES = 100
"""Five seconds show a style; longer clips would only cost time."""
CYCLIC = ("walk", "run", "dash", "wave")


@dataclass(frozen=True)
class Recipe:
    """How one classifier is trained."""

    target: str
    steps: int
    batch: int = 48
    rate: float = 2e-3
    static_share: float = 0.04
    seed: int = 0


def label_of(take: Take, target: str) -> str:
    """``content`` or ``style`` of a take."""
    return take.content if target == "content" else take.style


def draw(take: Take, rng: np.random.Generator) -> np.ndarray:
    """A random example of a take: window, speed, shaking."""
    x = take.x
    if take.window:
        x = _window(x, rng, min(60, len(x)), min(inputs.MAX_FRAMES, len(x)))
    elif take.content.startswith(CYCLIC) and "turn" not in take.content and len(x) > 40:
        x = _window(x, rng, 40, len(x))
    elif rng.random() < 0.5:
        x = _window(x, rng, max(inputs.MIN_FRAMES, int(0.85 * len(x))), len(x))
    x = warp(x, float(rng.uniform(0.87, 1.15)))
    return jitter(x, rng, float(rng.uniform(0, 0.01)))[: inputs.MAX_FRAMES]


def _window(x: np.ndarray, rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    length = int(rng.integers(min(low, len(x)), min(high, len(x)) + 1))
    start = int(rng.integers(0, len(x) - length + 1))
    return x[start : start + length]


def weights_of(takes: Sequence[Take], target: str) -> np.ndarray:
    """Sampling probabilities ``[N]``: labels balanced, and the other label within them partly."""
    other = "style" if target == "content" else "content"
    pairs = Counter((label_of(t, target), label_of(t, other)) for t in takes)
    spread: dict[str, float] = defaultdict(float)
    for (label, _), count in pairs.items():
        spread[label] += count**0.5
    weights = np.array(
        [
            pairs[(label_of(t, target), label_of(t, other))] ** -0.5 / spread[label_of(t, target)]
            for t in takes
        ]
    )
    return weights / weights.sum()


def batches_of(
    takes: Sequence[Take],
    weights: np.ndarray,
    index: dict[str, int],
    recipe: Recipe,
    rng: np.random.Generator,
) -> list[tuple[list[np.ndarray], list[int]]]:
    """Several batches of clips and label numbers, each of clips of like length."""
    count = BUCKET * recipe.batch
    picks = [takes[i] for i in rng.choice(len(takes), count, p=weights)]
    clips = [draw(t, rng) for t in picks]
    targets = [index[label_of(t, recipe.target)] for t in picks]
    if recipe.target == "style":
        clips = [_window(x, rng, STYLE_FRAMES, STYLE_FRAMES) for x in clips]
    else:
        for i in np.flatnonzero(rng.random(count) < recipe.static_share):
            still = frozen(clips[i], rng)
            clips[i] = jitter(still, rng, float(rng.uniform(0, 0.006)))
            targets[i] = index[STATIC]
    order = np.argsort([len(x) for x in clips], kind="stable")
    rows = [order[i : i + recipe.batch] for i in range(0, count, recipe.batch)]
    rng.shuffle(rows)
    return [([clips[i] for i in row], [targets[i] for i in row]) for row in rows]


def train(takes: Sequence[Take], recipe: Recipe) -> MotionClassifier:
    """A classifier of ``recipe.target`` from ``takes``."""
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    names = sorted({label_of(t, recipe.target) for t in takes})
    static = recipe.target == "content"
    net = MotionClassifier([*names, STATIC] if static else names)
    rows = np.concatenate([inputs.expand(t.x) for t in takes])
    net.mean.copy_(torch.from_numpy(rows.mean(0)))
    net.scale.copy_(torch.from_numpy(rows.std(0) + 1e-3))
    index = {name: i for i, name in enumerate(net.labels)}
    weights = weights_of(takes, recipe.target)
    optimiser = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, recipe.steps)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.05)
    net.train()
    started, running = time.monotonic(), 0.0
    ready: list[tuple[list[np.ndarray], list[int]]] = []
    for step in range(recipe.steps):
        if not ready:
            ready = batches_of(takes, weights, index, recipe, rng)
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
            passed = time.monotonic() - started
            print(f"  {recipe.target} {step + 1}/{recipe.steps} loss {running:.3f} {passed:.0f} s")
    return net.eval()


def test_clips(takes: Sequence[Take]) -> list[np.ndarray]:
    """What a take is tested on: the whole of it, for a window take its first seconds."""
    return [t.x[: 120 if t.window else inputs.MAX_FRAMES] for t in takes]


def score(net: MotionClassifier, takes: Sequence[Take], target: str) -> dict[str, Any]:
    """Accuracy and mistakes on takes."""
    truth = [label_of(t, target) for t in takes]
    found = predict(net, test_clips(takes)).names
    right = [a == b for a, b in zip(truth, found, strict=True)]
    per: dict[str, list[bool]] = defaultdict(list)
    for name, ok in zip(truth, right, strict=True):
        per[name].append(ok)
    wrong = Counter(f"{a} as {b}" for a, b in zip(truth, found, strict=True) if a != b)
    return {
        "n": len(truth),
        "accuracy": float(np.mean(right)),
        "per_label": {k: [int(sum(v)), len(v)] for k, v in sorted(per.items())},
        "mistakes": dict(wrong.most_common(30)),
    }


def held_out(takes: Sequence[Take], target: str, steps: int) -> dict[str, Any]:
    """Accuracy on unwarped takes by classifiers that did not see their fold, all folds together."""
    total: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    wrong: Counter[str] = Counter()
    for fold in range(FOLDS):
        seen = [t for t in takes if t.fold != fold and not t.cover]
        net = train(seen, Recipe(target, steps, seed=1 + fold))
        unseen = [t for t in takes if t.fold == fold and t.item.speed == 1.0]
        part = score(net, unseen, target)
        for name, (right, count) in part["per_label"].items():
            total[name][0] += right
            total[name][1] += count
        wrong.update(part["mistakes"])
    right = sum(r for r, _ in total.values())
    count = sum(n for _, n in total.values())
    return {
        "n": count,
        "accuracy": right / count,
        "per_label": {k: list(v) for k, v in sorted(total.items())},
        "mistakes": dict(wrong.most_common(40)),
        "never_held_out": sorted({t.content for t in takes if t.fold is None and not t.cover}),
    }


def main() -> None:
    """Train both classifiers and write their report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/starter"))
    parser.add_argument("--out", type=Path, default=Path("runs/classifiers"))
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--fold-steps", type=int, default=900, help="0: no held-out folds")
    parser.add_argument("--only", nargs=1, choices=TARGETS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset = MotionDataset.load(args.data)
    takes, val = load_takes(dataset, "train"), load_takes(dataset, "val")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "report.json"
    report: dict[str, dict[str, Any]] = read_json(path) if args.only and path.exists() else {}
    for target in args.only or TARGETS:
        net = train(takes, Recipe(target, args.steps))
        save(net, args.out / target)
        report[target] = {"val": score(net, val, target)}
        print(target, "validation clips:", report[target]["val"]["accuracy"])
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    for target in (args.only or TARGETS) if args.fold_steps else ():
        report[target]["held_out"] = held_out(takes, target, args.fold_steps)
        print(target, "held out:", report[target]["held_out"]["accuracy"])
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
