"""624 JPEG films of 224 pixels from the disk to the prediction, with the shipped model: this package's two engines.

With ``PNEUMOSCOPE_KERAS_PEER=1`` also the study's own stack, Keras on TensorFlow in an environment of its own, at 299
pixels: ``model.predict``, and for heat maps Grad-CAM by automatic differentiation.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks._films import write_films
from benchmarks._keras_peer import keras_seconds
from pneumoscope.bundle import load_bundle
from pneumoscope.scoring import Predictor, open_runtime

FILMS = 624
REPEATS = 3


def run() -> dict[str, float]:
    """Films per second and ratios. Every row of this package has the heat map: it costs next to nothing."""
    bundle = load_bundle("default")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_films(Path(folder), FILMS)
        seconds = {}
        for engine, precision in (("openvino", "f32"), ("openvino", "bf16"), ("torch", "f32")):
            predictor = Predictor(bundle, runtime=open_runtime(bundle, engine, precision=precision))
            seconds[f"{engine} {precision}"] = _fastest(predictor, paths)
        if os.environ.get("PNEUMOSCOPE_KERAS_PEER"):
            seconds["keras, score alone"], seconds["keras, score and Grad-CAM"] = keras_seconds(paths)
    results = {f"{name}, films/s": FILMS / taken for name, taken in seconds.items()}
    ours = "openvino f32", "openvino bf16"
    for peer in seconds:
        if peer not in ours:
            for name in ours:
                results[f"{name}, times faster than {peer}"] = seconds[peer] / seconds[name]
    return results


def _fastest(predictor: Predictor, paths: list[Path]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        assert sum(scored.saliency is not None for scored in predictor.predict_files(paths)) == len(paths)
        times.append(time.perf_counter() - started)
    return min(times)
