"""Scores films as the study's notebook does, alone and with Grad-CAM by automatic differentiation.

In: paths of films. Out: seconds of two runs that score, and of two that also explain. Grad-CAM is slow: it is timed
on 40 films, from which the time of all is reckoned.
"""

from __future__ import annotations

import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from study_model import SIDE, build

REPEATS, EXPLAINED = 2, 40


def read(paths: list[str]) -> np.ndarray:
    films = [np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE)), "float32") / 255 for path in paths]
    return np.stack(films)


def grad_cam(both: keras.Model, film: np.ndarray) -> np.ndarray:
    with tf.GradientTape() as tape:
        features, score = both(film[None], training=False)
    weights = tf.reduce_mean(tape.gradient(score, features), (1, 2))
    return tf.nn.relu(tf.reduce_sum(weights[:, None, None] * features, -1)).numpy()


paths = json.load(sys.stdin)
model, trunk = build()
both = keras.Model(model.input, [trunk.output, model.output])
model.predict(read(paths[:32]), batch_size=32, verbose=0)
grad_cam(both, read(paths[:1])[0])
alone, explained = [], []
for _ in range(REPEATS):
    started = time.perf_counter()
    films = read(paths)
    model.predict(films, batch_size=32, verbose=0)
    alone.append(time.perf_counter() - started)
    started = time.perf_counter()
    for film in films[:EXPLAINED]:
        grad_cam(both, film)
    explained.append(alone[-1] + (time.perf_counter() - started) * len(films) / EXPLAINED)
print(json.dumps([alone, explained]))
