"""How long a full HumanML3D-sized evaluation takes: random weights at true size, random features.

    python scripts/benchmark_evaluation.py --motions 4042 --repeats 20

The work is that of ``kinetype evaluate --evaluator hml263``: real and generated motions and all
captions are embedded once, then every repeat draws captions, galleries and pairs again. Stages are
timed apart. ``--plain-repeats N`` also embeds the generated motions anew in each of N repeats, as
the released evaluation does, and scales that to the asked number of repeats.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.evaluation import protocol
from backend.evaluation.evaluators import HumanML263Evaluator
from backend.evaluation.evaluators.parts.hml263_network import T2MEvaluator, T2MEvaluatorConfig
from backend.evaluation.hml3d_items import Caption
from backend.evaluation.words import TAGS, Vocabulary

CAPTIONS_EACH = 3


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--motions", type=int, default=4042)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--plain-repeats", type=int, default=0)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()

    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    words = ["sos", "eos", "unk", *(f"w{i}" for i in range(4196))]
    vocabulary = Vocabulary(
        rng.normal(0, 0.4, (len(words), 300)).astype(np.float32),
        {word: row for row, word in enumerate(words)},
    )
    net = T2MEvaluator(T2MEvaluatorConfig(tags=len(TAGS)))
    evaluator = HumanML263Evaluator(net, vocabulary, np.zeros(263), np.ones(263))
    lengths = rng.integers(40, 197, options.motions)
    real, generated = (
        [rng.normal(0, 1, (n, 263)).astype(np.float32) for n in lengths] for _ in range(2)
    )
    captions = [
        Caption("", tuple(f"w{i}/NOUN" for i in rng.integers(0, 4196, rng.integers(5, 25))))
        for _ in range(options.motions * CAPTIONS_EACH)
    ]

    seconds: dict[str, float] = {}

    def timed(name: str, started: float) -> None:
        seconds[name] = time.monotonic() - started

    start = time.monotonic()
    x_real = evaluator.embed_motions(real)
    timed("embed real motions", start)
    start = time.monotonic()
    x_generated = evaluator.embed_motions(generated)
    timed("embed generated motions", start)
    start = time.monotonic()
    texts = protocol.Texts.from_counts(
        evaluator.embed_texts(captions), [CAPTIONS_EACH] * options.motions
    )
    timed(f"embed {len(captions)} captions", start)
    start = time.monotonic()
    settings = protocol.Protocol("hml263", repeats=options.repeats, caption="random")
    table = protocol.evaluate(settings, texts, x_real, x_generated)
    timed(f"{options.repeats} repeats of all metrics", start)
    total = sum(seconds.values())

    print(protocol.as_text(table))
    print(f"\n{options.motions} motions, {torch.get_num_threads()} threads\n")
    print("| stage | seconds |\n|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.1f} |")
    print(f"| all | {total:.1f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\npeak memory {peak:.2f} GB")
    if options.plain_repeats:
        start = time.monotonic()
        for _ in range(options.plain_repeats):
            evaluator.embed_motions(generated)
            evaluator.embed_texts(captions[::CAPTIONS_EACH])
        each = (time.monotonic() - start) / options.plain_repeats
        plain = each * options.repeats + seconds["embed real motions"]
        print(f"embedding anew in every repeat: {plain:.0f} s, {plain / total:.1f} times as long")


if __name__ == "__main__":
    main()
