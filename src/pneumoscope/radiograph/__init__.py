"""One film: read it from a file, bring it to one convention, judge whether it may be scored at all."""

from pneumoscope.radiograph.film import Metadata, Radiograph
from pneumoscope.radiograph.geometry import fit
from pneumoscope.radiograph.limits import Limits
from pneumoscope.radiograph.read import read_radiograph
from pneumoscope.radiograph.suitability import Finding, assess, assess_header

__all__ = ["Finding", "Limits", "Metadata", "Radiograph", "assess", "assess_header", "fit", "read_radiograph"]
