"""``pneumoscope node``: films in from a PACS, reports and overlays back to it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli._options import AsJson, BatchSize, BundleName, OperatingPointName, command_group
from pneumoscope.errors import DicomError

if TYPE_CHECKING:
    from pneumoscope.clinical.node import NodeSettings
    from pneumoscope.clinical.status import NodeStatus

app = command_group("node", "Receive films from a PACS, score them, and send reports and overlays back.")
app.info.no_args_is_help = False

Spool = Annotated[Path, typer.Option(metavar="DIR", help="Folder for the queue, of this node alone.")]


class Others(StrEnum):
    """What becomes of objects that are no chest films."""

    ACCEPT = "accept"
    REFUSE = "refuse"


@app.callback(invoke_without_command=True)
def node(
    context: typer.Context,
    aet: Annotated[str, typer.Option(metavar="TITLE", help="Own AE title.")] = "PNEUMOSCOPE",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 11112,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
    destination: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AET@HOST:PORT[/tls]", help="Where results go; repeat it for several.", show_default=False
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="AET", help="Calling AE title that may send; repeat it for several.", show_default=False),
    ] = None,
    allow_all: Annotated[
        bool, typer.Option("--allow-all", help="Take films from anybody who knows our title.")
    ] = False,
    others: Annotated[
        Others, typer.Option(help="Objects that are no chest films: accept and leave alone, or refuse.")
    ] = Others.ACCEPT,
    spool: Spool = Path("pneumoscope-spool"),
    tls_certificate: Annotated[Path | None, typer.Option(metavar="PEM", help="Speak TLS, with this chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    tls_authority: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Peers must show a certificate that this one signed.")
    ] = None,
    give_up_after: Annotated[float, typer.Option(min=0, help="Hours until a result is put aside undelivered.")] = 72,
    bundle: BundleName = "default",
    operating_point: OperatingPointName = None,
    batch_size: BatchSize = 8,
) -> None:
    """Receive films from a PACS, score them, and send reports and overlays back.

    Runs until it is interrupted (Ctrl-C or SIGTERM); what is unfinished then goes on at the next start.
    """
    if context.invoked_subcommand:
        return
    from pneumoscope.cli._output import require_extra

    require_extra("dicom", "highdicom", "pynetdicom")
    if not destination:
        raise DicomError("node needs a --destination for its results, such as ORTHANC@localhost:4242")
    if not (allow or allow_all):
        raise DicomError("node needs --allow AET for each sender, or --allow-all")
    if bool(tls_certificate) != bool(tls_key) or (tls_authority and not tls_certificate):
        raise DicomError("--tls-certificate and --tls-key belong together, and --tls-authority needs both")

    from pneumoscope.clinical.node import NodeSettings, destinations_of
    from pneumoscope.clinical.peers import Tls

    settings = NodeSettings(
        aet=aet,
        spool=spool,
        port=port,
        host=host,
        destinations=destinations_of(destination),
        allowed=() if allow_all else tuple(allow or ()),
        others=others.value,
        tls=Tls(tls_certificate, tls_key, tls_authority) if tls_certificate and tls_key else None,
        operating_point=operating_point,
        batch_size=batch_size or 8,
        give_up_after=3600 * give_up_after,
    )
    _run(settings, bundle)


def _run(settings: NodeSettings, bundle: str) -> None:
    import logging
    import signal
    import warnings

    from pneumoscope.bundle import load_bundle
    from pneumoscope.clinical.node import Node
    from pneumoscope.scoring import RESEARCH_NOTICE, Predictor

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    # Both quote the values of headers that they find wrong, and those name patients.
    warnings.simplefilter("ignore")
    for library in ("pydicom", "highdicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    log = logging.getLogger("pneumoscope.node")
    log.setLevel(logging.INFO)
    # Before any thread starts, so that all inherit it and the signal waits for this one.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    predictor = Predictor(load_bundle(bundle), operating_point=settings.operating_point, batch_size=settings.batch_size)
    with Node(settings, predictor) as running:
        log.info("listening as %s on %s:%d. %s", settings.aet, settings.host, running.port, RESEARCH_NOTICE)
        signal.sigwait(ends)
        log.info("ending; what is unfinished goes on at the next start")


@app.command()
def status(spool: Spool = Path("pneumoscope-spool"), as_json: AsJson = False) -> None:
    """Show what waits, what was done and what failed. Exit status 1 if anything failed or was given up."""
    from pneumoscope.cli._output import console, print_json
    from pneumoscope.clinical.status import node_status

    found = node_status(spool)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        console().print(_text(found), soft_wrap=True, markup=False)
    if found.failed or any(peer.dead for peer in found.destinations):
        raise typer.Exit(1)


def _text(found: NodeStatus) -> str:
    oldest = "" if found.oldest_waiting_s is None else f" (oldest for {found.oldest_waiting_s:.0f} s)"
    lines = [
        f"The node is {'running' if found.running else 'not running'}.",
        f"Films: {found.waiting} waiting{oldest}, {found.scored} scored, {found.unsuitable} left alone,"
        f" {found.failed} failed.",
    ]
    for peer in found.destinations:
        oldest = "" if peer.oldest_waiting_s is None else f" (oldest for {peer.oldest_waiting_s:.0f} s)"
        reason = f" Last: {peer.last_reason}." if peer.last_reason else ""
        lines.append(
            f"{peer.destination}: {peer.waiting} waiting{oldest}, {peer.sent} sent, {peer.dead} given up.{reason}"
        )
    return "\n".join(lines)
