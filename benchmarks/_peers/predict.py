"""Scores films of noise in memory with ``model.predict``.

In: number of films. Out: seconds of each run after the first.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from study_model import SIDE, build

REPEATS = 5

model, _ = build()
films = np.random.default_rng(0).random((json.load(sys.stdin), SIDE, SIDE, 3), np.float32)
seconds = []
for _ in range(1 + REPEATS):
    started = time.perf_counter()
    model.predict(films, batch_size=len(films), verbose=0)
    seconds.append(time.perf_counter() - started)
print(json.dumps(seconds[1:]))
