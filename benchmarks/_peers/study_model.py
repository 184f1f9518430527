"""The study's network in Keras: InceptionV3, global average pooling, dropout, 1024 ReLU, sigmoid."""

from __future__ import annotations

import keras

SIDE = 299


def build() -> tuple[keras.Model, keras.Model]:
    """The whole, from (N, 299, 299, 3) in [0, 1] to scores (N, 1), and its trunk; random weights."""
    trunk = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(trunk.output)
    hidden = keras.layers.Dense(1024, activation="relu")(keras.layers.Dropout(0.5)(pooled))
    return keras.Model(trunk.input, keras.layers.Dense(1, activation="sigmoid")(hidden)), trunk
