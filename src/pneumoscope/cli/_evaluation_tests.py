"""What ``evaluate`` does beyond the films as they are: ``--robustness`` and ``--explanations``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pneumoscope.cli._tables import figures_table
from pneumoscope.errors import EvaluationError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from pneumoscope.bundle import Bundle
    from pneumoscope.cohorts import Cohort
    from pneumoscope.evaluation import ExplanationTests, Robustness
    from pneumoscope.scoring import Predictor


@dataclass(frozen=True)
class Tests:
    """Which tests were asked for, and how large.

    Raises:
        EvaluationError: a size without a test, or severities that there are not.
    """

    robustness: bool
    explanations: bool
    severities: str | None
    films: int | None
    quick: bool

    def __post_init__(self) -> None:
        if self.severities and not self.robustness:
            raise EvaluationError("--severities belongs to --robustness; add that, or leave it out")
        if (self.films or self.quick) and not (self.robustness or self.explanations):
            raise EvaluationError("--films and --quick belong to --robustness and --explanations; add one of these")
        if self.robustness:
            self._severities()

    def run(
        self,
        bundle: Bundle,
        predictor: Predictor,
        cohort: Cohort,
        predictions: pd.DataFrame,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The fields of an evaluation that hold the tests; ``options`` goes to each of them."""
        from pneumoscope.progress import progress_bar

        found: dict[str, Any] = {}
        scored = int(predictions["probability"].notna().sum())
        if self.robustness:
            from pneumoscope.evaluation.robustness import QUICK_FILMS, measure_robustness, states

            severities = self._severities()
            films = self.films or (QUICK_FILMS if self.quick else None)
            with progress_bar("Scoring worse films", min(films or scored, scored) * states(severities)) as advance:
                found["robustness"] = measure_robustness(
                    predictor, cohort, predictions, severities=severities, films=films, progress=advance, **options
                )
        if self.explanations:
            from pneumoscope.evaluation.faithfulness import FILMS, QUICK_FILMS, measure_explanations, passes

            films = min(self.films or (QUICK_FILMS if self.quick else FILMS), scored)
            with progress_bar("Testing heat maps", passes(films)) as advance:
                found["explanations"] = measure_explanations(
                    bundle, predictor, cohort, predictions, films=films, progress=advance, **options
                )
        return found

    def _severities(self) -> tuple[int, ...]:
        from pneumoscope.evaluation.robustness import QUICK_SEVERITIES, SEVERITIES

        if not self.severities:
            return QUICK_SEVERITIES if self.quick else SEVERITIES
        parts = [part.strip() for part in self.severities.split(",")]
        if not all(part.isdecimal() and int(part) in SEVERITIES for part in parts):
            raise EvaluationError(f"--severities {self.severities}: name some of 1, 2, 3, 4, 5, such as 1,3,5")
        return tuple(sorted({int(part) for part in parts}))


def robustness_table(found: Robustness) -> Table:
    """One line per corruption, and one per level of a range."""
    table = figures_table(
        f"On worse films ({found.films:,})", "ROC AUC", "Accuracy", "Balanced error", "Increase", "Refused"
    )

    def line(name: str, at: Any, refused: int | None) -> None:
        figures = (at.roc_auc, at.accuracy, at.balanced_error, at.error_increase)
        table.add_row(name, *(figure.text() for figure in figures), "" if refused is None else f"{refused:,}")

    line("as they are", found.untouched, found.untouched.refused)
    line(f"at {found.side} pixels", found.at_side, found.at_side.refused)
    for series in found.corruptions:
        line(f"{series.title}, mean", series.mean, sum(at.refused for at in series.conditions))
    line("all corruptions, mean", found.mean, None)
    for series in found.ranges:
        for at in series.conditions:
            line(f"{series.title} {at.level:g}", at, at.refused)
    return table


def explanations_table(found: ExplanationTests) -> Table:
    """Likeness of maps, then what deletion and insertion say."""
    from pneumoscope.evaluation.explanations import ORDER_NAMES, PART_NAMES

    table = figures_table(f"Heat maps ({found.evidence:,} of {found.films:,} films)", "Rank correlation", "Similarity")
    likeness = [(PART_NAMES.get(part, part), one) for part, one in found.randomised.items()]
    for name, one in (*likeness, ("another film's map", found.other_film), ("mirrored film's map", found.mirrored)):
        table.add_row(name, one.rank_correlation.text(2), one.structural_similarity.text(2))
    if found.erasures:
        table.add_row()
        table.add_row(f"Areas ({found.erased:,} films called pneumonia)", "Deletion", "Insertion")
        for erasure in found.erasures:
            table.add_row(ORDER_NAMES[erasure.order], erasure.deletion_area.text(), erasure.insertion_area.text())
        for gain in found.gains:
            name = f"map ahead of {ORDER_NAMES[gain.against]}"
            table.add_row(name, gain.deletion.text(), gain.insertion.text())
    return table
