"""``kinetype train mdm``: MDM on a folder in HumanML3D's layout."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest
from ..wire import limits
from . import console

if TYPE_CHECKING:
    from ..training.data.caption_vectors import CaptionVectors
    from ..training.mdm.trainer import MdmTrainConfig, Process

HELP = "train MDM on text, from a folder in HumanML3D's layout"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; those left out are the released ones."""
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with new_joint_vecs, texts"
    )
    # torchrun has options of its own that begin with --run
    parser.add_argument(
        "--run", "--run-dir", type=Path, required=True, dest="run_dir", help="run directory"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the run's last checkpoint"
    )
    parser.add_argument(
        "--text-encoder",
        choices=("clip", "minilm"),
        dest="text_encoder_type",
        help="clip as released (default), or minilm, which comes with Kinetype",
    )
    parser.add_argument("--clip", type=Path, help="folder of CLIP's weights (default: the hub's)")
    parser.add_argument("--width", type=int, dest="latent_dim", help="default 512")
    parser.add_argument("--layers", type=int, help="default 8")
    parser.add_argument(
        "--diffusion-steps", type=int, help="default 1000; 50 trains a faster model"
    )
    parser.add_argument("--mask-frames", action="store_true", default=None, help="hide padding")
    parser.add_argument("--batch-size", type=int, help="of each process (default 64)")
    parser.add_argument("--lr", type=float, help="default 1e-4")
    parser.add_argument("--steps", type=int, dest="num_steps", help="default 600000")
    parser.add_argument("--minutes", type=float, help="end earlier, by the clock")
    parser.add_argument("--save-interval", type=int, help="steps (default 50000)")
    parser.add_argument(
        "--ema",
        action="store_true",
        default=None,
        dest="use_ema",
        help="also keep averaged weights, which are then used",
    )
    parser.add_argument("--ema-decay", type=float, dest="avg_model_beta", help="default 0.9999")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="default fp32")
    parser.add_argument("--seed", type=int, help="default 10")
    parser.add_argument("--device", default=None, help="cpu or cuda (default: the best there is)")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Read, encode the captions, train. Under torchrun every process runs this."""
    from ..pipelines.calls import device_or_best
    from ..training.data import hml3d
    from ..training.mdm.trainer import MdmTrainer, process_group

    device = str(device_or_best(options.device))
    config = _config(options)
    with process_group(device) as process:
        if process.world > 1 and device == "cuda":
            device = f"cuda:{process.local_rank}"
        data = hml3d.load(options.data)
        vectors = _vectors(options, config, data.captions, process)
        batches = hml3d.TextMotionBatches(
            data, config.batch_size, config.seed, rank=process.rank, world=process.world
        )
        trainer = MdmTrainer(
            options.run_dir, config, batches, vectors, device=device, process=process
        )
        if options.resume:
            trainer.resume()
        if process.first:
            size = sum(p.numel() for p in trainer.net.parameters())
            console.note(
                f"{size / 1e6:.2f} M parameters, {len(data.items)} items "
                f"({len(data.skipped)} clips left out), {process.world} process(es) on {device}"
            )
        _fit(trainer, quiet=options.quiet or not process.first)
        if process.first:
            console.note(f"{trainer.step} steps -> {options.run_dir}")
    return 0


def _config(options: argparse.Namespace) -> MdmTrainConfig:
    from ..models.mdm import release
    from ..training.mdm.trainer import MdmTrainConfig

    started = options.run_dir / release.ARGS
    if started.exists() and not options.resume:
        raise InvalidRequest(
            f"{options.run_dir} holds a run already.", "Add --resume, or choose another --run."
        )
    if options.resume and not started.exists():
        raise InvalidRequest(
            f"{options.run_dir} holds no run to go on with.", "Check --run, or leave out --resume."
        )
    config = MdmTrainConfig.read(options.run_dir) if options.resume else MdmTrainConfig()
    names = {field.name for field in fields(MdmTrainConfig)}
    given = {k: v for k, v in vars(options).items() if k in names and v is not None}
    changed = sorted(
        name
        for name in ("text_encoder_type", "latent_dim", "layers", "diffusion_steps", "use_ema")
        if options.resume and name in given and given[name] != getattr(config, name)
    )
    if changed:
        raise InvalidRequest(
            f"A resumed run cannot change {', '.join(changed)}.", "Start another run."
        )
    _check(given)
    config = replace(config, **given, data_dir=str(options.data))
    release.config_from_args(vars(config), "the options")
    return config


_WHOLE = {
    "batch_size": ("--batch-size", 100_000),
    "num_steps": ("--steps", 10**9),
    "save_interval": ("--save-interval", 10**9),
    "latent_dim": ("--width", 16_384),
    "layers": ("--layers", 256),
    "diffusion_steps": ("--diffusion-steps", 5000),
}
"""Whole numbers: the option of each and its largest value; the smallest is 1."""
_REAL = {
    "lr": ("--lr", 1.0),
    "minutes": ("--minutes", 10.0**6),
    "avg_model_beta": ("--ema-decay", 1.0),
}
"""Numbers above zero."""


def _check(given: dict[str, Any]) -> None:
    """:class:`InvalidRequest`, which names the option, for a number that trains nothing."""
    for name, (option, largest) in _WHOLE.items():
        if name in given and not 1 <= given[name] <= largest:
            raise InvalidRequest(f"{option} is {given[name]}.", f"Choose from 1 to {largest}.")
    for name, (option, most) in _REAL.items():
        if name in given and not 0 < given[name] <= most:
            raise InvalidRequest(
                f"{option} is {given[name]:g}.", f"Choose above 0 and up to {most:g}."
            )
    if not limits.MIN_SEED <= given.get("seed", 0) <= limits.MAX_SEED:
        raise InvalidRequest(
            "--seed is out of range.", f"Choose from {limits.MIN_SEED} to {limits.MAX_SEED}."
        )


def _vectors(
    options: argparse.Namespace, config: MdmTrainConfig, captions: list[str], process: Process
) -> CaptionVectors:
    """The first process encodes what is missing; the others read its file."""
    from ..training.data import caption_vectors

    encoder = config.text_encoder_type

    def found(bars: console.ProgressBars | None = None) -> CaptionVectors:
        from ..wire.messages import Progress

        return caption_vectors.ensure(
            options.data,
            encoder,
            captions,
            lambda: caption_vectors.text_encoder(
                encoder, folder=options.clip, offline=options.offline
            ),
            lambda done, total: (
                bars.update(Progress("", "captions", done, total)) if bars else None
            ),
        )

    if process.first:
        with console.ProgressBars(quiet=options.quiet) as bars:
            found(bars)
    process.wait()
    return found()


def _fit(trainer: Any, *, quiet: bool) -> None:
    with console.training_bar(quiet=quiet) as move:
        trainer.fit(lambda step, share, loss: move(step, share, f"loss {loss:.4f}"))
