"""Running the service."""

from __future__ import annotations

import ipaddress

from pneumoscope.bundle import load_bundle
from pneumoscope.errors import ServiceError
from pneumoscope.service.api.settings import Settings


def serve(
    bundle: str,
    *,
    host: str,
    port: int,
    settings: Settings,
    database: str | None = None,
    operating_point: str | None = None,
    keep_names: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was accepted.

    Args:
        bundle: name or folder of the model.
        host, port: where to listen.
        settings: bounds.
        database: URL of the record store.
        operating_point: its name; the bundle's default if None.
        keep_names: keep file names on record.

    Raises:
        ServiceError: keys are off and ``host`` is reachable from elsewhere, or the port is taken.
        BundleError, StoreError: the model or the store cannot be had.
    """
    import uvicorn

    from pneumoscope.scoring import Predictor
    from pneumoscope.service.api.app import create_app
    from pneumoscope.service.api.logs import configure, log
    from pneumoscope.service.store import Store

    if not settings.authentication and not is_loopback(host):
        raise ServiceError(f"{host}: without keys the service listens on loopback alone, such as 127.0.0.1")
    store = Store(database, keep_names=keep_names)
    if settings.authentication and not any(key.valid for key in store.keys.list()):
        raise ServiceError(
            "there is no key yet, so that nobody could use the service; make one with: pneumoscope keys create NAME"
            " (or add --no-auth, for this machine alone)"
        )
    predictor = Predictor(load_bundle(bundle), operating_point=operating_point, batch_size=settings.batch)
    configure()
    config = uvicorn.Config(
        create_app(predictor, store, settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        h11_max_incomplete_event_size=16 * 1024,
        http="h11",
        ws="none",
    )
    log("start", bundle=predictor.spec.name, sha256=predictor.spec.weights_sha256, keys=settings.authentication)
    uvicorn.Server(config).run()


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
