"""Options that several verbs have, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.errors import CohortError, EvaluationError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Films scored at a time.", show_default="by the number of processors")
]
BundleName = Annotated[str, typer.Option(metavar="NAME|DIR", help="The trained model.")]
Columns = Annotated[
    str | None, typer.Option(metavar="COLUMN=HEADING,...", help="Headings of a CSV, such as path=Image,label=y.")
]
Data = Annotated[
    list[str], typer.Option(metavar="PATH|NAME", help="File, folder or name of a data set; repeat it for several.")
]
Database = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="PNEUMOSCOPE_STORE",
        help="The record store: sqlite:///FILE or postgresql://USER@HOST/NAME.",
        show_default="a file in the user's data folder",
    ),
]
ErrorRate = Annotated[
    float | None,
    typer.Option(metavar="E", help="Refer films by the model's conformal limits for this error rate in each class."),
]
OperatingPointName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Another of the bundle's operating points.")
]
Patients = Annotated[
    Path | None,
    typer.Option(metavar="CASES.csv", help="Patients of PneumoniaMNIST: columns patient_id, mnist_split, mnist_index."),
]
Prevalence = Annotated[
    float | None,
    typer.Option(metavar="P", help="Share of pneumonia in use, such as 0.05, for PPV, NPV and counts per 1000 films."),
]
PrecisionName = Annotated[
    str, typer.Option("--precision", metavar="f32|bf16|auto", help="Number format; auto measures which is faster.")
]
Preset = Annotated[str | None, typer.Option(metavar="nih|rsna", help="Read official files of this set.")]
RuntimeName = Annotated[
    str,
    typer.Option("--runtime", metavar="openvino|torch|DIR", help="Engine: CPU, GPU if there is one, or an export."),
]


def command_group(name: str, help_text: str) -> typer.Typer:
    """A verb that has verbs of its own."""
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def parse_columns(text: str | None) -> dict[str, str]:
    """``path=Image,label=y`` as a mapping.

    Raises:
        CohortError: a part has no ``=``.
    """
    columns = {}
    for part in text.split(",") if text else ():
        column, equals, heading = part.partition("=")
        if not (equals and column.strip() and heading.strip()):
            raise CohortError(f"--columns {text}: {part!r} should be COLUMN=HEADING, such as path=Image,label=y")
        columns[column.strip()] = heading.strip()
    return columns


def checked_prevalence(prevalence: float | None) -> float | None:
    """The prevalence, if there is one between 0 and 1.

    Raises:
        EvaluationError: it is not between them.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise EvaluationError(f"--prevalence {prevalence:g}: should be a share between 0 and 1, such as 0.05")
    return prevalence
