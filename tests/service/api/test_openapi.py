"""The OpenAPI document says what the service does: schemathesis asks for everything in it, well and badly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import TypeAdapter

from pneumoscope.scoring import Prediction, Predictor
from pneumoscope.service.api import create_app
from pneumoscope.service.api.schemas import EXAMPLE
from pneumoscope.service.store import Store

schemathesis = pytest.importorskip("schemathesis")
positive_data_acceptance = pytest.importorskip("schemathesis.specs.openapi.checks").positive_data_acceptance


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


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_answers_are_as_documented(schema: Any, key: str, mode: str) -> None:
    """What fits the document and what does not: no answer that it does not name, none of 500."""
    asked = 0
    for found in schema.get_all_operations():

        @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
        def check(case: Any) -> None:
            nonlocal asked
            asked += 1
            # No schema can say which bytes are a film.
            case.call_and_validate(
                headers={"Authorization": f"Bearer {key}"}, excluded_checks=[positive_data_acceptance]
            )

        try:
            check()
        except Unsatisfiable:  # an operation without parameters cannot be asked wrongly
            assert mode == "negative"
    assert asked > 20
