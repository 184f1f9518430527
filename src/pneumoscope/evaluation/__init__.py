"""How good a model is: calibration, operating points, figures with intervals, the report."""

from pneumoscope.evaluation.comparison import Comparison, compare
from pneumoscope.evaluation.decisions import ClassReport, Decisions, confusion_of, decisions_of
from pneumoscope.evaluation.evaluate import Evaluation, NotScored, evaluate, headings, threshold_name
from pneumoscope.evaluation.intervals import Figure, proportion
from pneumoscope.evaluation.operating import choose_operating_points, fit_calibration
from pneumoscope.evaluation.predictions import score_cohort
from pneumoscope.evaluation.ranking import delong, roc_auc
from pneumoscope.evaluation.refusals import Refusals, RefusalTable, refusal_table
from pneumoscope.evaluation.report import require_free, write_evaluation
from pneumoscope.evaluation.study import STUDY, Reference
from pneumoscope.evaluation.subgroups import Breakdown, Difference, Subgroup, break_down
from pneumoscope.evaluation.suitability import choose_suitability, fit_training_films

__all__ = [
    "STUDY",
    "Breakdown",
    "ClassReport",
    "Comparison",
    "Decisions",
    "Difference",
    "Evaluation",
    "Figure",
    "NotScored",
    "Reference",
    "RefusalTable",
    "Refusals",
    "Subgroup",
    "break_down",
    "choose_operating_points",
    "choose_suitability",
    "compare",
    "confusion_of",
    "decisions_of",
    "delong",
    "evaluate",
    "fit_calibration",
    "fit_training_films",
    "headings",
    "proportion",
    "refusal_table",
    "require_free",
    "roc_auc",
    "score_cohort",
    "threshold_name",
    "write_evaluation",
]
