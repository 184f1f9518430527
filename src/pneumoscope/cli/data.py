"""``pneumoscope data``: the data sets there are, fetching them, and auditing one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import AsJson, Columns, Data, Preset, command_group, parse_columns

if TYPE_CHECKING:
    from rich.table import Table

    from pneumoscope.cohorts import Audit

FEW = 5
"""Groups of copies shown; all of them are in the JSON."""

app = command_group("data", "List, fetch and audit data sets.")


@app.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """Show the public collections that Pneumoscope reads, their licences, and where they come from."""
    from dataclasses import asdict

    from pneumoscope.cli._output import console, print_json
    from pneumoscope.cohorts import DATA_SETS, data_folder

    if as_json:
        print_json([asdict(data) for data in DATA_SETS.values()])
        return
    for data in DATA_SETS.values():
        sizes = ", ".join(map(str, data.files))
        get = f"pneumoscope data fetch {data.name} --size {sizes.replace(', ', '|')}" if sizes else "by hand from there"
        table = _table(
            ("what", data.what),
            ("films", f"{data.films:,}"),
            ("licence", data.licence),
            ("cite", data.citation),
            ("see", data.url),
            ("get", get),
            *((f"checksum {size}", file.checksum) for size, file in data.files.items()),
        )
        console().print(f"[bold]{data.name}[/bold]")
        console().print(table)
        console().print()
    console().print(f"Data folder: {data_folder()}", soft_wrap=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Of the data set; see data list.")] = "pneumoniamnist",
    size: Annotated[int, typer.Option(metavar="PIXELS", help="Side of the films.")] = 28,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to put it in.", show_default="the data folder")
    ] = None,
) -> None:
    """Download a data set, check it against its publisher's checksum, and print where it is.

    A download that was interrupted goes on where it stopped when the command is run again.
    """
    from pneumoscope.cohorts import fetch as fetch_set

    with _download_bar(name) as report:
        path = fetch_set(name, size=size, folder=out, report=report)
    typer.echo(path)


@app.command()
def audit(
    data: Data,
    columns: Columns = None,
    preset: Preset = None,
    split_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column that says the split.")] = "split",
    as_json: AsJson = False,
) -> None:
    """Count films by split and class and look for copies, leaks between splits, contradictions and gaps.

    Exit status 0: every film was read; 1: some could not be; 2: wrong use.
    """
    from pneumoscope.cli._output import print_json
    from pneumoscope.cohorts import audit as audit_cohort
    from pneumoscope.cohorts import load_cohort
    from pneumoscope.progress import progress_bar

    cohort = load_cohort(data, columns=parse_columns(columns), preset=preset)
    with progress_bar("Reading films", len(cohort)) as advance:
        found = audit_cohort(cohort, split_column=split_column, progress=advance)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)
    if found.unreadable:
        raise typer.Exit(1)


@app.command()
def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="DICOM file, or folder searched for films.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the films without names.")],
    key: Annotated[
        Path, typer.Option(metavar="FILE", help="The site's key; made if there is none. Keep it, and keep it secret.")
    ],
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What was done, as JSON; it names the sources.", show_default="OUT.report.json"
        ),
    ] = None,
    keep_characteristics: Annotated[
        bool, typer.Option("--keep-characteristics", help="Keep age, sex, size and weight.")
    ] = False,
    looked_at: Annotated[
        bool,
        typer.Option("--looked-at", help="I have: where the header is silent, nothing is burned into the picture."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder that has something in it.")
    ] = False,
) -> None:
    """Take names, dates and identifiers out of DICOM films; the same key gives the same new ones.

    Exit status 0: every film was written; 1: some were refused or could not be read; 2: wrong use.
    """
    from rich.text import Text

    from pneumoscope.cli._output import console, counted, draft, refuse_existing, require_extra
    from pneumoscope.progress import progress_bar
    from pneumoscope.scoring import find_films

    require_extra("dicom", "dicomanonymizer")
    report = report or out.with_name(f"{out.name}.report.json")
    for place in (out, report):
        refuse_existing(place, overwrite=overwrite)
    films = find_films([source]).files

    from pneumoscope.clinical.deidentify import count, read_key
    from pneumoscope.clinical.deidentify import deidentify as work

    with progress_bar("De-identifying", len(films)) as advance:
        found = work(
            films,
            out,
            read_key(key),
            keep_characteristics=keep_characteristics,
            looked_at=looked_at,
            progress=advance,
        )
    with draft(report) as place:
        place.write_text(found.model_dump_json(indent=2), encoding="utf-8")
    for film in found.files:
        if film.status != "written":
            console(stderr=True).print(Text(f"{film.source}: {film.status}: {film.reason}"), soft_wrap=True)
    counts = count(found)
    console().print(
        Text(
            f"{counted(len(found.files), 'film')}: {counts['written']} written to {out}, {counts['refused']} refused,"
            f" {counts['failed']} failed.\nReport, for this site alone: {report}"
        ),
        soft_wrap=True,
    )
    if counts["written"] < len(found.files):
        raise typer.Exit(1)


@contextmanager
def _download_bar(name: str) -> Iterator[Callable[[int, int | None], None]]:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from pneumoscope.cli._output import console

    target = console(stderr=True)
    parts = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*parts, console=target, disable=not target.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda there, total: bar.update(task, completed=there, total=total)


def _show(found: Audit) -> None:
    from pneumoscope.cli._output import console

    out = console()
    out.print(f"[bold]{found.name}[/bold], splits from column {found.split_column}\n")
    out.print(_splits(found))
    if found.left_out:
        out.print(f"Left out: {found.left_out} films without a value in {found.split_column}.")
    if found.overlaps:
        out.print()
        out.print(_overlaps(found))
    near = f"{found.near_threshold:.0%} correlation"
    for title, groups in (
        ("identical films", found.identical),
        (f"nearly identical films ({near})", found.near),
        ("identical films with contradictory labels", found.contradictory),
        ("identical films of different patients", found.different_patients),
    ):
        out.print(f"\n[bold]Groups of {title}: {len(groups)}[/bold]")
        _list([" = ".join(group) for group in groups])
    out.print("\n[bold]Missing[/bold]")
    out.print(_table(*((column, f"{count:,} of {found.total.films:,}") for column, count in found.missing.items())))
    if found.unreadable:
        out.print(f"\n[bold red]Films that cannot be read: {len(found.unreadable)}[/bold red]")
        _list(list(found.unreadable.values()))


def _list(lines: Sequence[str]) -> None:
    from rich.text import Text

    from pneumoscope.cli._output import console

    for line in lines[:FEW]:
        console().print(Text(f"  {line}"), soft_wrap=True)
    if len(lines) > FEW:
        console().print(f"  and {len(lines) - FEW} more; --json has all")


def _splits(found: Audit) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Split")
    for heading in (
        "Films",
        "Normal",
        "Pneumonia",
        "Unlabelled",
        "Prevalence",
        "Patients",
        "Identical groups",
        "Surplus",
    ):
        table.add_column(heading, justify="right")
    for row in (*found.splits, found.total):
        table.add_row(
            row.split,
            *(f"{count:,}" for count in (row.films, row.normal, row.pneumonia, row.unlabelled)),
            "–" if row.prevalence is None else f"{row.prevalence:.1%}",
            "unknown" if row.patients is None else f"{row.patients:,}",
            f"{row.identical_groups:,}",
            f"{row.surplus:,}",
        )
    return table


def _overlaps(found: Audit) -> Table:
    from rich.table import Table

    sizes = {row.split: row.films for row in found.splits}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Of split", "also in", "Patients", "Films of these patients", "Identical films", "Near films"):
        table.add_column(heading, justify="left" if "split" in heading or "also" in heading else "right")
    for overlap in found.overlaps:
        for side in (1, 0):
            split, other = overlap.splits[side], overlap.splits[1 - side]
            shared = overlap.films_of_shared_patients
            table.add_row(
                split,
                other,
                "unknown" if overlap.patients is None else f"{overlap.patients:,}",
                "unknown" if shared is None else f"{shared[side]:,} of {sizes[split]:,}",
                f"{overlap.identical_films[side]:,}",
                f"{overlap.near_films[side]:,}",
            )
    return table


def _table(*rows: tuple[str, str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"  {name}", Text(value))
    return table
