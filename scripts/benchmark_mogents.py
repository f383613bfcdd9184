"""How fast MoGenTS makes motions: true size, random weights, against the released way.

    python scripts/benchmark_mogents.py --batches 1 8 32 --threads 2

A clip is a caption through CLIP's text tower, 10 decoding steps of both mask networks, 5 stages of
both residual networks (each with guidance) and the motion decoder. Inverse kinematics is not
counted. ``scripts/plain_mogents.py`` is the plain form; it always runs in float32, and the first
batch also proves that its token ids equal the pipeline's. "equal" batches have clips of
``--frames`` frames, "mixed" ones lengths spread evenly from 40 to ``--frames``, as requests are.
Prints a Markdown table; ``--json`` also writes the figures. ``--steps 2 --frames 60 --batches 1``
is a short run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from plain_mogents import STEPS, PlainMoGenTS  # type: ignore[import-not-found]
from torch import Tensor

from backend.models.mogents.config import MoGenTSConfig
from backend.models.mogents.draws import BatchDraws, ClipDraws
from backend.models.mogents.networks import Networks
from backend.models.mogents.sampling import MaskOptions
from backend.pipelines.mogents.core import MoGenTSCore
from backend.store.model_folder import Stats
from backend.text.clip_tower import ClipTextTower, TowerSize

SHORTEST, FRAMES_PER_TOKEN = 40, 4
CAPTION_TOKENS, CLIP_CONTEXT = 14, 77
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def build() -> tuple[Networks, ClipTextTower]:
    """The published sizes with random weights."""
    torch.manual_seed(0)
    networks = Networks.build(MoGenTSConfig())
    for quantizer in (networks.vq.quantizer1d, networks.vq.quantizer2d):
        for layer in quantizer.codebooks:
            layer.codebook.normal_()
    tower = ClipTextTower(TowerSize(49408, CLIP_CONTEXT, 512, 12, 2048, 512, 8))
    for value in tower.parameters():
        value.data.normal_(0, 0.02)
    return networks, tower.eval().requires_grad_(False)


def rows_of(batch: int, frames: int, mix: str) -> list[int]:
    """Token rows of the clips of a batch."""
    shortest = SHORTEST if mix == "mixed" else frames
    steps = torch.linspace(frames, shortest, batch) if batch > 1 else torch.tensor([frames])
    return [int(n) // FRAMES_PER_TOKEN for n in steps]


def captions(batch: int) -> Tensor:
    """Token ids ``[B, 77]`` as CLIP's tokenizer lays them out."""
    ids = torch.zeros(batch, CLIP_CONTEXT, dtype=torch.int64)
    words = torch.randint(1, 49000, (batch, CAPTION_TOKENS - 1))
    ids[:, : CAPTION_TOKENS - 1] = words
    ids[:, CAPTION_TOKENS - 1] = 49407
    return ids


def measure(
    plain: PlainMoGenTS | None, core: MoGenTSCore, encode: Any, rows: list[int], options: Any
) -> float:
    """Seconds of the best of ``--repeats`` runs of one batch."""
    clock, best = CLOCKS[options.clock], float("inf")
    mask = MaskOptions(timesteps=options.steps)
    for _ in range(options.repeats):
        started = clock()
        if plain is not None:
            plain.generate(rows, torch.Generator().manual_seed(0), options.steps)
        else:
            draws = ClipDraws([torch.Generator().manual_seed(i) for i in range(len(rows))])
            ids = core.sample_tokens(encode(), rows, draws, mask=mask)
            core.decode_tokens(*ids, rows)
        best = min(best, clock() - started)
    return best


def ids_agree(plain: PlainMoGenTS, core: MoGenTSCore, encode: Any, options: Any) -> bool:
    """Whether both forms draw the same token ids for a small mixed batch."""
    rows = rows_of(2, SHORTEST + 16, "mixed")
    theirs = plain.generate(rows, torch.Generator().manual_seed(0), options.steps)
    draws = BatchDraws(torch.Generator().manual_seed(0))
    mask = MaskOptions(timesteps=options.steps)
    ours = core.sample_tokens(encode(), rows, draws, mask=mask, independent=False)
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=False))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--mixes", nargs="+", choices=("equal", "mixed"), default=["equal"])
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=("float32", "bfloat16"),
        default=["float32", "bfloat16"],
    )
    parser.add_argument("--frames", type=int, default=196)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    networks, tower = build()
    stats = Stats(torch.zeros(networks.config.vq.dim), torch.ones(networks.config.vq.dim))
    cores = {p: MoGenTSCore(networks, stats, device="cpu", precision=p) for p in options.precisions}
    rows_json = []
    ids = captions(2)
    same = ids_agree(
        PlainMoGenTS(networks, lambda: tower(ids)),
        MoGenTSCore(networks, stats, device="cpu"),
        lambda: tower(ids[:, :CAPTION_TOKENS]),
        options,
    )
    print(
        f"MoGenTS, random weights, {torch.get_num_threads()} threads, {options.steps} steps, up to "
        f"{options.frames} frames, {options.clock} time; token ids of a float32 batch of two: "
        f"{'equal' if same else 'DIFFERENT'}\n"
    )
    print("| batch | lengths | form | clips/s | ratio |\n|---|---|---|---|---|", flush=True)
    for mix in options.mixes:
        for batch in options.batches:
            ids, rows = captions(batch), rows_of(batch, options.frames, mix)
            plain = PlainMoGenTS(networks, lambda ids=ids: tower(ids))
            first = next(iter(cores.values()))
            seconds = {"plain": measure(plain, first, None, rows, options)}
            for precision, core in cores.items():
                encode = lambda ids=ids: tower(ids[:, :CAPTION_TOKENS])  # noqa: E731
                seconds[precision] = measure(None, core, encode, rows, options)
            for form, taken in seconds.items():
                ratio = seconds["plain"] / taken
                rows_json.append(
                    {"batch": batch, "lengths": mix, "form": form, "clips_per_s": batch / taken}
                )
                print(
                    f"| {batch} | {mix} | {form} | {batch / taken:.3f} | {ratio:.2f} |", flush=True
                )
    if options.json:
        options.json.write_text(json.dumps(rows_json, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
