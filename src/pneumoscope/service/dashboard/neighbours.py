"""The training films that are most like a film, as pictures under it."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt
import streamlit as st

from pneumoscope.cohorts import read_case
from pneumoscope.errors import PneumoscopeError
from pneumoscope.evaluation.cases import film_name
from pneumoscope.explanation.neighbours import Neighbour, TrainingIndex
from pneumoscope.service.dashboard.launch import Config
from pneumoscope.service.pictures import film_png

SHOWN = 4
THUMBNAIL = 260
"""Pixels of a picture's longer side."""
CAVEAT = (
    "Similar to the network, which is no evidence of a diagnosis: films of the same view, build or source are, too."
)
LABELS = {1: "pneumonia", 0: "normal", None: "label not known"}


def show_neighbours(embedding: npt.NDArray[np.float32] | None) -> None:
    """Draw them for a film by its embedding (2048,); nothing where there is none, or no training films were given."""
    folder = Config.current().training
    if folder is None or embedding is None:
        return
    index = _index(folder)
    films, middle = index.nearest(embedding, SHOWN)
    st.markdown("**Most similar training films**")
    st.html(
        f'<div class="neighbours">{"".join(figure(film, _picture(film.path)) for film in films)}</div>'
        f'<p class="quiet">{CAVEAT} Similarity is the cosine between embeddings, 1 at most; of '
        f"{counted(index)} in {escape(index.name)}, the middle one has {middle:.3f}.</p>"
    )


def counted(index: TrainingIndex) -> str:
    """How many training films are compared, and of how many."""
    some = f" of {index.total:,}" if len(index) < index.total else ""
    return f"{len(index):,}{some} training films"


def figure(film: Neighbour, picture: bytes | None) -> str:
    """HTML of one training film; ``picture`` is a PNG, or None where the film cannot be read any more."""
    label = LABELS[film.label]
    shown = '<div class="gone">This film cannot be read any more.</div>'
    if picture:
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        shown = f'<img src="{source}" alt="A training film, {label}">'
    colour = "" if film.label is None else label
    origin = f"{escape(film.source)}<br>{escape(film_name(film.path))}"
    return (
        f'<figure>{shown}<figcaption><strong class="{colour}">{label}</strong><br>similarity {film.similarity:.3f}<br>'
        f'<span class="quiet">{origin}</span></figcaption></figure>'
    )


@st.cache_resource(show_spinner="Reading the training films' embeddings …")
def _index(folder: Path) -> TrainingIndex:
    return TrainingIndex.load(folder)


@st.cache_data(max_entries=400, show_spinner=False)
def _picture(path: str) -> bytes | None:
    try:
        return film_png(read_case(path).pixels, THUMBNAIL)
    except PneumoscopeError:
        return None
