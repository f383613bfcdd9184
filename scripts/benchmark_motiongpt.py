"""How fast MotionGPT writes motions: true size, random weights, with and without its cache.

    python scripts/benchmark_motiongpt.py --batches 1 8 32 --plain-batches 1 --threads 2

A clip is a prompt of 16 tokens, an answer of 51 tokens (196 frames, 9.8 s of motion) sampled with
one stream of random numbers a clip, and the motion decoder. Inverse kinematics is not counted. The
plain form recomputes every earlier token at each step. Prints a Markdown table; ``--json`` also
writes the figures.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from backend.models.motiongpt.network import MotionGPT
from backend.models.motiongpt.t5 import EOS, T5Config
from backend.models.motiongpt.vqvae import VQVAEConfig
from backend.pipelines.motiongpt.decoding import generate_tokens
from backend.text.motion_prompts import CODES, FPS, FRAMES_PER_TOKEN

VOCABULARY = 32615
PROMPT_TOKENS = 16


def build(device: str, precision: str) -> MotionGPT:
    """The published sizes; the end mark is made so unlikely that no answer ends early."""
    torch.manual_seed(0)
    net = MotionGPT(VQVAEConfig(), T5Config(VOCABULARY)).to(device).eval().requires_grad_(False)
    net.vae.quantizer.codebook.normal_()
    net.language_model.lm_head.weight[EOS] = 0.0
    if precision == "bf16":
        for module in net.language_model.modules():
            if isinstance(module, torch.nn.Linear):
                module.to(torch.bfloat16)
    return net


@torch.inference_mode()
def clips_per_second(
    net: MotionGPT, batch: int, tokens: int, *, cached: bool, precision: str, repeats: int
) -> float:
    """Best of ``repeats`` batches."""
    device = net.vae.quantizer.codebook.device
    ids = torch.randint(3, 32000, (batch, PROMPT_TOKENS), device=device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    best = float("inf")
    for _ in range(repeats):
        generators = [torch.Generator().manual_seed(i) for i in range(batch)]
        started = time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            written = generate_tokens(
                net.language_model,
                ids,
                mask,
                max_length=tokens,
                generators=generators,
                cached=cached,
            )
        if written.shape[1] != tokens:
            raise SystemExit(f"an answer ended after {written.shape[1]} of {tokens} tokens")
        net.vae.decode(written[:, 2:] % CODES).float().cpu()
        best = min(best, time.perf_counter() - started)
    return batch / best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--plain-batches", type=int, nargs="*", default=[1])
    parser.add_argument("--tokens", type=int, default=51, help="tokens of an answer")
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for precision in options.precisions:
        net = build(options.device, precision)
        clips_per_second(net, 1, 4, cached=True, precision=precision, repeats=1)
        for batch in options.batches:
            speeds: dict[str, float] = {}
            for form in ("cached", "plain"):
                if form == "plain" and batch not in options.plain_batches:
                    continue
                speeds[form] = clips_per_second(
                    net,
                    batch,
                    options.tokens,
                    cached=form == "cached",
                    precision=precision,
                    repeats=options.repeats,
                )
            rows.append({"precision": precision, "batch": batch, **speeds})
    seconds = (options.tokens - 2) * FRAMES_PER_TOKEN / FPS
    print(
        f"MotionGPT, random weights, {options.device}, {torch.get_num_threads()} threads, "
        f"clips of {seconds:g} s\n"
    )
    print("| precision | batch | clips/s | s of motion / s | clips/s without cache | ratio |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        plain = row.get("plain")
        compared = f"{plain:.3f} | {row['cached'] / plain:.1f}" if plain else "- | -"
        speed = row["cached"]
        print(
            f"| {row['precision']} | {row['batch']} | {speed:.3f} | {speed * seconds:.1f} "
            f"| {compared} |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
