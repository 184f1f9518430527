from __future__ import annotations

import hashlib

import pytest

from pneumoscope.bundle import WEIGHTS, load_bundle
from pneumoscope.cli._weights import starting_weights
from pneumoscope.errors import NetworkError


def test_a_bundle_by_name_or_folder_starts_training() -> None:
    folder = load_bundle("default").path
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    for named in ("default", str(folder), str(folder / WEIGHTS)):  # the last one a file as any other
        start = starting_weights(named, None)
        assert start is not None
        assert start.provenance["sha256"] == digest
    start = starting_weights("default", None)
    assert start is not None
    assert start.provenance["source"].startswith("bundle cross-domain, trained on ")


def test_none_is_none_and_nonsense_is_refused() -> None:
    assert starting_weights("none", None) is None
    with pytest.raises(NetworkError, match=r"nowhere\.safetensors"):
        starting_weights("nowhere.safetensors", None)
