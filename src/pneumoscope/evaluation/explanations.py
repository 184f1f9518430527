"""How far a model's heat maps can be believed: figures of the tests, and what they mean in words."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.evaluation.intervals import Figure

Order = Literal["map", "random", "centre"]
ORDERS: tuple[Order, ...] = ("map", "random", "centre")
ORDER_NAMES: dict[Order, str] = {
    "map": "the map’s order",
    "random": "a random order",
    "centre": "an order from the centre",
}
PART_NAMES = {
    "head": "random head",
    "mixed10": "and mixed10",
    "mixed9": "and mixed9",
    "mixed8": "and mixed8",
}


class Similarity(BaseModel):
    """How like a film's map another map is: means over films, 1 for equal maps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank_correlation: Figure = Field(description="Spearman's, of the map's cells")
    structural_similarity: Figure = Field(description="SSIM, of the maps as they are laid over the film")


class Erasure(BaseModel):
    """The probability of pneumonia while films called pneumonia are taken away or brought in, in one order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Order
    deletion: tuple[float, ...] = Field(description="mean probability after each part taken away")
    insertion: tuple[float, ...] = Field(description="mean probability after each part brought in")
    deletion_area: Figure = Field(description="the smaller, the better the order")
    insertion_area: Figure = Field(description="the larger, the better the order")


class Gain(BaseModel):
    """What the map's order is ahead of another one, film by film; positive is better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    against: Order
    deletion: Figure = Field(description="its area minus the map's")
    insertion: Figure = Field(description="the map's area minus its")


class ExplanationTests(BaseModel):
    """Tests of the saliency map on a sample of films. Figures for which there are too few films are null."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    films: int
    of: int = Field(description="films that were there to be drawn from")
    evidence: int = Field(description="films whose map is not empty; similarities are of these")
    grid: tuple[int, int]
    seed: int
    bootstrap: int
    draws: int = Field(description="random networks for each depth")
    randomised: dict[str, Similarity] = Field(description="by the part that is random together with those behind it")
    other_film: Similarity = Field(description="of another film's map: what maps have in common anyway")
    mirrored: Similarity = Field(description="of the mirrored film's map, mirrored back")
    mirrored_change: Figure = Field(description="mean absolute change of the probability by mirroring")
    mirrored_decisions: Figure = Field(description="share of films whose decision mirroring changes")
    erased: int = Field(description="films of which parts were taken away: called pneumonia, with a map")
    steps: int = Field(description="parts in which a film was taken away")
    blurred: Figure = Field(description="mean probability of these films when blurred beyond recognition")
    erasures: tuple[Erasure, ...]
    gains: tuple[Gain, ...]


ALIKE = 0.7
"""Rank correlation from which maps are called alike."""


def findings(tests: ExplanationTests) -> tuple[str, ...]:
    """What the figures mean, in sentences that say so too where a test went badly."""
    return (*_on_weights(tests), *_on_erasure(tests), *_on_mirroring(tests))


def _on_weights(tests: ExplanationTests) -> list[str]:
    deepest = list(tests.randomised.values())[-1].rank_correlation if tests.randomised else Figure(value=None)
    others = tests.other_film.rank_correlation
    if deepest.value is None or others.value is None:
        return ["Too few films have a map for the test of randomised weights."]
    learnt = "the maps depend on what was learnt"
    if deepest.value >= ALIKE:
        learnt = "the maps come from the picture, and hardly from what was learnt"
    alike = "a map speaks of the film that it lies on"
    if others.value >= ALIKE:
        alike = "a map says more about the model than about the film that it lies on"
    return [
        f"With random weights down to mixed8, maps have a rank correlation of {deepest.text(2)} with the true ones: "
        f"{learnt}.",
        f"Maps of different films have a rank correlation of {others.text(2)} with each other: {alike}.",
    ]


def _on_erasure(tests: ExplanationTests) -> list[str]:
    if not tests.gains:
        return ["Too few films are called pneumonia for the test of deletion and insertion."]
    said = []
    for name in ("deletion", "insertion"):
        parts = [_standing(getattr(gain, name), ORDER_NAMES[gain.against]) for gain in tests.gains]
        said.append(f"By {name}, the map is {', and '.join(parts)}.")
    beaten = [gain for gain in tests.gains if not all(_ahead(figure) for figure in (gain.deletion, gain.insertion))]
    if beaten:
        said.append(
            "Where the map is not ahead, its hottest places are no better a guide to what the score rests on than "
            "that order is; do not read them as the finding."
        )
    if tests.blurred.value is not None and tests.blurred.value >= 0.5:
        said.append(
            f"Blurred beyond recognition, the same films still score {tests.blurred.text(2)}: the model takes missing "
            "structure for disease, and what speaks against pneumonia is not on its maps."
        )
    return said


def _on_mirroring(tests: ExplanationTests) -> list[str]:
    found = tests.mirrored.rank_correlation
    if found.value is None:
        return []
    sentence = (
        f"A mirrored film’s map, mirrored back, has a rank correlation of {found.text(2)} with the film’s own; "
        f"the decision changes on {tests.mirrored_decisions.text(2)} of the films."
    )
    return [sentence]


def _standing(gain: Figure, other: str) -> str:
    behind = gain.high is not None and gain.high < 0
    standing = "ahead of" if _ahead(gain) else "behind" if behind else "no better than"
    return f"{standing} {other}, {gain.text()}"


def _ahead(gain: Figure) -> bool:
    return gain.low is not None and gain.low > 0
