"""``kinetype text-vectors``: text features of large encoders, made once and used anywhere."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from . import console

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from torch import Tensor

    from ..text.vectors.source import VectorSource

    Encode: TypeAlias = Callable[[str], Mapping[str, Tensor]]

HELP = "text features of large encoders (Kimodo, HY-Motion): tables, maps, another computer"
WIDTH = 4096
"""Of Kimodo's text vector."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a way around the encoder."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    table = _parser(kinds, "table", "encode a list of prompts into a table file")
    table.add_argument("prompts", type=Path, metavar="PROMPTS", help="text file, one prompt a line")
    table.add_argument("--out", type=Path, required=True, metavar="FILE", help=".safetensors")
    table.add_argument(
        "--for", dest="family", choices=("kimodo", "hymotion"), default="kimodo",
        help="model family that will read it (default kimodo)",
    )  # fmt: skip
    _add_source(table)
    fit = _parser(kinds, "fit", "fit a map from the small encoder to a table's vectors")
    fit.add_argument("table", type=Path, metavar="TABLE", help="a table with many prompts")
    fit.add_argument("--out", type=Path, required=True, metavar="FILE", help=".safetensors")
    serve = _parser(kinds, "serve", "answer another computer on stdin and stdout")
    _add_source(serve)
    show = _parser(kinds, "show", "list the prompts of a table")
    show.add_argument("table", type=Path, metavar="TABLE", help="a table file")
    show.add_argument("--near", metavar="PROMPT", help="only those nearest to this one")


def _parser(
    kinds: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str
) -> argparse.ArgumentParser:
    return kinds.add_parser(name, help=what, description=what)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder",
        default="llm2vec",
        metavar="SOURCE",
        help="llm2vec, llm2vec:FOLDER, llm2vec-int8, table:FILE, map:FILE or remote:COMMAND; for"
        " hymotion qwen or qwen:FOLDER (default: the family's own)",
    )
    parser.add_argument(
        "--width", type=int, default=WIDTH, help="numbers of a vector (default %(default)d)"
    )
    parser.add_argument("--offline", action="store_true", help="never use the network")


def run(options: argparse.Namespace) -> int:
    """Do what the sub-command says."""
    return {"table": _table, "fit": _fit, "serve": _serve, "show": _show}[options.kind](options)


def _prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.", "Give a UTF-8 text.") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _source(options: argparse.Namespace) -> VectorSource:
    from ..pipelines.kimodo import text as kimodo_text

    found = kimodo_text.open_source(
        options.encoder, options.width, local_files_only=options.offline
    )
    return kimodo_text.checked(found, options.width)


def _table(options: argparse.Namespace) -> int:
    from ..text.vectors.table import TextTable

    prompts = _prompts(options.prompts)
    name, encode = _of_hymotion(options) if options.family == "hymotion" else _of_kimodo(options)
    done = 0

    def counted(text: str) -> Mapping[str, Tensor]:
        nonlocal done
        done += 1
        if done % 100 == 0:
            console.note(f"{done} of {len(prompts)} prompts")
        return encode(text)

    TextTable.make(prompts, name, counted).save(options.out)
    print(options.out)
    return 0


def _of_kimodo(options: argparse.Namespace) -> tuple[str, Encode]:
    from ..pipelines.kimodo import text as kimodo_text

    source = _source(options)
    return source.name, lambda text: {kimodo_text.FEATURE: kimodo_text.encode(source, [text])}


def _of_hymotion(options: argparse.Namespace) -> tuple[str, Encode]:
    from ..text.vectors.qwen import QwenAndClip

    kind, _, folder = options.encoder.partition(":")
    if kind not in ("qwen", "llm2vec"):
        raise InvalidRequest(f"{options.encoder!r} makes no features for HY-Motion.", "Use qwen.")
    encoders = QwenAndClip(Path(folder) if folder else None, local_files_only=options.offline)
    return encoders.name, encoders.features


def _fit(options: argparse.Namespace) -> int:
    import torch

    from ..pipelines.kimodo import text as kimodo_text
    from ..text.vectors.linear_map import fit_map
    from ..text.vectors.prompts import clean_prompt
    from ..text.vectors.table import TextTable

    table = TextTable.load(options.table)
    small = kimodo_text.small_encoder()
    texts = list(table.texts)
    vectors = torch.stack([table[text][kimodo_text.FEATURE][0] for text in texts])
    fitted, fit = fit_map(small([clean_prompt(t) for t in texts]), vectors, small.name)
    fitted.save(options.out)
    print(
        f"{len(texts)} prompts; on the fifth it did not see: cosine {fit.cosine:.3f}, own vector "
        f"nearest for {100 * fit.found:.1f} %"
    )
    print(options.out)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from ..text.vectors.remote import serve

    # what a library prints must not get between the frames
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as frames:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(_source(options), sys.stdin.buffer, frames)
    return 0


def _show(options: argparse.Namespace) -> int:
    from ..text.vectors.table import TextTable

    table = TextTable.load(options.table)
    for text in table.nearest(options.near) if options.near else table.texts:
        print(text)
    return 0
