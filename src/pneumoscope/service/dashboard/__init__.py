"""The dashboard: films, evaluations and the model card in a browser."""

from pneumoscope.service.dashboard.launch import run

__all__ = ["run"]
