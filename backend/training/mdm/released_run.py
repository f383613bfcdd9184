"""A run folder in MDM's released layout, so that every reader of a released checkpoint reads it.

``args.json``, ``model%09d.pt`` (with averaged weights: ``model`` and ``model_avg``) and
``opt%09d.pt``. Every checkpoint is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...models.mdm import release
from ...store.model_folder import write_json
from ..run import RunFolder, load_torch, save_torch


class ReleasedRun(RunFolder):
    """``args.json`` and numbered checkpoints."""

    config_name = release.ARGS
    states = ("model*.pt",)

    def save(self, config: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write the checkpoint of ``state["step"]``."""
        rest = dict(state)
        step, weights, average = rest.pop("step"), rest.pop("net"), rest.pop("ema", None)
        write_json(self.path / self.config_name, dict(sorted(config.items())))
        content = weights if average is None else {"model": weights, "model_avg": average}
        # the optimiser first: a checkpoint that is there can be resumed
        save_torch(self.path / f"opt{step:09d}.pt", rest)
        save_torch(self.path / f"model{step:09d}.pt", content)

    def load(self) -> dict[str, Any]:
        """The newest checkpoint; :class:`ArtifactError` if there is none or it is damaged."""
        path = release.find_checkpoint(self.path)
        step = int(path.stem.removeprefix("model"))
        hint = "Delete it to go on from the one before."
        content = load_torch(path, hint)
        rest = load_torch(path.with_name(f"opt{step:09d}.pt"), hint)
        if "optimizer" not in rest:  # as the action form once wrote it
            rest = {"optimizer": rest}
        state = {"elapsed": 0.0, **rest, "step": step}
        if "model_avg" in content:
            return state | {"net": content["model"], "ema": content["model_avg"]}
        return state | {"net": content}

    def state_name(self) -> str:
        """The newest checkpoint."""
        return str(release.find_checkpoint(self.path))
