"""``kinetype convert-checkpoint mogents``: a released MoGenTS training to a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, InternalError
from . import console

if TYPE_CHECKING:
    from ..pipelines.mogents.pipeline import MoGenTSPipeline

HELP = "MoGenTS's released logs and checkpoints folders to safetensors"

_VERIFIED_ROWS = (12, 7)
"""Token rows of the clips that --verify generates."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("out", type=Path, metavar="OUT", help="model folder to make")
    parser.add_argument(
        "--weights-root", type=Path, required=True, metavar="DIR", help="the folder 'logs'"
    )
    parser.add_argument(
        "--length-root",
        type=Path,
        metavar="DIR",
        help="the folder 'checkpoints' with the length estimator (default: leave it out)",
    )
    parser.add_argument(
        "--dataset", choices=("humanml3d", "kit"), default="humanml3d", help="(default humanml3d)"
    )
    parser.add_argument("--vq-name", help="folder of the tokenizer (default: the released name)")
    parser.add_argument("--mask-name", help="folder of the mask transformers")
    parser.add_argument("--residual-name", help="folder of the residual transformers")
    parser.add_argument(
        "--clip",
        type=Path,
        metavar="DIR",
        help="folder of CLIP ViT-B/32 to put in (default: none, it is then looked for by name)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare tensors, tokens and motions of both; nothing is kept if they differ",
    )
    parser.add_argument("--name", help="name to show (default: the folder's)")
    parser.add_argument("--licence", default="", help="licence to show")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the transformers when the folder is used; the files are float32 (default float32)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")


def run(options: argparse.Namespace) -> int:
    """Read, write, compare, and only then give the folder its name."""
    from ..pipelines.mogents import folder as mogents_files
    from ..pipelines.mogents.pipeline import MoGenTSPipeline
    from ..pipelines.mogents.release import ReleaseNames, read_release
    from ..store.new_folder import new_folder

    released = ReleaseNames.of(options.dataset)
    names = ReleaseNames(
        options.dataset,
        options.vq_name or released.vq,
        options.mask_name or released.mask,
        options.residual_name or released.residual,
    )
    length_root = options.length_root.expanduser() if options.length_root else None
    networks, stats = read_release(options.weights_root.expanduser(), length_root, names)
    encoder = _encoder(options.clip)
    extra = {"name": options.name or options.out.absolute().name, "licence": options.licence}
    extra["precision"] = options.precision
    source = MoGenTSPipeline(networks, stats, values=extra, device="cpu")
    with new_folder(options.out, overwrite=options.overwrite) as folder:
        mogents_files.save(folder, networks, stats, encoder, extra)
        if options.verify:
            _verify(source, MoGenTSPipeline.from_pretrained(folder, device="cpu"))
    if length_root is None:
        console.warning("No length estimator (--length-root): lengths must always be given.")
    if encoder is None:
        console.note("Text encoder not included (--clip): it will be looked for by name.")
    print(options.out)
    return 0


def _encoder(folder: Path | None) -> Any:
    if folder is None:
        return None
    from ..text import clip

    place = folder.expanduser()
    if not clip.has_weights(place):
        raise ArtifactError(
            f"{place} holds no CLIP text encoder.",
            f"Give a folder with the files of {clip.HUB_ID}.",
        )
    return clip.ClipTextEncoder.load(place)


def _verify(one: MoGenTSPipeline, other: MoGenTSPipeline) -> None:
    import torch

    from ..models.mogents.draws import BatchDraws

    pairs = [
        (a[key], b[key])
        for (_, m), (_, n) in zip(one.networks.parts(), other.networks.parts(), strict=True)
        for a, b in [(m.state_dict(), n.state_dict())]
        for key in a
    ]
    pairs += [(one.stats.mean, other.stats.mean), (one.stats.std, other.stats.std)]
    weights = max(float((a - b).abs().max()) for a, b in pairs)
    print(f"weights: {len(pairs)} tensors, max-abs-diff = {weights}")
    text = torch.randn(
        len(_VERIFIED_ROWS), one.config.mask.clip_dim, generator=torch.Generator().manual_seed(0)
    )
    made = []
    for pipeline in (one, other):
        draws = BatchDraws(torch.Generator().manual_seed(0))
        ids = pipeline.sample_tokens(text, _VERIFIED_ROWS, draws, independent=False)
        made.append((ids, pipeline.decode_tokens(*ids, _VERIFIED_ROWS, independent=False)))
    (ids_a, clips_a), (ids_b, clips_b) = made
    same = all(torch.equal(a, b) for a, b in zip(ids_a, ids_b, strict=True))
    print(f"generated token ids ({sum(i.numel() for i in ids_a)}): {'equal' if same else 'DIFFER'}")
    motion = max(float(abs(a - b).max()) for a, b in zip(clips_a, clips_b, strict=True))
    print(f"motions: max-abs-diff = {motion}", flush=True)
    if weights or motion or not same:
        raise InternalError(
            "The converted model is not the same; it was not kept.", "Please report this."
        )
