"""``kinetype convert-checkpoint mdm``: a released MDM checkpoint to a model folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ArtifactError, InternalError, InvalidRequest
from ...store.options import option
from ..family import Tell

if TYPE_CHECKING:
    from ...store.model_folder import Stats

_STATS_NAMES = (("Mean.npy", "Std.npy"), ("mean.npy", "std.npy"))


@dataclass(frozen=True)
class MdmConversion:
    """MDM: model000….pt and the args.json beside it"""

    checkpoint: Path = option(
        help="model*.pt, or its folder (the latest is taken then)", positional=True
    )
    out: Path = option(help="folder to make", positional=True)
    text_encoder: Path | None = option(
        None,
        "folder of the text encoder to put in: CLIP ViT-B/32, or DistilBERT for decoder releases "
        "(default: none, it is then looked for by name)",
        flags=("--clip", "--text-encoder"),
        metavar="DIR",
    )
    mean: Path | None = option(
        None, "Mean.npy of the training data (default: beside the checkpoint)"
    )
    std: Path | None = option(None, "Std.npy of the training data")
    verify: bool = option(
        False,
        "generate with checkpoint and folder and compare; nothing is kept if they differ",
    )
    verify_steps: int | None = option(None, "denoising steps of --verify (default 50)", metavar="N")
    name: str | None = option(None, "name to show (default: the checkpoint's folder)")
    licence: str = option("", "licence to show")
    overwrite: bool = option(False, "replace OUT if it is there")

    def convert(self, tell: Tell) -> Path:
        """Read, write, compare, and only then give the folder its name."""
        from ...models.mdm import load_upstream
        from ...models.mdm.release import ARGS, find_checkpoint
        from ...store.new_folder import new_folder
        from . import folder as mdm_artifact

        if self.verify_steps is not None and self.verify_steps < 1:
            raise InvalidRequest(f"--verify-steps {self.verify_steps}.", "Give at least 1.")
        checkpoint = find_checkpoint(self.checkpoint.expanduser())
        net = load_upstream(checkpoint)
        mdm_artifact.check_text_to_motion(net.config, str(checkpoint.parent / ARGS))
        stats = _statistics(self, checkpoint.parent, net.config.features)
        encoder = _encoder(self.text_encoder, net.config.text_encoder)
        config = mdm_artifact.MDMPipelineConfig.of(
            net.config,
            name=self.name or checkpoint.absolute().parent.name,
            licence=self.licence,
            description=f"Converted from {checkpoint.name}.",
        )
        sources = (checkpoint, self.text_encoder, self.mean, self.std)
        with new_folder(self.out, overwrite=self.overwrite, sources=sources) as folder:
            mdm_artifact.save(folder, config, net.state_dict(), stats, encoder)
            if self.verify:
                _verify(net, folder, encoder, stats, self.verify_steps, tell)
        if stats is None:
            tell(
                "warning",
                "No training statistics: put Mean.npy and Std.npy of the training data into "
                f"{self.out} before it can make motions (or convert again with --mean and --std).",
            )
        if encoder is None and net.config.text_encoder != "minilm":
            tell("note", "Text encoder not included (--clip): it will be looked for by name.")
        return self.out


def _verify(
    net: Any, folder: Path, encoder: Any, stats: Stats | None, steps: int | None, tell: Tell
) -> None:
    from . import verify

    difference = verify.largest_difference(
        net, folder, encoder, stats=stats, steps=steps or verify.DEFAULT_STEPS
    )
    tell("result", f"max-abs-diff = {difference}")
    if difference != 0:
        raise InternalError(
            "The converted model does not make the same motions; it was not kept.",
            "Please report this.",
        )


def _statistics(options: MdmConversion, beside: Path, dim: int) -> Stats | None:
    from ..humanml3d import statistics as hml_statistics

    if (options.mean is None) != (options.std is None):
        raise InvalidRequest("--mean and --std belong together.", "Give both or neither.")
    if options.mean is not None and options.std is not None:
        return hml_statistics.read(options.mean.expanduser(), options.std.expanduser(), dim)
    for mean, std in _STATS_NAMES:
        if (beside / mean).is_file() and (beside / std).is_file():
            return hml_statistics.read(beside / mean, beside / std, dim)
    return None


def _encoder(folder: Path | None, kind: str) -> Any:
    if folder is None:
        return None
    from ...text import clip, distilbert

    homes: dict[str, Any] = {"clip": clip, "bert": distilbert}
    if kind not in homes:
        raise InvalidRequest(
            f"The checkpoint reads captions with {kind}, which comes with Kinetype.",
            "Leave out --clip.",
        )
    place, home = folder.expanduser(), homes[kind]
    if not home.has_weights(place):
        raise ArtifactError(
            f"{place} holds no {'DistilBERT' if kind == 'bert' else 'CLIP'} text encoder.",
            f"Give a folder with the files of {home.HUB_ID}.",
        )
    load = home.DistilBertEncoder.load if kind == "bert" else home.ClipTextEncoder.load
    return load(place)
