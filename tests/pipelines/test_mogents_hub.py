"""The published MoGenTS from a hub on this computer: its vocabulary comes from CLIP's own place."""

from __future__ import annotations

from pathlib import Path

from tests.hub_server import run_hub_client, serve_hub
from tests.mogents_model import unpack_model

REPO = "ZeyuLing/hftrainer-mogents-humanml3d"
VOCABULARY = ("vocab.json", "merges.txt")

COMMAND = """
import sys
from backend.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_download_then_generate_offline(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in unpack_model(tmp_path).iterdir()}
    published = {name: data for name, data in files.items() if name not in VOCABULARY}
    clip = {name: files[name] for name in VOCABULARY}
    home = tmp_path / "cache"
    with serve_hub({REPO: published, "openai/clip-vit-base-patch32": clip}) as (address, _):
        fetched = run_hub_client(COMMAND, home, address, "models", "--download", "mogents")
    assert fetched.returncode == 0, fetched.stderr
    out = tmp_path / "walk.npz"
    make = ("generate", "a cat", "--model", "mogents", "--seconds", "2", "--steps", "2")
    done = run_hub_client(COMMAND, home, address, *make, "--out", str(out), offline=True)
    assert done.returncode == 0, done.stderr
    assert out.is_file()
    listed = run_hub_client(COMMAND, home, address, "models", offline=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert ["mogents", "yes"] in [row[:2] for row in rows]
