"""``kinetype train tokenizer``: a motion tokenizer from clips in HumanML3D's layout."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from . import console

if TYPE_CHECKING:
    from ..training.tokenizer.trainer import TokenizerTrainConfig

HELP = "train a motion tokenizer (VQ-VAE) on clips in HumanML3D's layout"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; sizes that are not given are the published ones."""
    parser.add_argument("--data", type=Path, required=True, help="folder in HumanML3D's layout")
    parser.add_argument("--run", type=Path, required=True, dest="run_dir", help="run directory")
    parser.add_argument("--minutes", type=float, help="wall-clock budget")
    parser.add_argument("--steps", type=int, help="step budget, when no --minutes")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last save")
    parser.add_argument("--width", type=int, help="channels of the networks and of a code")
    parser.add_argument("--codes", type=int, help="size of the codebook")
    parser.add_argument("--batch", type=int, help="windows in a step")
    parser.add_argument("--window", type=int, help="frames of a window")
    parser.add_argument("--lr", type=float, help="learning rate")
    parser.add_argument("--seed", type=int, help="of weights and batches")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:1")
    parser.add_argument("--threads", type=int, help="CPU threads")


def run(options: argparse.Namespace) -> int:
    """Train, then say how well clips come back from their tokens."""
    import torch

    from ..training.run import check_folder
    from ..training.tokenizer import data as tokenizer_data
    from ..training.tokenizer.trainer import MODEL_FOLDER, TokenizerTrainer

    check_folder(options.run_dir, resume=options.resume)
    if options.threads:
        torch.set_num_threads(options.threads)
    config = _config(options)
    data = tokenizer_data.load(options.data, shortest=config.window)
    trainer = TokenizerTrainer(options.run_dir, config, data, options.device)
    if options.resume:
        trainer.resume()
    size = sum(p.numel() for p in trainer.net.parameters())
    console.note(
        f"{size / 1e6:.2f} M parameters, {len(data.train)} training and {len(data.val)} test clips"
    )
    trainer.start_codes()
    before = trainer.evaluate()
    with console.training_bar() as move:
        trainer.fit(
            on_step=lambda step, share, parts: move(step, share, f"loss {parts['loss']:.4f}")
        )
    after = trainer.evaluate()
    print(f"reconstruction of {len(trainer.checked)} test clips, MPJPE in mm")
    for name, found in (("before", before), ("after", after)):
        print(
            f"{name:7} world {found.mpjpe_mm:7.1f}  pose {found.pose_mm:6.1f}  "
            f"smooth L1 {found.smooth_l1:.4f}  codes used {found.codes_used}"
        )
    console.note(f"{trainer.step} steps -> {options.run_dir / MODEL_FOLDER}")
    return 0


def _config(options: argparse.Namespace) -> TokenizerTrainConfig:
    from ..training.tokenizer.trainer import TokenizerTrainConfig, load_config

    config = load_config(options.run_dir) if options.resume else TokenizerTrainConfig()
    if options.resume and any((options.width, options.codes, options.window)):
        raise InvalidRequest("A resumed run keeps its sizes.", "Leave them out.")
    try:
        model = config.model
        if options.width:
            model = replace(model, width=options.width, code_dim=options.width)
        if options.codes:
            model = replace(model, codes=options.codes)
        config = replace(config, model=model)
        for name in ("batch", "window", "lr", "seed"):
            if getattr(options, name) is not None:
                config = replace(config, **{name: getattr(options, name)})
        if options.minutes is not None:
            config = replace(config, minutes=options.minutes)
        elif options.steps is not None:
            config = replace(config, steps=options.steps, minutes=None)
    except ValueError as error:
        raise InvalidRequest(
            f"The training cannot be set up so: {error}.", "Change that option; --help lists them."
        ) from error
    return config
