from __future__ import annotations

import json
from pathlib import Path

from pneumoscope.bundle import Bundle, BundleSpec

from .conftest import Command, refused


def test_list_and_show(tiny_bundle: Bundle, command: Command) -> None:
    rows = json.loads(command("models", "list", "--json").out)
    assert {row["name"] for row in rows} == {"cross-domain", "pneumoniamnist", "child", "adult"}
    assert all(row["trained_on"] for row in rows)
    assert "cross-domain" in command("models", "list").out
    card = command("models", "show", tiny_bundle.path)
    assert card.status == 0
    assert "made up" in card.out, "how it was calibrated"
    spec = BundleSpec.model_validate(json.loads(command("models", "show", tiny_bundle.path, "--json").out))
    assert spec == tiny_bundle.spec


def test_bad_input_gets_one_line(tmp_path: Path, command: Command) -> None:
    fake = tmp_path / "model.h5"
    fake.write_bytes(b"no model")
    scaled = ("--scaling", "unit", "--out", tmp_path / "bundle")
    refused(command("models", "show", "nothing"), "nothing: no bundle of that name")
    refused(command("models", "import", fake, *scaled), "model.h5")
    refused(command("models", "import", tmp_path / "none.h5", *scaled), "none.h5")
    refused(command("models", "import", fake, "--scaling", "odd", "--out", tmp_path / "bundle"), "odd")
    assert [path.name for path in tmp_path.iterdir()] == ["model.h5"]
