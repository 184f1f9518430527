"""An evaluation on disk: a report in one file, figures, checklists, ``metrics.json`` and ``predictions.csv``."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pneumoscope import __version__
from pneumoscope.cohorts import Cohort
from pneumoscope.errors import OutputError
from pneumoscope.evaluation.evaluate import Evaluation, headings, threshold_name
from pneumoscope.output import whole_folder
from pneumoscope.scoring import Predictor

if TYPE_CHECKING:
    from markupsafe import Markup

    from pneumoscope.evaluation.canvas import Drawing

REPORT = "report.html"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
FIGURES = "figures"
CHECKLISTS = "checklists.md"
TEMPLATES = Path(__file__).parent / "templates"
DPI = 150


def write_evaluation(
    folder: Path,
    evaluation: Evaluation,
    predictions: pd.DataFrame,
    cohort: Cohort,
    predictor: Predictor,
    *,
    overwrite: bool = False,
) -> None:
    """Write an evaluation into a folder, which appears whole or not at all.

    Args:
        folder: must not exist or be empty.
        evaluation: from :func:`evaluate`.
        predictions: from :func:`score_cohort`.
        cohort: the films that were scored.
        predictor: what scored them; draws the heat maps.
        overwrite: replace an evaluation that is there. A folder with anything else in it is never replaced.

    Raises:
        OutputError: the folder is not free, or cannot be written.
    """
    require_free(folder, overwrite=overwrite)
    with whole_folder(folder) as draft:
        _write(draft, evaluation, predictions, cohort, predictor)


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Make sure that an evaluation may be written there, before the work that leads to it.

    Raises:
        OutputError: it is a file, or a folder with something in it that is not an evaluation to be overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder for the report")
    inside = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if inside and not overwrite:
        raise OutputError(f"{folder}: this folder is not empty; name another one, or overwrite it (--overwrite)")
    if other := sorted(inside - {REPORT, METRICS, PREDICTIONS, FIGURES, CHECKLISTS}):
        raise OutputError(f"{folder}: holds more than an evaluation ({other[0]}) and is not replaced; name another one")


def _write(
    folder: Path, evaluation: Evaluation, predictions: pd.DataFrame, cohort: Cohort, predictor: Predictor
) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from pneumoscope.evaluation.cases import film_name, pick, studies
    from pneumoscope.evaluation.checklists import checklists_markdown, fill_checklists
    from pneumoscope.evaluation.explanations import ORDER_NAMES, PART_NAMES, findings
    from pneumoscope.evaluation.facts import gather
    from pneumoscope.evaluation.figures import Films, draw_all
    from pneumoscope.evaluation.stress_figures import draw_tests
    from pneumoscope.evaluation.summary import summarise

    scored = predictions[predictions["probability"].notna()]
    calibration = evaluation.calibration
    films = Films(
        np.array(scored["label"], dtype=np.int64),
        calibration.slope * np.array(scored["logit"], dtype=np.float64) + calibration.intercept,
        np.array(scored["probability"], dtype=np.float64),
    )
    (folder / FIGURES).mkdir()
    drawings = draw_all(evaluation, films, predictor.spec.operating_points)
    tests = {drawing.name: drawing for drawing in draw_tests(evaluation)}
    pictures = {drawing.name: _save(drawing, folder / FIGURES) for drawing in (*drawings, *tests.values())}
    groups = pick(predictions, evaluation.chosen.operating_point.threshold)
    cases = studies([row for group in groups for row in group.rows], predictions, cohort, predictor)
    summary = summarise(evaluation, predictor.spec, predictions, cohort=cohort.name)
    checklists = fill_checklists(gather(evaluation, predictor.spec, predictions, summary, cohort=cohort.name))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template(REPORT).render(
        evaluation=evaluation,
        spec=predictor.spec,
        summary=summary,
        checklists=checklists,
        decisions=headings(evaluation),
        threshold_name=threshold_name,
        film_name=film_name,
        drawings=[(drawing, pictures[drawing.name]) for drawing in drawings],
        tests={name: (drawing, pictures[name]) for name, drawing in tests.items()},
        findings=findings,
        order_names=ORDER_NAMES,
        part_names=PART_NAMES,
        groups=[(group, [cases[row] for row in group.rows]) for group in groups],
        version=__version__,
    )
    (folder / REPORT).write_text(html, encoding="utf-8")
    document = json.dumps(evaluation.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / METRICS).write_text(document + "\n", encoding="utf-8")
    title = f"{evaluation.model} on {evaluation.data}"
    (folder / CHECKLISTS).write_text(checklists_markdown(checklists, title), encoding="utf-8")
    predictions.to_csv(folder / PREDICTIONS, index=False, encoding="utf-8")


def _save(drawing: Drawing, folder: Path) -> Markup:
    """Write a figure as PNG and SVG; returns the SVG for the report."""
    import matplotlib
    from markupsafe import Markup

    # A fixed salt and no date: the same figures give the same files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": drawing.name}):
        drawing.figure.draw_without_rendering()  # the layout settles at the second drawing only
        drawing.figure.savefig(folder / f"{drawing.name}.png", dpi=DPI, facecolor="white")
        buffer = io.StringIO()
        drawing.figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
        (folder / f"{drawing.name}.svg").write_text(buffer.getvalue(), encoding="utf-8")
        buffer = io.StringIO()
        drawing.figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    picture = _inline(buffer.getvalue(), drawing)
    # Matplotlib and _inline have escaped what stands in it.
    return Markup(picture)  # nosec B704


def _inline(svg: str, drawing: Drawing) -> str:
    """An SVG to stand in the report: in the page's own text colour, at any width, its names its own."""
    from markupsafe import escape

    from pneumoscope.evaluation.canvas import INK

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]+"', body)
    assert box is not None  # matplotlib always writes one
    label = escape(f"{drawing.title}. {drawing.description}")
    body = re.sub(r"<svg[^>]*>", lambda _: f'<svg {box[0]} role="img" aria-label="{label}">', body, count=1)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{drawing.name}-", body)
    return body.replace(INK, "currentColor")
