"""The one training loop: steps, divergence, averages, saving, resuming, budget, log, processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

import torch
from torch import Tensor

from ..errors import ArtifactError
from .processes import ALONE, Process
from .recipe import Recipe
from .run import RunFolder, resuming, set_rate

OnStep = Callable[[int, float, dict[str, float]], None]
"""Called with the steps done, the share of the budget 0..1, and the running means of the losses."""

_SMOOTH = 0.02
"""Weight of the newest step in the running means."""


class Training:
    """A recipe on its way through its budget.

    A resumed training equals one that was never stopped: weights, optimiser, average, PyTorch's
    random numbers and whatever the recipe names come back.

    Attributes:
        step: steps done. elapsed: seconds of them, over all resumed parts.
    """

    def __init__(self, recipe: Recipe, folder: RunFolder, *, process: Process = ALONE) -> None:
        self.recipe, self.folder = recipe, folder
        self.process = process
        self.step, self.elapsed = 0, 0.0
        self._left_out, self._saved = 0, -1
        self._row: dict[str, tuple[float, int]] = {}
        if self.process.world > 1:
            ids = [recipe.device.index] if recipe.device.type == "cuda" else None
            recipe.forward = torch.nn.parallel.DistributedDataParallel(recipe.net, device_ids=ids)

    # ------------------------------------------------------------------ one step

    def progress(self) -> float:
        """Share of the budget that is spent, 0..1."""
        return self.recipe.share(self.step, self.elapsed)

    def train_step(self, batch: object = None) -> dict[str, float]:
        """One optimiser step; returns the losses.

        Args:
            batch: to learn from in place of the recipe's own.

        Raises:
            ArtifactError: the loss or the gradient is not finite any more.
        """
        recipe = self.recipe
        recipe.net.train()
        losses = recipe.step(recipe.batch(self.step) if batch is None else batch)
        loss = losses["loss"]
        assert isinstance(loss, Tensor)
        recipe.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        values = {
            name: float(value.detach()) if isinstance(value, Tensor) else value
            for name, value in losses.items()
        }
        limit = getattr(recipe.config, "clip", None)
        if limit is not None:
            norm = torch.nn.utils.clip_grad_norm_(recipe.net.parameters(), limit)
            values["grad"] = float(norm)
        rate = recipe.rate(self.step, self.progress())
        if rate is not None:
            set_rate(recipe.optimizer, rate)
        finite = all(math.isfinite(values[name]) for name in ("loss", "grad") if name in values)
        if self._may_step(finite):
            recipe.optimizer.step()
            if recipe.average is not None:
                recipe.average.update(self.step)
        self.step += 1
        return values

    def _may_step(self, finite: bool) -> bool:
        finite = not self.process.any(not finite, self.recipe.device)
        self._left_out = 0 if finite else self._left_out + 1
        if self._left_out > self.recipe.patience:
            self._diverged()
        return finite

    def _diverged(self) -> NoReturn:
        raise ArtifactError(
            f"The training diverged before step {self.step + 1}; this state is not saved.",
            "Use a lower learning rate (--lr), from the last saved state with --resume, or anew.",
        )

    # ------------------------------------------------------------------ the run

    def fit(self, on_step: OnStep | None = None) -> bool:
        """Train until the budget is spent; save now and then and at the end.

        Returns:
            Whether the run is complete.

        Raises:
            ArtifactError: it diverged; what was saved before stays as it is.
        """
        recipe = self.recipe
        began = saved = measured = time.monotonic()
        self._measure({})
        running: dict[str, float] = {}
        late = False
        while not late and not self._complete():
            started = time.monotonic()
            values = self.train_step()
            self._collect(values)
            for name, value in values.items():
                if math.isfinite(value):
                    before = running.get(name, value)
                    running[name] = before + _SMOOTH * (value - before)
            now = time.monotonic()
            self.elapsed += now - started
            if on_step is not None:
                on_step(self.step, self.progress(), running)
            if self.step % recipe.log_steps == 0:
                self._log()
            if recipe.measure_seconds is not None and now - measured > recipe.measure_seconds:
                self._measure(values)
                measured = time.monotonic()
            late = self._late(now - began)
            if self._time_to_save(now - saved):
                self.save()
                saved = time.monotonic()
        self._log()
        self._measure(running)
        if self._saved != self.step:
            self.save()
        complete = self._complete()
        if complete and self.process.first:
            recipe.finish(self.folder.path)
        return complete

    def _late(self, seconds: float) -> bool:
        """Whether a run that only its steps complete is to be left off for now."""
        minutes = None if self.recipe.one_budget else self.recipe.config.minutes
        if minutes is None or not self.recipe.may_pause(self.step):
            return False
        return self.process.any(seconds > 60 * minutes, self.recipe.device)

    def _complete(self) -> bool:
        return self.process.any(self.progress() >= 1.0, self.recipe.device)

    def _time_to_save(self, since: float) -> bool:
        steps, seconds = self.recipe.save_steps, self.recipe.save_seconds
        if steps is not None and self.step % steps == 0:
            return True
        return seconds is not None and self.process.any(since > seconds, self.recipe.device)

    def _collect(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if math.isfinite(value):
                total, count = self._row.get(name, (0.0, 0))
                self._row[name] = total + value, count + 1

    def _log(self) -> None:
        """A line with the means since the line before."""
        if self._row and self.process.first:
            means = {name: total / count for name, (total, count) in self._row.items()}
            self.folder.log(self._head() | self.recipe.described(self.step) | rounded(means))
        self._row = {}

    def _measure(self, values: Mapping[str, float]) -> None:
        found = self.recipe.measure() if self.process.first else {}
        if found:
            self.folder.log(self._head() | rounded({**values, **found}))

    def _head(self) -> dict[str, object]:
        return {"step": self.step, "minutes": round(self.elapsed / 60, 3)}

    # ------------------------------------------------------------------ saving

    def save(self) -> None:
        """Write configuration, state and what the recipe adds (first process only).

        Raises:
            ArtifactError: a weight is not finite; what was saved before stays.
        """
        recipe = self.recipe
        weights: list[Tensor] = list(recipe.net.parameters())
        if recipe.average is not None:
            weights += recipe.average.weights.values()
        if not all(bool(value.isfinite().all()) for value in weights):
            self._diverged()
        if self.process.first:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            recipe.write(self.folder.path, self.step)
            self.folder.save(recipe.saved_config(), self._state())
        self._saved = self.step
        self.process.wait()

    def _state(self) -> dict[str, object]:
        recipe = self.recipe
        state: dict[str, object] = {
            "step": self.step,
            "elapsed": self.elapsed,
            "net": recipe.net.state_dict(),
            "optimizer": recipe.optimizer.state_dict(),
            "torch_random": torch.get_rng_state(),
        }
        if recipe.average is not None:
            state["ema"] = recipe.average.weights
        if recipe.device.type == "cuda":
            state["cuda_random"] = torch.cuda.get_rng_state(recipe.device)
        return state | recipe.state()

    def resume(self) -> None:
        """Go on from the last state.

        Raises:
            ArtifactError: there is none, it is damaged, or it is of another network.
        """
        recipe = self.recipe
        with resuming(self.folder.state_name()):
            state = self.folder.load()
            recipe.net.load_state_dict(state["net"])
            recipe.optimizer.load_state_dict(state["optimizer"])
            if recipe.average is not None:
                recipe.average.load(state["ema"])
            self.step, self.elapsed = int(state["step"]), float(state["elapsed"])
            recipe.load_state(state)
            if "torch_random" in state:
                torch.set_rng_state(state["torch_random"])
            if "cuda_random" in state and recipe.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_random"], recipe.device)


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Numbers as a log shows them: six digits that count."""
    return {name: float(f"{value:.6g}") for name, value in values.items()}
