"""``pneumoscope calibrate``: fit a model's probabilities and thresholds to a site's own films."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import (
    AsJson,
    BatchSize,
    Columns,
    Data,
    Patients,
    Preset,
    Prevalence,
    checked_prevalence,
    parse_columns,
)
from pneumoscope.cli._tables import figures_table, referrals, unscored, yields
from pneumoscope.errors import EvaluationError

if TYPE_CHECKING:
    from rich.table import Table

    from pneumoscope.evaluation import Costs, Recalibration

HALF = "half"
"""``--check-on``: one half of the patients judges."""


def calibrate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The trained model: name or folder.")],
    data: Data,
    split: Annotated[
        str, typer.Option(metavar="NAME,...", help="Splits that fit; all is every film. Never films it learnt on.")
    ] = "all",
    check_on: Annotated[
        str | None,
        typer.Option(
            metavar="half|NAME",
            help="Judge on half of the patients, or on another split, instead of by cross-fitting.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the fitted model here, as a bundle of its own.")
    ] = None,
    prevalence: Prevalence = None,
    cost_miss: Annotated[
        float | None, typer.Option(min=0, metavar="C", help="Cost of a pneumonia that is called normal.")
    ] = None,
    cost_follow_up: Annotated[
        float | None, typer.Option(min=0, metavar="C", help="Cost of following up a film that is called pneumonia.")
    ] = None,
    operating_point: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Default of the fitted model.", show_default="the model's own"),
    ] = None,
    error_rate: Annotated[
        float | None,
        typer.Option(metavar="E", help="Refer films by conformal limits for this error rate.", show_default="0.05"),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Scores from predict --csv, so that the films are not scored again."),
    ] = None,
    as_json: AsJson = False,
    columns: Columns = None,
    preset: Preset = None,
    patients: Patients = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, halves and the bootstrap.")] = 0,
    bootstrap: Annotated[int, typer.Option(min=100, metavar="N", help="Resamples of the bootstrap.")] = 2000,
    batch_size: BatchSize = 8,
) -> None:
    """Fit a model's calibration, operating points and referral to your own labelled films; the weights stay.

    What it brings is judged on films that the fit did not use. Nothing is written without --out.
    Exit status 0: every film was read; 1: some could not be; 2: wrong use.
    """
    from datetime import UTC, datetime

    from pneumoscope.bundle import copy_bundle, load_bundle
    from pneumoscope.cli._output import console, print_json, refuse_existing
    from pneumoscope.cohorts import film_groups, fingerprint, load_cohort, refuse_contradictions, with_patients
    from pneumoscope.evaluation import read_scores, recalibrate, score_cohort
    from pneumoscope.progress import progress_bar
    from pneumoscope.scoring import Predictor

    share, costs = checked_prevalence(prevalence), _costs(cost_miss, cost_follow_up)
    if error_rate is not None and not 0 < error_rate < 1:
        raise EvaluationError(f"--error-rate {error_rate:g}: should be a share between 0 and 1, such as 0.05")
    if out:
        refuse_existing(out, overwrite=False)
    trained = load_bundle(bundle)
    fitting = [name.strip() for name in split.split(",")]
    apart = check_on not in (None, HALF)
    if apart and (check_on in fitting or "all" in fitting):
        raise EvaluationError(f"--check-on {check_on}: films that judge must not fit; name other splits in --split")
    cohort = load_cohort(data, columns=parse_columns(columns), preset=preset)
    if patients:
        cohort = with_patients(cohort, patients)
    # Asked one by one, so that films of one class among those that fit are found before anything is scored.
    cohort.select(*fitting).require_both_classes()
    cohort = cohort.select(*fitting, *([str(check_on)] if apart else [])).require_both_classes()
    learnt = {part.get("name") for part in trained.spec.data if part.get("split") == "train"}
    if {"train", "all"}.intersection(fitting) and learnt.intersection(cohort.name.split(" + ")):
        warning = f"Warning: {trained.spec.name} learnt on train films of a data set of this name. If these are they, "
        console(stderr=True).print(f"{warning}the result is worth nothing: on them its scores are too good.")
    with progress_bar("Reading films", len(cohort)) as advance:
        prints = fingerprint(cohort, progress=advance)
    refuse_contradictions(cohort, prints)
    if scores:
        predictions = read_scores(scores, cohort, trained.spec)
    else:
        predictor = Predictor(trained, batch_size=batch_size, refuse_unlike=False)
        with progress_bar(f"Scoring with {trained.spec.name}", len(cohort)) as advance:
            predictions = score_cohort(predictor, cohort, progress=advance)
    found = recalibrate(
        predictions,
        film_groups(cohort, prints),
        trained.spec,
        data=f"{cohort.name}, split {' and '.join(fitting)}",
        check=(predictions["split"] == check_on).to_numpy(bool) if apart else "half" if check_on else "folds",
        operating_point=operating_point,
        error_rate=error_rate,
        prevalence=share,
        costs=costs,
        seed=seed,
        bootstrap=bootstrap,
    )
    if out:
        name = re.sub(r"^[^a-z0-9]+|[^a-z0-9._-]+", "-", out.name.lower()).lstrip("-._") or trained.spec.name
        created = datetime.now(UTC).isoformat(timespec="seconds")
        copy_bundle(trained, out, found.fitted_spec(trained.spec, name=name, created=created))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found)
        console().print(f"Bundle: {out}" if out else "Nothing was written; --out DIR writes the fitted model.")
    if any(film.failed for film in found.not_scored):
        raise typer.Exit(1)


def _costs(miss: float | None, follow_up: float | None) -> Costs | None:
    from pneumoscope.evaluation import Costs

    if miss is None and follow_up is None:
        return None
    if not miss or not follow_up or follow_up >= miss:
        raise EvaluationError(
            "--cost-miss and --cost-follow-up: give both, above 0, and a miss that costs more than a follow-up; "
            "otherwise no film is worth following up"
        )
    return Costs(miss=miss, follow_up=follow_up)


def _show(found: Recalibration) -> None:
    from rich.text import Text

    from pneumoscope.cli._output import console, counted

    out = console()
    fitted = {"platt": "slope and intercept", "intercept": "intercept alone"}[found.method]
    out.print(
        Text(
            f"{found.model} ({found.model_sha256[:12]}) fitted to {found.data}\n"
            f"{fitted} from {counted(found.films, 'film')} ({found.pneumonia:,} pneumonia): probability = "
            f"σ({found.calibration.slope:.4g} · logit {found.calibration.intercept:+.4g})\n"
            f"Judged by {found.judged_by}: {counted(found.judged_films, 'film')} "
            f"({found.judged_pneumonia:,} pneumonia) of {counted(found.judged_patients, 'patient')}. "
            "95% intervals in brackets.\n"
            f"ROC AUC there, which calibration does not change: {found.roc_auc.text()}\n"
        ),
        soft_wrap=True,
    )
    out.print(_before_and_after(found))
    out.print()
    out.print(yields(found.operating_points))
    if found.referral:
        out.print()
        out.print(referrals([found.referral]))
    if found.not_scored:
        unscored(found.not_scored)
    for note in found.notes:
        out.print(Text(note), style="yellow", soft_wrap=True)
    out.print(Text(found.notice))


def _before_and_after(found: Recalibration) -> Table:
    table = figures_table("Calibration", "Before", "After", "Improvement")
    before, after = found.before, found.after
    errors = before.expected_calibration_error, after.expected_calibration_error
    table.add_row("Brier score", before.brier.text(), after.brier.text(), found.brier_improvement.text())
    table.add_row("Expected calibration error", *(error.text() for error in errors), found.error_improvement.text())
    table.add_row("  of it by chance", *(f"{at.calibration_error_by_chance:.3f}" for at in (before, after)), "")
    table.add_row("Slope (1 is right)", before.slope.text(2), after.slope.text(2), "")
    table.add_row("In the large (0 is right)", before.intercept.text(2), after.intercept.text(2), "")
    return table
