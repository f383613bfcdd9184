"""``kinetype convert-checkpoint motiongpt``: the published artifact to safetensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InternalError
from ...store.options import option
from ..family import Tell

if TYPE_CHECKING:
    from .pipeline import MotionGPTPipeline

_CAPTIONS = ("a person walks forward.", "someone jumps twice")
_FRAMES = (80, 60)


@dataclass(frozen=True)
class MotionGPTConversion:
    """MotionGPT's artifact (motiongpt_s3_h3d.tar, assets, deps) to safetensors"""

    source: str = option(help="artifact folder, or hub id", positional=True, metavar="SRC")
    out: Path = option(help="model folder to write", positional=True, metavar="OUT")
    verify: bool = option(
        False, "compare tensors, tokens and motions of both; nothing is kept if they differ"
    )
    name: str | None = option(None, "name to show (default: OUT's)")
    licence: str | None = option(None, "licence to show (default: the published model's)")
    offline: bool = option(False, "never use the network")
    overwrite: bool = option(False, "replace OUT if it is there")

    def convert(self, tell: Tell) -> Path:
        """Read, write, compare, and only then give the folder its name."""
        from ...store.new_folder import new_folder
        from . import folder as motiongpt_files
        from .folder import MotionGPTFiles
        from .pipeline import MotionGPTPipeline

        with new_folder(self.out, overwrite=self.overwrite) as folder:
            source = MotionGPTPipeline.from_pretrained(
                self.source, device="cpu", local_files_only=self.offline
            )
            config = replace(
                source.config,
                name=self.name or self.out.absolute().name,
                licence=source.config.licence if self.licence is None else self.licence,
            )
            files = MotionGPTFiles(config, source.net, source.stats, source.tokenizer)
            motiongpt_files.save(folder, files)
            if self.verify:
                _verify(source, MotionGPTPipeline.from_pretrained(folder, device="cpu"), tell)
        return self.out


def _verify(one: MotionGPTPipeline, other: MotionGPTPipeline, tell: Tell) -> None:
    ours, theirs = other.net.state_dict(), one.net.state_dict()
    difference = max(float((ours[name] - theirs[name]).abs().max()) for name in theirs)
    tell("result", f"weights: {len(theirs)} tensors, max-abs-diff = {difference}")
    answers = [p.answer_captions(_CAPTIONS, _FRAMES, seed=0) for p in (one, other)]
    texts = [[answer.text for answer in row] for row in answers]
    tell("result", f"generated token ids: {'equal' if texts[0] == texts[1] else 'DIFFERENT'}")
    clips = [p.decode_motions([range(0, 512, 9)])[0] for p in (one, other)]
    motion = float(abs(clips[0] - clips[1]).max())
    tell("result", f"decoded motion: max-abs-diff = {motion}")
    ids = [p.encode_motions([clips[0]]) for p in (one, other)]
    tell("result", f"motion token ids: {'equal' if ids[0] == ids[1] else 'DIFFERENT'}")
    if difference or motion or texts[0] != texts[1] or ids[0] != ids[1]:
        raise InternalError(
            "The converted model is not the same; it was not kept.", "Please report this."
        )
