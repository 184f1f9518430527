"""How good a model is: calibration, operating points, figures with intervals, the report."""

from pneumoscope.evaluation.comparison import Comparison, compare
from pneumoscope.evaluation.conformal import Referral, fit_conformal
from pneumoscope.evaluation.decisions import ClassReport, Decisions, confusion_of, decisions_of
from pneumoscope.evaluation.evaluate import Evaluation, NotScored, evaluate, headings, threshold_name
from pneumoscope.evaluation.explanations import ExplanationTests, findings
from pneumoscope.evaluation.fitting import Fitted, fit_decisions
from pneumoscope.evaluation.intervals import Figure, proportion
from pneumoscope.evaluation.operating import choose_operating_points, fit_calibration
from pneumoscope.evaluation.predictions import read_scores, score_cohort
from pneumoscope.evaluation.ranking import delong, roc_auc
from pneumoscope.evaluation.recalibration import CalibrationFigures, Recalibration, recalibrate
from pneumoscope.evaluation.refusals import Refusals, RefusalTable, refusal_table
from pneumoscope.evaluation.report import require_free, write_evaluation
from pneumoscope.evaluation.robustness import Robustness, measure_robustness
from pneumoscope.evaluation.study import STUDY, Reference
from pneumoscope.evaluation.subgroups import Breakdown, Difference, Subgroup, break_down
from pneumoscope.evaluation.suitability import choose_suitability, fit_training_films, strips_of
from pneumoscope.evaluation.yields import Costs, Yield

__all__ = [
    "STUDY",
    "Breakdown",
    "CalibrationFigures",
    "ClassReport",
    "Comparison",
    "Costs",
    "Decisions",
    "Difference",
    "Evaluation",
    "ExplanationTests",
    "Figure",
    "Fitted",
    "NotScored",
    "Recalibration",
    "Reference",
    "Referral",
    "RefusalTable",
    "Refusals",
    "Robustness",
    "Subgroup",
    "Yield",
    "break_down",
    "choose_operating_points",
    "choose_suitability",
    "compare",
    "confusion_of",
    "decisions_of",
    "delong",
    "evaluate",
    "findings",
    "fit_calibration",
    "fit_conformal",
    "fit_decisions",
    "fit_training_films",
    "headings",
    "measure_robustness",
    "proportion",
    "read_scores",
    "recalibrate",
    "refusal_table",
    "require_free",
    "roc_auc",
    "score_cohort",
    "strips_of",
    "threshold_name",
    "write_evaluation",
]
