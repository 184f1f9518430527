"""A finished table as files: CSV and JSON for programs, Markdown for pages, forests of differences for the eye."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscope.errors import OutputError
from pneumoscope.experiments.judge import METRICS
from pneumoscope.experiments.reproduce import Line, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

TITLES = {
    "roc_auc": "ROC AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "brier": "Brier score",
}
FORESTS = ("roc_auc", "accuracy")
"""Metrics whose differences are drawn."""
INK, QUIET, WORSE, BETTER = "#22303c", "#8a97a3", "#d9752b", "#3f83c2"


def write_results(results: Results, folder: Path, name: str) -> None:
    """Write ``NAME.csv``, ``.json``, ``.md`` and ``NAME-METRIC.png``, each whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    _put(folder / f"{name}.csv", _csv(results).encode())
    _put(folder / f"{name}.json", (results.model_dump_json(indent=2) + "\n").encode())
    _put(folder / f"{name}.md", markdown(results).encode())
    if len(results.lines) > 1:
        for metric in FORESTS:
            buffer = io.BytesIO()
            forest(results, metric).savefig(buffer, format="png", dpi=130)
            _put(folder / f"{name}-{metric.replace('_', '-')}.png", buffer.getvalue())


def headings(results: Results) -> list[tuple[str, Callable[[Line], str]]]:
    """Columns of the table for people, each with what stands in its cells."""

    def figure(judge: str, metric: str) -> Callable[[Line], str]:
        return lambda line: "failed" if line.failed else line.verdicts[judge].figures[metric].text()

    def difference(judge: str, metric: str) -> Callable[[Line], str]:
        def cell(line: Line) -> str:
            found = None if line.failed else line.verdicts[judge].differences.get(metric)
            if found is None or found.value is None or found.low is None or found.high is None:
                return "–"
            return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"

        return cell

    columns: list[tuple[str, Callable[[Line], str]]] = [("Row", lambda line: line.name)]
    for judge in results.judges:
        for metric in FORESTS:
            title = TITLES[metric]
            columns.append((f"{title}, {judge}", figure(judge, metric)))
            columns.append((f"− base, {judge}", difference(judge, metric)))
    return columns


def markdown(results: Results) -> str:
    """The table as a page: what it rests on, figures with differences to the base row, and what each row changes."""
    columns = headings(results)
    lines = [f"# {results.title}", "", *(f"- {statement}" for statement in results.statements)]
    lines += [f"- {judge}: {words}." for judge, words in results.judges.items()]
    lines += ["", _cells([title for title, _ in columns]), _cells(["---"] * len(columns))]
    lines += [_cells([cell(line) for _, cell in columns]) for line in results.lines]
    lines += ["", _cells(["Row", "Question", "Changes", "Training, s"]), _cells(["---"] * 4)]
    for line in results.lines:
        seconds = "–" if line.training_seconds is None else f"{line.training_seconds:.0f}"
        lines.append(_cells([line.name, line.question, changes_in_words(line), seconds]))
    lines += ["", *(f"- {line.name} failed: {line.failed}" for line in results.lines if line.failed)]
    return "\n".join(lines).rstrip() + "\n"


def changes_in_words(line: Line) -> str:
    """``loss.kind = focal; …``."""
    return "; ".join(f"{key} = {_plain(value)}" for key, value in line.changes.items()) or "none"


def forest(results: Results, metric: str) -> Picture:
    """Each row's difference to the base row, with its interval, one panel a judge.

    Blue where the interval lies on the better side of nothing, orange on the worse, grey on both.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    lines = results.lines[1:]
    picture = Picture(figsize=(2.2 + 3.2 * len(results.judges), 1.1 + 0.25 * len(lines)), layout="constrained")
    FigureCanvasAgg(picture)
    panels: Any = picture.subplots(1, len(results.judges), sharey=True, squeeze=False)[0]
    for axes, (judge, words) in zip(panels, results.judges.items(), strict=True):
        axes.axvline(0, color=QUIET, linewidth=1, linestyle=":")
        for place, line in enumerate(lines):
            found = None if line.failed else line.verdicts[judge].differences[metric]
            if found is None or found.value is None:
                continue
            low, high = (found.value if end is None else end for end in (found.low, found.high))
            colour = BETTER if low > 0 else WORSE if high < 0 else QUIET
            axes.plot([low, high], [place, place], color=colour, linewidth=1.4)
            axes.plot(found.value, place, "s", color=colour, markersize=4.5)
        axes.set_title(f"{judge}\n({words})", fontsize=8, color=INK)
        axes.set_xlabel(f"{TITLES[metric]}, difference to {results.lines[0].name}", fontsize=8, color=INK)
        axes.set_yticks(range(len(lines)), [line.name for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.grid(axis="x", color=QUIET, alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=8)
    return picture


def _csv(results: Results) -> str:
    """One line for each row, judge and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("", "_low", "_high")
    header = [f"{part}{end}" for part in ("value", "difference") for end in ends]
    writer.writerow(["row", "judge", "metric", *header, "training_seconds", "changes"])
    for line in results.lines:
        for judge, verdict in line.verdicts.items():
            for metric in METRICS:
                cells: list[Any] = []
                for figure in (verdict.figures[metric], verdict.differences.get(metric)):
                    cells += [figure.value, figure.low, figure.high] if figure else [None] * 3
                rounded = [None if cell is None else round(cell, 6) for cell in cells]
                writer.writerow([line.name, judge, metric, *rounded, line.training_seconds, changes_in_words(line)])
    return text.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)


def _cells(texts: list[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _put(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
