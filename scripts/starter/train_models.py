"""Train the bundled models from the data to the model folders, on a CPU or a GPU.

    python scripts/starter/train_models.py --open ../shared/data/open --work runs/models
    python scripts/starter/train_models.py --open ../shared/data/open \\
        --bandai ../shared/data/starter --work runs/models --device cuda --frames-per-batch 16384

Without ``--bandai`` it makes ``starter-open`` (clips of tier A only); with it also ``starter``,
which goes on from there on everything. What is in ``--work`` already is kept: datasets are not made
again, and a run goes on from its last save, so the same command after an interruption continues.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.training.run import STATE

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "backend/training/dit/starter_open.json"
DETAILS = ROOT / "backend/training/data"
JOINED = 700


def kinetype(*arguments: str | Path) -> None:
    """Run a command of the program; its failure ends the script."""
    command = [sys.executable, "-m", "backend", *map(str, arguments)]
    print("$ kinetype", *map(str, arguments), flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env=dict(os.environ))


def unpacked(archive: Path, folder: Path) -> Path:
    """The folder of an archive's files."""
    if not folder.is_dir():
        partly = folder.with_name(folder.name + ".part")
        with tarfile.open(archive) as tar:
            tar.extractall(partly, filter="data")
        partly.rename(folder)
    return folder


def open_data(options: argparse.Namespace) -> Path:
    """The dataset of ``starter-open``."""
    out: Path = options.work / "data_open"
    if not (out / "text.safetensors").is_file():
        clips = unpacked(options.open / "clips.tar.xz", options.work / "clips")
        captions = options.open / "captions.json"
        what = ("--clips", clips, "--captions", captions, "--only", "tier=A", "--joined", JOINED)
        kinetype("train", "data", *map(str, what), "--out", out)
    return out


def all_data(options: argparse.Namespace) -> Path:
    """The dataset of ``starter``: Bandai-Namco and every clip of the open set."""
    work: Path = options.work
    bandai, out = work / "data_bandai", work / "data_all"
    if not (bandai / "text.safetensors").is_file():
        files = unpacked(options.bandai / "bandai_namco_bvh_trainval.tar.xz", work / "bandai")
        captions = options.bandai / "captions.json"
        kinetype("train", "data", "--bvh", files, "--captions", captions, "--out", bandai)
    if not (out / "text.safetensors").is_file():
        clips, captions = work / "clips", options.open / "captions.json"
        what = ("--clips", clips, "--captions", captions, "--with", bandai, "--joined", JOINED)
        kinetype("train", "data", *map(str, what), "--out", out)
    return out


def trained(options: argparse.Namespace, data: Path, name: str, init: Path | None) -> Path:
    """Train a run to its end and export it; the model folder."""
    run, out = options.work / f"run_{name}", options.work / name
    run.mkdir(parents=True, exist_ok=True)
    settings = json.loads(CONFIG.read_text(encoding="utf-8"))
    if options.frames_per_batch:
        settings["sampling"]["frames_per_batch"] = options.frames_per_batch
    own = options.work / f"{name}.json"
    own.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    command = ["train", "dit", "--data", data, "--run", run, "--config", own]
    command += ["--device", options.device, "--steps", options.steps, "--save-every", 10]
    if options.threads:
        command += ["--threads", options.threads]
    if (run / STATE).is_file():
        command.append("--resume")
    elif init is not None:
        command += ["--init", init]
    kinetype(*map(str, command))
    details = DETAILS / f"{name.replace('-', '_')}_details.json"
    kinetype("train", "export", "--run", run, "--data", data, "--out", out, "--details", details)
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--open", type=Path, required=True, help="folder of the open set")
    parser.add_argument("--bandai", type=Path, help="folder of the Bandai-Namco set")
    parser.add_argument("--work", type=Path, required=True, help="datasets, runs and models")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:1")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--steps", type=int, default=60000, help="of each model")
    parser.add_argument("--frames-per-batch", type=int, help="more on a GPU, for example 16384")
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.open = options.open.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    first = trained(options, open_data(options), "starter-open", None)
    if options.bandai:
        options.bandai = options.bandai.resolve()
        trained(options, all_data(options), "starter", first)


if __name__ == "__main__":
    main()
