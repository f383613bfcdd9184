"""A tiny model hub on the loopback device: the routes that huggingface_hub uses to download."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPO = Path(__file__).resolve().parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves ``repos``: repository id to file name to bytes; ``requests`` logs what was asked."""

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos = repos
        self.requests: list[tuple[str, str]] = []

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) > 4:
            return self._api("/".join(parts[2:4]), parts[4], parts[5])
        if len(parts) > 4 and parts[2] == "resolve":
            return self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return 404, {}, b""

    def _missing(self, repo: str, revision: str) -> str | None:
        if repo not in self.repos:
            return "RepoNotFound"
        return None if revision in ("main", COMMIT) else "RevisionNotFound"

    def _api(self, repo: str, what: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        missing = self._missing(repo, revision)
        if missing is not None:
            return 404, {"X-Error-Code": missing}, b"{}"
        files = self.repos[repo]
        if what == "tree":
            rows = [
                {"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()}
                for n, d in files.items()
            ]
            return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()
        info = {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": n} for n in files]}
        return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()

    def _file(self, repo: str, revision: str, name: str) -> tuple[int, dict[str, str], bytes]:
        missing = self._missing(repo, revision)
        if missing is None and name not in self.repos[repo]:
            missing = "EntryNotFound"
        if missing is not None:
            return 404, {"X-Error-Code": missing, "X-Repo-Commit": COMMIT}, b""
        data = self.repos[repo][name]
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return 200, {"ETag": etag, "X-Repo-Commit": COMMIT}, data


@contextmanager
def serve_hub(repos: dict[str, dict[str, bytes]]) -> Iterator[tuple[str, Hub]]:
    """Run a :class:`Hub` on a free port; yields its address."""
    hub = Hub(repos)

    class Handler(BaseHTTPRequestHandler):
        def _reply(self, *, body: bool) -> None:
            hub.requests.append((self.command, self.path))
            status, headers, data = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

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
