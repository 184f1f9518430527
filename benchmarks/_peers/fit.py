"""Trains with ``model.fit`` in a phase of the study: its loss, its optimiser, no augmentation.

In: number of ``training`` and ``validation`` films, ``batch`` size, ``epochs``, ``learning_rate`` and what to
``unfreeze`` (none, mixed8 or all). Out: seconds of each epoch with its validation; TensorFlow
compiles in the first.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import keras
import numpy as np
from study_model import SIDE, build


class Clock(keras.callbacks.Callback):
    """Keeps the seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def films(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).random((count, SIDE, SIDE, 3), np.float32), np.arange(count) % 2


task = json.load(sys.stdin)
model, trunk = build()
names = [layer.name for layer in trunk.layers]
# Keras names a block after the layer that ends it: mixed8 begins behind mixed7.
first = {"none": len(names), "mixed8": names.index("mixed7") + 1, "all": 0}[task["unfreeze"]]
for layer in trunk.layers[:first]:
    layer.trainable = False
model.compile(
    optimizer=keras.optimizers.Adam(task["learning_rate"]),
    loss=keras.losses.BinaryFocalCrossentropy(),
    metrics=[keras.metrics.AUC()],
)
clock = Clock()
model.fit(
    *films(task["training"]),
    batch_size=task["batch"],
    epochs=task["epochs"],
    validation_data=films(task["validation"]),
    callbacks=[clock],
    verbose=0,
)
print(json.dumps(clock.seconds))
