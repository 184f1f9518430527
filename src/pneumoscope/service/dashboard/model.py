"""The page of the model card."""

from __future__ import annotations

import streamlit as st

from pneumoscope.bundle import render_card
from pneumoscope.service.dashboard import parts


def show() -> None:
    """Draw the page."""
    card = render_card(parts.predictor().spec)
    front, _, text = card.removeprefix("---\n").partition("\n---\n")
    st.markdown(text)
    with st.expander("Front matter"):
        st.code(front, language="yaml")
