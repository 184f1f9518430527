"""The page of films: drop, triage, look, judge."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from pneumoscope.bundle import OperatingPoint
from pneumoscope.errors import StoreError
from pneumoscope.scoring import percent
from pneumoscope.service.dashboard import parts
from pneumoscope.service.dashboard.certainty import possible_classes, scale
from pneumoscope.service.dashboard.launch import Config
from pneumoscope.service.dashboard.neighbours import show_neighbours
from pneumoscope.service.dashboard.scored import ShownFilm, Unreadable, score_films
from pneumoscope.service.dashboard.viewer import show_film
from pneumoscope.service.store.records import LONGEST_COMMENT

MOST = 50
"""Films that a session keeps."""
COLOURS = {"pneumonia": "orange", "normal": "blue", "refer": "yellow", "unsuitable": "violet"}


def show() -> None:
    """Draw the page."""
    state = st.session_state
    state.setdefault("films", [])
    state.setdefault("drop", 0)
    _drop()
    if not state.films:
        st.info("Drop chest films above: PNG, JPEG, TIFF or DICOM. They are scored on this machine and then forgotten.")
        return
    left, right = st.columns([1, 2.4], gap="large")
    with left:
        film = _triage(state.films)
    with right:
        _film(film)


def _drop() -> None:
    state = st.session_state
    config = Config.current()
    files = st.file_uploader(
        "Drop chest films here, or choose them",
        accept_multiple_files=True,
        key=f"drop-{state.drop}",
        help=f"At most {config.max_megabytes} MB each, {MOST} films in all. DICOM files need no ending.",
    )
    for failure in state.pop("failures", ()):
        st.error(f"{failure.title}: {failure.message}", icon=":material/broken_image:")
    if not files:
        return
    room = MOST - len(state.films)
    if len(files) > room:
        st.error(f"There is room for {room} more films here, not for {len(files)}. Remove some first.")
        return
    bar = st.progress(0.0, "Scoring …")
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        bar.progress(done / len(files), f"Scored {done} of {len(files)}")

    with parts.network_lock():
        found = score_films(
            ((file.name, file.getvalue()) for file in files),
            parts.predictor(),
            parts.store(),
            size=config.max_megabytes << 20,
            progress=advance,
        )
    fresh = [film for film in found if isinstance(film, ShownFilm)]
    state.failures = [film for film in found if isinstance(film, Unreadable)]
    state.films = sorted([*state.films, *fresh], key=_urgency)
    if fresh:
        state.chosen = state.films.index(min(fresh, key=_urgency))
    # A new uploader forgets the files of the old one.
    state.drop += 1
    st.rerun()


def _urgency(film: ShownFilm) -> float:
    probability = film.prediction.probability
    return 1.0 if probability is None else -probability


def _triage(films: Sequence[ShownFilm]) -> ShownFilm:
    st.subheader("Triage", help="By probability, highest first; films without a score last.")
    chosen = st.radio(
        "Films by probability",
        range(len(films)),
        key="chosen",
        label_visibility="collapsed",
        format_func=lambda index: _line(films[index]),
    )
    if st.button("Remove all films", icon=":material/delete:"):
        st.session_state.films = []
        st.session_state.pop("chosen", None)
        st.rerun()
    return films[chosen or 0]


def _line(film: ShownFilm) -> str:
    said = film.prediction
    share = "–" if said.probability is None else percent(said.probability)
    title = "".join(sign if sign.isalnum() or sign in " .-_" else "·" for sign in film.title)
    return f"**{share}** :{COLOURS[said.decision]}-badge[{said.decision}] {title}"


def _film(film: ShownFilm) -> None:
    said = film.prediction
    share = "not scored" if said.probability is None else percent(said.probability)
    st.html(
        f'<div class="verdict"><span class="word {said.decision}">{said.decision.capitalize()}</span>'
        f'<span class="share">{escape(share)}</span>'
        + ('<span class="quiet">calibrated probability of pneumonia</span>' if said.probability is not None else "")
        + "</div>"
    )
    spec = parts.predictor().spec
    points = spec.operating_points
    if said.probability is not None:
        st.html(scale(said, points) + possible_classes(said, spec.conformal))
    for reason in said.reasons:
        st.markdown(f"- {_plain(reason.message)}")
    show_film(film)
    show_neighbours(film.embedding)
    _verdict(film)
    _details(film, points)


def _verdict(film: ShownFilm) -> None:
    if not film.name:
        st.error(f"This prediction is not on record, so it cannot be judged: {film.problem}")
        return
    with st.form("verdict", border=True):
        st.markdown("**Your reading**")
        reviewer, comment = st.columns([1, 2])
        who = reviewer.text_input("Reviewer", key="reviewer", max_chars=128)
        words = comment.text_input(
            "Comment",
            key=f"comment-{film.name}",
            max_chars=LONGEST_COMMENT,
            help="It is kept: write no patient's name.",
        )
        agree, disagree, _ = st.columns([1, 1, 2])
        verdicts = {
            "agree": agree.form_submit_button("Agree", icon=":material/check:", width="stretch"),
            "disagree": disagree.form_submit_button("Disagree", icon=":material/close:", width="stretch"),
        }
    try:
        for verdict, pressed in verdicts.items():
            if pressed:
                parts.store().judge(film.name, reviewer=who, verdict=verdict, comment=words)  # type: ignore[arg-type]
        record = parts.store().get(film.name)
    except StoreError as error:
        st.error(str(error))
        return
    for said in record.verdicts if record else ():
        comment_text = f": {_plain(said.comment)}" if said.comment else ""
        st.markdown(f"- {_plain(said.reviewer)} **{said.verdict}s**, {said.created:%Y-%m-%d %H:%M} UTC{comment_text}")


def _details(film: ShownFilm, points: Sequence[OperatingPoint]) -> None:
    said = film.prediction
    about, others = st.columns(2)
    with about, st.expander("The file", expanded=True):
        _facts((*film.header, ("SHA-256", f"{said.input_sha256}"), ("Record", film.name or "none")))
    with others, st.expander("At other operating points", expanded=True):
        if said.probability is None:
            st.markdown("The film was not scored.")
        else:
            rows = [
                {
                    "Operating point": point.name + (" (in force)" if point.name == said.operating_point.name else ""),
                    "Threshold": percent(point.threshold),
                    "Score": "at or above" if said.probability >= point.threshold else "below",
                }
                for point in points
            ]
            st.table(rows)
        _facts((("Model", said.model.name), ("Weights", said.model.sha256[:16]), ("Runtime", said.model.runtime)))


def _facts(rows: Sequence[tuple[str, str]]) -> None:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    st.html(f'<dl class="facts">{items}</dl>')


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+-.!|<>~$:" else sign for sign in text)
