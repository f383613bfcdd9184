"""A tiny model hub on the loopback device: the routes that huggingface_hub uses to download."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPO = Path(__file__).resolve().parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


LARGE = (".safetensors", ".tar", ".pt", ".bin", ".npy", ".ckpt")
"""What the hub keeps outside git, by its sha256."""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _listed(name: str, data: bytes, key: str) -> dict[str, object]:
    row: dict[str, object] = {"size": len(data), key: _git(data)}
    if name.endswith(LARGE):
        pointer = {"size": len(data), "pointerSize": 130}
        row["lfs"] = {"sha256": _sha256(data), "oid": _sha256(data), **pointer}
    return row


class Hub:
    """Serves ``repos``: repository id to file name to bytes; ``requests`` logs what was asked.

    ``revisions`` names further commits: their name to repositories as in ``repos``. ``drops`` holds
    names of files whose next download breaks off in the middle; ``ranges`` logs which parts were
    asked for, as (path, first byte). ``statuses`` answers requests whose path holds a word with a
    status and an error code; ``damages`` holds names of files that arrive with another last byte;
    ``pace`` is bytes a second.
    """

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos = repos
        self.revisions: dict[str, dict[str, dict[str, bytes]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.ranges: list[tuple[str, int]] = []
        self.drops: set[str] = set()
        self.statuses: dict[str, tuple[int, str]] = {}
        self.damages: set[str] = set()
        self.pace: int | None = None

    def sent(self, path: str, data: bytes) -> Iterator[bytes]:
        """The body as it goes over the wire."""
        if data and path.rsplit("/", 1)[-1] in self.damages:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if self.pace is None:
            yield data
            return
        step = max(1, self.pace // 10)
        for start in range(0, len(data), step):
            time.sleep(0.1)
            yield data[start : start + step]

    def dropped(self, path: str) -> bool:
        """Whether this download breaks off; it does so once."""
        name = path.rsplit("/", 1)[-1]
        if name not in self.drops:
            return False
        self.drops.remove(name)
        return True

    def _files(self, repo: str, revision: str) -> dict[str, bytes]:
        return self.revisions.get(revision, self.repos)[repo]

    def _commit(self, revision: str) -> str:
        return revision if revision in self.revisions else COMMIT

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        for word, (status, code) in self.statuses.items():
            if word in path:
                return status, {"X-Error-Code": code} if code else {}, b""
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) > 4:
            return self._api("/".join(parts[2:4]), parts[4], parts[5])
        if parts[:2] == ["api", "models"] and len(parts) == 4:
            return self._api("/".join(parts[2:4]), "revision", "main")
        if len(parts) > 4 and parts[2] == "resolve":
            return self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return 404, {}, b""

    def _missing(self, repo: str, revision: str) -> str | None:
        if repo not in self.repos:
            return "RepoNotFound"
        known = revision in ("main", COMMIT, *self.revisions)
        return None if known else "RevisionNotFound"

    def _api(self, repo: str, what: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        missing = self._missing(repo, revision)
        if missing is not None:
            return 404, {"X-Error-Code": missing}, b"{}"
        files = self._files(repo, revision)
        if what == "tree":
            rows = [{"type": "file", "path": n, **_listed(n, d, "oid")} for n, d in files.items()]
            return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()
        info = {
            "id": repo,
            "sha": self._commit(revision),
            "siblings": [{"rfilename": n, **_listed(n, d, "blobId")} for n, d in files.items()],
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()

    def _file(self, repo: str, revision: str, name: str) -> tuple[int, dict[str, str], bytes]:
        missing = self._missing(repo, revision)
        commit = {"X-Repo-Commit": self._commit(revision)}
        if missing is None and name not in self._files(repo, revision):
            missing = "EntryNotFound"
        if missing is not None:
            return 404, {"X-Error-Code": missing, **commit}, b""
        data = self._files(repo, revision)[name]
        etag = f'"{_sha256(data) if name.endswith(LARGE) else _git(data)}"'
        return 200, {"ETag": etag, "Accept-Ranges": "bytes", **commit}, data


@contextmanager
def serve_hub(repos: dict[str, dict[str, bytes]]) -> Iterator[tuple[str, Hub]]:
    """Run a :class:`Hub` on a free port; yields its address."""
    hub = Hub(repos)

    class Handler(BaseHTTPRequestHandler):
        def _reply(self, *, body: bool) -> None:
            hub.requests.append((self.command, self.path))
            status, headers, data = hub.answer(self.path)
            wanted = self.headers.get("Range", "")
            if status == 200 and wanted.startswith("bytes="):
                first = int(wanted.removeprefix("bytes=").split("-")[0])
                hub.ranges.append((self.path, first))
                whole, data, status = len(data), data[first:], 206
                headers = {**headers, "Content-Range": f"bytes {first}-{whole - 1}/{whole}"}
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body and hub.dropped(self.path):
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif body:
                with suppress(ConnectionError):  # whoever asked has stopped
                    for part in hub.sent(self.path, data):
                        self.wfile.write(part)

        def do_GET(self) -> None:
            self._reply(body=True)

        def do_HEAD(self) -> None:
            self._reply(body=False)

        def log_message(self, *args: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run_hub_client(
    script: str, home: Path, endpoint: str, *arguments: str, offline: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process: the hub client reads its settings at import.

    Args:
        home: the download cache to use.
        endpoint: address of the hub.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1" if offline else "0"}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
