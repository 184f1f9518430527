"""Pneumoscope: screens chest radiographs for pneumonia. For research only, never a diagnosis."""

__version__ = "0.1.0"
