"""The model card of a bundle, in the Hugging Face form (Mitchell et al., FAT* 2019)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pneumoscope.bundle.spec import BundleSpec

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

FIGURES = {
    "films": "films",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "brier": "Brier score",
    "expected_calibration_error": "expected calibration error",
}
"""The figures that a card shows, in this order, with what they are called."""

METRICS = {"sensitivity": "recall", "ppv": "precision", "pr_auc": "average_precision"}
"""Figures that the hub knows by another name."""

CITATION = """\
```bibtex
@software{pneumoscope,
  title = {Pneumoscope},
  author = {{The Pneumoscope developers}},
  note = {Model NAME, weights SHA-256 DIGEST},
}
```

Please cite the data sets that it learnt on as well."""


def render_card(spec: BundleSpec) -> str:
    """Markdown with YAML front matter that the Hugging Face hub reads, made from nothing but the specification."""
    sections = (
        _front_matter(spec),
        _head(spec),
        _details(spec),
        _uses(spec),
        _limits(spec),
        _start(spec),
        _training(spec),
        _decision(spec),
        _referral(spec),
        _suitability(spec),
        _metrics(spec),
        "## Citation\n\n" + CITATION.replace("NAME", spec.name).replace("DIGEST", spec.weights_sha256),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(spec: BundleSpec) -> str:
    from huggingface_hub import ModelCardData

    results = list(_results(spec))
    # The hub knows licences by their SPDX name in small letters; anything else is "other", with its own name.
    known = re.fullmatch(r"[a-z0-9.+-]+", spec.licence.lower()) is not None
    names = {name for part in spec.data for name in str(part.get("name")).split(" + ")}
    data = ModelCardData(
        model_name=spec.name,
        license=spec.licence.lower() if known else "other",
        license_name=None if known else re.sub(r"[^a-z0-9]+", "-", spec.licence.lower()).strip("-") or "unnamed",
        library_name="pneumoscope",
        pipeline_tag="image-classification",
        tags=["chest-x-ray", "radiology", "pneumonia", spec.architecture.network],
        datasets=sorted(name for name in names if re.fullmatch(r"[\w.-]+", name)) or None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _results(spec: BundleSpec) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    for where, figures in spec.metrics.items():
        name, _, split = where.rpartition("/")
        for key, title in FIGURES.items():
            found = figures.get(key)
            if not isinstance(found, Mapping) or found.get("value") is None:
                continue
            low, high = found.get("low"), found.get("high")
            yield EvalResult(
                task_type="image-classification",
                dataset_type=name or where,
                dataset_name=name or where,
                dataset_split=split if name else None,
                metric_type=METRICS.get(key, key),
                metric_value=round(float(found["value"]), 4),
                metric_name=title if low is None else f"{title} (95% interval {low:.3f} to {high:.3f})",
            )


def _head(spec: BundleSpec) -> str:
    return (
        f"# {spec.name}\n\n"
        f"{spec.description or 'A network that scores chest radiographs for pneumonia.'}\n\n"
        "**Research use only. Not a medical device and never a diagnosis.**"
    )


def _details(spec: BundleSpec) -> str:
    attention = " with squeeze-and-excitation on the last stage" if spec.architecture.attention else ""
    fit = {"crop": "cropped to its central square", "pad": "padded to a square"}[spec.input.fit]
    rows = {
        "network": f"{spec.architecture.network}{attention}",
        "input": f"one grey channel, {spec.input.size} × {spec.input.size} pixels; a film is {fit}",
        "output": "calibrated probability of pneumonia, decision, heat map (Grad-CAM)",
        "starting weights": _pairs(spec.initial_weights) if spec.initial_weights else "not recorded, or random",
        "made": f"{spec.created}, Pneumoscope {spec.software}" + (f", commit {spec.commit}" if spec.commit else ""),
        "weights": f"SHA-256 `{spec.weights_sha256}`",
        "licence": spec.licence,
    }
    return "## Model details\n\n" + _table(("", ""), rows.items())


def _uses(spec: BundleSpec) -> str:
    ages = (
        f"Films of patients aged {spec.ages[0]:g} to {spec.ages[1]:g} years, as those it learnt on."
        if spec.ages
        else "Which ages it learnt on is not recorded."
    )
    return (
        "## Uses\n\n"
        "### Direct use\n\n"
        f"Research on screening frontal chest films for pneumonia, and teaching. {ages}\n\n"
        "### Downstream use\n\n"
        "Starting weights for training on your own films, calibration and threshold set anew there.\n\n"
        "### Out-of-scope use\n\n"
        "Any decision about a patient; lateral films and other parts of the body; other ages; findings other than\n"
        "pneumonia, which has no answer of its own."
    )


def _limits(spec: BundleSpec) -> str:
    learnt = ", ".join(dict.fromkeys(str(part.get("name")) for part in spec.data)) or "films that are not recorded"
    return (
        "## Bias, risks and limitations\n\n"
        f"- It knows films as they are in {learnt}. Other hospitals, machines and patients look different: judge it\n"
        "  there first.\n"
        "- Its labels are those of these collections; where they are wrong or biased, so is it.\n"
        "- A probability holds for the share of pneumonia among the films that calibrated it. Where pneumonia is\n"
        "  rarer, probabilities are too high and more of its calls are false alarms.\n"
        "- A heat map shows where a score came from, coarsely. It is not a localisation of disease.\n\n"
        "Recommendation: `pneumoscope evaluate` it on your own labelled films, by age, sex and view, before you\n"
        "believe any figure below."
    )


def _start(spec: BundleSpec) -> str:
    return (
        "## How to get started with the model\n\n"
        "```sh\n"
        f"pneumoscope predict film.png --bundle path/to/{spec.name}\n"
        f"pneumoscope explain film.dcm --bundle path/to/{spec.name} --out explained.png\n"
        "```"
    )


def _training(spec: BundleSpec) -> str:
    if spec.data:
        rows = (
            (part.get("name"), part.get("split"), part.get("films"), part.get("pneumonia"), f"`{part.get('sha256')}`")
            for part in spec.data
        )
        data = _table(("Data set", "Split", "Films", "Of them pneumonia", "SHA-256"), rows)
    else:
        data = "The films that it was trained on are not recorded."
    text = f"## Training details\n\n### Training data\n\n{data}"
    if spec.recipe:
        keys = ((f"`{key}`", f"`{value}`") for key, value in _flat(spec.recipe))
        text += "\n\n### Training procedure\n\nThe recipe, whole:\n\n" + _table(("Key", "Value"), keys)
    return text


def _decision(spec: BundleSpec) -> str:
    calibration = spec.calibration
    sign = "−" if calibration.intercept < 0 else "+"
    rows = (
        (
            f"**{point.name}** (default)" if point.name == spec.default_operating_point else point.name,
            f"{point.threshold:.4f}",
            "–" if point.promised_sensitivity is None else f"{point.promised_sensitivity:.2f}",
            point.chosen_on or "fixed",
        )
        for point in spec.operating_points
    )
    return (
        "### Calibration and operating points\n\n"
        f"probability = σ({calibration.slope:.4g} · logit {sign} {abs(calibration.intercept):.4g}), "
        f"fitted on: {calibration.fitted_on}\n\n"
        + _table(("Operating point", "Threshold", "Promised sensitivity", "Chosen on"), rows)
    )


def _referral(spec: BundleSpec) -> str:
    if not spec.conformal:
        return ""
    rows = (
        (
            f"**{limits.error_rate:g}** (default)" if limits == spec.conformal.at() else f"{limits.error_rate:g}",
            f"{limits.normal_up_to:.4f}",
            f"{limits.pneumonia_from:.4f}",
        )
        for limits in spec.conformal.limits
    )
    return (
        "### Referral\n\n"
        "A film is referred where its probability leaves both classes possible, or neither, by class-conditional\n"
        "conformal prediction: of each class, at most the error rate is wrongly taken for impossible, on films like\n"
        f"those it was fitted on ({spec.conformal.normal} normal, {spec.conformal.pneumonia} pneumonia): "
        f"{spec.conformal.fitted_on}\n\n"
        + _table(("Error rate", "Normal is possible up to", "Pneumonia is possible from"), rows)
    )


def _suitability(spec: BundleSpec) -> str:
    rule = spec.suitability
    if rule.threshold is None or rule.false_refusals is None:
        return ""
    return (
        "### Suitability\n\n"
        f"Films that are unlike its training films are refused, beyond a distance of {rule.threshold:.2f}, at which\n"
        f"{rule.false_refusals:.2%} of suitable films are.\n\n"
        + _table(("", ""), {"fitted on": rule.fitted_on, "chosen on": rule.chosen_on}.items())
    )


def _metrics(spec: BundleSpec) -> str:
    if not spec.metrics:
        return "## Evaluation\n\nNone recorded; judge it with `pneumoscope evaluate`."
    blocks = []
    for name, figures in spec.metrics.items():
        rows = [(FIGURES[key], _figure(figures[key])) for key in FIGURES if key in figures]
        at = figures.get("operating_point")
        blocks.append(
            f"### {name}\n\n"
            + (f"At the operating point `{at}`.\n\n" if at else "")
            + _table(("", "95% interval in brackets"), rows)
        )
    return "## Evaluation\n\n" + "\n\n".join(blocks)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            for number, part in enumerate(value, start=1):
                yield from _flat(part, f"{prefix}{key}[{number}].")
        else:
            yield f"{prefix}{key}", value


def _figure(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    if value.get("value") is None:
        return "not determined"
    text = f"{value['value']:.3f}"
    return text if value.get("low") is None else f"{text} ({value['low']:.3f}–{value['high']:.3f})"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} `{value}`" for key, value in values.items())


def _table(heading: tuple[str, ...], rows: Any) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)
