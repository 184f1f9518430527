"""Starting the dashboard's server."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from pneumoscope.bundle import load_bundle
from pneumoscope.errors import ServiceError
from pneumoscope.evaluation.report import METRICS, PREDICTIONS
from pneumoscope.explanation.neighbours import MOST, training_index
from pneumoscope.progress import progress_bar

if TYPE_CHECKING:
    from pneumoscope.cohorts import Cohort

CONFIG_VARIABLE = "PNEUMOSCOPE_DASHBOARD"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PAGE = Path(__file__).parent / "page.py"
NEIGHBOURS = "neighbours"
"""Folder of the training films' embeddings, in the state folder."""


@dataclass(frozen=True)
class Config:
    """What the page shows; the server hands it to the page's script through the environment."""

    bundle: str
    operating_point: str | None = None
    evaluations: tuple[Path, ...] = ()
    database: str | None = None
    max_megabytes: int = 100
    training: Path | None = None

    def export(self) -> None:
        """Put it where :meth:`current` finds it."""
        os.environ[CONFIG_VARIABLE] = TypeAdapter(Config).dump_json(self).decode()

    @staticmethod
    def current() -> Config:
        """What the server was started with."""
        return TypeAdapter(Config).validate_json(os.environ[CONFIG_VARIABLE])


def run(
    bundle: str,
    *,
    host: str,
    port: int,
    operating_point: str | None = None,
    evaluations: tuple[Path, ...] = (),
    database: str | None = None,
    max_megabytes: int = 100,
    training: Cohort | None = None,
    behind_proxy: bool = False,
    browser: bool = True,
) -> None:
    """Serve the dashboard until it is interrupted.

    Args:
        bundle: name or folder of the model.
        host, port: where to listen.
        operating_point: its name; the bundle's default if None.
        evaluations: folders that ``evaluate --out`` wrote. The browser cannot ask for others.
        database: URL of the record store.
        max_megabytes: size of one film.
        training: the model's training films, of which the most similar are shown beside a film. Their embeddings are
            computed at the first start and kept in the state folder.
        behind_proxy: allow addresses other than loopback.
        browser: open it in the browser.

    Raises:
        ServiceError: ``host`` is reachable from elsewhere without ``behind_proxy``, or a folder is no evaluation.
        BundleError, StoreError: the model or the store cannot be had.
        CohortError: no training film can be read and scored.
        OutputError: their embeddings cannot be written.
    """
    if host not in LOOPBACK and not behind_proxy:
        raise ServiceError(
            f"{host}: the dashboard asks nobody who they are; put a proxy with a login in front and add --behind-proxy"
        )
    for folder in evaluations:
        if not ((folder / METRICS).is_file() and (folder / PREDICTIONS).is_file()):
            raise ServiceError(f"{folder}: no evaluation here; name a folder that evaluate --out wrote")
    try:
        model = load_bundle(bundle)
        model.spec.operating_point(operating_point)
    except ValueError as error:
        raise ServiceError(str(error)) from None
    # Opened once here, so that a store that does not answer is said so in the terminal.
    from pneumoscope.service.store import Store
    from pneumoscope.service.store.store import state_folder

    Store(database).close()
    index = None
    if training is not None:
        with progress_bar("Reading training films", min(len(training), MOST)) as advance:
            index = training_index(model, training, state_folder().absolute() / NEIGHBOURS, progress=advance)
    places = tuple(folder.absolute() for folder in evaluations)
    Config(bundle, operating_point, places, database, max_megabytes, index).export()

    from streamlit.web import bootstrap

    options = _options(host, port, max_megabytes, browser) | {
        # Other pages cannot come in under a name of their own that points here; behind a proxy, the proxy sees to it.
        "server_allowedHosts": [] if behind_proxy else list(LOOPBACK)
    }
    bootstrap.load_config_options(options)
    logging.getLogger("streamlit").setLevel(logging.WARNING)
    bootstrap.run(str(PAGE), False, [], options)


def _options(host: str, port: int, max_megabytes: int, browser: bool) -> dict[str, Any]:
    return {
        "server_address": host,
        "server_port": port,
        "server_headless": not browser,
        "server_maxUploadSize": max_megabytes,
        "server_fileWatcherType": "none",
        "server_disconnectedSessionTTL": 30,
        "browser_gatherUsageStats": False,
        "client_toolbarMode": "minimal",
        "client_showErrorDetails": "none",
        "theme_light_primaryColor": "#1f7a70",
        "theme_dark_primaryColor": "#5cc7ba",
        "theme_light_backgroundColor": "#ffffff",
        "theme_light_secondaryBackgroundColor": "#f1f4f6",
        "theme_dark_backgroundColor": "#11171d",
        "theme_dark_secondaryBackgroundColor": "#1a222a",
        "theme_baseRadius": "0.6rem",
    }
