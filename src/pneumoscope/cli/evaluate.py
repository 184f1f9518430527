"""``pneumoscope evaluate``: judge a model on films whose labels are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pneumoscope.cli._evaluation_tests import Tests, explanations_table, robustness_table
from pneumoscope.cli._options import (
    BatchSize,
    Columns,
    Data,
    ErrorRate,
    OperatingPointName,
    Patients,
    PrecisionName,
    Preset,
    Prevalence,
    RuntimeName,
    checked_prevalence,
    parse_columns,
)
from pneumoscope.cli._tables import figures_table, referrals, unscored, yields

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from pneumoscope.cohorts import Cohort
    from pneumoscope.evaluation import Breakdown, Comparison, Evaluation
    from pneumoscope.scoring import Predictor


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The trained model: name or folder.")],
    data: Data,
    split: Annotated[str, typer.Option(metavar="NAME", help="Split to judge on; all is every film.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the report, figures, checklists, metrics and predictions here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON document instead.")] = False,
    against: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Another model, compared film by film (DeLong, McNemar).")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN,...", help="Judge parts of the films too, such as age,sex,view and crossings."),
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Score worse films too: corruptions, resolution, JPEG, window.")
    ] = False,
    severities: Annotated[
        str | None, typer.Option(metavar="1,3,5", help="Severities of the corruptions; all five if not named.")
    ] = None,
    explanations: Annotated[bool, typer.Option("--explanations", help="Put the heat maps to the test.")] = False,
    films: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Draw N films for these tests.", show_default="all; 100 for heat maps"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small forms of these tests, in a few minutes.")] = False,
    operating_point: OperatingPointName = None,
    error_rate: ErrorRate = None,
    prevalence: Prevalence = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the main figures into the bundle and its card.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an evaluation that is in DIR.")] = False,
    columns: Columns = None,
    preset: Preset = None,
    patients: Patients = None,
    bootstrap: Annotated[int, typer.Option(min=100, metavar="N", help="Resamples of the bootstrap.")] = 2000,
    runtime: RuntimeName = "openvino",
    precision: PrecisionName = "f32",
    batch_size: BatchSize = None,
) -> None:
    """Judge a model on films with labels: every figure with its 95% interval, and where it goes wrong.

    Films that predict would refuse as unlike the training films are judged too; suitability table counts them.

    Exit status 0: every film was read; 1: some could not be; 2: wrong use.
    """
    from pneumoscope.bundle import load_bundle
    from pneumoscope.cli._output import console, print_json
    from pneumoscope.cohorts import load_cohort, with_patients
    from pneumoscope.evaluation import evaluate as judge
    from pneumoscope.evaluation import require_free, write_evaluation
    from pneumoscope.scoring import Predictor, open_runtime

    tests = Tests(robustness, explanations, severities, films, quick)
    share = checked_prevalence(prevalence)
    if out:
        require_free(out, overwrite=overwrite)
    trained, other = load_bundle(bundle), load_bundle(against) if against else None
    cohort = load_cohort(data, columns=parse_columns(columns), preset=preset)
    if patients:
        cohort = with_patients(cohort, patients)
    cohort = cohort.select(split).require_both_classes()

    engine = open_runtime(trained, runtime, precision=precision)
    options: dict[str, Any] = {"batch_size": batch_size, "refuse_unlike": False}
    predictor = Predictor(trained, operating_point=operating_point, error_rate=error_rate, runtime=engine, **options)
    rival = Predictor(other, **options) if other else None
    predictions = _score(predictor, cohort)
    where = f"{cohort.name}, split {split}"
    parts = [name.strip() for name in by.split(",")] if by else []
    found = judge(
        predictions,
        trained.spec,
        data=where,
        operating_point=operating_point,
        error_rate=error_rate,
        prevalence=share,
        by=parts,
        bootstrap=bootstrap,
    )
    if rival:
        found = found.model_copy(update={"comparison": _compare(found, predictions, rival, _score(rival, cohort))})
    judged_as = {"operating_point": operating_point, "bootstrap": bootstrap}
    found = found.model_copy(update=tests.run(trained, predictor, cohort, predictions, judged_as))
    if out:
        write_evaluation(out, found, predictions, cohort, predictor, overwrite=overwrite)
    if record:
        from pneumoscope.workflow import record_figures

        record_figures(trained, found, f"{cohort.name}/{split}")
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show(found)
        if out:
            console().print(f"Report: {out / 'report.html'}", soft_wrap=True)
    if any(film.failed for film in found.not_scored):
        raise typer.Exit(1)


def _score(predictor: Predictor, cohort: Cohort) -> pd.DataFrame:
    from pneumoscope.evaluation import score_cohort
    from pneumoscope.progress import progress_bar

    with progress_bar(f"Scoring with {predictor.spec.name}", len(cohort)) as advance:
        return score_cohort(predictor, cohort, progress=advance)


def _compare(found: Evaluation, ours: pd.DataFrame, rival: Predictor, theirs: pd.DataFrame) -> Comparison:
    import numpy as np

    from pneumoscope.evaluation import compare

    both = ours["probability"].notna() & theirs["probability"].notna()
    names = found.model, rival.spec.name
    return compare(
        np.array(ours["label"][both], dtype=np.int64),
        np.array(ours["probability"][both], dtype=np.float64),
        np.array(theirs["probability"][both], dtype=np.float64),
        thresholds=(found.chosen.operating_point.threshold, rival.spec.operating_point().threshold),
        names=names if names[0] != names[1] else (f"{names[0]} (1)", f"{names[1]} (2)"),
    )


def show(found: Evaluation) -> None:
    """Print an evaluation as tables, with what it rests on."""
    from rich.text import Text

    from pneumoscope.cli._output import console, counted

    out = console()
    films = counted(found.n, "film")
    out.print(
        Text(
            f"{found.model} ({found.model_sha256[:12]}) on {found.data}\n{films}: {found.normal:,} normal, "
            f"{found.pneumonia:,} pneumonia ({found.prevalence:.1%}). 95% intervals in brackets.\n"
        )
    )
    out.print(_decisions(found))
    out.print()
    out.print(_ranking(found))
    out.print()
    out.print(yields(found.operating_points))
    if found.referral:
        out.print()
        out.print(referrals(found.referral))
        out.print(Text("Coverage: films that keep their class possible. All figures above are of the threshold alone."))
    for breakdown in found.subgroups:
        out.print()
        out.print(_subgroups(breakdown))
    if found.subgroups:
        out.print(Text("p: of a difference to the other films, adjusted for their number by Holm's method"))
    _show_tests(found)
    point = found.chosen.operating_point
    out.print(Text(f"\nOperating point “{point.name}” chosen on: {point.chosen_on or 'not recorded'}"), soft_wrap=True)
    out.print(Text(f"Calibration fitted on: {found.calibration.fitted_on}"), soft_wrap=True)
    if found.not_scored:
        unscored(found.not_scored)
    if found.comparison:
        out.print()
        out.print(_comparison(found.comparison))
    out.print(Text(found.notice))


def _show_tests(found: Evaluation) -> None:
    from rich.text import Text

    from pneumoscope.cli._output import console
    from pneumoscope.evaluation import findings

    out = console()
    if found.robustness:
        out.print()
        out.print(robustness_table(found.robustness))
    if found.explanations:
        out.print()
        out.print(explanations_table(found.explanations))
        for sentence in findings(found.explanations):
            out.print(Text(sentence), soft_wrap=True)


def _decisions(found: Evaluation) -> Table:
    from pneumoscope.evaluation import headings

    table = figures_table("Decisions", *(title for title, _ in headings(found)))
    named = {"accuracy": "Accuracy", "sensitivity": "Sensitivity", "specificity": "Specificity"}
    for key, name in {**named, "ppv": "PPV", "npv": "NPV", "f1": "F1"}.items():
        table.add_row(name, *(getattr(at, key).text() for _, at in headings(found)))
    table.add_row("[[TN, FP], [FN, TP]]", *(str([list(row) for row in at.confusion]) for _, at in headings(found)))
    return table


def _ranking(found: Evaluation) -> Table:
    reference = found.reference
    table = figures_table("Ranking and calibration", found.model, *((reference.name,) if reference else ()))
    for name, figure, digits in (
        ("ROC AUC, DeLong", found.roc_auc, 3),
        (f"ROC AUC, bootstrap over {found.resampled_by}s", found.roc_auc_bootstrap, 3),
        ("PR AUC", found.pr_auc, 3),
        *((f"Specificity at sensitivity {at}", figure, 3) for at, figure in found.specificity_at.items()),
        ("Brier score", found.brier, 3),
        ("Log loss", found.log_loss, 3),
        ("Calibration slope (1 is right)", found.calibration_slope, 2),
        ("Calibration in the large (0 is right)", found.calibration_intercept, 2),
    ):
        theirs = (reference.roc_auc.text(),) if reference and figure is found.roc_auc else ()
        table.add_row(name, figure.text(digits), *theirs)
    chance = f"Expected calibration error (by chance {found.calibration_error_by_chance:.3f})"
    table.add_row(chance, found.expected_calibration_error.text())
    return table


def _subgroups(breakdown: Breakdown) -> Table:
    names = {"roc_auc": "ROC AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
    headings = [heading for name in names.values() for heading in (name, "p")]
    table = figures_table(f"By {breakdown.by}", "Normal", "Pneumonia", *headings)
    for group in breakdown.groups:
        cells = []
        for name in names:
            difference = group.differences.get(name)
            p = difference.p_adjusted if difference else None
            cells += [getattr(group, name).text(), "–" if p is None else f"{p:.2g}"]
        table.add_row(group.value, f"{group.normal:,}", f"{group.pneumonia:,}", *cells)
    if breakdown.unknown:
        table.add_row(f"not known: {breakdown.unknown:,}")
    return table


def _comparison(comparison: Comparison) -> Table:
    table = figures_table(f"{comparison.n:,} films scored by both", comparison.a, comparison.b, "Difference", "p")
    p_delong = "–" if comparison.p_delong is None else f"{comparison.p_delong:.3g}"
    areas = comparison.roc_auc_a, comparison.roc_auc_b, comparison.roc_auc_difference
    table.add_row("ROC AUC, paired DeLong", *(area.text() for area in areas), p_delong)
    alone = comparison.only_a_right, comparison.only_b_right
    counts = (str(count) for count in (*alone, alone[0] - alone[1]))
    table.add_row("It alone is right, McNemar", *counts, f"{comparison.p_mcnemar:.3g}")
    return table
