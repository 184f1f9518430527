"""``pneumoscope screen``: score an archive, and go on where an earlier run ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import AsJson, BundleName, OperatingPointName, PrecisionName, RuntimeName

if TYPE_CHECKING:
    from pneumoscope.screening import Summary

BAR = 40
"""Characters of the histogram's longest bar."""


def screen(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Folder, pattern, list of films (.csv, .txt), or the URL of one."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run; an unfinished one is gone on with.")],
    bundle: BundleName = "default",
    operating_point: OperatingPointName = None,
    column: Annotated[str, typer.Option(metavar="NAME", help="Column of the list that names the films.")] = "path",
    heatmaps: Annotated[
        bool, typer.Option("--heatmaps", help="Draw the heat map of films decided as pneumonia.")
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another run, say over the training films, to measure drift against."),
    ] = None,
    runtime: RuntimeName = "openvino",
    precision: PrecisionName = "f32",
    engine: Annotated[str, typer.Option(metavar="local|ray", help="This machine, or a Ray cluster.")] = "local",
    address: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Of the Ray cluster.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that read, or that Ray scores with.")
    ] = None,
    part_size: Annotated[int, typer.Option(min=1, metavar="N", help="Films in a file of results.")] = 512,
    as_json: AsJson = False,
) -> None:
    """Score an archive into Parquet files. Kill it whenever you like: the same command goes on where it was.

    Exit status 0: every film was read; 1: some could not be, or the run was stopped; 2: wrong use.
    """
    from pneumoscope.bundle import load_bundle
    from pneumoscope.cli._output import print_json
    from pneumoscope.errors import BundleError
    from pneumoscope.progress import progress_bar
    from pneumoscope.screening import Options
    from pneumoscope.screening import screen as run

    if engine not in ("local", "ray"):
        raise BundleError(f"there is no engine {engine!r}; choose local or ray")
    options = Options(
        column=column,
        operating_point=operating_point,
        runtime=runtime,
        precision=precision,
        heatmaps=heatmaps,
        part_size=part_size,
        workers=workers,
        engine="ray" if engine == "ray" else "local",
        address=address,
    )
    with ExitStack() as bars:

        def begin(done: int, to_do: int) -> Callable[[int], None]:
            return bars.enter_context(progress_bar("Going on" if done else "Screening", to_do))

        summary = run(source, load_bundle(bundle), out, options, reference=reference, progress=begin)
    if as_json:
        print_json(summary.model_dump(mode="json"))
    else:
        _show(summary, out)
    if summary.failed:
        raise typer.Exit(1)


def _show(summary: Summary, out: Path) -> None:
    from rich.text import Text

    from pneumoscope.cli._output import console, counted
    from pneumoscope.scoring import percent

    counts = [f"{count:,} {name}" for name, count in sorted(summary.decisions.items(), key=lambda entry: -entry[1])]
    if summary.failed:
        counts.append(f"{summary.failed:,} unreadable")
    lines = [f"{counted(summary.done, 'film')}: {', '.join(counts)}."]
    if summary.reasons:
        lines.append("Not scored, by reason:")
        lines += [f"  {count:>9,}  {code}" for code, count in sorted(summary.reasons.items(), key=lambda e: -e[1])]
    if top := max(summary.histogram):
        lines.append("Films by probability:")
        step = 1 / len(summary.histogram)
        for number, count in enumerate(summary.histogram):
            bar = "█" * -(-BAR * count // top)
            lines.append(f"  {number * step:4.0%} – {(number + 1) * step:4.0%} {count:>9,}  {bar}")
    if drift := summary.drift:
        here, there = drift.mean_probability
        lines.append(f"Drift against {drift.reference} ({counted(drift.films, 'film')}):")
        lines.append(f"  mean probability {percent(here)}, there {percent(there)}")
        lines.append(f"  population stability index of the probabilities {drift.score_stability:.3f}")
        lines.append(f"  shift of the embedding {drift.embedding_shift:.3f} standard deviations")
    lines.append(
        f"Model {summary.bundle} ({summary.weights_sha256[:12]}), operating point “{summary.operating_point}”, "
        f"{summary.runtime}.\nResults: {out / 'parts'}\n{summary.notice}"
    )
    console().print(Text("\n".join(lines)), soft_wrap=True)
