"""What a model makes of prompts as people type them: the right action, or a word where it is not.

    python scripts/starter/prompt_motions.py starter-open --prompts data/open/prompts_dev.json \\
        --classifiers runs/actions --sheets docs/starter-open --out runs/prompts.json

Every prompt goes the way that Blender and ``kinetype generate`` go: the model's own length, default
settings, clean-up. A classifier of real clips that had no part in the model says what the motion
shows. What the model does not know has to be told; what it knows has to be right, and not doubted.
``--sheets`` draws forty of the prompts, ten to a page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models import motion_classifier
from backend.motion.cleanup import default_cleanup
from backend.pipelines.dit import DiTPipeline
from backend.wire.messages import Request
from scripts.starter.action_measures import interval
from scripts.starter.contact_sheet import sketched
from scripts.starter.prompt_rates import accepted

SECONDS = 4.0
DRAWN, ON_A_PAGE = 40, 10
TOLD = ("unknown", "near", "doubt")


@dataclass(frozen=True)
class Made:
    """One motion of a prompt: what it should show, shows, and what its maker was told."""

    prompt: str
    expect: str
    known: bool
    shows: str
    told: tuple[str, ...]
    motion: np.ndarray

    @property
    def right(self) -> bool:
        """Whether it shows what a person expects."""
        return self.shows in accepted([self.expect])


def made_of(
    pipeline: DiTPipeline,
    net: motion_classifier.MotionClassifier,
    entries: Sequence[dict[str, str]],
    seeds: Sequence[int],
) -> list[Made]:
    """Motions of every prompt with every seed."""
    assert pipeline.words is not None, "the model has no words of its own"
    usual = {} if pipeline.vocabulary is None else {
        label.name: label.seconds[1] for label in pipeline.vocabulary.labels if label.seconds
    }  # fmt: skip
    found = []
    for entry in entries:
        expect = entry["expect"]
        if " then " in expect:  # no one label fits a sequence; prompt_rates has those
            continue
        known = bool(accepted([expect]) & pipeline.words.known)
        for seed in seeds:
            seconds = float(np.clip(usual.get(expect, SECONDS), 1.5, 6.0))
            request = Request(entry["prompt"], seconds=seconds, seed=seed)
            (clip,) = pipeline.generate(request)
            motion = default_cleanup(clip.data)
            base = motion_classifier.from_motion135(motion)
            shows = motion_classifier.predict(net, [base]).names[0]
            told = tuple(n["kind"] for n in clip.meta.get("notices", ()) if n["kind"] in TOLD)
            found.append(Made(entry["prompt"], expect, known, shows, told, motion))
    return found


def rate(found: Sequence[bool]) -> str:
    """A rate with its 95 % interval."""
    low, high = interval(sum(found), len(found))
    share = 100 * sum(found) / max(1, len(found))
    return f"{share:5.1f} % ({sum(found)} of {len(found)}; {100 * low:.0f} to {100 * high:.0f})"


def report(made: Sequence[Made]) -> dict[str, str]:
    """The figures of the issue."""
    known = [m for m in made if m.known]
    unknown = [m for m in made if not m.known]
    return {
        "known: right action": rate([m.right for m in known]),
        "known: wrong and not told": rate([not m.right and not m.told for m in known]),
        "known and right: warned all the same": rate([bool(m.told) for m in known if m.right]),
        "unknown: warned": rate([bool(m.told) for m in unknown]),
    }


def draw(made: Sequence[Made], folder: Path) -> None:
    """Forty of the known prompts, spread over the list, as sheets of ten."""
    known = [m for m in made if m.known]
    picked = [known[i] for i in np.linspace(0, len(known) - 1, DRAWN).round().astype(int)]
    for page in range(DRAWN // ON_A_PAGE):
        part = picked[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
        rows = [(f"{m.prompt}{'' if m.right else ' [not recognised]'}", m.motion) for m in part]
        sketched(rows, folder / f"prompts_{page + 1}.png")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--classifiers", type=Path, default=Path("runs/actions"))
    parser.add_argument("--which", default="judge")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = DiTPipeline.from_pretrained(options.model)
    net = motion_classifier.load(options.classifiers / options.which)
    entries = json.loads(options.prompts.read_text(encoding="utf-8"))
    made = made_of(pipeline, net, entries, options.seeds)
    figures = report(made)
    for name, value in figures.items():
        print(f"{name:<40}{value}")
    wrong = Counter(f"{m.prompt} ({m.expect}): {m.shows}" for m in made if m.known and not m.right)
    for line, count in sorted(wrong.items()):
        print(f"  {count} x {line}")
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        silent = [m.prompt for m in made if not m.known and not m.told]
        whole = {"figures": figures, "wrong": dict(wrong), "unknown and not told": silent}
        options.out.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    if options.sheets is not None:
        draw(made, options.sheets)


if __name__ == "__main__":
    main()
