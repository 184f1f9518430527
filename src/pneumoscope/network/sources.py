"""Starting weights: files of torchvision, timm, Keras and our own, from disk or by name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pneumoscope.errors import NetworkError
from pneumoscope.network.keras_files import read_keras
from pneumoscope.network.weights import SCALINGS, STEM, fold_grey, read_safetensors

TORCHVISION = "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"
"""What torchvision publishes as ``Inception_V3_Weights.IMAGENET1K_V1``; its name ends with the start of its SHA-256."""


@dataclass(frozen=True)
class InitialWeights:
    """Where training starts from.

    Attributes:
        tensors: the trunk's, with a grey stem, under torchvision's names.
        provenance: ``source``, ``sha256`` and ``scaling``, for the run's record.
    """

    tensors: dict[str, Tensor]
    provenance: dict[str, Any]


def load_initial_weights(source: str, *, scaling: str | None = None) -> InitialWeights:
    """The trunk's weights.

    Args:
        source: a file (``.safetensors`` with torchvision's or timm's names, torchvision's ``.pth``, Keras ``.h5`` or
            ``.keras``), ``torchvision`` for the file it publishes, or ``owner/name`` of a timm model on the Hugging
            Face hub, in one version with ``owner/name@revision``.
        scaling: what the weights were fed: ``tensorflow`` (x/127.5 − 1), ``imagenet`` (mean and standard deviation) or
            ``unit`` (x/255). None where the source says so itself.

    Raises:
        NetworkError: the source is missing, unreadable, another network, or does not tell its scaling.
    """
    if scaling is not None and scaling not in SCALINGS:
        raise NetworkError(f"there is no scaling {scaling!r}; there are {', '.join(SCALINGS)}")
    file = Path(source).expanduser()
    if not file.is_file():
        file = _torchvision() if source == "torchvision" else _hub(source)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    name = file.name if file == Path(source).expanduser() else source
    tensors = _read(file)
    if STEM not in tensors:
        raise NetworkError(f"{source}: these weights do not fit InceptionV3: there is no {STEM} in it")
    grey = tensors[STEM].shape[1] == 1
    known = None if grey else scaling or _scaling(file, source)
    folded = tensors if known is None else fold_grey(tensors, SCALINGS[known])
    return InitialWeights(folded, {"source": name, "sha256": digest, "scaling": known or "unit"})


def _read(file: Path) -> dict[str, Tensor]:
    suffix = file.suffix.lower()
    if suffix in (".h5", ".hdf5", ".keras"):
        return read_keras(file).trunk
    if suffix in (".pth", ".pt"):
        return _read_torch(file)
    tensors = read_safetensors(file)
    # A bundle has the trunk under its own name, beside the head.
    trunk = {name.removeprefix("trunk."): value for name, value in tensors.items() if name.startswith("trunk.")}
    return trunk or tensors


def _read_torch(file: Path) -> dict[str, Tensor]:
    import pickle

    try:
        # Without weights_only, a file could run code.
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(f"{file}: not a readable file of PyTorch weights ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise NetworkError(f"{file}: holds something else than named tensors; save the model's state_dict()")
    return state


def _scaling(file: Path, source: str) -> str:
    """What the source says of its input.

    Raises:
        NetworkError: nothing.
    """
    if source == "torchvision" or file.name.startswith("inception_v3_google-"):
        return "imagenet"
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, "pt") as opened:
            said = (opened.metadata() or {}).get("input", "")
        if "127.5" in said:
            return "tensorflow"
    if ".tf_" in source:
        return "tensorflow"
    if ".tv_" in source or ".gluon_" in source:
        return "imagenet"
    raise NetworkError(
        f"{source}: does not tell what its network was fed; add --scaling tensorflow (x/127.5 − 1), imagenet (mean and "
        "standard deviation) or unit (x/255)"
    )


def _torchvision() -> Path:
    import pooch
    import requests

    # The whole SHA-256 is not published, only its start.
    expected = TORCHVISION.rsplit("-", 1)[1].removesuffix(".pth")
    try:
        file = Path(pooch.retrieve(TORCHVISION, known_hash=None, progressbar=False))
    except requests.RequestException as error:
        raise NetworkError(f"{TORCHVISION}: cannot be fetched ({type(error).__name__}); name a file instead") from None
    with file.open("rb") as opened:
        if not hashlib.file_digest(opened, "sha256").hexdigest().startswith(expected):
            file.unlink()
            raise NetworkError(f"{TORCHVISION}: came with another checksum; try again")
    return file


def _hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    model, _, revision = name.partition("@")
    if name.count("/") != 1 or Path(name).suffix in (".safetensors", ".h5", ".keras", ".pth", ".pt"):
        raise NetworkError(
            f"{name}: no such weights file; name one, or torchvision, or a model on the Hugging Face hub as owner/name"
        )
    try:
        return Path(hf_hub_download(model, "model.safetensors", revision=revision or None))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise NetworkError(
            f"{name}: cannot be fetched from the Hugging Face hub ({type(error).__name__}); "
            "name a file with --weights instead"
        ) from None
