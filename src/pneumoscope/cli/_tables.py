"""Tables that more than one verb prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from pneumoscope.evaluation import NotScored, Referral, Yield

FEW = 5
"""Films without a score that are named; the others are counted."""


def figures_table(first: str, *others: str) -> Table:
    """A table of figures: names on the left, a column for each heading."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(first))
    for heading in others:
        table.add_column(Text(heading), justify="right")
    return table


def yields(found: Sequence[Yield]) -> Table:
    """Every operating point: what it does to the films, and to a thousand at the prevalence."""
    share = f"{found[0].prevalence:.1%}"
    costs = [] if found[0].cost_per_1000 is None else ["Cost"]
    headings = ("Threshold", "Sensitivity", "Specificity", f"PPV at {share}", f"NPV at {share}", "Called", "Missed")
    table = figures_table("Operating point, per 1000 films", *headings, *costs)
    for at in found:
        counts = (at.called_per_1000, at.missed_per_1000, *((at.cost_per_1000,) if costs else ()))
        table.add_row(
            at.operating_point.name,
            f"{at.operating_point.threshold:.4f}",
            *(figure.text() for figure in (at.sensitivity, at.specificity, at.ppv, at.npv)),
            *("–" if count is None else f"{count:,.0f}" for count in counts),
        )
    return table


def referrals(found: Sequence[Referral]) -> Table:
    """What conformal prediction does to the films, and to those of each source."""
    title = f"Referral at an error rate of {100 * found[0].limits.error_rate:g}%"
    headings = (
        "Films",
        "Coverage normal",
        "Coverage pneumonia",
        "Referred",
        "Both + neither",
        "Accuracy of the others",
    )
    table = figures_table(title, *headings)
    for part in found:
        figures = (part.coverage_normal, part.coverage_pneumonia, part.referred)
        table.add_row(
            part.films,
            f"{part.n:,}",
            *(figure.text() for figure in figures),
            f"{part.both} + {part.neither}",
            part.accuracy_of_decided.text(),
        )
    return table


def unscored(films: Sequence[NotScored]) -> None:
    """Print the first films that have no score, each with its reasons."""
    from rich.text import Text

    from pneumoscope.cli._output import console, counted

    out = console()
    out.print(Text(f"\n{counted(len(films), 'film')} without a score, in no figure:"), style="yellow")
    for film in films[:FEW]:
        out.print(Text(f"  {film.path}: {film.reasons}"), soft_wrap=True)
    if len(films) > FEW:
        out.print(f"  and {len(films) - FEW} more; --json has all")
