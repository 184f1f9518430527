"""The film in the browser: window, level, zoom, and the heat map at the opacity that its slider says."""

from __future__ import annotations

import base64

import streamlit as st

from pneumoscope.service.dashboard.parts import ASSETS
from pneumoscope.service.dashboard.scored import ShownFilm
from pneumoscope.service.pictures import CAVEAT

NOTHING = "Nothing on this film spoke for pneumonia, so its heat map is empty."
REFUSED = "This film was not scored, so it has no heat map."


def show_film(film: ShownFilm) -> None:
    """Draw it. All its controls work in the browser alone, without a round trip."""
    assert film.picture is not None
    heat = film.heat if film.evidence else None
    _component()(
        data={
            "name": f"{film.name}-{film.prediction.input_sha256}",
            "film": _uri(film.picture),
            "heat": _uri(heat) if heat else None,
            "caveat": f"Heat map: {CAVEAT}" if heat else NOTHING if film.heat else REFUSED,
            "label": f"{film.title}, {film.prediction.decision}"
            + (", under its heat map, which is not a localisation of disease" if heat else ""),
        },
        key="viewer",
    )


def _component() -> st.components.v2.types.ComponentRenderer:
    html, css, js = ((ASSETS / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("pneumoscope_viewer", html=html, css=css, js=js)


def _uri(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
