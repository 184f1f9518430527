"""How good a model is: calibration, operating points, figures with intervals, the report."""

from pneumoscope.evaluation.comparison import Comparison, compare
from pneumoscope.evaluation.decisions import ClassReport, Decisions, confusion_of, decisions_of
from pneumoscope.evaluation.evaluate import Evaluation, NotScored, evaluate, headings, threshold_name
from pneumoscope.evaluation.explanations import ExplanationTests, findings
from pneumoscope.evaluation.intervals import Figure, proportion
from pneumoscope.evaluation.operating import choose_operating_points, fit_calibration
from pneumoscope.evaluation.predictions import score_cohort
from pneumoscope.evaluation.ranking import delong, roc_auc
from pneumoscope.evaluation.report import require_free, write_evaluation
from pneumoscope.evaluation.robustness import Robustness, measure_robustness
from pneumoscope.evaluation.study import STUDY, Reference
from pneumoscope.evaluation.subgroups import Breakdown, Difference, Subgroup, break_down

__all__ = [
    "STUDY",
    "Breakdown",
    "ClassReport",
    "Comparison",
    "Decisions",
    "Difference",
    "Evaluation",
    "ExplanationTests",
    "Figure",
    "NotScored",
    "Reference",
    "Robustness",
    "Subgroup",
    "break_down",
    "choose_operating_points",
    "compare",
    "confusion_of",
    "decisions_of",
    "delong",
    "evaluate",
    "findings",
    "fit_calibration",
    "headings",
    "measure_robustness",
    "proportion",
    "require_free",
    "roc_auc",
    "score_cohort",
    "threshold_name",
    "write_evaluation",
]
