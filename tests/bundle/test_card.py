from __future__ import annotations

import pytest
from huggingface_hub import ModelCard

from pneumoscope.bundle import (
    BundleSpec,
    Calibration,
    Conformal,
    ConformalLimits,
    InputSpec,
    OperatingPoint,
    render_card,
)

SPEC = BundleSpec(
    name="made",
    description='A "quoted": description\n---\nlicense: mit',
    created="2025-01-01",
    software="0.1",
    input=InputSpec(size=160, fit="pad"),
    ages=(18, 90),
    calibration=Calibration(slope=1.25, intercept=-0.5, fitted_on="12 films"),
    operating_points=(
        OperatingPoint(name="half", threshold=0.5),
        OperatingPoint(name="careful", threshold=0.1234, promised_sensitivity=0.95, chosen_on="12 films"),
    ),
    conformal=Conformal(
        error_rate=0.05,
        limits=(ConformalLimits(error_rate=0.05, normal_up_to=0.75, pneumonia_from=0.25),),
        normal=40,
        pneumonia=50,
        fitted_on="90 films",
    ),
    data=(
        {"name": "films + more", "split": "train", "films": 77, "pneumonia": 33, "sha256": "ab" * 32},
        {"name": "films + more", "split": "val", "films": 7, "pneumonia": 3, "sha256": "ba" * 32},
    ),
    metrics={
        "films/test": {
            "films": 99,
            "operating_point": "careful",
            "roc_auc": {"value": 0.91, "low": 0.85, "high": 0.95},
            "sensitivity": {"value": 0.5, "low": None, "high": None},
            "f1": {"value": None},
        }
    },
    recipe={"name": "r", "phases": [{"epochs": 3}], "input": {"size": 160}},
    weights_sha256="cd" * 32,
)


def test_the_card_says_what_the_specification_says() -> None:
    card = render_card(SPEC)
    for words in (
        "never a diagnosis",
        "160 × 160 pixels; a film is padded",
        "aged 18 to 90 years",
        "| films + more | train | 77 | 33 |",
        "σ(1.25 · logit − 0.5), fitted on: 12 films",
        "| **half** (default) | 0.5000 | – | fixed |",
        "(40 normal, 50 pneumonia): 90 films",
        "| **0.05** (default) | 0.7500 | 0.2500 |",
        "| careful | 0.1234 | 0.95 | 12 films |",
        "At the operating point `careful`.",
        "| ROC AUC | 0.910 (0.850–0.950) |",
        "| F1 | not determined |",
        "| `phases[1].epochs` | `3` |",
        "cd" * 32,
    ):
        assert words in card, words


def test_the_hub_reads_the_front_matter() -> None:
    card = ModelCard(render_card(SPEC), ignore_metadata_errors=False)
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "pneumoscope", "image-classification")
    assert data.datasets == ["films", "more"]
    assert data.metrics == ["roc_auc", "recall"]
    assert data.model_name == "made"
    found = {result.metric_type: result for result in data.eval_results}
    assert set(found) == {"roc_auc", "recall"}, "a figure that is not determined is none"
    assert found["roc_auc"].metric_value == pytest.approx(0.91)
    assert found["roc_auc"].metric_name == "ROC AUC (95% interval 0.850 to 0.950)"
    assert (found["recall"].dataset_name, found["recall"].dataset_split) == ("films", "test")
    assert found["recall"].metric_name == "sensitivity"


def test_the_sections_are_those_of_the_hub() -> None:
    titles = [line[3:] for line in render_card(SPEC).splitlines() if line.startswith("## ")]
    assert titles == [
        "Model details",
        "Uses",
        "Bias, risks and limitations",
        "How to get started with the model",
        "Training details",
        "Evaluation",
        "Citation",
    ]


def test_a_bundle_that_records_nothing_says_so() -> None:
    spec = BundleSpec(name="bare", created="2025-01-01", software="1", input=InputSpec(size=75), licence="not stated")
    card = render_card(spec)
    for words in (
        "Which ages it learnt on is not recorded",
        "None recorded; judge it",
        "it was trained on are not recorded",
    ):
        assert words in card, words
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert (data.license, data.license_name) == ("other", "not-stated")
    assert data.eval_results is None
