"""The study's own stack in an environment of its own: Keras 3 on TensorFlow, float32."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks._measure import Times

ENVIRONMENT = Path(__file__).parents[1] / ".bench" / "keras"
PACKAGES = ("tensorflow", "pillow")
PEER = """
import json, sys, time
import keras, numpy as np, tensorflow as tf
from PIL import Image

EXPLAINED = 40
base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(299, 299, 3))
pooled = keras.layers.GlobalAveragePooling2D()(base.output)
hidden = keras.layers.Dense(1024, activation="relu")(keras.layers.Dropout(0.5)(pooled))
model = keras.Model(base.input, keras.layers.Dense(1, activation="sigmoid")(hidden))
both = keras.Model(model.input, [base.output, model.output])

def read(paths):
    films = [np.asarray(Image.open(path).convert("RGB").resize((299, 299)), "float32") / 255 for path in paths]
    return np.stack(films)

def grad_cam(film):
    with tf.GradientTape() as tape:
        features, score = both(film[None], training=False)
    weights = tf.reduce_mean(tape.gradient(score, features), (1, 2))
    return tf.nn.relu(tf.reduce_sum(weights[:, None, None] * features, -1)).numpy()

paths = json.load(sys.stdin)
model.predict(read(paths[:32]), batch_size=32, verbose=0)
grad_cam(read(paths[:1])[0])
alone, both_ways = [], []
for _ in range(2):
    started = time.perf_counter()
    films = read(paths)
    model.predict(films, batch_size=32, verbose=0)
    alone.append(time.perf_counter() - started)
    started = time.perf_counter()
    for film in films[:EXPLAINED]:
        grad_cam(film)
    both_ways.append(alone[-1] + (time.perf_counter() - started) * len(films) / EXPLAINED)
print(json.dumps([alone, both_ways]))
"""


def keras_times(paths: list[Path]) -> tuple[Times, Times]:
    """What it takes to score films, and to score them and then explain each, as the study's notebook does it.

    Grad-CAM by automatic differentiation is slow: it is timed on 40 films, from which the time of all is reckoned.

    Raises:
        subprocess.CalledProcessError: TensorFlow could not be installed, or failed.
    """
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    ended = subprocess.run(
        [python, "-c", PEER],
        input=json.dumps([str(path) for path in paths]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    alone, with_maps = json.loads(ended.stdout.splitlines()[-1])
    return Times(tuple(alone)), Times(tuple(with_maps))
