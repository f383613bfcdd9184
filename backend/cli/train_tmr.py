"""``kinetype train tmr``: train the small evaluator that works offline."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import console

HELP = "train a small text and motion encoder to evaluate with"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--data", type=Path, required=True, help="dataset folder")
    parser.add_argument("--run", type=Path, required=True, dest="run_dir", help="run directory")
    parser.add_argument("--minutes", type=float, default=10.0, help="wall-clock budget")
    parser.add_argument("--frames", type=int, default=6000, help="frames of a batch")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last save")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--out", type=Path, help="evaluator folder to write at the end")
    parser.add_argument("--overwrite", action="store_true", help="replace the evaluator in OUT")


def run(options: argparse.Namespace) -> int:
    """Train, and export when asked to."""
    import torch

    from ..store.new_folder import check_free
    from ..training.data import batches, text_cache
    from ..training.data.dataset import MotionDataset
    from ..training.evaluator.trainer import TMRTrainConfig, TMRTrainer
    from ..training.run import check_folder

    check_folder(options.run_dir, resume=options.resume)
    if options.out:
        check_free(options.out, overwrite=options.overwrite, sources=(options.run_dir,))
    if options.threads:
        torch.set_num_threads(options.threads)
    dataset = MotionDataset.load(options.data)
    mean, std = batches.feature_statistics(dataset)
    sampling = batches.SamplingConfig(frames_per_batch=options.frames, crop=0.5)
    text = text_cache.load(options.data)
    sampler = batches.BatchSampler(dataset, text, mean, std, sampling, options.seed)
    config = TMRTrainConfig(minutes=options.minutes, seed=options.seed)
    trainer = TMRTrainer(options.run_dir, config, sampler)
    if options.resume:
        trainer.resume()
    with console.training_bar() as move:
        trainer.fit(
            lambda step, share, parts: move(step, share, f"contrastive {parts['contrastive']:.3f}")
        )
    console.note(f"{trainer.step} steps -> {options.run_dir}")
    if options.out:
        from ..training.evaluator import export as tmr_export

        tmr_export.export(
            options.run_dir,
            dataset,
            mean,
            std,
            options.out,
            seed=options.seed,
            overwrite=options.overwrite,
        )
        console.note(f"evaluator -> {options.out}")
    return 0
