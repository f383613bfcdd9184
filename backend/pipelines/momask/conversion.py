"""``kinetype convert-checkpoint momask``: a released MoMask training to a model folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...store.options import option
from ..family import Tell

if TYPE_CHECKING:
    from .pipeline import MoMaskPipeline

_VERIFIED_ROWS = (12, 7)
"""Tokens of the clips that --verify generates."""


@dataclass(frozen=True)
class MoMaskConversion:
    """MoMask's released checkpoints folder to safetensors, with CLIP inside"""

    root: Path = option(
        help="the folder checkpoints/t2m (or kit), or one above it", positional=True, metavar="IN"
    )
    out: Path = option(help="model folder to make", positional=True, metavar="OUT")
    vq_name: str | None = option(None, "folder of the tokenizer, where there are several")
    mask_name: str | None = option(None, "folder of the masked transformer")
    residual_name: str | None = option(None, "folder of the residual transformer")
    clip: Path | None = option(
        None,
        "folder of CLIP ViT-B/32 to put in (default: what lies in IN, else none)",
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
        from ...text import clip
        from ..mogents.conversion import compare, read_encoder
        from . import folder as momask_files
        from .pipeline import MoMaskPipeline
        from .release import ReleaseNames, read_release

        root = self.root.expanduser()
        names = ReleaseNames(self.vq_name, self.mask_name, self.residual_name)
        networks, stats = read_release(root, names)
        encoder = read_encoder(self.clip or (root if clip.has_weights(root) else None))
        extra: dict[str, object] = {
            "name": self.name or self.out.absolute().name,
            "licence": self.licence,
            "precision": self.precision,
        }
        source = MoMaskPipeline(networks, stats, values=extra, device="cpu")
        with new_folder(self.out, overwrite=self.overwrite, sources=(root,)) as folder:
            momask_files.save(folder, networks, stats, encoder, extra)
            if self.verify:
                other: MoMaskPipeline = MoMaskPipeline.from_pretrained(folder, device="cpu")
                compare(source, other, _VERIFIED_ROWS, tell)
        if networks.length_est is None:
            tell("warning", "No length estimator was found: lengths must always be given.")
        if encoder is None:
            tell("note", "Text encoder not included (--clip): it will be looked for by name.")
        return self.out
