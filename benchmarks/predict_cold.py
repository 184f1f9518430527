"""One film in a fresh process: ``pneumoscope predict`` beside Keras, which loads an equal network and predicts."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks._measure import process

KERAS = """
import sys, keras, numpy
from PIL import Image
model = keras.saving.load_model(sys.argv[1])
film = numpy.asarray(Image.open(sys.argv[2]).convert("RGB").resize((299, 299)), "float32")[None] / 255
print(model.predict(film, verbose=0))
"""
BUILD = """
import sys, keras
base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(299, 299, 3), pooling="avg")
hidden = keras.layers.Dense(1024, activation="relu")(base.output)
keras.Model(base.input, keras.layers.Dense(1, activation="sigmoid")(hidden)).save(sys.argv[1])
"""
REPEATS = 3


def run() -> dict[str, float]:
    """Seconds and MB of each, median of three, and their ratios (above 1: Pneumoscope needs less)."""
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    with tempfile.TemporaryDirectory() as folder:
        film, model = Path(folder) / "film.png", Path(folder) / "model.keras"
        noise = np.random.default_rng(0).integers(0, 256, (600, 700), dtype=np.uint8)
        Image.fromarray(noise).resize((1400, 1200)).save(film)
        process([sys.executable, "-c", BUILD, model], env=environment)
        ours = [process([sys.executable, "-m", "pneumoscope", "predict", film, "--json"]) for _ in range(REPEATS)]
        keras = [process([sys.executable, "-c", KERAS, model, film], env=environment) for _ in range(REPEATS)]
    seconds, megabytes = median(cost.seconds for cost in ours), median(cost.megabytes for cost in ours)
    peer_seconds, peer_megabytes = median(cost.seconds for cost in keras), median(cost.megabytes for cost in keras)
    return {
        "pneumoscope predict, s": seconds,
        "keras load and predict, s": peer_seconds,
        "times faster": peer_seconds / seconds,
        "pneumoscope predict, MB": megabytes,
        "keras load and predict, MB": peer_megabytes,
        "times less memory": peer_megabytes / megabytes,
    }
