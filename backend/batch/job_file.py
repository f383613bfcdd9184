"""What a batch is asked to do: one prompt a line, or a job file in JSON, CSV or YAML.

Standard library only, apart from YAML: Blender's own Python reads the same files.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FormatError, InvalidRequest, MissingDependency
from ..wire import limits

SLUG_LENGTH = 40
MAX_NAME_BYTES = 200
"""File systems allow 255; suffixes and temporary names need some of them."""
MAX_FILE_BYTES = 64_000_000
MAX_JOBS = 1_000_000
SUFFIXES = (".json", ".csv", ".yaml", ".yml")

Value = str | int | float | bool | list[object] | None

MOTION_KEYS: dict[str, str] = {
    "prompt": "what the person does (required)",
    "name": "stem of the files; made of the place and the prompt when left out",
    "seconds": "length of the motion",
    "seed": "sample i uses seed + i",
    "samples": "motions of this prompt",
    "model": "name, folder or hub id",
    "guidance_scale": "how strictly the prompt is followed",
    "steps": "denoising steps",
    "sampler": f"one of {', '.join(limits.SAMPLERS)}",
    "cleanup": "true or false: foot lock and smoothing",
    "quality": f"guidance, steps and sampler by name: {', '.join(limits.QUALITIES)}",
    "speed": "tempo as a factor; the length stays",
    "amplitude": "how far arms, trunk and head go, as a factor",
    "variety": "true or false: samples differ in guidance, tempo and reach",
    "loop": "true or false: the end leads into the start",
    "in_place": "true or false: the body stays above where it starts",
    "constraints": "poses, hands, feet and paths to reach: a .json file, or the list itself",
}
"""The keys of a motion, with what each means. All but the prompt may be left out."""

RENDER_KEYS: dict[str, str] = {
    "character": ".blend file with your character (default: a mannequin)",
    "armature": "name of its armature, where it has several",
    "camera": "name of one of its cameras, or 'stage' for floor, light and a camera that follows",
    "fps": "frames per second of the scene and the pictures",
    "width": "pixels",
    "height": "pixels",
    "engine": "workbench, cycles or eevee",
    "render_samples": "samples per pixel",
    "frames": "which frames to render, like 1-50",
    "outputs": "which files: mp4, png, blend; several with spaces or as a list (default mp4)",
}
"""The keys of how a motion is rendered. All may be left out."""

KEYS: dict[str, str] = MOTION_KEYS | RENDER_KEYS
"""All keys of a job."""

_NUMBERS = {
    **{"seconds": float, "seed": int, "samples": int, "guidance_scale": float, "steps": int},
    **{"speed": float, "amplitude": float},
    **{"fps": float, "width": int, "height": int, "render_samples": int},
}
_FLAGS = frozenset({"cleanup", "variety", "loop", "in_place"})
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
_OWN_SUFFIXES = (".npz", ".blend", ".mp4", ".json")


@dataclass(frozen=True)
class Job:
    """One request, the stem of its files, and how they are rendered.

    Attributes:
        request: fields of ``wire.messages.Request`` without its id.
        render: values of :data:`RENDER_KEYS`; see :mod:`.render_settings`.
    """

    name: str
    request: dict[str, Value]
    render: dict[str, Value] = field(default_factory=dict)


def key_help(keys: Mapping[str, str] = KEYS) -> str:
    """One line that lists the keys of a job file."""
    return "; ".join(f"{key}: {meaning}" for key, meaning in keys.items())


def read_jobs(
    prompts: Path | None,
    jobs: Path | None,
    defaults: Mapping[str, Value],
    keys: Mapping[str, str] = KEYS,
) -> list[Job]:
    """Jobs of a file of prompts and of a job file, in that order.

    A prompt that is there more than once, with no seed of its own, gets a new seed each time: its
    copies would be the same motion.

    Args:
        prompts: UTF-8, one prompt a line; blank lines and lines that start with # are skipped.
        jobs: a list of objects with :data:`KEYS` (JSON, YAML), or a table with a header of them
            (CSV); by suffix.
        defaults: values of keys that a job does not give; ``seed`` and ``samples`` among them.
        keys: that a job may have.

    Raises:
        InvalidRequest: nothing to do, unknown keys, a name that cannot be a file's, or the same
            name twice. FormatError: a file that cannot be read.
    """
    entries: list[dict[str, Value]] = []
    if prompts is not None:
        # splitlines would also break at characters that may stand in a prompt (U+2028)
        lines = (line.strip() for line in _read(prompts).replace("\r\n", "\n").split("\n"))
        entries += [{"prompt": line} for line in lines if line and not line.startswith("#")]
    if jobs is not None:
        entries += _read_job_file(jobs, keys)
    if not entries:
        raise InvalidRequest(
            "There is nothing to do.",
            "Give prompts, one a line, or a job file.",
        )
    if len(entries) > MAX_JOBS:
        raise InvalidRequest(f"{len(entries)} jobs are too many.", f"Use at most {MAX_JOBS}.")
    made = _named(entries, defaults)
    names = Counter(name.casefold() for job in made for name in sample_names(job))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InvalidRequest(
            f"Two jobs are named {twice[0]!r} (capitals do not count).", "Give each its own name."
        )
    return made


def _named(entries: Iterable[dict[str, Value]], defaults: Mapping[str, Value]) -> list[Job]:
    made: list[Job] = []
    repeated: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        request: dict[str, Value] = {**defaults, **entry}
        given = request.pop("name", None)
        prompt = str(request["prompt"])
        if "seed" not in entry:
            like = json.dumps({**request, "seed": None}, sort_keys=True, default=str)
            seed, samples = request.get("seed", 0), request.get("samples", 1)
            if isinstance(seed, int) and isinstance(samples, int):
                request["seed"] = seed + repeated[like] * samples
            repeated[like] += 1
        name = f"{index:03d}_{slug(prompt)}" if given is None else given
        check_name(name)
        render = {key: request.pop(key) for key in RENDER_KEYS if key in request}
        if isinstance(request.get("constraints"), str):
            request["constraints"] = read_constraints(Path(str(request["constraints"])))
        made.append(Job(str(name), request, render))
    return made


def alike(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """Pairs of jobs that ask for the very same motion: prompt, seed and all else are equal."""
    first: dict[str, str] = {}
    pairs = []
    for job in jobs:
        key = json.dumps(job.request, sort_keys=True, default=str)
        if key in first:
            pairs.append((first[key], job.name))
        first.setdefault(key, job.name)
    return pairs


def read_constraints(path: Path) -> list[object]:
    """The objects of a constraint file; what they say is the model's to check.

    Raises:
        FormatError: unreadable, or no list.
    """
    hint = "Give a JSON list of objects {type, frame_indices, ...}."
    try:
        values = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON: {error}.", hint) from error
    if not isinstance(values, list):
        raise FormatError(f"{path} holds no list.", hint)
    return values


def check_name(name: object) -> None:
    """:class:`InvalidRequest` unless a name can be the stem of files on every system.

    Blender takes a backslash for a folder everywhere, so it would write outside the output folder.
    """
    if not isinstance(name, str) or not name.isprintable() or set(name) & _NOT_IN_NAMES:
        raise InvalidRequest(
            f"The name {name!r} is not a file name.",
            'Give a text without folders or " * : < > ? |.',
        )
    if not name.strip() or name.startswith("."):
        raise InvalidRequest(f"The name {name!r} is not a file name.", "Begin it with a letter.")
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise InvalidRequest(
            f"The name {name[:20]!r}… is too long.", f"Use at most {MAX_NAME_BYTES} bytes."
        )
    if name.endswith((".", " ")) or Path(name).suffix.lower() in _OWN_SUFFIXES:
        raise InvalidRequest(
            f"The name {name!r} ends like a file of the batch.", "Leave the suffix out."
        )


def _read(path: Path) -> str:
    hint = "Give a UTF-8 text file."
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FormatError(f"{path} has {size / 1e6:.0f} MB.", "Split it into several runs.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", hint) from error


def _read_job_file(path: Path, keys: Mapping[str, str]) -> list[dict[str, Value]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        entries: object = _csv(path)
    elif suffix in (".yaml", ".yml"):
        entries = _yaml(path)
    else:
        try:
            entries = json.loads(_read(path), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is not JSON: {error}.", "Correct it there.") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FormatError(f"{path} must hold a list of objects.", f"Keys: {key_help(keys)}.")
    for number, entry in enumerate(entries):
        unknown = sorted(map(str, set(entry) - set(keys)))
        if unknown or "prompt" not in entry:
            problem = f"unknown keys {unknown}" if unknown else "no prompt"
            raise InvalidRequest(
                f"Job {number} of {path.name} has {problem}.", f"Keys: {', '.join(keys)}."
            )
    return entries


def _csv(path: Path) -> list[dict[str, Value]]:
    """Rows under a header; an empty cell leaves the key to its default."""
    try:
        table = list(csv.DictReader(io.StringIO(_read(path)), strict=True))
    except csv.Error as error:
        raise FormatError(f"{path} is not CSV: {error}.", "Correct it there.") from error
    rows: list[dict[str, Value]] = []
    for number, row in enumerate(table, start=2):
        if None in row:
            raise FormatError(
                f"Line {number} of {path.name} has more cells than the header.",
                "Put texts with commas in double quotes.",
            )
        filled = {key: cell.strip() for key, cell in row.items() if cell and cell.strip()}
        rows.append({key: _cell(key, cell, number, path) for key, cell in filled.items()})
    return rows


def _cell(key: str, text: str, line: int, path: Path) -> Value:
    """The value that a text of a table stands for."""
    try:
        if key in _NUMBERS:
            return _NUMBERS[key](text)
        return _TRUTH[text.lower()] if key in _FLAGS else text
    except (ValueError, KeyError) as error:
        raise FormatError(
            f"Line {line} of {path.name}: {text!r} is not a {key}.", f"{key}: {KEYS[key]}."
        ) from error


def _yaml(path: Path) -> object:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependency(
            "YAML files cannot be read with this Python.", "Install PyYAML, or use JSON or CSV."
        ) from error
    try:
        return yaml.safe_load(_read(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(f"{path} is not YAML: {error}.", "Correct it there.") from error


def _no_constant(word: str) -> float:
    """Python would read NaN and Infinity, and result files would hold them."""
    raise ValueError(f"{word} is no number")


def slug(prompt: str) -> str:
    """A prompt as part of a file name; letters of every script stay."""
    words = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", prompt).lower()).strip("_")
    cut = words[:SLUG_LENGTH]
    while len(cut.encode("utf-8", "replace")) > 3 * SLUG_LENGTH:
        cut = cut[:-1]
    return cut.rstrip("_") or "motion"


def sample_names(job: Job) -> list[str]:
    """The stem of the files of each sample of a job."""
    samples = job.request.get("samples", 1)
    if not isinstance(samples, int) or samples <= 1:
        return [job.name]
    return [f"{job.name}_{index:02d}" for index in range(min(samples, limits.MAX_SAMPLES))]
