"""Workers as Ray actors: several processes, GPUs and machines (https://docs.ray.io)."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import socket
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, Generic

from ..errors import MissingDependency, ServiceError
from ..motion.io.atomic import atomic_path
from .engine import THREADS, Event, load_event, run_event
from .work import Chunk, ItemT, Work

CONNECT_SECONDS = 10.0
INSTALL = "Install it with: pip install 'kinetype[ray]', or use --engine local."


class Actor:
    """One worker: holds the loaded work in a process of the cluster."""

    def __init__(self, work: Work[Any], worker: int, collect: bool) -> None:
        self.worker, self.folder = worker, None
        if collect:
            # not a TemporaryDirectory: it would be removed before the last chunk has travelled
            self.folder = Path(tempfile.mkdtemp(prefix="kinetype-ray-"))
            work = dataclasses.replace(work, out=self.folder)  # type: ignore[type-var]
        self.work = work

    def load(self) -> tuple[Event, dict[str, bytes]]:
        """See :func:`backend.batch.engine.load_event`."""
        return load_event(self.worker, self.work), {}

    def run(self, chunk: Chunk[Any]) -> tuple[Event, dict[str, bytes]]:
        """A chunk, with the content of its files where they are to be collected."""
        event = run_event(self.worker, self.work, chunk)
        content = {}
        for outcome in event.outcomes if self.folder else ():
            for name in outcome.files:
                assert self.folder is not None
                content[name] = (self.folder / name).read_bytes()
                (self.folder / name).unlink()
        return event, content


def _no_cluster(address: str | None, error: Exception) -> ServiceError:
    cause = (str(error).splitlines() or [type(error).__name__])[0]
    return ServiceError(
        f"There is no Ray cluster at {address!r}: {cause}",
        "Start one with 'ray start --head' and join it with --address auto, or leave --address "
        "out.",
    )


def _check_answers(address: str | None) -> None:
    """Ray itself would try for minutes where nothing listens."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


class RayEngine(Generic[ItemT]):
    """Actors of a Ray cluster, one thread and at most one GPU each.

    Args:
        ray: the module.
        work: what they do; its package must be importable on every machine of the cluster.
        count: how many.
        gpus: with 1 or more every actor gets one GPU of the cluster.
        collect: the machines share no storage: files travel back and are written here.
    """

    def __init__(
        self, ray: ModuleType, work: Work[ItemT], count: int, gpus: int, collect: bool
    ) -> None:
        self.ray, self.work, self.count, self.gpus = ray, work, count, gpus
        self.collect = collect
        self._actors: dict[int, Any] = {}
        self._pending: dict[object, int] = {}

    @classmethod
    def connect(
        cls, work: Work[ItemT], count: int, gpus: int, address: str | None, *, collect: bool = False
    ) -> RayEngine[ItemT]:
        """Join the cluster at ``address`` ("auto": the one that this machine is in), or start one.

        Raises:
            MissingDependency: ray is not installed. ServiceError: there is no such cluster, or it
                has no GPU where some were asked for.
        """
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            raise MissingDependency("Ray is not installed.", INSTALL) from error
        _check_answers(address)
        try:
            if not ray.is_initialized():
                # a cluster of its own has as many places as workers: they are more than the cores
                # where someone asks for that
                own = {} if address else {"num_cpus": count, "include_dashboard": False}
                ray.init(address=address, log_to_driver=False, logging_level="error", **own)
        except Exception as error:  # ConnectionError, ValueError, RuntimeError: by its version
            raise _no_cluster(address, error) from error
        has = ray.cluster_resources()
        if gpus and has.get("GPU", 0) < 1:
            ray.shutdown()
            raise ServiceError("The Ray cluster has no GPU.", "Leave --gpus out.")
        return cls(ray, work, count, gpus, collect)

    def start(self, worker: int) -> None:
        """See :class:`backend.batch.engine.Engine`."""
        options = {"num_cpus": 1, "max_restarts": 0, "runtime_env": {"env_vars": THREADS}}
        if self.gpus:
            options["num_gpus"] = min(1.0, self.gpus / self.count)
        remote = self.ray.remote(Actor).options(**options)
        self._actors[worker] = remote.remote(self.work, worker, self.collect)
        self._pending[self._actors[worker].load.remote()] = worker

    def give(self, worker: int, chunk: Chunk[ItemT]) -> None:
        """See :class:`backend.batch.engine.Engine`."""
        self._pending[self._actors[worker].run.remote(chunk)] = worker

    def events(self, seconds: float) -> list[Event]:
        """See :class:`backend.batch.engine.Engine`."""
        if not self._pending:
            return []
        ready, _ = self.ray.wait(list(self._pending), num_returns=1, timeout=seconds)
        found = []
        for future in ready:
            worker = self._pending.pop(future)
            try:
                event, content = self.ray.get(future)
            except self.ray.exceptions.RayError:
                found.append(Event(worker, "died"))
                continue
            for name, data in content.items():
                with atomic_path(self.work.out / name) as temporary:  # type: ignore[attr-defined]
                    temporary.write_bytes(data)
            found.append(event)
        return found

    def kill(self, worker: int) -> None:
        """See :class:`backend.batch.engine.Engine`."""
        self.ray.kill(self._actors[worker])

    def stop(self) -> None:
        """See :class:`backend.batch.engine.Engine`."""
        for actor in self._actors.values():
            with contextlib.suppress(Exception):
                self.ray.kill(actor)
        self._actors.clear()
        self._pending.clear()
        self.ray.shutdown()
