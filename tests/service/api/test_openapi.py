"""The OpenAPI document says what the service does: schemathesis asks for everything in it, well and badly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from pydantic import TypeAdapter

from pneumoscope.scoring import Prediction, Predictor
from pneumoscope.service.api import create_app
from pneumoscope.service.api.schemas import EXAMPLE
from pneumoscope.service.store import Store

schemathesis = pytest.importorskip("schemathesis")


@pytest.fixture
def schema(predictor: Predictor, store: Store) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(predictor, store))


def test_the_example_is_a_prediction() -> None:
    assert TypeAdapter(Prediction).validate_python(EXAMPLE).decision == "normal"


def test_the_document_names_every_answer(predictor: Predictor, store: Store) -> None:
    document = create_app(predictor, store).openapi()
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/v1/predictions"]["post"]
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "429", "503"} == set(post["responses"])
    assert post["security"] == [{"key": []}]
    assert document["components"]["schemas"]["Prediction"]["properties"]["notice"]
    assert document["components"]["schemas"]["Answer"]["example"]["prediction"]["decision"] == "normal"


lazy = schemathesis.pytest.from_fixture("schema")


@lazy.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: Any, key: str) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"})
