#!/usr/bin/env python3
"""How fast MDM samples: the released way, the exact mode, the default mode, and the fast samplers.

True size (512 wide, 8 layers, 263 features) with random weights, one clip of 196 frames, guidance
2.5. The baseline, ``plain_mdm.py``, works as the released code does: sequence-first
``nn.TransformerEncoder`` and two network calls per step. All runs use the same weights and the same
condition. The default mode is timed as the pipeline runs it, with its own draws; how far it is from
the plain form is seen in a further run on the plain form's noise, which is slower to draw (in the
released order, element by element). ``--released-noise`` times it with that noise, too.

Usage: ``python scripts/benchmark_mdm.py [--steps 1000] [--repeats 3] [--batches 1,8,32,128]
[--device cuda] [--clock cpu] [--compile] [--released-noise] [--out FILE.md]``. With fewer
``--steps`` a schedule of that many steps is run from noise to the clean motion and its time scaled
to 1,000. Times are of the wall clock; ``--clock cpu`` counts the process's own CPU seconds instead
(for one thread on a busy machine; set OMP_NUM_THREADS=1 then). Batch sizes run in processes of
their own, so that memory is of each alone.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from backend.diffusion.exact import ReleasedProcess, released_noise, sample_exact  # noqa: E402
from backend.diffusion.loop import sample, seeded_generators  # noqa: E402
from backend.diffusion.schedule import Schedule  # noqa: E402
from backend.models.mdm.fast import FastMDM  # noqa: E402
from backend.models.mdm.network import MDM, MDMConfig  # noqa: E402
from backend.models.packed_linear import can_pack  # noqa: E402
from scripts.plain_mdm import PlainMDM, plain_sample  # noqa: E402

FULL_STEPS, GUIDANCE, SEED = 1000, 2.5, 10
FAST = [("ddim", 50), ("ddim", 25), ("ddim", 10), ("dpmpp", 50), ("dpmpp", 20), ("dpmpp", 10),
        ("dpmpp", 5)]  # fmt: skip
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
          "int8": torch.int8}  # fmt: skip


class Bench:
    """One network and one way of measuring."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = torch.device(options.device)
        self.frames, self.clock = options.frames, options.clock
        torch.manual_seed(0)
        self.net = MDM(MDMConfig()).eval().to(self.device)
        self.forms: dict[tuple[torch.dtype, bool], FastMDM] = {}

    def condition(self, batch: int) -> dict[str, Tensor]:
        """A made-up sentence vector per clip, of about CLIP's size."""
        text = 0.4 * torch.randn(1, batch, 512, generator=torch.Generator().manual_seed(1))
        return {"text_embed": text.to(self.device)}

    def seconds(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """Time of one call of ``work``, and its result."""
        now = time.process_time if self.clock == "cpu" else time.perf_counter
        self._wait()
        begin = now()
        result = work()
        self._wait()
        return now() - begin, result

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def plain(self, steps: int) -> Tensor:
        """The released way; ``[1, F, 263]``."""
        net = PlainMDM(self.net.state_dict(), layers=self.net.config.layers).to(self.device)
        shape = (1, 263, 1, self.frames)

        def work() -> Tensor:
            torch.manual_seed(SEED)
            return plain_sample(net, shape, self.condition(1), steps=steps, guidance=GUIDANCE)

        return self._timed(work, steps, native=True)

    def exact(self, steps: int) -> Tensor:
        """The exact mode."""
        shape = (1, 263, 1, self.frames)
        process = ReleasedProcess.of(Schedule("cosine", steps))

        def work() -> Tensor:
            generator = torch.Generator(self.device).manual_seed(SEED)
            return sample_exact(
                self.net, shape, process=process, y=self.condition(1), guidance=GUIDANCE,
                generator=generator, device=self.device,
            )  # fmt: skip

        return self._timed(work, steps, native=True)

    def default(
        self,
        steps: int,
        dtype: torch.dtype = torch.float32,
        compiled: bool = False,
        released: bool = False,
    ) -> Tensor:
        """Ancestral sampling as the pipeline does it, or with the released draws."""
        form = (dtype, compiled)
        if form not in self.forms:
            self.forms[form] = FastMDM(self.net, dtype=dtype, compile=compiled)
        fast = self.forms[form]

        def work() -> Tensor:
            schedule = Schedule("cosine", steps)
            if not released:
                own = seeded_generators(SEED, 1)
                return self.draw(
                    fast, 1, "ddpm", None, schedule, generator=own, lengths=[self.frames]
                )
            noise = released_noise(
                (1, 263, 1, self.frames), torch.Generator().manual_seed(SEED), self.device
            )
            return self.draw(fast, 1, "ddpm", None, schedule, noise=noise)

        return self._timed(work, steps)

    def few(self, sampler: str, steps: int, dtype: torch.dtype, measured: int) -> float:
        """Seconds of a fast sampler for one clip; at most ``measured`` steps are run."""
        fast, schedule = FastMDM(self.net, dtype=dtype), Schedule("cosine", FULL_STEPS)
        generator = torch.Generator().manual_seed(SEED)
        self.draw(fast, 1, sampler, 2, schedule, generator=generator)
        run = min(steps, measured)
        work = lambda: self.draw(fast, 1, sampler, run, schedule, generator=generator)  # noqa: E731
        return self.seconds(work)[0] * steps / run

    def draw(
        self,
        fast: FastMDM,
        batch: int,
        sampler: str,
        steps: int | None,
        schedule: Schedule,
        **source: Any,
    ) -> Tensor:
        """Samples ``[B, F, 263]``."""
        return sample(
            fast, (batch, self.frames, 263), schedule=schedule, sampler=sampler, steps=steps,
            guidance=GUIDANCE, y=self.condition(batch), device=self.device, **source,
        )  # fmt: skip

    def _timed(self, work: Callable[[], Tensor], steps: int, native: bool = False) -> Tensor:
        taken, result = self.seconds(work)
        self.scaled = taken * FULL_STEPS / steps
        return result[:, :, 0].transpose(1, 2) if native else result


def one_batch(options: argparse.Namespace) -> dict[str, Any]:
    """Clips per second and peak memory of one batch size."""
    bench = Bench(options)
    fast = FastMDM(bench.net, dtype=DTYPES[options.dtype])
    schedule, generator = Schedule("cosine", FULL_STEPS), torch.Generator().manual_seed(SEED)
    few = options.batch_steps

    def work() -> Tensor:
        return bench.draw(fast, options.one_batch, "dpmpp", few, schedule, generator=generator)

    if options.one_batch <= 8 or bench.device.type == "cuda":
        work()
    taken = bench.seconds(work)[0] / few * options.fast_steps
    if bench.device.type == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**20
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"batch": options.one_batch, "clips_per_s": options.one_batch / taken, "mib": memory}


def batches(options: argparse.Namespace) -> list[dict[str, Any]]:
    """:func:`one_batch` for each size, each in a process of its own."""
    rows = []
    for size in [int(n) for n in options.batches.split(",") if n]:
        command = [sys.executable, __file__, "--one-batch", str(size), "--device", options.device]
        for name in ("dtype", "clock", "frames", "batch_steps", "fast_steps"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def full_sampling(bench: Bench, options: argparse.Namespace) -> tuple[list[str], dict[str, float]]:
    """The table of 1,000-step sampling, and the seconds of each mode."""
    forms: dict[str, dict[str, Any]] = {
        "default, float32": {},
        "default, bfloat16": {"dtype": torch.bfloat16},
    }
    if bench.device.type == "cpu":
        forms["default, int8"] = {"dtype": torch.int8}
        if not can_pack(bench.device, torch.bfloat16):
            del forms["default, bfloat16"]  # emulated: slower than float32
    if bench.device.type == "cuda":
        forms["default, float16"] = {"dtype": torch.float16}
    if options.compile:
        forms["default, float32, compiled"] = {"compiled": True}
    same: dict[str, Callable[[int], Tensor]] = {
        "plain, the released way": bench.plain,
        "exact": bench.exact,
    }
    for name, form in forms.items():
        same[name] = partial(bench.default, released=True, **form)
    modes = dict(same)
    if not options.released_noise:
        modes |= {name: partial(bench.default, **form) for name, form in forms.items()}
    for run in modes.values():
        run(2)
    best: dict[str, float] = dict.fromkeys(modes, float("inf"))
    for _ in range(options.repeats):
        for name, run in modes.items():
            run(options.steps)
            best[name] = min(best[name], bench.scaled)
    results = {name: run(options.steps) for name, run in same.items()}
    plain = next(iter(modes))
    lines = ["| 1,000 steps, one clip | seconds | times faster than plain | largest difference "
             "| dB |", "|---|---|---|---|---|"]  # fmt: skip
    for name, taken in best.items():
        gap = (results[name] - results[plain]).double()
        far, kept = float(gap.abs().max()), "-"
        if far:
            kept = f"{20 * math.log10(float(results[plain].double().norm() / gap.norm())):.0f}"
        lines.append(f"| {name} | {taken:.1f} | {best[plain] / taken:.2f} | {far:.1e} | {kept} |")
    return lines, best


def report(options: argparse.Namespace) -> list[str]:
    """All tables as markdown lines."""
    bench = Bench(options)
    lines, taken = full_sampling(bench, options)
    whole = taken["default, float32"]
    plain = taken["plain, the released way"]
    dtype = DTYPES[options.dtype]
    lines += ["", f"| sampler, {options.dtype} | seconds | times faster than 1,000 steps (default) "
              "| than plain |", "|---|---|---|---|"]  # fmt: skip
    for sampler, steps in FAST:
        seconds = bench.few(sampler, steps, dtype, options.steps)
        lines.append(
            f"| {sampler} {steps} | {seconds:.2f} | {whole / seconds:.0f} | {plain / seconds:.0f} |"
        )
    rows = batches(options)
    if rows:
        lines += ["", f"| batch, dpmpp {options.fast_steps}, {options.dtype} | clips/s "
                  "| peak memory, MiB |", "|---|---|---|"]  # fmt: skip
        lines += [f"| {r['batch']} | {r['clips_per_s']:.3f} | {r['mib']:.0f} |" for r in rows]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and perhaps write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=FULL_STEPS, help="of the long runs")
    parser.add_argument("--repeats", type=int, default=1, help="of the long runs; the best counts")
    parser.add_argument("--batches", default="1,8,32,128", help="sizes, with commas; empty: none")
    parser.add_argument("--batch-steps", type=int, default=2, help="measured steps of each batch")
    parser.add_argument("--fast-steps", type=int, default=20, help="steps that a clip is given")
    parser.add_argument("--frames", type=int, default=196)
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the fast samplers")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--released-noise", action="store_true", help="in timed runs, too")
    parser.add_argument("--out", type=Path, help="write the tables here, too")
    parser.add_argument("--one-batch", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one_batch:
        print(json.dumps(one_batch(options)))
        return 0
    where = torch.cuda.get_device_name() if options.device == "cuda" else platform.machine()
    head = f"{where}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
    head += f"{options.steps} steps measured, {options.clock} clock"
    lines = [head, "", *report(options)]
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
