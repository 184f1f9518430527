"""Pre-trained weights from other projects' files, brought to one grey channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pneumoscope.errors import NetworkError
from pneumoscope.network.inception import InceptionTrunk

STEM = "Conv2d_1a_3x3.conv.weight"
STEM_MEAN = "Conv2d_1a_3x3.bn.running_mean"

# Channel names as torchvision and timm publish them; the auxiliary and the ImageNet classifier are not ours.
FOREIGN = ("AuxLogits.", "fc.")


class InputScaling(NamedTuple):
    """Affine map from a grey value in [0, 1] to the three inputs that the weights were trained with."""

    scale: tuple[float, float, float]
    shift: tuple[float, float, float]


SCALINGS: dict[str, InputScaling] = {
    # x / 127.5 − 1, as Keras Applications and the TensorFlow checkpoints (timm's tf_ and gluon-free ones) have it.
    "tensorflow": InputScaling((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0)),
    # (x − mean) / std of ImageNet.
    "imagenet": InputScaling((1 / 0.229, 1 / 0.224, 1 / 0.225), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)),
    # x / 255, as many Keras generators feed it.
    "unit": InputScaling((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
}


def fold_grey(weights: Mapping[str, Tensor], scaling: InputScaling) -> dict[str, Tensor]:
    """Fold three equal colour channels and their input scaling into the first convolution, exactly.

    A grey film enters a colour network as three copies, each scaled by ``scale·x + shift``. Convolution is
    linear, so one kernel ``Σ scale_c·W_c`` and the constant ``Σ shift_c·ΣW_c`` do the same; the first
    convolution has no padding, so that constant is the same everywhere, and BatchNorm's mean takes it up.

    Returns:
        A copy in which the stem's kernel is (32, 1, 3, 3). Weights that are grey already come back unchanged.
    """
    folded = dict(weights)
    kernel = weights[STEM].double()
    if kernel.shape[1] == 1:
        return folded
    scale, shift = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in scaling)
    folded[STEM] = (kernel * scale).sum(1, keepdim=True).float()
    constant = (kernel * shift).sum((1, 2, 3))
    folded[STEM_MEAN] = (weights[STEM_MEAN].double() - constant).float()
    return folded


def load_trunk(trunk: InceptionTrunk, weights: Mapping[str, Tensor], *, origin: str) -> None:
    """Load weights with torchvision's names into the trunk; each must be there and fit.

    Raises:
        NetworkError: a tensor is missing, left over or of another shape; ``origin`` names the file.
    """
    own = trunk.state_dict()
    given = {name: tensor.float() for name, tensor in weights.items() if not name.startswith(FOREIGN)}
    counters = {name: own[name] for name in own if name.endswith("num_batches_tracked") and name not in given}
    missing = own.keys() - given.keys() - counters.keys()
    surplus = given.keys() - own.keys()
    shapes = [name for name in own.keys() & given.keys() if own[name].shape != given[name].shape]
    for what, names in (("lacks", missing), ("has no place for", surplus), ("has another shape for", shapes)):
        if names:
            some = ", ".join(sorted(names)[:3])
            raise NetworkError(
                f"{origin}: these weights do not fit InceptionV3: the file {what} {some}"
                f"{' …' if len(names) > 3 else ''}; give a torchvision or timm inception_v3 file"
            )
    trunk.load_state_dict({**counters, **{name: tensor.to(own[name].dtype) for name, tensor in given.items()}})


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file.

    Raises:
        NetworkError: the file is missing or is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise NetworkError(f"{path}: no such weights file") from None
    except (SafetensorError, OSError) as error:
        raise NetworkError(f"{path}: not a readable safetensors file ({error})") from None
