from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from pneumoscope.bundle import (
    Bundle,
    BundleSpec,
    Calibration,
    InputSpec,
    copy_bundle,
    list_bundles,
    load_bundle,
    render_card,
    save_bundle,
)
from pneumoscope.errors import BundleError, OutputError
from pneumoscope.training.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))


def test_weights_come_back_as_they_were_to_half_precision(tiny_bundle: Bundle) -> None:
    stored = load_file(tiny_bundle.path / "model.safetensors")
    assert stored["trunk.Mixed_7c.branch1x1.conv.weight"].dtype == torch.float16
    assert stored["trunk.Mixed_7c.branch1x1.bn.running_var"].dtype == torch.float32
    network = tiny_bundle.network()
    assert not network.training
    for name, value in network.state_dict().items():
        if name in stored:
            torch.testing.assert_close(value, stored[name].float())
    assert not any(value.is_meta for value in network.state_dict().values())


def test_damage_is_found_before_the_weights_are_used(copy: Path) -> None:
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="checksum differs"):
        load_bundle(copy).network()
    weights.unlink()
    with pytest.raises(BundleError, match="is missing"):
        assert load_bundle(copy).sha256


def test_weights_of_another_network_are_refused(copy: Path, tmp_path: Path) -> None:
    spec = load_bundle(copy).spec
    tensors = load_file(copy / "model.safetensors")
    del tensors["head.logit.bias"]
    other = save_bundle(spec, tensors, tmp_path / "other")
    with pytest.raises(BundleError, match="not those of the network"):
        other.network()


def test_a_damaged_specification_is_one_clear_error(copy: Path) -> None:
    path = copy / "bundle.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"surprise": 1}))
    with pytest.raises(BundleError, match="surprise"):
        load_bundle(copy)
    path.write_text("{")
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(copy)
    path.unlink()
    with pytest.raises(BundleError, match="no bundle"):
        load_bundle(copy)


def test_bundles_are_found_by_name_and_by_path(
    copy: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_BUNDLES", str(copy.parent))
    assert load_bundle("copy").path == copy
    assert "tiny" in [bundle.spec.name for bundle in list_bundles()]
    with pytest.raises(BundleError, match="no bundle of that name"):
        load_bundle("nowhere")


@pytest.mark.parametrize("name", ["default", "pneumoniamnist", "child", "adult"])
def test_each_model_of_ours_is_whole(name: str) -> None:
    bundle = load_bundle(name)
    spec = bundle.spec
    assert bundle.sha256 == spec.weights_sha256
    assert (bundle.path / "CARD.md").read_text(encoding="utf-8") == render_card(spec)
    assert spec.metrics, "a model of ours says how good it is"
    assert spec.conformal is not None, "it refers films that it cannot decide on"
    assert bundle.training_films is not None, "it refuses films unlike those it learnt on"
    assert spec.ages is not None
    recipe = load_recipe(RECIPES / f"{spec.name}.toml")
    # A key that came later stands at its default, which changes nothing.
    assert Recipe.model_validate(spec.recipe) == recipe, "the recipe in the repository is the one that trained it"


def test_nothing_is_overwritten_or_half_written(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        save_bundle(tiny_bundle.spec, {}, tiny_bundle.path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_bundle(tiny_bundle.spec, {}, blocked / "bundle")
    (tmp_path / "out").mkdir()
    with pytest.raises(AttributeError):
        save_bundle(tiny_bundle.spec, {"broken": None}, tmp_path / "out" / "bundle")
    assert not list((tmp_path / "out").iterdir())


def test_a_copy_has_the_same_weights_and_another_specification(tiny_bundle: Bundle, copy: Path, tmp_path: Path) -> None:
    spec = tiny_bundle.spec.model_copy(update={"name": "other", "weights_sha256": ""})
    made = copy_bundle(tiny_bundle, tmp_path / "made", spec)
    assert (made.spec.name, made.sha256) == ("other", tiny_bundle.sha256)
    assert (made.path / "CARD.md").read_text(encoding="utf-8") == render_card(made.spec)
    with pytest.raises(OutputError, match="exists already"):
        copy_bundle(tiny_bundle, made.path, spec)
    (copy / "model.safetensors").unlink()
    with pytest.raises(BundleError, match="is missing"):
        copy_bundle(load_bundle(copy), tmp_path / "broken", spec)
    assert not (tmp_path / "broken").exists()


def test_calibration_is_platt_scaling_without_overflow() -> None:
    logits = np.array([-1e4, -1.0, 0.0, 2.0, 1e4])
    expected = torch.sigmoid(torch.tensor(1.5 * logits - 0.5)).numpy()
    np.testing.assert_allclose(Calibration(slope=1.5, intercept=-0.5).probability(logits), expected, atol=1e-12)


def test_a_specification_needs_its_default_operating_point() -> None:
    with pytest.raises(ValidationError, match="no operating point 'gone'"):
        BundleSpec(name="x", created="now", software="1", input=InputSpec(size=75), default_operating_point="gone")
