"""``pneumoscope predict``: score films and folders of films."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from pneumoscope.cli._options import BatchSize, BundleName, ErrorRate, OperatingPointName, PrecisionName, RuntimeName

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.bundle import InputSpec
    from pneumoscope.scoring import Prediction, Predictor, Scored

STYLES = {"pneumonia": "bold red", "normal": "green", "refer": "yellow", "unsuitable": "magenta"}


def predict(
    films: Annotated[
        list[Path],
        typer.Argument(metavar="FILES|DIRS...", help="Films, or folders searched for films.", show_default=False),
    ],
    bundle: BundleName = "default",
    operating_point: OperatingPointName = None,
    error_rate: ErrorRate = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of the table.")] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the predictions as a table too.")
    ] = None,
    heatmaps: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a picture of film and heat map for each scored film.")
    ] = None,
    runtime: RuntimeName = "openvino",
    precision: PrecisionName = "f32",
    dicom_out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a structured report and an overlay for each scored DICOM film."),
    ] = None,
    batch_size: BatchSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Score chest films: pneumonia, normal, refer or unsuitable, with probability and reasons.

    Exit status 0: every film was read; 1: some could not be, or got no DICOM results; 2: wrong use.
    """
    from pneumoscope.cli._output import console, counted, make_folder, print_json, refuse_existing, require_extra
    from pneumoscope.scoring import find_films

    if dicom_out:
        require_extra("dicom", "highdicom")
    for place in (csv_file, heatmaps, dicom_out):
        if place:
            refuse_existing(place, overwrite=overwrite)
    found = find_films(films)

    from rich.text import Text

    from pneumoscope.bundle import load_bundle
    from pneumoscope.scoring import Predictor, open_runtime

    model = load_bundle(bundle)
    predictor = Predictor(
        model,
        operating_point=operating_point,
        error_rate=error_rate,
        runtime=open_runtime(model, runtime, precision=precision),
        batch_size=batch_size,
    )
    pictures = _Pictures(make_folder(heatmaps), predictor.spec.input) if heatmaps else None
    objects = _Objects(make_folder(dicom_out), predictor.spec.input) if dicom_out else None
    predictions = _score(predictor, found.files, [writer for writer in (pictures, objects) if writer])
    if as_json:
        print_json([prediction.model_dump(mode="json") for prediction in predictions])
    else:
        console().print(_table(predictions))
        console().print(_summary(predictions))
    if found.skipped:
        console(stderr=True).print(f"Passed over {counted(len(found.skipped), 'file')} not recognised as films.")
    if csv_file:
        _write_csv(predictions, csv_file)
    for message in objects.refused if objects else ():
        console(stderr=True).print(Text(message), soft_wrap=True)
    if any(prediction.failed for prediction in predictions) or (objects and objects.refused):
        raise typer.Exit(1)


def _score(predictor: Predictor, files: Sequence[Path], writers: Sequence[_Writer]) -> list[Prediction]:
    from pneumoscope.progress import progress_bar

    predictions = []
    with progress_bar("Scoring", len(files)) if len(files) > 1 else nullcontext(lambda done: None) as advance:
        for scored in predictor.predict_files(files, keep_films=bool(writers)):
            for writer in writers:
                scored = replace(scored, prediction=writer.write(scored))
            predictions.append(scored.prediction)
            advance(1)
    return predictions


class _Writer(Protocol):
    def write(self, scored: Scored) -> Prediction:
        """Write what there is to write of a film, and say where in its prediction."""
        ...


class _Pictures:
    """Writes one picture per scored film into a folder, each under its film's name."""

    def __init__(self, folder: Path, spec: InputSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._taken: Counter[str] = Counter()

    def write(self, scored: Scored) -> Prediction:
        """The prediction, with its picture's place if the film was scored."""
        from pneumoscope.explanation import save_explanation

        prediction = scored.prediction
        if prediction.saliency is None:
            return prediction
        stem = Path(prediction.file).stem
        self._taken[stem] += 1
        # Films of one name from several folders, or in several formats, get a number each.
        name = stem if self._taken[stem] == 1 else f"{stem}~{self._taken[stem]}"
        place = self._folder / f"{name}.png"
        save_explanation(scored, self._spec, place)
        summary = prediction.saliency.model_copy(update={"heat_map": str(place)})
        return prediction.model_copy(update={"saliency": summary})


class _Objects:
    """Writes a report and an overlay per scored DICOM film into a folder."""

    def __init__(self, folder: Path, spec: InputSpec) -> None:
        self._folder = folder
        self._spec = spec
        self.refused: list[str] = []

    def write(self, scored: Scored) -> Prediction:
        from pneumoscope.clinical.identity import read_identity
        from pneumoscope.clinical.results import results_of, write_results
        from pneumoscope.errors import DicomError

        prediction = scored.prediction
        if prediction.probability is not None and scored.film is not None:
            try:
                if scored.film.metadata.kind != "dicom":
                    raise DicomError(f"{prediction.file}: no DICOM film, so that there is no study for a report")
                identity = read_identity(Path(prediction.file))
                write_results(results_of(scored, self._spec, identity), self._folder)
            except DicomError as error:
                self.refused.append(str(error))
        return prediction


def _table(predictions: Sequence[Prediction]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.scoring import percent

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Film", overflow="fold")
    table.add_column("Decision", no_wrap=True)
    table.add_column("Probability", justify="right", no_wrap=True)
    table.add_column("Why", overflow="fold", min_width=24)
    for prediction in predictions:
        decision = Text("unreadable" if prediction.failed else prediction.decision, STYLES[prediction.decision])
        probability = "–" if prediction.probability is None else percent(prediction.probability)
        why = " ".join(reason.message for reason in prediction.reasons)
        table.add_row(Text(prediction.file), decision, probability, Text(why))
    return table


def _summary(predictions: Sequence[Prediction]) -> Text:
    from rich.text import Text

    from pneumoscope.cli._output import counted
    from pneumoscope.scoring import RESEARCH_NOTICE, percent

    counts = Counter("unreadable" if prediction.failed else prediction.decision for prediction in predictions)
    films = counted(len(predictions), "film")
    model, point = predictions[0].model, predictions[0].operating_point
    aim = point.promised_sensitivity
    promise = f", chosen for a sensitivity of {percent(aim)}" if aim else ""
    return Text(
        f"\n{films}: {', '.join(f'{count} {decision}' for decision, count in counts.most_common())}.\n"
        f"Model {model.name} ({model.sha256[:12]}), operating point “{point.name}”: "
        f"threshold {percent(point.threshold)}{promise}.\n{RESEARCH_NOTICE}"
    )


def _write_csv(predictions: Sequence[Prediction], path: Path) -> None:
    from pneumoscope.cli._output import draft

    rows = [prediction.row() for prediction in predictions]
    with draft(path) as place, place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
