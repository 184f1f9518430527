"""Many films: every data set as one table of cases, fetched, audited and split."""

from pneumoscope.cohorts.audit import Audit, Overlap, SplitCounts, audit
from pneumoscope.cohorts.cohort import Cohort
from pneumoscope.cohorts.fetch import data_folder, fetch
from pneumoscope.cohorts.films import read_case, read_cases
from pneumoscope.cohorts.fingerprints import fingerprint, refuse_contradictions
from pneumoscope.cohorts.folds import divide_groups, film_groups, grouped_folds, with_patients
from pneumoscope.cohorts.loading import load_cohort
from pneumoscope.cohorts.registry import DATA_SETS, DataSet, RemoteFile
from pneumoscope.cohorts.table import COLUMNS

__all__ = [
    "COLUMNS",
    "DATA_SETS",
    "Audit",
    "Cohort",
    "DataSet",
    "Overlap",
    "RemoteFile",
    "SplitCounts",
    "audit",
    "data_folder",
    "divide_groups",
    "fetch",
    "film_groups",
    "fingerprint",
    "grouped_folds",
    "load_cohort",
    "read_case",
    "read_cases",
    "refuse_contradictions",
    "with_patients",
]
