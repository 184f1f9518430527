"""The REST service: films in, predictions out, over HTTP."""

from pneumoscope.service.api.app import create_app
from pneumoscope.service.api.server import serve
from pneumoscope.service.api.settings import Settings

__all__ = ["Settings", "create_app", "serve"]
