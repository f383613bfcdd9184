"""``kinetype train action-mdm``: the action model from scratch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest
from . import console

if TYPE_CHECKING:
    from ..training.action_mdm.trainer import ActionTrainConfig

HELP = "train an action-conditioned MDM from scratch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; sizes and rates default to the published recipe."""
    parser.add_argument(
        "--data", type=Path, required=True, help="dataset folder, or humanact12poses.pkl"
    )
    parser.add_argument("--run", type=Path, required=True, dest="run_dir", help="run folder")
    parser.add_argument(
        "--form",
        choices=("joints", "rotations"),
        default="joints",
        help="joint positions, or MDM's own 25 x 6 rotations with geometric losses (HumanAct12)",
    )
    parser.add_argument("--config", type=Path, help="JSON that overrides the configuration")
    parser.add_argument("--epochs", type=int, help="passes over the clips (default 300)")
    parser.add_argument("--batch-size", type=int, help="clips in a step (default 64)")
    parser.add_argument("--lr", type=float, help="learning rate at the start")
    parser.add_argument(
        "--final-lr", type=float, metavar="LR", help="learning rate at the end (of joints)"
    )
    parser.add_argument("--seed", type=int, help="of weights and batches (default 0)")
    parser.add_argument("--num-frames", type=int, help="frames of a clip")
    parser.add_argument("--stride", type=int, help="keep every how many-th frame")
    parser.add_argument("--latent-dim", type=int, help="width of the network")
    parser.add_argument("--layers", type=int, help="how many blocks")
    parser.add_argument("--ff-dim", type=int, help="width of the layers inside blocks")
    parser.add_argument(
        "--condition-tokens", type=int, choices=(1, 2), help="1 as released, 2 as described"
    )
    parser.add_argument(
        "--start", choices=("first", "random", "lively"), help="which part of a clip"
    )
    parser.add_argument(
        "--short", choices=("drop", "hold", "mask"), help="what becomes of clips that are too short"
    )
    parser.add_argument(
        "--coordinates",
        choices=("world", "local"),
        help="joints in the world (released), or about the body, with its steps",
    )
    parser.add_argument(
        "--statistics",
        choices=("scalar", "columns"),
        help="normalise by one mean and deviation, or by one for each column",
    )
    parser.add_argument("--balance", type=float, help="0 draws clips, 1 actions equally often")
    parser.add_argument(
        "--min-clips", type=int, help="leave out actions with fewer clips (default 10)"
    )
    parser.add_argument("--max-clips", type=int, help="take at most this many of an action")
    parser.add_argument("--actions", nargs="+", metavar="NAME", help="only these actions")
    parser.add_argument("--minutes", type=float, help="stop (and save) after this long")
    parser.add_argument("--save-every", type=int, default=10, help="epochs (default %(default)s)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), default="fp32", help="default fp32"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:1")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last save")
    parser.add_argument("--init", type=Path, help="model folder to start from (same network)")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the loss curve at the end")


def run(options: argparse.Namespace) -> int:
    """Load, train, save."""
    import torch

    from ..training.run import check_folder

    check_folder(options.run_dir, resume=options.resume)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.form == "rotations":
        _rotations(options)
    else:
        _joints(options)
    return 0


def _joints(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..training.action_mdm.trainer import ActionTrainer
    from ..training.data import actions as action_data

    config = _config(options)
    data = action_data.load(
        options.data,
        actions=config.actions,
        min_clips=config.min_clips,
        max_clips=config.max_clips,
    )
    config = replace(
        config,
        model=replace(config.model, num_actions=len(data.actions)),
        actions=list(data.actions),
    )
    windows = action_data.ActionWindows(data, config.windows, config.seed)
    trainer = ActionTrainer(
        options.run_dir, config, windows, device=options.device, precision=options.precision
    )
    if options.resume:
        trainer.resume()
    elif options.init:
        trainer.start_from(options.init)
    size = sum(p.numel() for p in trainer.net.parameters())
    console.note(
        f"{size / 1e6:.2f} M parameters, {len(windows)} clips, {len(data.actions)} actions"
    )
    with tqdm(total=config.epochs, initial=trainer.epoch, desc="epochs") as bar:

        def on_epoch(epoch: int, losses: dict[str, float]) -> None:
            bar.update(epoch - bar.n)
            bar.set_postfix(loss=f"{losses['loss']:.4f}")

        done = trainer.fit(
            minutes=options.minutes, save_every=options.save_every, on_epoch=on_epoch
        )
    console.note(f"{'done' if done else 'stopped; go on with --resume'} -> {options.run_dir}")
    if options.plot is not None:
        from ..evaluation import loss_plot

        loss_plot.draw(options.run_dir / "log.jsonl", options.plot)


def _rotations(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..store import model_folder
    from ..training.data import humanact12
    from ..training.mdm.smpl_actions import RotationTrainConfig, RotationTrainer

    data = humanact12.read(options.data)
    values = {} if options.config is None else model_folder.read_json(options.config)
    if options.resume:
        values = model_folder.read_json(options.run_dir / "args.json")
    _override(values, options, ("batch_size", "lr", "seed", "num_frames", "latent_dim", "layers"))
    config = model_folder.config_from_dict(RotationTrainConfig, values, "The configuration")
    if options.epochs is not None:
        steps = options.epochs * max(1, round(len(data) / config.batch_size))
        config = replace(config, num_steps=steps)
    trainer = RotationTrainer(options.run_dir, config, data, device=options.device)
    if options.resume:
        trainer.resume()
    console.note(f"{len(data)} clips of HumanAct12, {config.num_steps} steps")
    with tqdm(total=config.num_steps, initial=trainer.step, desc="steps") as bar:

        def on_step(step: int, losses: dict[str, float]) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{losses['loss']:.4f}", refresh=False)

        trainer.fit(on_step)
    console.note(f"done -> {options.run_dir}")


def _config(options: argparse.Namespace) -> ActionTrainConfig:
    from ..store import model_folder
    from ..training.action_mdm.trainer import TRAIN_CONFIG, ActionTrainConfig

    values: dict[str, Any] = {}
    where = "The options"
    if options.resume:
        where = str(options.run_dir / TRAIN_CONFIG)
        values = model_folder.read_json(options.run_dir / TRAIN_CONFIG)
    elif options.config:
        where = str(options.config)
        try:
            values = json.loads(options.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidRequest(
                f"{options.config} is not JSON ({error}).",
                "Give a file that holds one JSON object.",
            ) from error
    names = ["epochs", "batch_size", "lr", "final_lr", "seed", "actions", "min_clips", "max_clips"]
    _override(values, options, names)
    model = values.setdefault("model", {})
    _override(model, options, ("latent_dim", "layers", "ff_dim", "condition_tokens"))
    if "layers" in model:
        model["num_layers"] = model.pop("layers")
    names = ["num_frames", "stride", "start", "short", "coordinates", "statistics", "balance"]
    _override(values.setdefault("windows", {}), options, names)
    if "lr" in values and "final_lr" not in values:
        # the published ratio
        values["final_lr"] = 0.1 * values["lr"]
    return model_folder.config_from_dict(ActionTrainConfig, values, where)


def _override(values: dict[str, Any], options: argparse.Namespace, names: Sequence[str]) -> None:
    for name in names:
        given = getattr(options, name)
        if given is not None:
            values[name] = given
