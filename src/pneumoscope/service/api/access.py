"""Who may ask for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from pneumoscope.service.api.problems import Problem
from pneumoscope.service.store import Scope, Store

_bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key from `pneumoscope keys create`, sent as a bearer token."
)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="pneumoscope"'}
_LONGEST_KEY = 256


def needs(scope: Scope | None) -> Callable[..., None]:
    """A dependency that lets only those in whose key has the scope; None takes any valid key."""

    def check(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> None:
        if not request.app.state.settings.authentication:
            return
        if given is None:
            raise Problem(401, "no-key", "Send your key as: Authorization: Bearer KEY", _CHALLENGE)
        store: Store = request.app.state.store
        key = store.keys.find(given.credentials) if len(given.credentials) <= _LONGEST_KEY else None
        if key is None:
            raise Problem(401, "wrong-key", "This key is not known, has ended or was revoked.", _CHALLENGE)
        request.scope["details"]["key"] = key.name
        if scope is not None and scope not in key.scopes:
            raise Problem(403, "scope", f"This key has not the scope {scope}.")

    return check
