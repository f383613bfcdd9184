"""Speed of Kimodo, MoMask and HY-Motion at their true sizes, with random weights.

Each is timed in our form and, in turn with it, in a plain one: float32, one clip and one guidance
pass a call, weights as they are, padding computed. CPU seconds are counted, so that other programs
disturb little. Usage::

    python scripts/benchmark_released.py [kimodo] [momask] [hymotion] [--steps 2] [--threads 1]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.models.hymotion.config import HYMotionConfig
from backend.models.hymotion.network import HYMotionNet
from backend.models.kimodo.config import KimodoConfig
from backend.models.kimodo.network import KimodoDenoiser
from backend.models.kimodo.statistics import FeatureStats
from backend.models.mogents.draws import ClipDraws
from backend.models.mogents.layers import Encoder
from backend.models.mogents.layout import Layout
from backend.models.mogents.sampling import (
    MaskOptions,
    ResidualOptions,
    sample_masked,
    sample_residual,
)
from backend.models.momask.config import MoMaskConfig
from backend.models.momask.networks import Networks
from backend.motion.representations.kimodo_skeletons import skeleton
from backend.pipelines.hymotion.sampling import (
    NullFeatures,
    TextFeatures,
    sample_flow,
)
from backend.pipelines.kimodo.constraints import nothing
from backend.pipelines.kimodo.sampling import KimodoOptions, sample_features

SECONDS = 5.0
FRAMES = round(30 * SECONDS)
_repeats = 2


def timed(forms: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Least CPU seconds of each form, taken in turn after one call that is not counted."""
    best = dict.fromkeys(forms, float("inf"))
    for turn in range(_repeats + 1):
        for name, run in forms.items():
            start = time.process_time()
            run()
            if turn:
                best[name] = min(best[name], time.process_time() - start)
    return best


@contextlib.contextmanager
def unpacked() -> Iterator[None]:
    """Transformers with their weights as they are."""
    with mock.patch.object(Encoder, "_packed_layers", lambda self, x: None):
        yield


def randomised(net: torch.nn.Module) -> torch.nn.Module:
    """Small random weights, so that nothing overflows."""
    generator = torch.Generator().manual_seed(0)
    for value in net.parameters():
        value.data.normal_(0.0, 0.02, generator=generator)
    return net.eval().requires_grad_(False)


def kimodo(steps: int) -> dict[str, object]:
    """A 5 s clip: our two passes in one batch, against three passes one after the other."""
    config, bones = KimodoConfig(), skeleton("soma30")
    dim = config.features
    stats = FeatureStats(torch.zeros(dim), torch.ones(dim), torch.zeros(4), torch.ones(4))
    net = KimodoDenoiser(config, stats)
    randomised(net)
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(1, config.text_width, generator=generator)
    noise = torch.randn(FRAMES, dim, generator=generator)
    known = [nothing(FRAMES, bones)]
    options = KimodoOptions(steps=steps)

    def ours(dtype: torch.dtype) -> np.ndarray:
        net.compute_in(dtype)
        return sample_features(net, text, known, [0.0], [noise], options)[0]

    def plain() -> None:
        net.compute_in(torch.float32)
        empty = torch.zeros(1, FRAMES, dim)
        with unpacked(), torch.inference_mode():
            for _ in range(steps):
                for words in (text, torch.zeros_like(text), torch.zeros_like(text)):
                    y = {"text": words, "heading": torch.zeros(1), "mask": empty, "observed": empty}
                    net(noise[None], torch.zeros(1, dtype=torch.int64), y)

    forms = {
        "float32": lambda: ours(torch.float32),
        "bfloat16": lambda: ours(torch.bfloat16),
        "plain": plain,
    }
    found = timed(forms)
    apart = np.abs(ours(torch.float32) - ours(torch.bfloat16))
    scale = np.abs(ours(torch.float32)).mean()
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "passes a step": {"ours": 2, "plain": 3},
        "seconds a step": {k: round(v / steps, 3) for k, v in found.items()},
        "seconds of 50 steps": {k: round(50 * v / steps, 1) for k, v in found.items()},
        "bfloat16 apart (mean, max, mean value)": [
            round(float(v), 5) for v in (apart.mean(), apart.max(), scale)
        ],
    }


def momask(_: int) -> dict[str, object]:
    """A 9.8 s clip alone and eight of mixed lengths, 10 steps, against one clip at a time."""
    networks = Networks.build(MoMaskConfig())
    for _name, module in networks.parts():
        randomised(module)
    rows = [49, 40, 32, 25, 45, 38, 20, 49]
    text = torch.randn(8, 512, generator=torch.Generator().manual_seed(1))

    def run(count: int, dtype: torch.dtype | None = None) -> Tensor:
        generators = [torch.Generator().manual_seed(i) for i in range(count)]
        layout, draws = Layout(rows[:count], independent=True), ClipDraws(generators)
        half = torch.autocast("cpu", dtype) if dtype else contextlib.nullcontext()
        with torch.inference_mode(), half:
            base = sample_masked(
                networks.mask, text[:count], layout, draws, MaskOptions(tempered=True)
            )
            ids = sample_residual(
                networks.res, base, text[:count], layout, draws, ResidualOptions()
            )
        with torch.inference_mode():
            return networks.vq.decode(ids)

    def plain(count: int) -> None:
        with unpacked():
            for _ in range(count):
                run(1)

    out: dict[str, object] = {}
    for count in (1, 8):
        found = timed(
            {
                "float32": partial(run, count),
                "bfloat16": partial(run, count, torch.bfloat16),
                "plain": partial(plain, count),
            }
        )
        out[f"seconds a clip, batch {count}"] = {k: round(v / count, 2) for k, v in found.items()}
    return out


def hymotion(steps: int) -> dict[str, object]:
    """Lite, one step of a 5 s clip: its frames alone in one batch, against all 360 twice."""
    config = HYMotionConfig(width=1024, double_layers=6, single_layers=12, heads=16)
    net = HYMotionNet(config)
    randomised(net)
    half = HYMotionNet(config)
    half.load_state_dict(net.state_dict())
    half = half.to(torch.bfloat16).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    tokens, pooled = 40, torch.randn(1, config.pooled_width, generator=generator)
    text = TextFeatures(
        torch.randn(1, tokens, config.text_width, generator=generator),
        torch.ones(1, tokens, dtype=torch.bool),
        pooled,
    )
    nulls = NullFeatures(torch.zeros(config.pooled_width), torch.zeros(config.text_width))
    noise = torch.randn(1, config.frames, config.features, generator=generator)

    def ours(which: HYMotionNet) -> Tensor:
        return sample_flow(which, text, nulls, [FRAMES], noise, steps=steps)[0]

    def plain() -> None:
        padding = 128 - tokens
        y = {
            "tokens": torch.nn.functional.pad(text.tokens, (0, 0, 0, padding)),
            "token_mask": torch.nn.functional.pad(text.mask, (0, padding)),
            "pooled": pooled,
            "lengths": torch.tensor([FRAMES]),
        }
        with torch.inference_mode():
            for _ in range(2 * steps):
                net(noise, torch.zeros(1), y)

    found = timed({"float32": lambda: ours(net), "bfloat16": lambda: ours(half), "plain": plain})
    apart = (ours(net) - ours(half)).abs()
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "seconds a step": {k: round(v / steps, 2) for k, v in found.items()},
        "bfloat16 apart (mean, max)": [round(float(v), 5) for v in (apart.mean(), apart.max())],
    }


def main() -> None:
    """Time what is named, or all."""
    families = {"kimodo": kimodo, "momask": momask, "hymotion": hymotion}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", choices=[*families, []], default=[])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    global _repeats
    _repeats = options.repeats
    torch.set_num_threads(options.threads)
    for name in options.families or families:
        print(json.dumps({name: families[name](options.steps)}, indent=1), flush=True)


if __name__ == "__main__":
    main()
