"""``kinetype convert-checkpoint mogents``: a released MoGenTS training to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...errors import ArtifactError, InternalError
from ...store.options import option
from ..family import Tell

if TYPE_CHECKING:
    from ...text import clip
    from .pipeline import MoGenTSPipeline

_VERIFIED_ROWS = (12, 7)
"""Token rows of the clips that --verify generates."""


@dataclass(frozen=True)
class MoGenTSConversion:
    """MoGenTS's released logs and checkpoints folders to safetensors"""

    out: Path = option(help="model folder to make", positional=True, metavar="OUT")
    weights_root: Path = option(help="the folder 'logs'", metavar="DIR")
    length_root: Path | None = option(
        None,
        "the folder 'checkpoints' with the length estimator (default: leave it out)",
        metavar="DIR",
    )
    dataset: Literal["humanml3d", "kit"] = option("humanml3d", "(default humanml3d)")
    vq_name: str | None = option(None, "folder of the tokenizer (default: the released name)")
    mask_name: str | None = option(None, "folder of the mask transformers")
    residual_name: str | None = option(None, "folder of the residual transformers")
    clip: Path | None = option(
        None,
        "folder of CLIP ViT-B/32 to put in (default: none, it is then looked for by name)",
        metavar="DIR",
    )
    verify: bool = option(
        False, "compare tensors, tokens and motions of both; nothing is kept if they differ"
    )
    name: str | None = option(None, "name to show (default: the folder's)")
    licence: str = option("", "licence to show")
    precision: Literal["float32", "bfloat16"] = option(
        "float32",
        "of the transformers when the folder is used; the files are float32 (default float32)",
    )
    overwrite: bool = option(False, "replace OUT if it is there")

    def convert(self, tell: Tell) -> Path:
        """Read, write, compare, and only then give the folder its name."""
        from ...store.new_folder import new_folder
        from . import folder as mogents_files
        from .pipeline import MoGenTSPipeline
        from .release import ReleaseNames, read_release

        released = ReleaseNames.of(self.dataset)
        names = ReleaseNames(
            self.dataset,
            self.vq_name or released.vq,
            self.mask_name or released.mask,
            self.residual_name or released.residual,
        )
        length_root = self.length_root.expanduser() if self.length_root else None
        networks, stats = read_release(self.weights_root.expanduser(), length_root, names)
        encoder = read_encoder(self.clip)
        extra = {"name": self.name or self.out.absolute().name, "licence": self.licence}
        extra["precision"] = self.precision
        source = MoGenTSPipeline(networks, stats, values=extra, device="cpu")
        with new_folder(self.out, overwrite=self.overwrite) as folder:
            mogents_files.save(folder, networks, stats, encoder, extra)
            if self.verify:
                compare(
                    source,
                    MoGenTSPipeline.from_pretrained(folder, device="cpu"),
                    _VERIFIED_ROWS,
                    tell,
                )
        if length_root is None:
            tell("warning", "No length estimator (--length-root): lengths must always be given.")
        if encoder is None:
            tell("note", "Text encoder not included (--clip): it will be looked for by name.")
        return self.out


def read_encoder(folder: Path | None) -> clip.ClipTextEncoder | None:
    """The CLIP text encoder of a folder, or None where there is none to put in."""
    if folder is None:
        return None
    from ...text import clip

    place = folder.expanduser()
    if not clip.has_weights(place):
        raise ArtifactError(
            f"{place} holds no CLIP text encoder.",
            f"Give a folder with the files of {clip.HUB_ID}.",
        )
    return clip.ClipTextEncoder.load(place)


def compare(one: MoGenTSPipeline, other: MoGenTSPipeline, rows: Sequence[int], tell: Tell) -> None:
    """Raise :class:`InternalError` unless weights, drawn tokens and motions are the same.

    Args:
        rows: token rows of the clips to generate.
    """
    import torch

    from ...models.mogents.draws import BatchDraws

    pairs = [
        (a[key], b[key])
        for (_, m), (_, n) in zip(one.networks.parts(), other.networks.parts(), strict=True)
        for a, b in [(m.state_dict(), n.state_dict())]
        for key in a
    ]
    pairs += [(one.stats.mean, other.stats.mean), (one.stats.std, other.stats.std)]
    weights = max(float((a - b).abs().max()) for a, b in pairs)
    tell("result", f"weights: {len(pairs)} tensors, max-abs-diff = {weights}")
    text = torch.randn(
        len(rows), one.config.mask.clip_dim, generator=torch.Generator().manual_seed(0)
    )
    made = []
    for pipeline in (one, other):
        draws = BatchDraws(torch.Generator().manual_seed(0))
        ids = pipeline.sample_tokens(text, rows, draws, independent=False)
        made.append((ids, pipeline.decode_tokens(*ids, rows, independent=False)))
    (ids_a, clips_a), (ids_b, clips_b) = made
    same = all(torch.equal(a, b) for a, b in zip(ids_a, ids_b, strict=True))
    count, found = sum(i.numel() for i in ids_a), "equal" if same else "DIFFER"
    tell("result", f"generated token ids ({count}): {found}")
    motion = max(float(abs(a - b).max()) for a, b in zip(clips_a, clips_b, strict=True))
    tell("result", f"motions: max-abs-diff = {motion}")
    if weights or motion or not same:
        raise InternalError(
            "The converted model is not the same; it was not kept.", "Please report this."
        )
