"""``pneumoscope train``: from a recipe and films to a bundle and its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli._options import Columns, Data, Patients, Preset, parse_columns

IMAGENET = "timm/inception_v3.tf_in1k"
"""InceptionV3 as TensorFlow trained it on ImageNet, on the Hugging Face hub."""
REPORT = "report"
"""Folder of the evaluation inside a run folder."""


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to do.", show_default=False)],
    data: Data,
    weights: Annotated[
        str,
        typer.Option(
            metavar="FILE|NAME|BUNDLE|none", help="The trunk's starting weights; none starts from random ones."
        ),
    ] = IMAGENET,
    scaling: Annotated[
        str | None,
        typer.Option(metavar="tensorflow|imagenet", help="Input scaling of the weights, where the file cannot tell."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder.", show_default="runs/NAME-OF-THE-RECIPE")
    ] = None,
    patients: Patients = None,
    columns: Columns = None,
    preset: Preset = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the recipe's.", show_default=False)] = None,
    devices: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Processes that train together here: one a GPU or, without any, on its CPU.",
        ),
    ] = 1,
    nodes: Annotated[
        int,
        typer.Option(
            metavar="M",
            min=1,
            help="Machines that train together, each with so many devices; MASTER_ADDR and NODE_RANK name them.",
        ),
    ] = 1,
    report_on: Annotated[
        str,
        typer.Option(
            metavar="SPLIT|none",
            help="Split that judges the finished model. Use val or none while you are still choosing a recipe.",
        ),
    ] = "test",
) -> None:
    """Train a model as a recipe says, calibrate it, and report how good it is.

    A run that was interrupted goes on where it was when the same command is given again.
    """
    from pneumoscope.training.processes import find_processes
    from pneumoscope.training.recipe import load_recipe

    plan = load_recipe(recipe)
    if seed is not None:
        plan = plan.model_copy(update={"seed": seed})
    processes = find_processes(devices, nodes, plan)
    out = out or Path("runs") / plan.name

    from rich.text import Text

    from pneumoscope.cli._output import console
    from pneumoscope.cli._weights import starting_weights
    from pneumoscope.cli.evaluate import show
    from pneumoscope.cohorts import load_cohort, with_patients
    from pneumoscope.training.together import join_training
    from pneumoscope.workflow import BUNDLE, judge_bundle, train_bundle

    if processes.node:
        if not (out / BUNDLE).exists():
            with _advice():
                join_training(out, processes)
        return
    cohort = load_cohort(data, columns=parse_columns(columns), preset=preset)
    if patients:
        cohort = with_patients(cohort, patients)
    # Whether the films that are to judge the model are there is better known before training than after.
    judges = None if report_on == "none" else cohort.select(report_on).require_both_classes()
    start = starting_weights(weights, scaling)
    with _advice():
        bundle = train_bundle(plan, cohort, start, out, processes)
    console().print(Text(f"Bundle: {bundle.path}"), soft_wrap=True)
    if judges:
        evaluation = judge_bundle(bundle, judges, out / REPORT, overwrite=True)
        show(evaluation)
        console().print(Text(f"Report: {out / REPORT / 'report.html'}"), soft_wrap=True)


@contextmanager
def _advice() -> Iterator[None]:
    """Say after an interrupt what to do."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Interrupted. Give the same command again; it goes on from the last finished epoch.", err=True)
        raise typer.Exit(130) from None
