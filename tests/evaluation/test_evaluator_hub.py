"""Evaluators by their hub ids: fetched once, then used offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub_server import run_hub_client, serve_hub

IDS = {
    "ms272": ("MotionStreamer272Evaluator", "ZeyuLing/motius-evaluator-motionstreamer-272"),
    "joints66": ("Joints66Evaluator", "ZeyuLing/motius-evaluator-universal-smplh-joints66"),
}
CLIENT = """
import sys
from backend.errors import KinetypeError
from backend.evaluation import evaluators

kind = getattr(evaluators, sys.argv[1])
try:
    print(kind.loaded(None).embed_texts(["a person walks"]).shape)
except KinetypeError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.mark.parametrize("name", IDS)
def test_by_hub_id(kit: Path, tmp_path: Path, name: str) -> None:
    folder = kit / "motius" / f"{name}_artifact"
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files["README.md"] = b"not needed"
    kind, repo = IDS[name]
    home = tmp_path / "cache"
    with serve_hub({repo: files}) as (address, hub):
        missing = run_hub_client(CLIENT, home, address, kind, offline=True)
        assert missing.returncode == 1 and "is not on this computer" in missing.stderr
        fetched = run_hub_client(CLIENT, home, address, kind)
        asked = {path for _, path in hub.requests}
    assert fetched.stdout.strip() == "(1, 32)", fetched.stderr
    assert not any(path.endswith("README.md") for path in asked)
    again = run_hub_client(CLIENT, home, address, kind, offline=True)
    assert again.stdout.strip() == "(1, 32)", again.stderr
