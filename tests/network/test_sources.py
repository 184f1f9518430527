from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from pneumoscope.bundle import Bundle
from pneumoscope.errors import NetworkError
from pneumoscope.network import SCALINGS, InceptionTrunk, fold_grey, load_initial_weights, load_trunk


@pytest.fixture(scope="module")
def colour() -> dict[str, torch.Tensor]:
    """A trunk's weights with a colour stem, as other projects publish them."""
    torch.manual_seed(0)
    weights = InceptionTrunk().state_dict()
    return weights | {"Conv2d_1a_3x3.conv.weight": torch.randn(32, 3, 3, 3), "fc.weight": torch.zeros(1000, 2048)}


def fits(tensors: dict[str, torch.Tensor]) -> None:
    load_trunk(InceptionTrunk(), tensors, origin="test")


def test_scaling_is_read_from_the_file_or_asked_for(tmp_path: Path, colour: dict[str, torch.Tensor]) -> None:
    said, silent = tmp_path / "said.safetensors", tmp_path / "silent.safetensors"
    save_file(colour, said, metadata={"input": "RGB 299x299, x/127.5-1"})
    save_file(colour, silent)
    weights = load_initial_weights(str(said))
    assert weights.provenance["scaling"] == "tensorflow"
    assert len(weights.provenance["sha256"]) == 64
    expected = fold_grey(colour, SCALINGS["tensorflow"])["Conv2d_1a_3x3.conv.weight"]
    torch.testing.assert_close(weights.tensors["Conv2d_1a_3x3.conv.weight"], expected)
    fits(weights.tensors)
    with pytest.raises(NetworkError, match="does not tell what its network was fed"):
        load_initial_weights(str(silent))
    assert load_initial_weights(str(silent), scaling="imagenet").provenance["scaling"] == "imagenet"
    with pytest.raises(NetworkError, match="no scaling 'half'"):
        load_initial_weights(str(silent), scaling="half")


def test_torchvision_files_and_what_only_looks_like_one(tmp_path: Path, colour: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "inception_v3_google-0cc3c7bd.pth"
    torch.save(colour | {"AuxLogits.fc.weight": torch.zeros(2)}, path)
    weights = load_initial_weights(str(path))
    assert weights.provenance["scaling"] == "imagenet"
    fits(weights.tensors)

    class Code:
        def __reduce__(self) -> Any:
            return (print, ("this must not run",))

    hostile = tmp_path / "hostile.pth"
    hostile.write_bytes(pickle.dumps({"a": Code()}, protocol=2))
    with pytest.raises(NetworkError, match="not a readable file of PyTorch weights"):
        load_initial_weights(str(hostile))
    torch.save({"epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(NetworkError, match="something else than named tensors"):
        load_initial_weights(str(tmp_path / "checkpoint.pth"))
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(NetworkError, match="do not fit InceptionV3"):
        load_initial_weights(str(tmp_path / "other.safetensors"))
    (tmp_path / "fake.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(NetworkError, match="not a readable safetensors file"):
        load_initial_weights(str(tmp_path / "fake.safetensors"))


def test_a_bundle_can_start_another_training(tiny_bundle: Bundle) -> None:
    weights = load_initial_weights(str(tiny_bundle.path / "model.safetensors"))
    assert weights.provenance["sha256"] == tiny_bundle.sha256
    fits(weights.tensors)


def test_names_on_the_hub(tmp_path: Path, colour: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    save_file(colour, path)
    asked = []

    def download(name: str, file: str, *, revision: str | None) -> str:
        asked.append((name, file, revision))
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    weights = load_initial_weights("timm/inception_v3.tf_in1k")
    assert weights.provenance["source"] == "timm/inception_v3.tf_in1k"
    assert weights.provenance["scaling"] == "tensorflow"
    assert load_initial_weights("timm/inception_v3.tv_in1k@0123abc").provenance["scaling"] == "imagenet"
    assert asked == [
        ("timm/inception_v3.tf_in1k", "model.safetensors", None),
        ("timm/inception_v3.tv_in1k", "model.safetensors", "0123abc"),
    ]

    def offline(name: str, file: str, *, revision: str | None) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(NetworkError, match="cannot be fetched from the Hugging Face hub"):
        load_initial_weights("timm/inception_v3.tf_in1k")
    with pytest.raises(NetworkError, match="no such weights file"):
        load_initial_weights(str(tmp_path / "none.safetensors"))


def test_torchvision_by_name_is_checked_against_its_name(
    tmp_path: Path, colour: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    path = tmp_path / "fetched.pth"
    torch.save(colour, path)
    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: str(path))
    with pytest.raises(NetworkError, match="another checksum"):
        load_initial_weights("torchvision")
    assert not path.exists(), "what came wrong is not kept"

    def offline(*_: Any, **__: Any) -> str:
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(NetworkError, match="cannot be fetched"):
        load_initial_weights("torchvision")
