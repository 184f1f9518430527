"""``pneumoscope explain``: show where the score of one film came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli._options import BundleName, ErrorRate, OperatingPointName, PrecisionName, RuntimeName
from pneumoscope.errors import ImageError


def explain(
    film: Annotated[Path, typer.Argument(metavar="FILE", help="The film.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="The picture.", show_default="FILE-explained.png in this folder"),
    ] = None,
    bundle: BundleName = "default",
    operating_point: OperatingPointName = None,
    error_rate: ErrorRate = None,
    runtime: RuntimeName = "openvino",
    precision: PrecisionName = "f32",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that exists.")] = False,
) -> None:
    """Draw a film beside its heat map, which shows where the score came from.

    Exit status 1 if the film cannot be read or must not be scored; there is no picture then.
    """
    from pneumoscope.cli._output import console, refuse_existing
    from pneumoscope.scoring import find_films

    out = out or Path(f"{film.stem}-explained.png")
    refuse_existing(out, overwrite=overwrite)
    if film.is_dir():
        raise ImageError(f"{film}: a folder; name one film, or use predict --heatmaps for many", code="folder")
    (path,) = find_films([film]).files

    from rich.text import Text

    from pneumoscope.bundle import load_bundle
    from pneumoscope.explanation import save_explanation
    from pneumoscope.scoring import RESEARCH_NOTICE, Predictor, open_runtime, percent

    model = load_bundle(bundle)
    engine = open_runtime(model, runtime, precision=precision)
    predictor = Predictor(model, operating_point=operating_point, error_rate=error_rate, runtime=engine, batch_size=1)
    (scored,) = predictor.predict_files([path], keep_films=True)
    prediction = scored.prediction
    why = " ".join(reason.message for reason in prediction.reasons)
    if prediction.probability is None:
        console(stderr=True).print(Text(f"{prediction.file}: not scored, so there is nothing to explain. {why}"))
        raise typer.Exit(1)
    save_explanation(scored, predictor.spec.input, out)
    console().print(
        Text(
            f"{prediction.file}: {prediction.decision}, probability of pneumonia {percent(prediction.probability)}. "
            f"{why}\nPicture: {out}\n{RESEARCH_NOTICE}"
        ),
        soft_wrap=True,
    )
