"""Every prediction on record, with what reviewers said of it, and the keys of the REST service."""

from pneumoscope.service.store.keys import SCOPES, ApiKey, Keys, Scope
from pneumoscope.service.store.privacy import Pseudonyms, without_identity
from pneumoscope.service.store.records import NewRecord, Record, Verdict, VerdictWord
from pneumoscope.service.store.statistics import Agreement, Period, Statistics, statistics_of
from pneumoscope.service.store.store import Store, state_folder

__all__ = [
    "SCOPES",
    "Agreement",
    "ApiKey",
    "Keys",
    "NewRecord",
    "Period",
    "Pseudonyms",
    "Record",
    "Scope",
    "Statistics",
    "Store",
    "Verdict",
    "VerdictWord",
    "state_folder",
    "statistics_of",
    "without_identity",
]
