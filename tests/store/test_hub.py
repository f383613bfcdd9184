"""The one door to hub models: progress, cancelling, checksums, and every cause told as it is."""

from __future__ import annotations

import ast
import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import ArtifactError, Cancelled, ModelNotFound
from backend.store import hub, hub_cache, hub_fetch
from tests.hub_server import COMMIT, Hub, serve_hub

REPO = "someone/walker"
FILES = {
    "config.json": b'{"pipeline": "dit"}',
    "model.safetensors": bytes(range(256)) * 800,
    "README.md": b"# not asked for",
}
WANTED = ("config.json", "model.safetensors")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this computer, and an empty cache; the child process reads the environment."""
    with serve_hub({REPO: dict(FILES)}) as (address, found):
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        yield found


def blobs() -> list[Path]:
    folder = hub_cache.repository(REPO) / "blobs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_download_with_progress_then_offline(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.pace = 200_000
    monkeypatch.setattr(hub, "CHUNK_BYTES", 10_000)
    seen: list[tuple[float, int, int]] = []
    folder = hub.resolve(
        REPO,
        WANTED,
        on_bytes=lambda done, total: seen.append((time.monotonic(), done, total)),
    )
    total = sum(len(FILES[name]) for name in WANTED)
    assert seen[-1][1:] == (total, total)
    done = [row[1] for row in seen]
    assert done == sorted(done)
    assert any(0 < value < total for value in done)
    assert sorted(path.name for path in folder.iterdir()) == sorted(WANTED)
    assert folder.name == COMMIT and hub_cache.snapshot(REPO) == folder
    assert hub_cache.cached_folder(REPO, ["config.json"]) == folder
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(server.requests)
    assert hub.resolve(REPO, WANTED) == folder
    assert hub.resolve(f"{REPO}@{COMMIT}", WANTED, local_files_only=True) == folder
    assert len(server.requests) == before


def test_cancel_takes_effect_at_once_and_leaves_no_torn_file(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pace = 50_000  # 4 seconds for the weights
    monkeypatch.setattr(hub, "CHUNK_BYTES", 5_000)

    def stop(done: int, total: int) -> None:
        if done > 20_000:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        hub.resolve(REPO, WANTED, on_bytes=stop)
    assert hub_cache.cached_folder(REPO, ["config.json"]) is None
    assert [path for path in blobs() if path.name.count(".") > 1] == []
    server.pace = None
    folder = hub.resolve(REPO, WANTED)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_stalled_hub_is_given_up(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.pace = 1  # a byte in ten seconds
    monkeypatch.setattr(hub, "STALL_SECONDS", 1.0)
    with pytest.raises(ArtifactError, match="sent nothing"):
        hub.resolve(REPO, WANTED)


def test_damaged_bytes_fail_and_leave_nothing(server: Hub) -> None:
    server.damages = {"model.safetensors"}
    with pytest.raises(ArtifactError, match=r"damaged: model\.safetensors") as caught:
        hub.resolve(REPO, WANTED)
    assert "again" in caught.value.hint
    assert hub_cache.snapshot(REPO) is None
    assert all(path.stat().st_size < 1000 for path in blobs())
    server.damages = set()
    folder = hub.resolve(REPO, WANTED)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_copy_that_was_damaged_here_is_fetched_anew(server: Hub) -> None:
    folder = hub.resolve(REPO, WANTED)
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(b"\0" + blob.read_bytes()[1:])
    assert hub.resolve(REPO, WANTED) == folder  # not looked at by every load
    assert hub.resolve(REPO, WANTED, check_all=True) == folder
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


@pytest.mark.parametrize(
    ("status", "code", "error", "said"),
    [
        (403, "GatedRepo", ModelNotFound, "agreement"),
        (401, "RepoNotFound", ModelNotFound, "or it is private"),
        (404, "RepoNotFound", ModelNotFound, "There is no hub model"),
        (429, "", ArtifactError, "asks to wait"),
        (500, "", ArtifactError, r"fault of its own \(500\)"),
    ],
)
def test_refusals_are_told_as_they_are(
    server: Hub, status: int, code: str, error: type[Exception], said: str
) -> None:
    server.statuses = {"/api/": (status, code), "/resolve/": (status, code)}
    with pytest.raises(error, match=said) as caught:
        hub.resolve(REPO, WANTED)
    assert caught.value.hint  # type: ignore[attr-defined]
    assert "not on this computer" not in str(caught.value)


def test_no_network_and_no_revision(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFound, match="v9"):
        hub.resolve(REPO, WANTED, revision="v9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFound, match="could not be reached"):
        hub.resolve(REPO, WANTED)


def test_a_copy_is_used_where_the_hub_cannot_be_reached(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub.resolve(REPO, WANTED)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert hub.resolve(REPO, WANTED) == folder


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/cache/blobs"), "may not be written"),
        (ImportError("no huggingface_hub"), "need the package huggingface_hub"),
    ],
)
def test_causes_of_this_computer(error: BaseException, said: str) -> None:
    try:
        raise RuntimeError("the client's own words") from error
    except RuntimeError as wrapped:
        cause = hub_fetch._cause(wrapped)
    told = hub._failure(REPO, None, cause)  # type: ignore[arg-type]
    assert said in told.message
    assert told.hint


def test_there_is_one_door() -> None:
    """No other module imports the hub's library, and its import is never needed to load a model."""
    backend = Path(hub.__file__).parents[1]
    found = set()
    for path in backend.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            if any(name.split(".")[0] == "huggingface_hub" for name in names):
                found.add(path.name)
    assert found == {"hub_fetch.py"}
