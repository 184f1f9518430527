"""What Pneumoscope does, shown on two real films and, where it can be had, on a public test set."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscope import __version__
from pneumoscope.bundle import load_bundle
from pneumoscope.errors import CohortError, OutputError, PneumoscopeError
from pneumoscope.output import whole_folder
from pneumoscope.progress import progress_bar
from pneumoscope.scoring import RESEARCH_NOTICE, Predictor, Scored, percent

if TYPE_CHECKING:
    from pneumoscope.cohorts import Cohort
    from pneumoscope.evaluation import Evaluation

FILMS = {"RG1_UNCI.dcm": "a chest film", "RG3_UNCI.dcm": "a film of a leg"}
"""Files of the package pydicom-data (MIT), and what they show."""
REPORT = "report.html"
EVALUATION = "evaluation"


@dataclass(frozen=True)
class Demonstration:
    """What the demo found.

    Attributes:
        report: the page that shows it.
        films: one result for each of :data:`FILMS`, with its picture where it was scored.
        evaluation: of the default bundle on PneumoniaMNIST's test split, or None where that cannot be had.
        why_not: the reason, if so.
    """

    report: Path
    films: tuple[tuple[str, Scored, Path | None], ...]
    evaluation: Evaluation | None
    why_not: str


def demonstrate(out: Path, *, overwrite: bool = False) -> Demonstration:
    """Score a real chest film and one of a leg, judge the default bundle, and write a report.

    Args:
        out: folder for the report and its pictures; appears whole or not at all.
        overwrite: replace an earlier demo.

    Raises:
        PneumoscopeError: the films are not installed, or ``out`` cannot be written.
    """
    if out.exists() and not (overwrite and (out / REPORT).is_file()):
        raise OutputError(f"{out}: exists already; name another --out, or add --overwrite to replace an earlier demo")
    sources = [(_installed(name), what) for name, what in FILMS.items()]
    with whole_folder(out) as draft:
        found = _show(sources, draft)
    films = tuple((what, scored, out / picture.name if picture else None) for what, scored, picture in found.films)
    return Demonstration(out / REPORT, films, found.evaluation, found.why_not)


def _show(sources: list[tuple[Path, str]], folder: Path) -> Demonstration:
    from pneumoscope.evaluation import evaluate, score_cohort, write_evaluation
    from pneumoscope.explanation import save_explanation

    predictor = Predictor(load_bundle("default"))
    films = []
    scores = predictor.predict_files([path for path, _ in sources], keep_films=True)
    for (path, what), scored in zip(sources, scores, strict=True):
        picture = folder / f"{path.stem}.png" if scored.saliency is not None else None
        if picture:
            save_explanation(scored, predictor.spec.input, picture)
        films.append((what, scored, picture))
    evaluation, why_not = None, ""
    try:
        cohort = _test_films()
    except PneumoscopeError as error:
        why_not = str(error)
    else:
        with progress_bar(f"Judging on {len(cohort):,} films", len(cohort)) as advance:
            predictions = score_cohort(predictor, cohort, progress=advance)
        evaluation = evaluate(predictions, predictor.spec, data=f"{cohort.name}, split test")
        write_evaluation(folder / EVALUATION, evaluation, predictions, cohort, predictor)
    result = Demonstration(folder / REPORT, tuple(films), evaluation, why_not)
    result.report.write_text(_page(result, predictor), encoding="utf-8")
    return result


def _installed(name: str) -> Path:
    from pydicom.data import get_testdata_file

    # pydicom's own downloads are switched off: what is asked for is the installed package's file.
    found = get_testdata_file(name, download=False)
    if found is None:
        raise CohortError(f"{name}: the demo's films are not installed; get them with: pip install pydicom-data")
    return Path(str(found))


def _test_films() -> Cohort:
    from pneumoscope.cohorts import fetch, load_cohort

    return load_cohort(fetch("pneumoniamnist")).select("test")


def _page(found: Demonstration, predictor: Predictor) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from pneumoscope.evaluation.report import TEMPLATES

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = [
        f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}" if picture else None
        for _, _, picture in found.films
    ]
    return environment.get_template("demo.html").render(
        films=[(what, scored.prediction, uri) for (what, scored, _), uri in zip(found.films, pictures, strict=True)],
        evaluation=found.evaluation,
        why_not=found.why_not,
        link=f"{EVALUATION}/report.html",
        spec=predictor.spec,
        notice=RESEARCH_NOTICE,
        percent=percent,
        version=__version__,
    )
