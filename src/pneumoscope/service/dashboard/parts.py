"""What the pages share: the frame, the loaded model, the store."""

from __future__ import annotations

from html import escape
from pathlib import Path
from threading import Lock

import streamlit as st

from pneumoscope import __version__
from pneumoscope.bundle import load_bundle
from pneumoscope.scoring import RESEARCH_NOTICE, Predictor
from pneumoscope.service.dashboard.launch import Config
from pneumoscope.service.store import Store

ASSETS = Path(__file__).parent / "assets"


def frame() -> None:
    """The banner on every page, and the style of what is not Streamlit's own."""
    st.html(f"<style>{(ASSETS / 'page.css').read_text(encoding='utf-8')}</style>")
    st.html(
        f'<div class="banner" role="note"><strong>Pneumoscope</strong> {__version__} '
        f"<span>{escape(RESEARCH_NOTICE)}</span></div>"
    )


@st.cache_resource(show_spinner="Loading the model …")
def predictor() -> Predictor:
    """The model, loaded once for all sessions."""
    config = Config.current()
    return Predictor(load_bundle(config.bundle), operating_point=config.operating_point, batch_size=4)


@st.cache_resource
def network_lock() -> Lock:
    """Held while films are scored: sessions take turns."""
    return Lock()


@st.cache_resource
def store() -> Store:
    """The record store, opened once for all sessions."""
    return Store(Config.current().database)
