"""From a recipe and films to a calibrated bundle: the training flow, end to end."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscope import __version__
from pneumoscope.bundle import (
    Architecture,
    Bundle,
    BundleSpec,
    InputSpec,
    load_bundle,
    save_bundle,
    write_spec,
    write_suitability,
)
from pneumoscope.errors import BundleError, CohortError, NetworkError
from pneumoscope.progress import progress_bar
from pneumoscope.training.processes import Processes
from pneumoscope.training.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pneumoscope.cohorts import Cohort
    from pneumoscope.evaluation import Evaluation
    from pneumoscope.network import InitialWeights
    from pneumoscope.training.run import Films

CALIBRATION_VIEWS = 8
"""Each validation film calibrates as it is and in seven changed views.

Validation films are cut from the same source as training films and look like them; films that a model is used on do
not. Calibrated on untouched films alone, a threshold promises a specificity that mild changes already break.
"""
DESCRIBING_FILMS = 3000
"""Training films, drawn at random, that are enough to tell what all of them look like."""
BUNDLE = "bundle"
"""Folder of the finished bundle inside a run folder."""


@dataclass(frozen=True)
class Split:
    """Films to train or validate on, and what is said of them in the run's record."""

    cohort: Cohort
    films: Films
    record: dict[str, Any]


def train_bundle(
    recipe: Recipe, cohort: Cohort, weights: InitialWeights | None, out: Path, processes: Processes | None = None
) -> Bundle:
    """Train as the recipe says and write the bundle to ``out/bundle``; a run that was interrupted goes on.

    The splits ``train`` and ``val`` are used, and no other. Probabilities are calibrated, and operating points
    chosen, on validation films of patients that the network was not trained on, as far as patients are known.

    Args:
        recipe: what to do.
        cohort: films with labels and splits.
        weights: the trunk's starting weights; None starts from random ones.
        out: the run folder.
        processes: from :func:`~pneumoscope.training.processes.find_processes`, which train together; None trains here.

    Raises:
        CohortError: a split is missing or has one class only.
        OutputError: ``out`` holds something else.
        TrainingError: the disk is full, training diverged, or one of the processes ended.
    """
    import numpy as np
    import torch

    from pneumoscope.network import PneumoniaNet, load_trunk
    from pneumoscope.training.run import Films, TrainingRun
    from pneumoscope.training.together import train_together

    training, validation = (_read(part, name, recipe) for name, part in _parts(cohort, recipe).items())
    unseen, words = _unseen(validation.cohort, training.cohort)
    data = [training.record, validation.record]
    origin = weights.provenance if weights else None
    run = TrainingRun(out, recipe, {"data": data, "initial_weights": origin})
    if (out / BUNDLE).exists():
        return _with_suitability(
            load_bundle(out / BUNDLE), training.films.pixels, validation.films.pixels[unseen], words
        )
    torch.manual_seed(recipe.seed)
    network = PneumoniaNet(attention=recipe.network.attention, dropout=recipe.network.dropout)
    if weights:
        load_trunk(network.trunk, weights.tensors, origin=weights.provenance["source"])
    if processes and processes.count > 1:
        train_together(run, network, training.films, validation.films, processes)
    else:
        run.train(network, training.films, validation.films)
    held_out = Films(validation.films.pixels[unseen], validation.films.labels[unseen])
    with progress_bar("Calibrating", CALIBRATION_VIEWS * len(held_out.labels)) as advance:
        logits = run.logits(network, held_out, views=CALIBRATION_VIEWS, dtype=run.precision, progress=advance)
    spec = BundleSpec(
        name=recipe.name,
        description=recipe.description,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=__version__,
        commit=_commit(),
        architecture=Architecture(attention=recipe.network.attention, dropout=recipe.network.dropout),
        input=InputSpec(size=recipe.input.size, fit=recipe.input.fit),
        ages=recipe.ages,
        recipe=recipe.model_dump(mode="json"),
        data=tuple(data),
        initial_weights=origin,
        default_operating_point="balanced",
        **_calibrated(logits.ravel(), np.tile(held_out.labels, CALIBRATION_VIEWS), words),
    )
    bundle = save_bundle(spec, network.state_dict(), out / BUNDLE)
    return _with_suitability(bundle, training.films.pixels, held_out.pixels, words)


def fit_suitability(bundle: Bundle, cohort: Cohort, *, as_trained: bool = False) -> Bundle:
    """Teach a bundle what its training films look like, so that it refuses what is unlike them.

    The split ``train`` says what they look like; the threshold is chosen on films of the split ``val`` whose patients
    are not in ``train``, as far as patients are known. Labels are not needed.

    Args:
        bundle: changed in its folder.
        cohort: the films that the bundle was trained on, or those of the site that it is to be used at.
        as_trained: leave films out, and divide the others, as the bundle's training did, for which labels are needed;
            the result is that of training.

    Raises:
        CohortError: a split is missing or has too few films.
        BundleError: ``as_trained``, and the bundle does not say how it was trained.
        OutputError: the bundle's folder cannot be written.
    """
    if as_trained:
        if not bundle.spec.recipe:
            raise BundleError(f"{bundle.path}: does not say how it was trained; leave --as-trained away")
        training, validation = _parts(cohort, Recipe.model_validate(bundle.spec.recipe)).values()
        unseen, words = _unseen(validation, training)
        validation = validation.where(unseen)
    else:
        training, validation = cohort.select("train"), cohort.select("val")
        patients = validation.cases["patient_id"]
        seen = patients.isin(training.cases["patient_id"].dropna())
        validation = validation.where(~seen)
        words = f"{len(validation)} of {len(seen)} validation films, whose patients, where known, are not in train"
        if patients.isna().all():
            words = f"{len(validation)} validation films of {cohort.name} (patients not known)"
    rows = _sample(len(training))
    fitted_on = f"{len(rows)} of {len(training)} training films of {training.name}"
    pixels = []
    for name, part in (("training", training.take(rows)), ("validation", validation)):
        with progress_bar(f"Reading {name} films", len(part)) as advance:
            pixels.append(part.pixels(bundle.spec.input.size, bundle.spec.input.fit, progress=advance))
    return _describe(bundle, *pixels, fitted_on=fitted_on, chosen_on=words)


def import_keras(file: Path, out: Path, *, scaling: str, name: str | None, size: int, fit: str) -> Bundle:
    """Turn a Keras model with the study's head into a bundle that is not calibrated and decides at 0.5.

    Args:
        file: ``.h5`` or ``.keras``.
        out: the bundle's folder, which must not exist.
        scaling: what the model was fed, of :data:`~pneumoscope.network.SCALINGS`; no file tells it.
        name: of the bundle; None takes the file's.
        size: side of the films that it was fed.
        fit: ``crop`` or ``pad``.

    Raises:
        NetworkError: the file is damaged or holds another network, or there is no such scaling.
        BundleError: the name or the input is not possible.
        OutputError: ``out`` exists or cannot be written.
    """
    from pydantic import ValidationError

    from pneumoscope.network import SCALINGS, PneumoniaNet, fold_grey, load_trunk, read_keras

    if scaling not in SCALINGS:
        raise NetworkError(f"there is no scaling {scaling!r}; there are {', '.join(SCALINGS)}")
    model = read_keras(file)
    if not model.head:
        raise NetworkError(f"{file}: has no head, so it cannot score; it can start a training with --weights")
    dropout = 0.5 if model.dropout is None else model.dropout
    try:
        spec = BundleSpec.model_validate(
            {
                "name": name or re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()),
                "description": f"Imported from Keras ({file.name})",
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "software": __version__,
                "architecture": {"dropout": dropout},
                "input": {"size": size, "fit": fit},
                "initial_weights": {"source": file.name, "sha256": _sha256(file), "scaling": scaling},
                "licence": "not stated",
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    network = PneumoniaNet(dropout=dropout)
    load_trunk(network.trunk, fold_grey(model.trunk, SCALINGS[scaling]), origin=str(file))
    network.load_state_dict(network.state_dict() | model.head)
    return save_bundle(spec, network.state_dict(), out)


def judge_bundle(bundle: Bundle, cohort: Cohort, folder: Path, *, overwrite: bool = False) -> Evaluation:
    """Evaluate a bundle on labelled films, write the report, and record the main figures in the bundle.

    Args:
        bundle: from :func:`train_bundle`.
        cohort: the films of one split.
        folder: where the report goes.
        overwrite: replace an evaluation that is there.

    Raises:
        OutputError: the folder is not free, or cannot be written.
    """
    from pneumoscope.evaluation import evaluate, score_cohort, write_evaluation
    from pneumoscope.scoring import Predictor

    predictor = Predictor(bundle, refuse_unlike=False)
    with progress_bar("Judging", len(cohort)) as advance:
        predictions = score_cohort(predictor, cohort, progress=advance)
    (split,) = cohort.splits
    evaluation = evaluate(predictions, bundle.spec, data=f"{cohort.name}, split {split}")
    write_evaluation(folder, evaluation, predictions, cohort, predictor, overwrite=overwrite)
    record_figures(bundle, evaluation, f"{cohort.name}/{split}")
    return evaluation


def record_figures(bundle: Bundle, evaluation: Evaluation, films: str) -> None:
    """Write the main figures of an evaluation into the bundle and its card, under the name of the films."""
    metrics = {**bundle.spec.metrics, films: evaluation.headline()}
    write_spec(bundle.spec.model_copy(update={"metrics": metrics}), bundle.path)


def _parts(cohort: Cohort, recipe: Recipe) -> dict[str, Cohort]:
    """The films to train and to validate on: two splits, or folds of both with patients apart."""
    from pneumoscope.cohorts import grouped_folds

    for rule in recipe.leave_out:
        cohort = cohort.without(rule)
    folds = recipe.validation.folds
    if not folds:
        return {name: cohort.select(name).require_both_classes() for name in ("train", "val")}
    films = cohort.select("train", "val").require_both_classes()
    with progress_bar(f"Dividing films into {folds} folds", len(films)) as advance:
        fold = grouped_folds(films, folds, seed=0, progress=advance)
    return {f"{folds - 1} of {folds} folds": films.where(fold != 0), f"1 of {folds} folds": films.where(fold == 0)}


def _read(chosen: Cohort, name: str, recipe: Recipe) -> Split:
    import numpy as np

    from pneumoscope.training.run import Films

    with progress_bar(f"Reading {name} films", len(chosen)) as advance:
        pixels = chosen.pixels(recipe.input.size, recipe.input.fit, progress=advance)
    labels = chosen.labels
    digest = hashlib.sha256(pixels.tobytes())
    digest.update(labels.astype(np.uint8).tobytes())
    record = {
        "name": chosen.name,
        "split": name,
        "films": len(chosen),
        "pneumonia": int(labels.sum()),
        # Of the pixels at the input size and the labels, so that it says the same wherever the films lie.
        "sha256": digest.hexdigest(),
    }
    groups: npt.NDArray[np.int64] | None = None
    if recipe.balance.by:
        groups = np.asarray(chosen.cases.groupby(list(recipe.balance.by), dropna=False).ngroup(), dtype=np.int64)
    return Split(chosen, Films(pixels, labels, groups), record)


def _with_suitability(
    bundle: Bundle, training: npt.NDArray[np.uint8], validation: npt.NDArray[np.uint8], words: str
) -> Bundle:
    """The bundle with a description of its training films, if it has none yet and they are enough for one."""
    from pneumoscope.evaluation.suitability import LEAST_TRAINING, LEAST_VALIDATION

    too_few = len(training) < LEAST_TRAINING or len(validation) < LEAST_VALIDATION
    if too_few or bundle.spec.suitability.threshold is not None:
        return bundle
    rows = _sample(len(training))
    fitted_on = f"{len(rows)} of {len(training)} training films"
    return _describe(bundle, training[rows], validation, fitted_on=fitted_on, chosen_on=words)


def _describe(
    bundle: Bundle,
    training: npt.NDArray[np.uint8],
    validation: npt.NDArray[np.uint8],
    *,
    fitted_on: str,
    chosen_on: str,
) -> Bundle:
    from pneumoscope.evaluation import choose_suitability, fit_training_films, strips_of
    from pneumoscope.scoring import OpenVinoRuntime, score_pixels

    runtime = OpenVinoRuntime(bundle)
    strips = strips_of(training)
    with progress_bar("Describing the films", len(training) + len(strips) + len(validation)) as advance:
        learnt, torn, seen = (
            score_pixels(runtime, films, progress=advance).embedding for films in (training, strips, validation)
        )
    known = fit_training_films(training, learnt, torn)
    rule = choose_suitability(known, validation, seen, fitted_on=fitted_on, chosen_on=chosen_on)
    return write_suitability(bundle, known, rule)


def _sample(films: int) -> npt.NDArray[np.int64]:
    """Which of so many training films describe them all."""
    import numpy as np

    return np.sort(np.random.default_rng(0).permutation(films)[:DESCRIBING_FILMS])


def _calibrated(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], where: str) -> dict[str, Any]:
    """Calibration, operating points and conformal limits for the specification."""
    from pneumoscope.evaluation import fit_decisions

    where = f"{where}, each as it is and in {CALIBRATION_VIEWS - 1} changed views"
    return fit_decisions(labels, logits, fitted_on=where, views=CALIBRATION_VIEWS)._asdict()


def _unseen(validation: Cohort, training: Cohort) -> tuple[npt.NDArray[np.bool_], str]:
    """(N,) which validation films show a patient that is not in training, and what they are called.

    Raises:
        CohortError: nothing of one class is left.
    """
    import numpy as np

    patients = validation.cases["patient_id"]
    if patients.isna().all():
        every = np.ones(len(validation), dtype=bool)
        return every, f"{len(validation)} validation films of {validation.name} (patients not known)"
    rows = np.asarray(~patients.isin(training.cases["patient_id"].dropna()) & patients.notna(), dtype=bool)
    if len(set(validation.labels[rows])) < 2:
        raise CohortError(
            f"{validation.name}: the validation films of patients outside the training split are not of both classes, "
            "so nothing honest can be calibrated on; move whole patients from train to val"
        )
    return (
        rows,
        f"{int(rows.sum())} of {len(validation)} validation films, whose patients are not in the training split",
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _commit() -> str | None:
    """Commit of the checkout that this code runs from, with ``+`` where it was changed; None when installed."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
