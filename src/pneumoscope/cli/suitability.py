"""``pneumoscope suitability``: teach a model which films it may score, and count what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import AsJson, BatchSize, Columns, Data, Patients, Preset, command_group, parse_columns

if TYPE_CHECKING:
    from pneumoscope.cohorts import Cohort
    from pneumoscope.evaluation import RefusalTable

app = command_group("suitability", "Which films a model may score: fit it, and count what is refused.")

Model = Annotated[str, typer.Argument(metavar="BUNDLE", help="The trained model: name or folder.")]
ORIGINS = {
    "films": "to be scored",
    "drawn": "drawn by the program",
    "real": "real pictures",
    "changed": "these films, changed",
    "given": "given",
}


@app.command("fit")
def fit_suitability(
    bundle: Model,
    data: Data,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a changed copy.", show_default="changes BUNDLE")
    ] = None,
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Divide labelled films as the model's training did, by its recipe.")
    ] = False,
    patients: Patients = None,
    columns: Columns = None,
    preset: Preset = None,
) -> None:
    """Teach a model what its training films look like, so that it refuses films that are unlike them.

    The split train of the films describes them; the threshold is chosen on films of the split val, of other
    patients, for 0.75% of false refusals. Labels are not needed. Use the films that the model was trained on.
    """
    from pneumoscope.bundle import copy_bundle, load_bundle
    from pneumoscope.workflow import fit_suitability as fit

    cohort = _cohort(data, columns, preset, patients)
    model = load_bundle(bundle)
    fitted = fit(copy_bundle(model, out) if out else model, cohort, as_trained=as_trained)
    rule = fitted.spec.suitability
    typer.echo(f"Bundle: {fitted.path}")
    typer.echo(f"Fitted on: {rule.fitted_on}")
    typer.echo(f"Refuses films beyond a distance of {rule.threshold:.2f}, chosen on: {rule.chosen_on}")


@app.command("table")
def refusals(
    bundle: Model,
    data: Data,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Chest films of this split; all takes every film.")
    ] = "val",
    unsuitable: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Your own pictures that should be refused.")
    ] = None,
    changed: Annotated[int, typer.Option(min=1, help="Chest films that are turned, inverted, cropped.")] = 200,
    drawn: Annotated[int, typer.Option(min=1, help="Pictures of each kind that is drawn.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the table there too.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.json.")] = False,
    patients: Patients = None,
    columns: Columns = None,
    preset: Preset = None,
    batch_size: BatchSize = 8,
) -> None:
    """Count what a model refuses of chest films, of changed chest films, and of pictures of other things.

    With --patients or a column of patients, give a split whose patients the model was not trained on.
    """
    from rich.text import Text

    from pneumoscope.bundle import load_bundle
    from pneumoscope.cli._output import console, draft, print_json, refuse_existing
    from pneumoscope.evaluation import refusal_table
    from pneumoscope.scoring import Predictor

    if out:
        refuse_existing(out, overwrite=overwrite)
    cohort = _cohort(data, columns, preset, patients).select(split)
    notes = console(stderr=True)
    found = refusal_table(
        Predictor(load_bundle(bundle), batch_size=batch_size),
        cohort,
        data=f"{cohort.name}, split {split}",
        given=unsuitable,
        changed=changed,
        drawn=drawn,
        seed=seed,
        progress=lambda kind: notes.print(Text(f"{kind} …")) if notes.is_terminal else None,
    )
    if out:
        with draft(out) as place:
            place.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show(found)


def show(found: RefusalTable) -> None:
    """Print the table."""
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.cli._output import console

    out = console()
    out.print(Text(f"{found.model} ({found.model_sha256[:12]}) on {found.data}. 95% intervals in brackets.\n"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Pictures", "Origin", "n", "Refused", "Note: mirrored", "Reasons of refusals"):
        table.add_column(heading, justify="right" if heading in ("n", "Refused", "Note: mirrored") else "left")
    for row in found.rows:
        reasons = ", ".join(f"{code} {count}" for code, count in row.codes.items())
        cells = (row.kind, ORIGINS[row.origin], f"{row.n:,}", row.refused.text(), row.mirrored.text(), reasons)
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    if found.unreadable:
        out.print(Text(f"\nChest films that could not be read, in no row: {found.unreadable}"), style="yellow")
    out.print(Text(f"\n{found.notice}"))


def _cohort(data: list[str], columns: str | None, preset: str | None, patients: Path | None) -> Cohort:
    from pneumoscope.cohorts import load_cohort, with_patients

    cohort = load_cohort(data, columns=parse_columns(columns), preset=preset)
    return with_patients(cohort, patients) if patients else cohort
