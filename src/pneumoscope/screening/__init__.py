"""Archives of films: scored part by part, so that whatever ends a run, the next goes on where it was."""

from pneumoscope.screening.folder import Plan, RunFolder
from pneumoscope.screening.run import PART_SIZE, Options, screen
from pneumoscope.screening.sources import film_names
from pneumoscope.screening.summary import Drift, Summary, embedding_shift, stability_index

__all__ = [
    "PART_SIZE",
    "Drift",
    "Options",
    "Plan",
    "RunFolder",
    "Summary",
    "embedding_shift",
    "film_names",
    "screen",
    "stability_index",
]
