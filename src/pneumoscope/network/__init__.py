"""InceptionV3 with the study's head, its stages by name, and weights from elsewhere."""

from pneumoscope.network.inception import STAGES, InceptionTrunk, stages_from
from pneumoscope.network.model import Explained, Head, PneumoniaNet
from pneumoscope.network.weights import SCALINGS, InputScaling, fold_grey, load_trunk, read_safetensors

__all__ = [
    "SCALINGS",
    "STAGES",
    "Explained",
    "Head",
    "InceptionTrunk",
    "InputScaling",
    "PneumoniaNet",
    "fold_grey",
    "load_trunk",
    "read_safetensors",
    "stages_from",
]
