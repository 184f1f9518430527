"""``pneumoscope reproduce``: rebuild what the documentation shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import AsJson, Columns, Data, Patients, Preset, command_group, parse_columns
from pneumoscope.cli.train import IMAGENET
from pneumoscope.errors import RecipeError

if TYPE_CHECKING:
    from pneumoscope.experiments import Results

TABLES = (
    "ablations",
    "child-choices",
    "child-contrary",
    "child-length",
    "child-sources",
    "pneumoniamnist-choices",
    "pneumoniamnist-contrary",
)
"""Tables that come with Pneumoscope."""

app = command_group("reproduce", "Rebuild tables of experiments: trainings on held-out patients and sources.")


@app.callback()
def _group() -> None:
    """Rebuild tables of experiments: trainings on held-out patients and sources."""


@app.command()
def table(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE.toml",
            help=f"{', '.join(TABLES)}, or a table of your own.",
            show_default=False,
        ),
    ],
    data: Data,
    weights: Annotated[
        str, typer.Option(metavar="FILE|NAME|BUNDLE|none", help="The trunk's starting weights, as for train.")
    ] = IMAGENET,
    scaling: Annotated[
        str | None, typer.Option(metavar="tensorflow|imagenet", help="Input scaling of the weights.")
    ] = None,
    patients: Patients = None,
    columns: Columns = None,
    preset: Preset = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small form that tries that everything works.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This row and what it needs; repeat it for several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where runs and tables go.", show_default="runs/NAME")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train every row of a table on held-out patients and sources, and judge it against the first row.

    The test split is never touched. Finished trainings stay in DIR: a table that was interrupted goes on where it
    was when the same command is given again, and the table so far is written after each row.

    Exit status 0: every row was trained; 1: some could not be, and the table says why; 2: wrong use.
    """
    from rich.text import Text

    from pneumoscope.cli._output import console, print_json
    from pneumoscope.cli._weights import starting_weights
    from pneumoscope.cohorts import load_cohort, with_patients
    from pneumoscope.experiments import load_table, reproduce_table, write_results

    file = _file(name)
    plan = load_table(file)
    if quick:
        plan = plan.small()
    if only:
        plan = plan.only(only)
    cohort = load_cohort(data, columns=parse_columns(columns), preset=preset)
    if patients:
        cohort = with_patients(cohort, patients)
    start = starting_weights(weights, scaling)
    out = out or Path("runs") / (f"{file.stem}-quick" if quick else file.stem)

    def finished(results: Results) -> None:
        write_results(results, out, file.stem)
        console(stderr=True).print(f"{len(results.lines)} of {total} rows: {results.lines[-1].name}")

    total = len(plan.rows) + len(plan.combinations)
    try:
        results = reproduce_table(plan, file, cohort, start, out, finished=finished)
    except KeyboardInterrupt:
        typer.echo("Interrupted. Give the same command again; it goes on from the last finished epoch.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(results.model_dump(mode="json"))
    else:
        show(results)
        console().print(Text(f"Table: {out / file.stem}.md, .csv, .json and pictures beside them"), soft_wrap=True)
    if any(line.failed for line in results.lines):
        raise typer.Exit(1)


def show(results: Results) -> None:
    """Print a table of experiments, with what it rests on."""
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.cli._output import console
    from pneumoscope.experiments.write import headings

    out = console()
    out.print(Text(results.title), style="bold")
    for statement in results.statements:
        out.print(Text(statement), soft_wrap=True)
    columns = headings(results)
    per_judge = (len(columns) - 1) // len(results.judges)
    for place, (judge, words) in enumerate(results.judges.items()):
        shown = [columns[0], *columns[1 + place * per_judge : 1 + (place + 1) * per_judge]]
        out.print(Text(f"\nJudged on {judge}: {words}"))
        printed = Table(box=None, pad_edge=False, header_style="bold")
        for heading, _ in shown:
            printed.add_column(Text(heading.partition(",")[0]), justify="left" if heading == "Row" else "right")
        for line in results.lines:
            printed.add_row(*(Text(cell(line)) for _, cell in shown))
        out.print(printed)
    for line in results.lines:
        if line.failed:
            out.print(Text(f"{line.name} failed: {line.failed}"), style="yellow", soft_wrap=True)


def _file(name: str) -> Path:
    """A table's file: of one's own, or one that comes with Pneumoscope.

    Raises:
        RecipeError: there is none of that name.
    """
    if name.endswith(".toml"):
        return Path(name)
    package = Path(__file__).parents[1]
    # In a checkout the recipes lie beside the sources; a wheel carries them inside the package.
    for folder in (package / "recipes", package.parents[1] / "recipes"):
        if (found := folder / f"{name}.toml").is_file():
            return found
    raise RecipeError(f"there is no table {name!r}; name one of {', '.join(TABLES)}, or a file that ends in .toml")
