"""InceptionV3 with the study's head, its stages by name, and weights from elsewhere."""

from pneumoscope.network.inception import STAGES, InceptionTrunk, stages_from
from pneumoscope.network.keras_files import KerasModel, read_keras
from pneumoscope.network.model import Explained, Head, PneumoniaNet
from pneumoscope.network.sources import InitialWeights, load_initial_weights
from pneumoscope.network.weights import SCALINGS, InputScaling, fold_grey, load_trunk, read_safetensors

__all__ = [
    "SCALINGS",
    "STAGES",
    "Explained",
    "Head",
    "InceptionTrunk",
    "InitialWeights",
    "InputScaling",
    "KerasModel",
    "PneumoniaNet",
    "fold_grey",
    "load_initial_weights",
    "load_trunk",
    "read_keras",
    "read_safetensors",
    "stages_from",
]
