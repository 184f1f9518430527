"""``pneumoscope models``: the trained models there are, and bringing one in from Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pneumoscope.cli._options import AsJson, command_group

if TYPE_CHECKING:
    from pneumoscope.bundle import Bundle

app = command_group("models", "List, show and import trained models.")


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Show the models that load by name."""
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.bundle import list_bundles
    from pneumoscope.cli._output import console, print_json

    bundles = list_bundles()
    if as_json:
        print_json([_summary(bundle) for bundle in bundles])
        return
    if not bundles:
        console(stderr=True).print("No model loads by name here; give the folder of a bundle instead.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Name", "What it is", "Trained on", "ROC AUC", "Folder"):
        table.add_column(heading, overflow="fold")
    for bundle in bundles:
        row = _summary(bundle)
        areas = [f"{figures['value']:.3f} on {name}" for name, figures in row["roc_auc"].items()]
        trained = ", ".join(f"{name} ({films:,} films)" for name, films in row["trained_on"].items())
        cells = (row["name"], row["description"], trained or "not recorded", "; ".join(areas) or "–", row["folder"])
        table.add_row(*(Text(str(cell)) for cell in cells))
    console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|DIR", help="The model: name or folder.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Print a model's card, after checking its weights against their checksum."""
    from pneumoscope.bundle import load_bundle, render_card
    from pneumoscope.cli._output import print_json

    bundle = load_bundle(name)
    assert bundle.sha256  # raises where the weights are not those that the card speaks of
    if as_json:
        print_json(bundle.spec.model_dump(mode="json"))
    else:
        typer.echo(render_card(bundle.spec), nl=False)


@app.command("import")
def import_model(
    file: Annotated[
        Path, typer.Argument(metavar="MODEL.h5|MODEL.keras", help="Keras InceptionV3 with the study's head.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the bundle.")],
    scaling: Annotated[
        str,
        typer.Option(
            metavar="unit|tensorflow|imagenet",
            help="What the model was fed: pixels / 255, Keras' preprocess_input, or mean and standard deviation.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the bundle.", show_default="the file's, in lower case")
    ] = None,
    size: Annotated[int, typer.Option(min=75, max=1024, help="Side of the films that it was fed, in pixels.")] = 299,
    fit: Annotated[str, typer.Option(metavar="crop|pad", help="How a film becomes square.")] = "crop",
) -> None:
    """Turn a Keras model into a bundle. Keras is not needed, and no code inside the file is run."""
    from pneumoscope.workflow import import_keras

    bundle = import_keras(file, out, scaling=scaling, name=name, size=size, fit=fit)
    typer.echo(f"Bundle: {bundle.path}")
    typer.echo("It is not calibrated and decides at 0.5; judge it with: pneumoscope evaluate")


def _summary(bundle: Bundle) -> dict[str, Any]:
    spec = bundle.spec
    return {
        "name": spec.name,
        "description": spec.description,
        "trained_on": {part["name"]: part["films"] for part in spec.data[:1]},
        "roc_auc": {name: figures["roc_auc"] for name, figures in spec.metrics.items() if "roc_auc" in figures},
        "folder": str(bundle.path),
    }
