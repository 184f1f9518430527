"""The page of an evaluation: move the threshold and the prevalence, and see what decisions amount to."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pneumoscope.bundle import OperatingPoint
from pneumoscope.cohorts import read_cases
from pneumoscope.errors import ImageError
from pneumoscope.evaluation import Breakdown, Decisions, Evaluation, Figure, confusion_of, decisions_of
from pneumoscope.evaluation.cases import film_name
from pneumoscope.evaluation.ranking import tally
from pneumoscope.evaluation.report import METRICS, PREDICTIONS
from pneumoscope.radiograph import Radiograph
from pneumoscope.scoring import percent
from pneumoscope.service.dashboard.launch import Config
from pneumoscope.service.pictures import film_png

SHOWN = 8
"""Misclassified films that are shown as pictures."""
THUMBNAIL = 320
HEIGHT = 340


def show() -> None:
    """Draw the page."""
    folders = Config.current().evaluations
    if not folders:
        st.info(
            "No evaluation was given. Make one with `pneumoscope evaluate default --data my-films/ --out judged`, and "
            "start again with `pneumoscope dashboard --evaluation judged`."
        )
        return
    folder = (
        st.selectbox("Evaluation", folders, format_func=lambda place: place.name) if len(folders) > 1 else folders[0]
    )
    found, scored = _load(folder)
    st.subheader(f"{found.model} on {found.data}")
    st.caption(
        f"{found.n:,} films: {found.normal:,} normal, {found.pneumonia:,} pneumonia ({found.prevalence:.1%}). "
        f"ROC AUC {found.roc_auc.text()}, PR AUC {found.pr_auc.text()}. 95% intervals in brackets."
    )
    labels = scored["label"].to_numpy(np.int64)
    probability = scored["probability"].to_numpy(np.float64)
    threshold, prevalence = _controls(found)
    called = probability >= threshold
    decisions = decisions_of(confusion_of(labels, called), OperatingPoint(name="moved", threshold=threshold))
    st.html(tiles(decisions, prevalence))
    _curves(labels, probability, decisions)
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        st.html(matrix(decisions))
    with right:
        _scores(labels, probability, threshold)
    if found.subgroups:
        st.subheader("Parts of the films")
        st.caption(f"At the operating point “{found.operating_point}”. p: of the difference to the other films, Holm.")
        for breakdown in found.subgroups:
            st.markdown(f"**By {breakdown.by}**")
            st.dataframe(_rows(breakdown), hide_index=True)
    _mistakes(scored, labels, called)


@st.cache_data(max_entries=4, show_spinner="Reading the evaluation …")
def _load(folder: Path) -> tuple[Evaluation, pd.DataFrame]:
    found = Evaluation.model_validate_json((folder / METRICS).read_bytes())
    table = pd.read_csv(folder / PREDICTIONS)
    scored: pd.DataFrame = table[table["probability"].notna()].reset_index(drop=True)
    return found, scored


def _controls(found: Evaluation) -> tuple[float, float]:
    point = found.chosen.operating_point
    left, right = st.columns(2)
    threshold = left.slider(
        "Threshold on the probability (%)",
        0.0,
        100.0,
        round(100 * point.threshold, 1),
        0.1,
        format="%.1f",
        help=f"It starts at “{point.name}”. Choose thresholds on validation films, not on those that judge them.",
    )
    prevalence = right.slider(
        "Prevalence where you work (%)",
        0.1,
        99.9,
        round(100 * found.prevalence, 1),
        0.1,
        format="%.1f",
        help="PPV and NPV depend on the share of pneumonia among the films; sensitivity and specificity do not.",
    )
    return threshold / 100, prevalence / 100


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float | None, float | None]:
    """PPV and NPV at another prevalence, by Bayes' theorem; None where nothing is called so."""
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    cleared, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return (
        true / (true + false) if true + false else None,
        cleared / (cleared + missed) if cleared + missed else None,
    )


def tiles(decisions: Decisions, prevalence: float) -> str:
    """HTML of the figures at a threshold; PPV and NPV at another prevalence have no interval."""
    ppv = npv = None
    if decisions.sensitivity.value is not None and decisions.specificity.value is not None:
        ppv, npv = predictive_values(decisions.sensitivity.value, decisions.specificity.value, prevalence)
    shown: list[tuple[str, Figure]] = [
        ("Sensitivity", decisions.sensitivity),
        ("Specificity", decisions.specificity),
        (f"PPV at {prevalence:.1%}", Figure(value=ppv)),
        (f"NPV at {prevalence:.1%}", Figure(value=npv)),
        ("Accuracy on these films", decisions.accuracy),
    ]
    return '<div class="tiles">' + "".join(_tile(name, figure) for name, figure in shown) + "</div>"


def _tile(name: str, figure: Figure) -> str:
    value = "–" if figure.value is None else f"{figure.value:.1%}"
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.1%} – {figure.high:.1%}"
    return (
        f'<div class="tile"><div class="name">{escape(name)}</div><div class="value">{value}</div>'
        f'<div class="interval">{interval}</div></div>'
    )


def matrix(decisions: Decisions) -> str:
    """HTML of the confusion matrix."""
    (tn, fp), (fn, tp) = decisions.confusion
    return (
        f'<table class="matrix"><caption>Films at a threshold of {percent(decisions.operating_point.threshold)}'
        '</caption><thead><tr><th></th><th scope="col">called normal</th><th scope="col">called pneumonia</th></tr>'
        f'</thead><tbody><tr><th scope="row">normal</th><td class="right">{tn:,}</td><td class="wrong">{fp:,}</td></tr>'
        f'<tr><th scope="row">pneumonia</th><td class="wrong">{fn:,}</td><td class="right">{tp:,}</td></tr>'
        "</tbody></table>"
    )


def _curves(labels: Any, probability: Any, decisions: Decisions) -> None:
    true, false = tally(labels, probability)
    positives, negatives = true[-1], false[-1]
    if not positives or not negatives:
        st.warning("All films are of one class, so there are no curves.")
        return
    sensitivity, alarms = true / positives, false / negatives
    roc = pd.DataFrame({"False alarms": alarms, "Sensitivity": sensitivity})
    precision = pd.DataFrame({"Sensitivity": sensitivity[1:], "PPV": true[1:] / (true[1:] + false[1:])})
    here = {
        "False alarms": 1 - (decisions.specificity.value or 0),
        "Sensitivity": decisions.sensitivity.value,
        "PPV": decisions.ppv.value,
    }
    left, right = st.columns(2, gap="large")
    left.altair_chart(_curve(roc, "False alarms", "Sensitivity", here, "ROC"), width="stretch")
    right.altair_chart(_curve(precision, "Sensitivity", "PPV", here, "Precision and recall"), width="stretch")


def _curve(curve: pd.DataFrame, x: str, y: str, here: dict[str, float | None], title: str) -> alt.LayerChart:
    scale = alt.Scale(domain=[0, 1], nice=False)
    axis = alt.Axis(format="%")
    base = alt.Chart(curve, title=title).encode(x=alt.X(x, scale=scale, axis=axis), y=alt.Y(y, scale=scale, axis=axis))
    line = base.mark_line(
        interpolate="step-after" if x == "False alarms" else "linear", strokeWidth=2.5, color="#1f9a8c"
    )
    point = alt.Chart(pd.DataFrame([here])).mark_point(size=160, filled=True, color="#b3541a", opacity=1)
    tips = [alt.Tooltip(x, format=".1%"), alt.Tooltip(y, format=".1%")]
    return (line + point.encode(x=x, y=y, tooltip=tips)).properties(height=HEIGHT)


def _scores(labels: Any, probability: Any, threshold: float) -> None:
    table = pd.DataFrame({"Probability": probability, "Label": np.where(labels == 1, "pneumonia", "normal")})
    colours = alt.Scale(domain=["normal", "pneumonia"], range=["#2f6fab", "#b3541a"])
    bars = (
        alt.Chart(table, title="Films by probability")
        .mark_bar(opacity=0.65)
        .encode(
            x=alt.X(
                "Probability", bin=alt.Bin(step=0.05, extent=[0, 1]), title="Probability", axis=alt.Axis(format="%")
            ),
            y=alt.Y("count()", stack=None, title="Films"),
            color=alt.Color("Label", scale=colours, legend=alt.Legend(orient="top", title=None)),
        )
    )
    rule = (
        alt.Chart(pd.DataFrame({"at": [threshold]}))
        .mark_rule(strokeDash=[6, 4], strokeWidth=2)
        .encode(x=alt.X("at", title="Probability"))
    )
    st.altair_chart((bars + rule).properties(height=260), width="stretch")


def _rows(breakdown: Breakdown) -> pd.DataFrame:
    names = {"roc_auc": "ROC AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
    rows = []
    for group in breakdown.groups:
        row: dict[str, Any] = {"Group": group.value, "Normal": group.normal, "Pneumonia": group.pneumonia}
        for key, name in names.items():
            row[name] = getattr(group, key).text()
            difference = group.differences.get(key)
            row[f"p ({name})"] = difference.p_adjusted if difference else None
        rows.append(row)
    return pd.DataFrame(rows)


def _mistakes(scored: pd.DataFrame, labels: Any, called: Any) -> None:
    wrong = scored[(labels == 1) != called]
    st.subheader(f"Misclassified at this threshold: {len(wrong):,}")
    kind = st.radio("Mistakes", ["Missed pneumonia", "False alarms"], horizontal=True, label_visibility="collapsed")
    missed = kind == "Missed pneumonia"
    chosen = wrong[wrong["label"] == int(missed)].sort_values("probability", ascending=missed)
    if chosen.empty:
        st.markdown("None.")
        return
    table = chosen.assign(film=[film_name(str(path)) for path in chosen["path"]])
    wanted = ("film", "probability", "age", "sex", "view", "source")
    known = [name for name in wanted if name in table and table[name].notna().any()]
    probability = st.column_config.ProgressColumn("probability", min_value=0, max_value=1, format="percent")
    st.dataframe(table[known], hide_index=True, column_config={"probability": probability}, height=240)
    if st.toggle(f"Show the worst {min(SHOWN, len(chosen))} as pictures"):
        _pictures(table.head(SHOWN))


def _pictures(table: pd.DataFrame) -> None:
    columns = st.columns(4)
    films = read_cases([str(path) for path in table["path"]], _itself)
    for number, (film, row) in enumerate(zip(films, table.itertuples(), strict=True)):
        with columns[number % 4]:
            if isinstance(film, ImageError):
                st.caption(f"{row.film}: {film}")
            else:
                st.image(
                    film_png(film.pixels, THUMBNAIL), caption=f"{row.film}, {percent(float(str(row.probability)))}"
                )


def _itself(film: Radiograph) -> Radiograph:
    return film
