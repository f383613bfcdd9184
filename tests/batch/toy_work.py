"""Work without a model, for the tests of engines: some of its items are poisoned."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.batch.work import DONE, FAILED, Outcome
from backend.errors import ArtifactError


@dataclass(frozen=True)
class Toy:
    """``deed``: well, fails, raises, dies, dies-once, hangs."""

    name: str
    deed: str = "well"


@dataclass
class ToyWork:
    out: Path
    loads: bool = True

    def load(self) -> None:
        if not self.loads:
            raise ArtifactError("The model is broken.", "Copy it again.")

    def run(self, items: Sequence[Toy]) -> list[Outcome]:
        return [self._one(item, [i.name for i in items]) for item in items]

    def _one(self, item: Toy, together: list[str]) -> Outcome:
        if item.deed == "fails":
            return Outcome(item.name, FAILED, message="It failed.", hint="Do not.")
        if item.deed == "raises":
            raise RuntimeError("odd")
        marker = self.out / f"{item.name}.died"
        if item.deed == "dies" or (item.deed == "dies-once" and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if item.deed == "hangs":
            time.sleep(600)
        text = " ".join(together)
        (self.out / item.name).write_text(f"{text} {os.environ['OMP_NUM_THREADS']}")
        return Outcome(item.name, DONE, files=(item.name,))
