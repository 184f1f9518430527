"""``pneumoscope records``: what the service and the dashboard have on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from pneumoscope.cli._options import AsJson, Database, command_group
from pneumoscope.cli._output import require_extra
from pneumoscope.errors import StoreError

if TYPE_CHECKING:
    from rich.table import Table

    from pneumoscope.service.store import Record, Statistics, Store
    from pneumoscope.service.store.statistics import By

app = command_group("records", "List, export and sum up the predictions on record.")

DECISIONS = ("pneumonia", "normal", "refer", "unsuitable")
PERIODS: dict[str, By] = {"day": "day", "week": "week", "month": "month"}

Since = Annotated[str | None, typer.Option(metavar="DATE", help="The first day, such as 2026-01-31, in UTC.")]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="The first day that does not count any more.")]
DecisionName = Annotated[str | None, typer.Option(metavar="|".join(DECISIONS), help="Only those with this decision.")]


@app.command("list")
def list_records(
    store: Database = None,
    since: Since = None,
    until: Until = None,
    decision: DecisionName = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest predictions on record."""
    from pneumoscope.cli._output import console, print_json

    found = list(_search(_open(store), since, until, decision, newest_first=True, limit=limit))
    if as_json:
        print_json([record.model_dump(mode="json") for record in found])
    else:
        console().print(_records(found))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE.csv|FILE.jsonl", help="A table, or one JSON document a line.")],
    store: Database = None,
    since: Since = None,
    until: Until = None,
    decision: DecisionName = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write predictions and verdicts into a file, oldest first."""
    from pneumoscope.cli._output import counted, draft, refuse_existing

    if out.suffix not in (".csv", ".jsonl"):
        raise StoreError(f"{out}: name a file that ends in .csv or .jsonl")
    refuse_existing(out, overwrite=overwrite)
    records = _search(_open(store), since, until, decision)
    with draft(out) as place, place.open("w", encoding="utf-8", newline="") as file:
        written = _write_csv(records, file) if out.suffix == ".csv" else _write_lines(records, file)
    typer.echo(f"{counted(written, 'record')} in {out}")


@app.command()
def stats(
    store: Database = None,
    since: Since = None,
    until: Until = None,
    by: Annotated[str, typer.Option(metavar="|".join(PERIODS), help="Length of a period.")] = "month",
    as_json: AsJson = False,
) -> None:
    """Sum up how far reviewers agree, and how films and probabilities drift over time."""
    from pneumoscope.cli._output import console, print_json

    period = PERIODS.get(by)
    if period is None:
        raise StoreError(f"--by {by}: there are {', '.join(PERIODS)}")
    opened = _open(store)
    from pneumoscope.service.store import statistics_of

    found = statistics_of(_search(opened, since, until, None), by=period)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for part in _statistics(found):
        console().print(part)


def _open(store: str | None) -> Store:
    require_extra("service", "sqlalchemy")
    from pneumoscope.service.store import Store

    return Store(store)


def _search(
    store: Store, since: str | None, until: str | None, decision: str | None, **options: Any
) -> Iterator[Record]:
    if decision and decision not in DECISIONS:
        raise StoreError(f"--decision {decision}: there are {', '.join(DECISIONS)}")
    return store.records(since=_moment(since), until=_moment(until), decision=decision, **options)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f"{text}: no date; write it as 2026-01-31") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _write_csv(records: Iterator[Record], file: TextIO) -> int:
    import csv

    writer, count = None, 0
    for record in records:
        row = {name: _safe(value) for name, value in record.row().items()}
        if writer is None:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
        writer.writerow(row)
        count += 1
    return count


def _safe(value: Any) -> Any:
    """Spreadsheets take text that begins like this for a formula; people type comments."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _write_lines(records: Iterator[Record], file: TextIO) -> int:
    count = 0
    for record in records:
        file.write(record.model_dump_json() + "\n")
        count += 1
    return count


def _records(records: list[Record]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.cli.predict import STYLES
    from pneumoscope.scoring import percent

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Time (UTC)", "Record", "From", "Decision", "Probability", "Model", "Film", "Verdicts"):
        table.add_column(heading, justify="right" if heading == "Probability" else "left", overflow="fold")
    for record in records:
        said = record.prediction
        table.add_row(
            f"{record.created:%Y-%m-%d %H:%M}",
            record.id[:12],
            record.source,
            Text("unreadable" if said.failed else said.decision, STYLES[said.decision]),
            "–" if said.probability is None else percent(said.probability),
            f"{said.model.name} ({said.model.sha256[:8]})",
            Text(said.file),
            Text(", ".join(f"{verdict.reviewer}: {verdict.verdict}" for verdict in record.verdicts)),
        )
    return table


def _statistics(found: Statistics) -> Iterator[Any]:
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.cli._output import counted

    models = ", ".join(f"{name}: {count:,}" for name, count in found.models.items())
    yield Text(f"{counted(found.films, 'film')} on record. {models}\n")
    agreement = found.agreement
    verdicts, films = counted(agreement.verdicts, "verdict"), counted(agreement.films, "film")
    yield Text(f"Reviewers: {verdicts} on {films}, the last word of each reviewer. 95% intervals in brackets.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Decision")
    table.add_column("Agreed", justify="right")
    for name, share in {**agreement.by_decision, "all": agreement.agreed}.items():
        table.add_row(name, share.text())
    yield table
    if agreement.kappa is not None:
        yield Text(f"Cohen's kappa of decision and reviewer: {agreement.kappa:.2f}")
    table = Table(box=None, pad_edge=False, header_style="bold", title=f"\nBy {found.by}", title_justify="left")
    headings = ("From", "Films", "Unsuitable", "Scored", "At or above threshold", "Referred", "Median", "Distance", "p")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "From" else "right")
    for period in found.periods:
        numbers = (period.median_probability, period.distance, period.p)
        table.add_row(
            f"{period.start}",
            f"{period.films:,}",
            period.unsuitable.text(),
            f"{period.scored:,}",
            period.pneumonia.text(),
            period.referred.text(),
            *("–" if number is None else f"{number:.2g}" for number in numbers),
        )
    yield table
    yield Text("Distance: Kolmogorov–Smirnov, of the probabilities to those of the first period; p by Holm's method.")
