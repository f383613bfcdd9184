"""What broken and hostile input does: frames, files of every format, pickles and configurations.

    python scripts/fuzz_files.py --frames 1000000 --files 10000 --json out/fuzz.json

Each part runs in a process of its own, so that a crash is counted and not suffered. A try ends
well when the input is read or refused by an error of the project, whose message and hint are
sentences; anything else is an escape. The longest try is given in time of the clock, which depends
on what else the computer does, and in work of this process. Growth is the peak of the process above
what the undamaged inputs took, the processes that read pickles included.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from backend.errors import KinetypeError
from backend.motion.io import bounds, strangers
from backend.wire import codec
from backend.wire.control import Hello, Log, Models, Ping, Ready
from backend.wire.messages import Edit, Failure, Motion, Progress, Request, Result

REPO = Path(__file__).resolve().parents[1]
SECONDS, MEGABYTES = 10.0, 200
"""Longest try, and growth above a stated limit, that the project allows itself."""
_PICKLE, _UNPACKED = bounds.CHILD_MEMORY / 2**20, bounds.UNPACKED_FREE / 2**20
LIMITS = {
    "npz": _UNPACKED,
    **dict.fromkeys(("pkl", "pt", "npy of objects"), _PICKLE),
    **dict.fromkeys(("hostile pickles", "hostile archives"), _PICKLE),
}
"""Stated limits of memory beyond the program's own (MB), for files of a few kilobytes."""
FORMATS = ("npz", "bvh", "npy", "pkl", "pt", "npy of objects", "safetensors", "config.json")
PARTS = ("frames", *FORMATS, "hostile pickles", "hostile archives", "hostile configurations")


@dataclass
class Row:
    """One line of the table."""

    part: str
    tries: int = 0
    read: int = 0
    refused: int = 0
    escaped: int = 0
    ran: int = 0
    crashed: int = 0
    longest: float = 0.0
    cpu: float = 0.0
    growth: float = 0.0
    first: str = ""

    @property
    def good(self) -> bool:
        """Whether all of it holds."""
        harm = self.escaped + self.ran + self.crashed
        allowed = LIMITS.get(self.part, 0) + MEGABYTES
        return not harm and self.longest <= SECONDS and self.growth <= allowed


def main() -> int:
    """Run the parts, print the table; exit code 1 when something does not hold."""
    options = parse()
    if options.part:
        print(json.dumps(asdict(run(options.part, options.count, options.seed))))
        return 0
    counts = {part: max(options.files // len(FORMATS), 1) for part in FORMATS}
    counts["frames"] = options.frames
    rows = [child(part, counts.get(part, 0), options.seed) for part in PARTS]
    heads = [
        "input",
        "tries",
        "read",
        "refused",
        "escapes",
        "ran",
        "crashes",
        "longest",
        "CPU",
        "growth",
        "limit",
    ]
    print(f"| {' | '.join(heads)} |")
    print(f"|{'---|' * 11}")
    for row in rows:
        print(
            f"| {row.part} | {row.tries:,} | {row.read:,} | {row.refused:,} | {row.escaped} "
            f"| {row.ran} | {row.crashed} | {row.longest:.2f} s | {row.cpu:.2f} s "
            f"| {row.growth:.0f} MB "
            f"| {LIMITS.get(row.part, 0) + MEGABYTES:.0f} MB |"
        )
        if row.first:
            print(f"  first escape of {row.part}: {row.first}", file=sys.stderr)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(r) for r in rows], indent=2), encoding="utf-8")
    return int(not all(row.good for row in rows))


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000, help="mutated messages")
    parser.add_argument("--files", type=int, default=800, help="mutated files, over all formats")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def child(part: str, count: int, seed: int) -> Row:
    """A part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--count", str(count)]
    done = subprocess.run(
        [*command, "--seed", str(seed)], capture_output=True, text=True, check=False, cwd=REPO
    )
    if done.returncode != 0:
        return Row(part, crashed=1, first=f"exit {done.returncode}: {done.stderr[-300:]}")
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def run(part: str, count: int, seed: int) -> Row:
    """All tries of a part."""
    row = Row(part)
    with tempfile.TemporaryDirectory(prefix="kinetype-fuzz-") as name:
        folder = Path(name)
        marker = folder / "ran"
        for attempt in tries(part, folder, count, random.Random(seed), marker):
            started, worked = time.perf_counter(), time.process_time()
            try:
                attempt()
                row.read += 1
            except KinetypeError as error:
                said = error.message.strip() and error.hint.strip()
                row.refused += bool(said)
                row.escaped += not said
                row.first = row.first or ("" if said else f"no sentence: {error!r}")
            except Exception as error:  # what this script is for
                row.escaped += 1
                row.first = row.first or repr(error)[:300]
            row.tries += 1
            row.longest = max(row.longest, time.perf_counter() - started)
            row.cpu = max(row.cpu, time.process_time() - worked)
            row.ran += marker.exists()
            marker.unlink(missing_ok=True)
            if row.tries == WARM:
                row.growth = -peak()
        row.growth += peak()
    return row


WARM = 5
"""Tries after which libraries are loaded; the first is the undamaged input."""


def peak() -> float:
    """Largest memory of this process and of those that it started (MB)."""
    if strangers._child is not None:
        strangers._child.end()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def tries(
    part: str, folder: Path, count: int, rng: random.Random, marker: Path
) -> Iterator[Callable[[], object]]:
    """What a part does, one call a try."""
    if part == "frames":
        seeds = frames()
        for number in range(count):
            data = mutated(rng.choice(seeds), rng) if number >= WARM else rng.choice(seeds)
            yield lambda data=data: codec.read_message(io.BytesIO(data))  # type: ignore[misc]
    elif part in FORMATS:
        path, read = base(part, folder)
        good = path.read_bytes()
        for number in range(count):
            path.write_bytes(mutated(good, rng) if number >= WARM else good)
            yield lambda: read(path)
    elif part == "hostile configurations":
        yield from configurations(folder)
    else:
        yield from hostile(part, folder, marker)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut out, doubled, put in or cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(out)) if out else 0
        length = rng.choice((1, 2, 4, 8, 64))
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del out[at : at + length]
        elif kind == 3:
            out[at:at] = out[at : at + length]
        elif kind == 4:
            out[at : at + length] = rng.choice((b"\xff", b"\x00", b"9", b"{", b"["))[:1] * length
        elif rng.random() < 0.2:
            del out[at:]
    return bytes(out)


def frames() -> list[bytes]:
    """A message of most kinds."""
    motion = Motion(np.zeros((4, 135)), meta={"prompt": "a", "seed": 3, "list": [1, {"a": None}]})
    edit = Edit(motion, frames=(1, 3), joints=("left_arm",))
    found = (
        Request("a person walks", samples=2), Request("", edit=edit), Progress("a", "made", 2, 5),
        Result("a", (motion, motion), ("careful",), 1.5), Failure("a", "format", "b", "c", "d"),
        Hello("1"), Ready("1", 2, "host"), Ping(3), Models("a", ()), Log("error", "text"),
    )  # fmt: skip
    return [codec.to_bytes(message) for message in found]


def base(part: str, folder: Path) -> tuple[Path, Callable[[Path], object]]:
    """An undamaged file of a format, and what reads such files."""
    import torch
    from safetensors.torch import save_file

    from backend.motion.io import bvh, npz
    from backend.motion.io.load import read_clip
    from backend.store.weights import read_tensors
    from tests import hostile_files

    clip = motion()
    poses = {"smpl_poses": np.zeros((8, 72)), "smpl_trans": np.zeros((8, 3)), "fps": 30.0}
    if part == "npz":
        npz.write_motion(folder / "a.npz", clip)
    elif part == "bvh":
        bvh.write_motion(folder / "a.bvh", clip)
    elif part == "npy":
        np.save(folder / "a.npy", clip.data)
    elif part == "npy of objects":
        results = {"motion": np.zeros((1, 22, 3, 8)), "lengths": np.array([8]), "text": ["walk"]}
        hostile_files.write_objects(folder / "a.npy", results)
    elif part == "pkl":
        (folder / "a.pkl").write_bytes(hostile_files.pickled(poses))
    elif part == "pt":
        sizes = {"body_pose": 63, "global_orient": 3, "transl": 3}
        tensors = {name: torch.zeros(8, size) for name, size in sizes.items()}
        torch.save({"smpl_params_global": tensors}, folder / "a.pt")
    elif part == "safetensors":
        save_file({"a": torch.zeros(4, 4), "b": torch.ones(3)}, folder / "a.safetensors")
        return folder / "a.safetensors", read_tensors
    else:
        return of_model(folder)
    return next(folder.iterdir()), read_clip


def motion() -> Motion:
    """A body that stands."""
    from backend.motion.representations import motion135

    turns = np.broadcast_to(np.eye(3), (8, 22, 3, 3))
    return Motion(motion135.pack(np.tile([0.0, 0.95, 0.0], (8, 1)), turns), 30.0, {"prompt": "a"})


def of_model(folder: Path) -> tuple[Path, Callable[[Path], object]]:
    """The bundled model, of which only the configuration is damaged."""
    from backend.pipelines.dit import DiTPipeline

    place = folder / "model"
    shutil.copytree(REPO / "backend" / "assets" / "starter", place)
    return place / "config.json", lambda path: DiTPipeline.from_pretrained(path.parent)


HOSTILE_NUMBERS: tuple[object, ...] = (10**9, 1e300, -1, 10**400, float("nan"), "x", None, {}, 0)


def configurations(folder: Path) -> Iterator[Callable[[], object]]:
    """Each number of the bundled model's configuration, made impossible in each way."""
    path, read = of_model(folder)
    good = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(WARM):
        yield lambda: read(path)
    for section in (good, good["network"], good["schedule"]):
        for name, value in section.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            for hostile_value in HOSTILE_NUMBERS:
                section[name] = hostile_value
                path.write_text(json.dumps(good), encoding="utf-8")
                yield lambda: read(path)
            section[name] = value


def hostile(part: str, folder: Path, marker: Path) -> Iterator[Callable[[], object]]:
    """Files that are made to crash, hang, fill the memory or run something."""
    from backend.motion.io import torch_file
    from tests import hostile_files

    path = folder / ("a.pt" if part == "hostile archives" else "a.pkl")
    files: list[bytes] = []
    if part == "hostile archives":
        files += [make() for make, _ in hostile_files.HOSTILE_ARCHIVES.values()]
        for value, _ in hostile_files.attacks(marker).values():
            files += [hostile_files.with_pickle(hostile_files.pickled({"a": value}, 2))]
        readers: tuple[Callable[[Path], object], ...] = (torch_file.load,)
    else:
        files += [*hostile_files.MEMORY_BOMBS.values(), *hostile_files.CRASHES.values()]
        for value, _ in hostile_files.attacks(marker).values():
            files += [hostile_files.pickled({"a": value}, protocol) for protocol in range(6)]
        readers = (strangers.read_arrays, strangers.read_array_lists, strangers.read_plain)
    good = (
        hostile_files.saved({"a": 1})
        if path.suffix == ".pt"
        else hostile_files.pickled({"a": [1.0]})
    )
    for content in [good] * WARM + files:
        path.write_bytes(content)
        for read in readers:
            yield lambda read=read: read(path)  # type: ignore[misc]


if __name__ == "__main__":
    sys.exit(main())
