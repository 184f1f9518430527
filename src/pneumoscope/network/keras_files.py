"""Weights of Keras models, read from their files alone: neither Keras is needed nor any code in the file run.

Keras numbers layers as they are made (``conv2d``, ``conv2d_1`` …, from any number in a session that made several
models), and InceptionV3 makes each convolution with its batch normalisation in the order in which the paper,
torchvision and :class:`~pneumoscope.network.InceptionTrunk` list them. Sorted by number, the n-th of theirs is the
n-th of ours.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pneumoscope.errors import NetworkError
from pneumoscope.network.inception import ConvNormAct, InceptionTrunk

Variables = dict[str, npt.NDArray[np.float32]]

LARGEST_FILE = 1 << 30
"""Most bytes that a file inside a ``.keras`` archive may say it has: four times what optimiser state makes of it."""
CONVOLUTIONS = 94
NORMALISATION = ("beta", "moving_mean", "moving_variance")
"""Order in which Keras stores them; ``gamma`` stands before them unless the layer has no scale, as InceptionV3's."""
ALLOWED = frozenset(
    (
        "Activation",
        "AveragePooling2D",
        "BatchNormalization",
        "Concatenate",
        "Conv2D",
        "Dense",
        "Dropout",
        "Functional",
        "GlobalAveragePooling2D",
        "InputLayer",
        "MaxPooling2D",
        "Model",
        "Sequential",
    )
)
"""Layers of InceptionV3 and the study's head. Any other would change the score without our knowing."""


@dataclass(frozen=True)
class KerasModel:
    """A Keras InceptionV3: tensors under torchvision's names, colour stem, nothing folded.

    Attributes:
        trunk: of the 94 convolutions.
        head: ``hidden`` and ``logit``; empty for a model without the study's head.
        dropout: of the head, where the file says.
    """

    trunk: dict[str, Tensor]
    head: dict[str, Tensor]
    dropout: float | None


@dataclass(frozen=True)
class _Layer:
    kind: str
    name: str
    settings: Mapping[str, Any]
    group: str
    """Path of its variables in a ``.keras`` archive."""


def read_keras(path: Path) -> KerasModel:
    """Read ``.h5`` (whole model or weights, of Keras 2 or 3) or ``.keras``.

    InceptionV3 may be one layer of the model or spread out in it.

    Raises:
        NetworkError: the file is missing, damaged, too large, or is another network.
    """
    try:
        if zipfile.is_zipfile(path):
            layers, variables = _read_archive(path)
        else:
            layers, variables = _read_hdf5(path)
    except FileNotFoundError:
        raise NetworkError(f"{path}: no such weights file") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise NetworkError(f"{path}: not a readable Keras file ({error}); save the model again") from None
    dropout = _check(path, layers)
    return KerasModel(_trunk(path, variables), _head(path, variables), dropout)


def _read_archive(path: Path) -> tuple[list[_Layer], dict[str, Variables]]:
    with zipfile.ZipFile(path) as archive:
        for name in ("config.json", "model.weights.h5"):
            if archive.getinfo(name).file_size > LARGEST_FILE:
                raise NetworkError(f"{path}: {name} says it has {archive.getinfo(name).file_size:,} bytes; refused")
        layers = list(_layers(json.loads(archive.read("config.json")), ""))
        content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content), "r") as file:
        return layers, {layer.name: _numbered(layer, file[f"{layer.group}/vars"]) for layer in _weighted(layers, file)}


def _weighted(layers: list[_Layer], file: h5py.File) -> Iterator[_Layer]:
    for layer in layers:
        if layer.kind in ("Conv2D", "BatchNormalization", "Dense") and f"{layer.group}/vars" in file:
            yield layer


def _numbered(layer: _Layer, group: h5py.Group) -> Variables:
    """Variables that an archive only numbers, by their names."""
    values = [_array(group[number]) for number in sorted(group, key=int)]
    if layer.kind == "BatchNormalization":
        names: tuple[str, ...] = NORMALISATION if len(values) == 3 else ("gamma", *NORMALISATION)
    else:
        names = ("kernel", "bias")[: len(values)]
    return dict(zip(names, values, strict=True))


def _layers(config: Mapping[str, Any], within: str) -> Iterator[_Layer]:
    """Every layer of a model's configuration, models inside it opened up.

    An archive names a layer's group by its class and its place among the layers of that class.
    """
    taken: dict[str, int] = {}
    for part in config["config"].get("layers", ()):
        kind, settings = part["class_name"], part.get("config", {})
        stem = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
        count = taken.get(stem, 0)
        taken[stem] = count + 1
        group = f"{within}layers/{stem}_{count}" if count else f"{within}layers/{stem}"
        yield _Layer(kind, settings.get("name", part.get("name", "")), settings, group)
        if "layers" in settings:
            yield from _layers(part, f"{group}/")


def _read_hdf5(path: Path) -> tuple[list[_Layer], dict[str, Variables]]:
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        layers = list(_layers(json.loads(config), "")) if config is not None else []
        weights = file.get("model_weights", file)
        if "layer_names" not in weights.attrs:
            raise NetworkError(
                f"{path}: weights without the model that they belong to; save the whole model as .keras or .h5"
            )
        variables: dict[str, Variables] = {}
        for name in _texts(weights.attrs["layer_names"]):
            group = weights[name]
            for variable in _texts(group.attrs["weight_names"]):
                # Such as inception_v3/conv2d_5/kernel:0; what stands before the layer's own name is left out.
                *_, layer, kind = variable.split(":")[0].split("/")
                variables.setdefault(layer, {})[kind] = _array(group[variable])
    return layers, variables


def _texts(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _array(dataset: Any) -> npt.NDArray[np.float32]:
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ValueError("a weight lies in another file")
    if dataset.nbytes > LARGEST_FILE:
        raise ValueError(f"a weight says it has {dataset.nbytes:,} bytes")
    return np.asarray(dataset[()], dtype=np.float32)


def _check(path: Path, layers: list[_Layer]) -> float | None:
    """The head's dropout, after making sure that nothing in the model is unknown to us."""
    unknown = sorted({layer.kind for layer in layers} - ALLOWED)
    if unknown:
        raise NetworkError(
            f"{path}: the model has layers {', '.join(unknown)}, which would change the score; "
            "save one of InceptionV3, global average pooling, dropout, dense 1024 ReLU and one sigmoid"
        )
    dense = [layer.settings for layer in layers if layer.kind == "Dense"]
    for settings, activation in zip(dense, ("relu", "sigmoid"), strict=False):
        if settings.get("activation") != activation:
            raise NetworkError(f"{path}: its layer {settings.get('name')} should have {activation} as activation")
    rates = [layer.settings["rate"] for layer in layers if layer.kind == "Dropout"]
    return float(rates[-1]) if rates else None


def _trunk(path: Path, variables: dict[str, Variables]) -> dict[str, Tensor]:
    convolutions, norms = (
        sorted((name for name in variables if re.fullmatch(rf"{stem}(_\d+)?", name)), key=_number)
        for stem in ("conv2d", "batch_normalization")
    )
    if len(convolutions) != CONVOLUTIONS or len(norms) != CONVOLUTIONS:
        raise NetworkError(
            f"{path}: has {len(convolutions)} convolutions and {len(norms)} batch normalisations under Keras' names; "
            f"InceptionV3 has {CONVOLUTIONS} of each"
        )
    ours = [name for name, module in InceptionTrunk().named_modules() if isinstance(module, ConvNormAct)]
    tensors: dict[str, Tensor] = {}
    for name, convolution, norm in zip(ours, convolutions, norms, strict=True):
        lacking = [kind for kind in NORMALISATION if kind not in variables[norm]]
        if lacking or "kernel" not in variables[convolution]:
            raise NetworkError(f"{path}: {convolution} or {norm} lacks {', '.join(lacking) or 'its kernel'}")
        beta, mean, variance = (torch.from_numpy(variables[norm][kind]) for kind in NORMALISATION)
        # Keras has height, width, in, out.
        tensors[f"{name}.conv.weight"] = torch.from_numpy(variables[convolution]["kernel"]).permute(3, 2, 0, 1)
        tensors[f"{name}.bn.weight"] = torch.from_numpy(variables[norm].get("gamma", np.ones(len(beta), np.float32)))
        tensors[f"{name}.bn.bias"] = beta
        tensors[f"{name}.bn.running_mean"] = mean
        tensors[f"{name}.bn.running_var"] = variance
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _head(path: Path, variables: dict[str, Variables]) -> dict[str, Tensor]:
    """The dense layers, told apart by their shapes; none where the model ends at its map."""
    dense = [layer for layer in variables.values() if np.ndim(layer.get("kernel", 0)) == 2]
    if not dense:
        return {}
    named = {"hidden": (2048, 1024), "logit": (1024, 1)}
    tensors: dict[str, Tensor] = {}
    for name, shape in named.items():
        fitting = [layer for layer in dense if layer["kernel"].shape == shape and "bias" in layer]
        if len(fitting) != 1 or len(dense) != len(named):
            shapes = ", ".join("×".join(map(str, layer["kernel"].shape)) for layer in dense)
            raise NetworkError(f"{path}: the head has dense layers {shapes}; the study's are 2048×1024 and 1024×1")
        tensors[f"head.{name}.weight"] = torch.from_numpy(fitting[0]["kernel"]).T.contiguous()
        tensors[f"head.{name}.bias"] = torch.from_numpy(fitting[0]["bias"])
    return tensors


def _number(name: str) -> int:
    digits = re.search(r"_(\d+)$", name)
    return int(digits[1]) if digits else 0
