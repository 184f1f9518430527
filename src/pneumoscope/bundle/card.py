"""The model card of a bundle, in the Hugging Face form (Mitchell et al., FAT* 2019)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pneumoscope.bundle.spec import BundleSpec

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
}
"""The figures that a card shows, in this order, with what they are called."""


def render_card(spec: BundleSpec) -> str:
    """Markdown with YAML front matter, made from nothing but the specification."""
    sections = (
        *(_head(spec), _use(), _network(spec), _data(spec), _decision(spec), _suitability(spec)),
        *(_metrics(spec), _recipe(spec)),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(spec: BundleSpec) -> str:
    # JSON strings are YAML strings, so that no description can break the front matter.
    return "\n".join(
        (
            "---",
            f"license: {json.dumps(spec.licence.lower())}",
            "library_name: pneumoscope",
            "pipeline_tag: image-classification",
            "tags: [chest-x-ray, radiology, pneumonia, inception_v3]",
            "---",
            "",
            f"# {spec.name}",
            "",
            spec.description or "A network that scores chest radiographs for pneumonia.",
            "",
            "**Research use only. Not a medical device and never a diagnosis.**",
        )
    )


def _use() -> str:
    return (
        "## Use\n\n"
        "For research on screening chest radiographs, and for teaching. Out of scope: any decision about a patient,\n"
        "films of another kind than those it was trained on, and findings other than pneumonia. A heat map shows\n"
        "where a score came from; it is not a localisation of disease."
    )


def _network(spec: BundleSpec) -> str:
    attention = " with squeeze-and-excitation on the last stage" if spec.architecture.attention else ""
    fit = {"crop": "cropped to its central square", "pad": "padded to a square"}[spec.input.fit]
    rows = {
        "network": f"{spec.architecture.network}{attention}",
        "input": f"one grey channel, {spec.input.size} × {spec.input.size} pixels; a film is {fit}",
        "starting weights": _pairs(spec.initial_weights) if spec.initial_weights else "not recorded, or random",
        "made": f"{spec.created}, Pneumoscope {spec.software}" + (f", commit {spec.commit}" if spec.commit else ""),
        "weights": f"SHA-256 `{spec.weights_sha256}`",
        "licence": spec.licence,
    }
    return "## Network\n\n" + _table(("", ""), rows.items())


def _data(spec: BundleSpec) -> str:
    if not spec.data:
        return "## Data\n\nThe films that it was trained on are not recorded."
    rows = (
        (part.get("name"), part.get("split"), part.get("films"), part.get("pneumonia"), f"`{part.get('sha256')}`")
        for part in spec.data
    )
    return "## Data\n\n" + _table(("Data set", "Split", "Films", "Of them pneumonia", "SHA-256"), rows)


def _decision(spec: BundleSpec) -> str:
    calibration = spec.calibration
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
        "## Calibration and operating points\n\n"
        f"probability = σ({calibration.slope:.4g} · logit + {calibration.intercept:.4g}), "
        f"fitted on: {calibration.fitted_on}\n\n"
        + _table(("Operating point", "Threshold", "Promised sensitivity", "Chosen on"), rows)
    )


def _suitability(spec: BundleSpec) -> str:
    rule = spec.suitability
    if rule.threshold is None or rule.false_refusals is None:
        return ""
    return (
        "## Suitability\n\n"
        f"Films that are unlike its training films are refused, beyond a distance of {rule.threshold:.2f}, at which\n"
        f"{rule.false_refusals:.0%} of suitable films are.\n\n"
        + _table(("", ""), {"fitted on": rule.fitted_on, "chosen on": rule.chosen_on}.items())
    )


def _metrics(spec: BundleSpec) -> str:
    if not spec.metrics:
        return "## Figures\n\nNone recorded; judge it with `pneumoscope evaluate`."
    blocks = []
    for name, figures in spec.metrics.items():
        rows = [(FIGURES[key], _figure(figures[key])) for key in FIGURES if key in figures]
        at = figures.get("operating_point")
        blocks.append(
            f"### {name}\n\n"
            + (f"At the operating point `{at}`.\n\n" if at else "")
            + _table(("", "95% interval in brackets"), rows)
        )
    return "## Figures\n\n" + "\n\n".join(blocks)


def _recipe(spec: BundleSpec) -> str:
    if not spec.recipe:
        return ""
    return "## Recipe\n\n" + _table(("Key", "Value"), ((f"`{key}`", f"`{value}`") for key, value in _flat(spec.recipe)))


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
