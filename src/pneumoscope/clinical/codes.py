"""The codes in which reports speak. SNOMED CT (SCT), DICOM (DCM) and UCUM codes are those of the standards."""

from __future__ import annotations

from typing import get_args

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from pneumoscope.scoring import Decision

SCHEME = "99PNEUMOSCOPE"
"""Scheme of the codes that no standard has; 99 marks private schemes (PS3.16 8.2)."""
SCHEME_ITEM = CodingSchemeIdentificationItem(
    designator=SCHEME, name="Pneumoscope", responsible_organization="Pneumoscope developers"
)

PNEUMONIA = CodedConcept("233604007", "SCT", "Pneumonia")
LUNG = codes.SCT.Lung
PROCEDURE = CodedConcept("399208008", "SCT", "Plain X-ray of chest")
SOURCE = CodedConcept("260753009", "SCT", "Source")
PROBABILITY = codes.DCM.Probability
LOGIT = CodedConcept("logit", SCHEME, "Network score before calibration")
NO_UNITS = codes.UCUM.NoUnits
COMMENT = codes.DCM.Comment
DECISION = CodedConcept("decision", SCHEME, "Screening decision, not a diagnosis")
_MEANINGS: dict[Decision, str] = {
    "pneumonia": "Score at or above the threshold for pneumonia",
    "normal": "Score below the threshold for pneumonia",
    "refer": "Not decided; to be read by a person",
    "unsuitable": "Not scored",
}
DECISIONS = {decision: CodedConcept(decision, SCHEME, _MEANINGS[decision]) for decision in get_args(Decision)}
