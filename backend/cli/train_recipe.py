"""``kinetype train WHAT`` for every recipe: one command, options from the recipe's dataclasses."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, InvalidRequest
from ..pipelines.family import families
from . import console, derived

if TYPE_CHECKING:
    from ..training.recipe import Recipe


def recipes() -> dict[str, type[Recipe]]:
    """The recipe of every command: those on the cards of the families, and the evaluator's."""
    from ..training.evaluator.recipe import TMRRecipe

    found: dict[str, type[Recipe]] = {"tmr": TMRRecipe}
    for family in families().values():
        for name, reference in family.trainers.items():
            found[name] = family.load(reference)
    return dict(sorted(found.items()))


def _forms(recipe: type[Recipe]) -> dict[str, type[Recipe]]:
    """A recipe and the other forms of its command by their names, its own first."""
    found = {recipe.form: recipe}
    for name, reference in recipe.other_forms.items():
        module, _, kind = reference.partition(":")
        package = recipe.__module__.rpartition(".")[0]
        found[name] = getattr(importlib.import_module(module, package), kind)
    return found


def add_arguments(parser: argparse.ArgumentParser, recipe: type[Recipe]) -> None:
    """Options of the run, and those that come from the dataclasses of the recipe's forms."""
    forms = _forms(recipe)
    recipes = list(forms.values())
    parser.add_argument(
        # torchrun has options of its own that begin with --run
        "--run", "--run-dir", type=Path, required=True, dest="run_dir", help="run folder"
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on from the run's last save")
    parser.add_argument("--config", type=Path, help="JSON that overrides the configuration")
    if len(forms) > 1:
        first, *others = forms
        parser.add_argument(
            "--form", choices=tuple(forms), default=first, help=f"default {first}; or {others[0]}"
        )
    derived.add_settings(parser, *(r.config_class for r in recipes))
    derived.add_options(parser, recipes[0].sources_class)
    precisions = list(dict.fromkeys(p for r in recipes for p in r.precisions))
    if len(precisions) > 1:
        parser.add_argument(
            "--precision",
            choices=precisions,
            help=f"of matrix products (default {precisions[0]}, where the device computes in it)",
        )
    device = recipes[0].default_device or "the best there is"
    parser.add_argument("--device", help=f"cpu, cuda or cuda:1 (default: {device})")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(action=run, forms=forms)


def _sources(options: argparse.Namespace, recipe: type[Recipe]) -> object:
    """What the training reads; :class:`InvalidRequest` for a source that only other forms have."""
    own = {item.name for item in fields(recipe.sources_class)}
    for form in options.forms.values():
        for item in fields(form.sources_class):
            if item.name not in own and getattr(options, item.name) != item.default:
                raise InvalidRequest(f"--{item.name} is no option of this form.", "Leave it out.")
    return derived.read(options, recipe.sources_class)


def run(options: argparse.Namespace) -> int:
    """Check everything that can be checked at once, read the data, train. Under torchrun every
    process runs this."""
    import torch

    from ..pipelines.calls import device_or_best
    from ..training.processes import process_group
    from ..training.recipe import Setting

    chosen = getattr(options, "form", None) or next(iter(options.forms))
    recipe: type[Recipe] = options.forms[chosen]
    recipe.folder(options.run_dir).check(resume=options.resume)
    sources = _sources(options, recipe)
    config = recipe.configured(_configuration(options, recipe), sources)
    device = str(device_or_best(options.device or recipe.default_device))
    if options.threads:
        torch.set_num_threads(options.threads)
    precision = getattr(options, "precision", None) or recipe.usual_precision(device)
    with process_group(device) as process:
        if process.world > 1 and not recipe.parallel:
            raise InvalidRequest("This training runs in one process.", "Start it without torchrun.")
        if process.world > 1 and device == "cuda":
            device = f"cuda:{process.local_rank}"
        with console.ProgressBars(quiet=options.quiet or not process.first) as bars:
            bars.update_stage("reading the data")
            setting = Setting(
                options.run_dir, options.resume, device, precision, process, bars.show
            )
            made = recipe.open(config, sources, setting)
        _train(options, made, sources, process)
    return 0


def _train(options: argparse.Namespace, recipe: Recipe, sources: Any, process: Any) -> None:
    from contextlib import nullcontext

    from ..training.loop import Training

    folder = recipe.folder(options.run_dir)
    with folder.held(resume=options.resume) if process.first else nullcontext():
        training = Training(recipe, folder, process=process)
        init = getattr(sources, "init", None)
        if options.resume:
            training.resume()
        elif init is not None:
            recipe.start_from(init)
        if process.first:
            size = sum(p.numel() for p in recipe.net.parameters())
            where = f"{process.world} process(es) on {recipe.device}"
            console.note(f"{size / 1e6:.2f} M parameters, {recipe.summary}, {where}")
        quiet = options.quiet or not process.first
        with console.training_bar(quiet=quiet) as move:
            complete = training.fit(
                lambda step, share, means: move(step, share, f"loss {means.get('loss', 0):.4f}")
            )
    if not process.first:
        return
    report = recipe.report()
    if report:
        print(report)
    ended = "done" if complete else "stopped; go on with --resume"
    console.note(f"{training.step} steps, {ended} -> {options.run_dir}")
    plot = getattr(sources, "plot", None)
    if plot is not None:
        from ..evaluation import loss_plot

        loss_plot.draw(options.run_dir / "log.jsonl", plot)


# ---------------------------------------------------------------------- the configuration


def _configuration(options: argparse.Namespace, recipe: type[Recipe]) -> object:
    """The recipe's dataclass: of the run that goes on, else its defaults; then ``--config``, then
    the options.

    Raises:
        InvalidRequest: a value that is none, or one that a resumed run cannot change.
        ArtifactError: the run's own configuration cannot be read.
    """
    from ..store.model_folder import config_from_dict

    folder = recipe.folder(options.run_dir)
    config_class = recipe.config_class
    base = folder.read_config() if options.resume else {}
    others = [r.config_class for r in options.forms.values() if r is not recipe]
    given = derived.given(options, config_class, *others)
    if "minutes" in given and "steps" in given and recipe.one_budget:
        raise InvalidRequest("Two budgets are given.", "Give --minutes or --steps.")
    if "steps" in given and recipe.one_budget:
        given["minutes"] = None
    overrides = derived.merged(read_overrides(options.config), given)
    values = derived.merged(base, overrides)
    where = str(options.config or (folder.path / folder.config_name if base else "the options"))
    try:
        config: object = config_from_dict(config_class, values, where)
        if options.resume:
            _refuse_changes(recipe.fixed, config, config_from_dict(config_class, base, where))
    except ArtifactError as error:
        if not overrides:
            raise
        hint = "Correct that value; --help and docs/train-your-own.md say what may stand there."
        raise InvalidRequest(error.message, hint) from error
    return config


def _refuse_changes(fixed: Sequence[str], config: object, before: object) -> None:
    changed = [name for name in fixed if getattr(config, name) != getattr(before, name)]
    if changed:
        raise InvalidRequest(
            f"A resumed run cannot change {', '.join(changed)}.", "Leave it out, or start another."
        )


def read_overrides(path: Path | None) -> dict[str, Any]:
    """A JSON object that a person wrote; empty where no file is named."""
    if path is None:
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"{path} is not JSON ({error}).", "Give a file that holds one JSON object."
        ) from error
    if not isinstance(values, dict):
        raise InvalidRequest(f"{path} must hold a JSON object.", "Write {...} around its entries.")
    return values
