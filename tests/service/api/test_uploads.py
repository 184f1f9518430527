from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.service.api.uploads import safe_name


@given(st.text(st.characters(codec=None), max_size=400))
def test_any_name_becomes_a_harmless_one(given_name: str) -> None:
    name = safe_name(given_name)
    assert 1 <= len(name) <= 255
    assert name.isprintable()
    assert not {"/", "\\"} & set(name)
    assert name.encode("utf-8")
    assert safe_name(name) == name


def test_nothing_is_a_film() -> None:
    assert safe_name(None) == safe_name("") == safe_name("..\\") == "film"
