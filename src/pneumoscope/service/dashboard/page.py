"""What the browser shows. Streamlit runs this file from its top at every interaction."""

from __future__ import annotations

import streamlit as st

from pneumoscope.service.dashboard import evaluations, films, model, parts

# The icon is a file: those that Streamlit knows by name would be fetched from elsewhere.
st.set_page_config(page_title="Pneumoscope", page_icon=str(parts.ASSETS / "icon.png"), layout="wide")
parts.frame()
st.navigation(
    [
        st.Page(films.show, title="Films", icon=":material/radiology:", url_path="films", default=True),
        st.Page(evaluations.show, title="Evaluation", icon=":material/query_stats:", url_path="evaluation"),
        st.Page(model.show, title="Model", icon=":material/description:", url_path="model"),
    ],
    position="top",
).run()
