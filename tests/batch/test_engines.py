"""Chunks on processes and Ray actors: each item gets one outcome, whatever its worker meets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from backend.batch import drive
from backend.batch.engine import LocalEngine
from backend.batch.work import DONE, FAILED, Outcome, cut
from backend.batch.workers import Workers
from backend.errors import InvalidRequest, ServiceError

from .toy_work import Toy, ToyWork

Run = Callable[..., dict[str, Outcome]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(
        items: Sequence[Toy], workers: int = 2, size: int = 2, patience: float | None = None,
        loads: bool = True,
    ) -> dict[str, Outcome]:  # fmt: skip
        found: list[Outcome] = []
        engine = LocalEngine(ToyWork(tmp_path, loads), workers)
        progress = drive.execute(
            engine, list(cut(items, size)), on_outcomes=found.extend, patience=patience
        )
        assert len(found) == len({o.name for o in found}) == len(items)
        assert progress.done + progress.failed == progress.total == len(items)
        assert not engine._processes
        return {outcome.name: outcome for outcome in found}

    return call


def test_a_plan_does_not_depend_on_who_does_it() -> None:
    items = [Toy(str(i)) for i in range(7)]
    chunks = list(cut(items, 3))
    assert [[i.name for i in c.items] for c in chunks] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    with pytest.raises(InvalidRequest):
        list(cut(items, 0))


@pytest.mark.parametrize("workers", [1, 3])
def test_all_is_done_once_on_one_thread_each(run: Run, tmp_path: Path, workers: int) -> None:
    found = run([Toy(str(i)) for i in range(7)], workers)
    assert all(outcome.status == DONE for outcome in found.values())
    assert (tmp_path / "4").read_text() == "4 5 1" and (tmp_path / "6").read_text() == "6 1"


def test_what_fails_or_raises_is_named_and_the_rest_is_done(run: Run) -> None:
    found = run([Toy("a"), Toy("b", "fails"), Toy("c", "raises"), Toy("d")])
    assert {n: o.status for n, o in found.items()} == {
        "a": DONE, "b": FAILED, "c": FAILED, "d": DONE,
    }  # fmt: skip
    assert found["b"].message == "It failed." and not found["b"].quarantined
    assert "odd" in found["c"].message and found["c"].quarantined


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_one_accident_changes_nothing(run: Run, tmp_path: Path) -> None:
    found = run([Toy("a"), Toy("b", "dies-once"), Toy("c")], workers=1)
    assert all(outcome.status == DONE for outcome in found.values())
    # it was tried again in the same company, so its bits are those of an undisturbed run
    assert (tmp_path / "b").read_text() == "a b 1"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_poisoned_item_is_given_up_alone(run: Run, workers: int) -> None:
    found = run([Toy("a"), Toy("b", "dies"), Toy("c"), Toy("d")], workers)
    assert [n for n, o in found.items() if o.status == FAILED] == ["b"]
    assert found["b"].quarantined and "each time" in found["b"].message and found["b"].hint


def test_a_hanging_item_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "TRIES_ALONE", 1)
    found = run([Toy("a"), Toy("b", "hangs")], workers=1, size=1, patience=1.0)
    assert found["a"].status == DONE and found["b"].quarantined


def test_workers_that_cannot_load_end_the_run_with_the_cause(run: Run) -> None:
    with pytest.raises(ServiceError, match=r"The model is broken\.") as error:
        run([Toy("a"), Toy("b"), Toy("c")], loads=False)
    assert error.value.hint == "Copy it again."
    with pytest.raises(InvalidRequest, match="0 workers"):
        run([Toy("a")], workers=0)


# --------------------------------------------------------------------------- Ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two raylets on this machine."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    made.add_node(**node)
    yield made.address
    made.shutdown()


@pytest.mark.skipif(sys.platform != "linux", reason="Ray's test cluster")
def test_ray_actors_on_two_nodes(cluster: str, tmp_path: Path) -> None:
    items = [Toy("a"), Toy("b"), Toy("c", "dies"), Toy("d", "fails"), Toy("e"), Toy("f", "raises")]
    found: list[Outcome] = []
    engine = Workers("ray", 2, 0, cluster).of(ToyWork(tmp_path))
    progress = drive.execute(engine, list(cut(items, 2)), on_outcomes=found.extend)
    assert sorted(o.name for o in found if o.status == FAILED) == ["c", "d", "f"]
    assert (tmp_path / "b").read_text() == "a b 1" and (tmp_path / "e").read_text() == "e 1"
    assert progress.done == 3 and progress.failed == 3


@pytest.mark.skipif(sys.platform != "linux", reason="Ray's test cluster")
def test_machines_without_the_folder_send_the_files(cluster: str, tmp_path: Path) -> None:
    found: list[Outcome] = []
    engine = Workers("ray", 1, 0, cluster, collect=True).of(ToyWork(tmp_path / "here"))
    drive.execute(engine, list(cut([Toy("a"), Toy("b")], 2)), on_outcomes=found.extend)
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["a", "b"]
    with pytest.raises(ServiceError, match="no GPU"):
        Workers("ray", 1, 1, cluster).of(ToyWork(tmp_path))


def test_a_cluster_that_is_not_there() -> None:
    pytest.importorskip("ray")
    with pytest.raises(ServiceError, match="no Ray cluster") as error:
        Workers("ray", 1, 0, "127.0.0.1:1").of(ToyWork(Path()))
    assert "ray start" in error.value.hint
