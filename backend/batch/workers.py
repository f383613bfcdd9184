"""Who does the work of a batch: the options that the commands share, and their engine."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequest
from .engine import Engine, HereEngine, LocalEngine
from .ray_engine import RayEngine
from .work import ItemT, Work

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Workers:
    """Who does the work; nothing here changes what is made.

    Attributes:
        engine: "local" or "ray".
        count: processes or actors.
        gpus: GPUs to share among them.
        address: of a Ray cluster ("auto": the one of this machine); one of its own when None.
        collect: the machines of the cluster share no storage with this one.
        patience: seconds that one item may take before its worker is ended.
        here: do it in this process where there is one local worker.
    """

    engine: str = "local"
    count: int = 1
    gpus: int = 0
    address: str | None = None
    collect: bool = False
    patience: float | None = None
    here: bool = False

    def of(self, work: Work[ItemT]) -> Engine[ItemT]:
        """The engine with its workers, not yet started.

        Raises:
            InvalidRequest: fewer than one worker, or no such engine.
            MissingDependency: ray is not installed. ServiceError: there is no such cluster.
        """
        if self.count < 1 or self.engine not in ENGINES:
            raise InvalidRequest(
                f"{self.count} workers of the engine {self.engine!r} do nothing.",
                f"Use 1 or more, of {' or '.join(ENGINES)}.",
            )
        if self.engine == "ray":
            return RayEngine.connect(
                work, self.count, self.gpus, self.address, collect=self.collect
            )
        if self.here and self.count == 1:
            return HereEngine(work)
        return LocalEngine(work, self.count, self.gpus)
