"""What a run says of itself, in sentences: the answers to the items of reporting checklists."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from pneumoscope import __version__
from pneumoscope.bundle import BundleSpec
from pneumoscope.evaluation.evaluate import Evaluation, threshold_name
from pneumoscope.evaluation.explanations import findings
from pneumoscope.evaluation.summary import Summary, listed, shares_collection, trained_on, years

LIBRARIES = ("torch", "scikit-learn", "numpy", "pydicom")


def gather(
    evaluation: Evaluation, spec: BundleSpec, predictions: pd.DataFrame, summary: Summary, *, cohort: str
) -> dict[str, str]:
    """Every answer that a run can give, by name; empty where this run has none.

    Args:
        evaluation: from :func:`~pneumoscope.evaluation.evaluate`.
        spec: of the model.
        predictions: from :func:`~pneumoscope.evaluation.score_cohort`.
        summary: from :func:`~pneumoscope.evaluation.summary.summarise`.
        cohort: name of the data set.
    """
    return {
        **_model(evaluation, spec),
        **_training(spec),
        **_data(evaluation, spec, predictions, cohort),
        **_results(evaluation, spec),
        "intended": "Research on screening chest radiographs for pneumonia, for radiologists and researchers; "
        "no medical device.",
        "ages": f"Patients aged {years(spec.ages)}." if spec.ages else "",
        "limits": " ".join(
            (
                *((summary.caution,) if summary.caution else ()),
                "Not to be used " + "; ".join(summary.not_for) + ".",
            )
        ),
        "users": "They give films as files. A result is a probability, a decision at a threshold and a heat map; "
        "reading it needs someone who reads chest films.",
        "privacy": "The report names no patients and no folders; predictions.csv keeps the table's own columns.",
        "code": "Pneumoscope, Apache-2.0.",
    }


def _model(evaluation: Evaluation, spec: BundleSpec) -> dict[str, str]:
    point, calibration = evaluation.chosen.operating_point, evaluation.calibration
    attention = ", squeeze-and-excitation" if spec.architecture.attention else ""
    promised = f", promised sensitivity {point.promised_sensitivity:g}" if point.promised_sensitivity else ""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    trained = f"commit {spec.commit}" if spec.commit else "commit not recorded"
    return {
        "subject": f"Evaluation of {evaluation.model}, a deep network that tells pneumonia from normal on a chest "
        f"film, on {evaluation.data}.",
        "model": f"Convolutional network {spec.architecture.network}{attention}; global average pooling, dropout "
        f"{spec.architecture.dropout:g}, 1024 ReLU units, one logit. Input: one grey channel, {spec.input.size} × "
        f"{spec.input.size} pixels.",
        "weights": f"SHA-256 {evaluation.model_sha256}; licence {spec.licence}.",
        "preparation": "Films become grey, air dark, bone bright, upright, eight bits, "
        f"{'cropped to their centre' if spec.input.fit == 'crop' else 'padded'} and resized to {spec.input.size} "
        "pixels; unsuitable ones are refused. The same for every film.",
        "predictors": "The pixels of one film, and nothing else.",
        "no_judgement": "No predictor needs a person's judgement.",
        "calibration": f"Probability = σ({calibration.slope:.4g} · logit {calibration.intercept:+.4g}), fitted on: "
        f"{calibration.fitted_on}.",
        "output": f"Calibrated probability, and the decision {threshold_name(point)}, threshold {point.threshold:.4f}"
        f"{promised}, chosen on: {point.chosen_on or 'not recorded'}.",
        "computation": "By pneumoscope evaluate, on the road that predict takes, from the weights with SHA-256 "
        f"{evaluation.model_sha256}.",
        "ensemble": "None: a single network.",
        "software": f"Judged with Pneumoscope {__version__}, Python {platform.python_version()}, {libraries}; the "
        f"model was made with Pneumoscope {spec.software}, {trained}.",
        "poor_input": "A film that cannot be read or must not be scored gets no number but its reason; here "
        f"{len(evaluation.not_scored)}.",
    }


def _training(spec: BundleSpec) -> dict[str, str]:
    recipe = spec.recipe or {}
    return {
        "training_data": _parts(spec),
        "data_hashes": listed(
            [f"{part.get('name')} {part.get('split')}: SHA-256 {part['sha256']}" for part in spec.data]
        )
        + "."
        if spec.data and all("sha256" in part for part in spec.data)
        else "",
        "initial_weights": f"{spec.initial_weights.get('source')}, SHA-256 {spec.initial_weights.get('sha256')}."
        if spec.initial_weights
        else "",
        "recipe": _recipe(recipe) if recipe else "",
        "selection": _selection(recipe.get("phases", ())) if recipe else "",
        "imbalance": _imbalance(recipe) if recipe else "",
        "recorded": f"Figures recorded in the bundle: {listed(sorted(spec.metrics))}." if spec.metrics else "",
    }


def _parts(spec: BundleSpec) -> str:
    if not spec.data:
        return ""
    parts = [
        f"{part.get('name')} {part.get('split')}: {part.get('films', 0):,} films, {part.get('pneumonia', 0):,} with "
        "pneumonia"
        for part in spec.data
    ]
    return f"Development: {'; '.join(parts)}."


def _recipe(recipe: Mapping[str, Any]) -> str:
    phases = "; ".join(
        f"{phase['epochs']} epochs at most, {phase['unfreeze']} unfrozen, learning rate {phase['learning_rate']:g}"
        for phase in recipe["phases"]
    )
    return (
        f"Recipe {recipe['name']}, seed {recipe['seed']}, batches of {recipe['batch_size']}, {recipe['loss']['kind']} "
        f"loss; {phases}. One network was trained by this recipe; all values, augmentation among them, are in CARD.md."
    )


def _selection(phases: Iterable[Mapping[str, Any]]) -> str:
    kept = [
        "the last epoch, none was chosen" if phase["keep"] == "last" else "the best epoch on validation films"
        for phase in phases
    ]
    return f"Kept, phase by phase: {'; '.join(kept)}."


def _imbalance(recipe: Mapping[str, Any]) -> str:
    used = {
        "class weights": recipe["balance"]["class_weights"],
        "oversampling in training": recipe["balance"]["oversample"],
        "focal loss": recipe["loss"]["kind"] == "focal",
    }
    found = [name for name, on in used.items() if on]
    return f"Against unequal classes: {listed(found)}." if found else "Nothing was done against unequal classes."


def _data(evaluation: Evaluation, spec: BundleSpec, predictions: pd.DataFrame, cohort: str) -> dict[str, str]:
    splits = listed([str(name) for name in sorted(predictions["split"].dropna().unique())]) or "none named"
    refused = [film for film in evaluation.not_scored if not film.failed]
    failed = len(evaluation.not_scored) - len(refused)
    known = {name: int(predictions[name].notna().sum()) for name in ("patient_id", "age", "sex", "view")}
    missing = [f"{name} {len(predictions) - count:,}" for name, count in known.items() if count < len(predictions)]
    patients = int(predictions["patient_id"].nunique())
    by = "patients" if evaluation.resampled_by == "patient" else "films, for patients are not known"
    return {
        "judged_data": f"Evaluation: {evaluation.data}, {len(predictions):,} labelled films.",
        "eligibility": f"Labelled films of {evaluation.data}; films without a label of the two classes are not judged.",
        "outcome": "The label of the film's collection: pneumonia (1) or normal (0); films with another finding alone "
        "have none.",
        "sample": f"{evaluation.n:,} films, {evaluation.pneumonia:,} with pneumonia; the intervals show what so many "
        "can tell.",
        "missing_data": f"Missing among {len(predictions):,} labelled films: {', '.join(missing)}. "
        "Such films count in every overall figure and in no group that needs what they lack."
        if missing
        else "No film lacks patient, age, sex or view.",
        "flow": f"{len(predictions):,} labelled films: {failed} could not be read, {len(refused)} refused as "
        f"unsuitable, {evaluation.n:,} scored ({evaluation.normal:,} normal, {evaluation.pneumonia:,} with pneumonia)"
        + (f", of {patients:,} known patients." if patients else ", patients not known."),
        "partition": f"Judged here: split {splits} of {cohort}.",
        "apart": f"{patients:,} patients are known for {known['patient_id']:,} of {len(predictions):,} films."
        if patients
        else "",
        "selected": f"Split {splits} of {cohort}.",
        "clusters": f"The bootstrap draws {by}.",
        "characteristics": _characteristics(predictions),
        "shift": _shift(evaluation, spec, predictions),
        "external": _external(spec, cohort),
        "retrospective": "Retrospective: the films and their labels were there before.",
    }


def _characteristics(predictions: pd.DataFrame) -> str:
    found = []
    ages = predictions["age"].dropna()
    if len(ages):
        low, middle, high = (float(ages.quantile(at)) for at in (0.25, 0.5, 0.75))
        found.append(f"Age: median {middle:g} years, quartiles {low:g} and {high:g}.")
    for column in ("sex", "view", "source"):
        counts = predictions[column].value_counts()
        if len(counts):
            found.append(f"{column.capitalize()}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}.")
    return " ".join(found)


def _shift(evaluation: Evaluation, spec: BundleSpec, predictions: pd.DataFrame) -> str:
    films, ill = (sum(int(part.get(key, 0)) for part in spec.data) for key in ("films", "pneumonia"))
    if not films:
        return ""
    said = f"Pneumonia on {ill / films:.1%} of the development films, on {evaluation.prevalence:.1%} of these."
    ages = predictions["age"].dropna()
    if spec.ages and len(ages):
        outside = int(((ages < spec.ages[0]) | (ages > spec.ages[1])).sum())
        said += f" Aged other than {years(spec.ages)}: {outside:,} of {len(ages):,} whose age is known."
    return said


def _external(spec: BundleSpec, cohort: str) -> str:
    if not spec.data:
        return ""
    learnt = listed(list(trained_on(spec)))
    kind = "Internal" if shares_collection(spec, cohort) else "External, as far as names tell"
    return f"{kind}: it learnt on {learnt} and is judged on {cohort}."


def _results(evaluation: Evaluation, spec: BundleSpec) -> dict[str, str]:
    at = evaluation.chosen
    (_, false_alarms), (missed, _) = at.confusion
    groups = listed([breakdown.by for breakdown in evaluation.subgroups])
    reference, against = evaluation.reference, evaluation.comparison
    return {
        "measures": "ROC AUC, average precision, sensitivity, specificity, PPV, NPV, F1, Brier score, log loss, "
        "calibration slope, intercept and error, net benefit; curves of each; decisions at 0.5 and at every operating "
        "point" + ("; coverage and share of films referred." if evaluation.referral else "."),
        "intervals": "95%: Wilson for shares, DeLong for ROC AUC, and percentile bootstrap, "
        f"{evaluation.bootstrap:,} resamples of {evaluation.groups:,} {evaluation.resampled_by}s, seed "
        f"{evaluation.seed}.",
        "performance": f"ROC AUC {evaluation.roc_auc.text()}, sensitivity {at.sensitivity.text()}, specificity "
        f"{at.specificity.text()}, PPV {at.ppv.text()}, NPV {at.npv.text()}, calibration slope "
        f"{evaluation.calibration_slope.text(2)}, intercept {evaluation.calibration_intercept.text(2)}.",
        "subgroups": f"Figures by {groups}, differences adjusted by Holm's method." if groups else "",
        "between_sources": "Figures by source."
        if any("source" in breakdown.by for breakdown in evaluation.subgroups)
        else "",
        "comparison": f"Against {against.b}: paired DeLong and McNemar's exact test." if against else "",
        "reference": f"Beside it: {reference.name}, {reference.description}" if reference else "",
        "updating": "None: calibration and thresholds are those of the bundle.",
        "failures": f"{missed:,} missed and {false_alarms:,} false alarms {threshold_name(at.operating_point)}; the "
        "worst are shown with heat maps.",
        "heat_maps": " ".join(
            (
                "Grad-CAM in closed form, shown for single films; no localisation of disease.",
                *(findings(evaluation.explanations) if evaluation.explanations else ()),
            )
        ),
        "robustness": f"{worse.films:,} films under {len(worse.corruptions)} corruptions: ROC AUC on average "
        f"{worse.mean.roc_auc.text()}, {worse.at_side.roc_auc.text()} without."
        if (worse := evaluation.robustness)
        else "",
    }
