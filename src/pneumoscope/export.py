"""A bundle's network for other engines: OpenVINO or ONNX, in float32, bfloat16 or int8, held against the bundle."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pneumoscope import __version__
from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError, CohortError, OutputError
from pneumoscope.graphs.layers import INPUT, Weights, describe
from pneumoscope.output import whole_folder
from pneumoscope.scoring import OpenVinoRuntime, Scores, score_pixels
from pneumoscope.scoring.runtimes.exported import GRAPHS, RECORD, Exported, Gates, open_exported
from pneumoscope.scoring.runtimes.openvino import build_model

if TYPE_CHECKING:
    from pneumoscope.cohorts import Cohort

Engine = Literal["openvino", "onnx"]
Format = Literal["f32", "bf16", "int8"]

CALIBRATION_FILMS = 300
"""Films whose activations set the int8 ranges (NNCF's own default), and others by which layers go back to float32."""
GATE_FILMS, LEAST_GATE_FILMS = 2000, 100
"""Most and fewest other films that an export is judged on."""
MOST_AUC_LOSS = 0.002
MOST_PROBABILITY_SHIFT, PERCENTILE = 0.03, 0.99
"""Of the calibrated probability, at this share of the films."""
LEAST_SAME_DECISIONS = 0.99
HEAD = ("MatMul", "Gemm", "ReduceMean", "ReduceSum", "Multiply", "Mul")
"""Types of operations, in either engine's words, that stay in float32: embedding, logit, heat map, attention."""


def export_bundle(
    bundle: Bundle,
    out: Path,
    *,
    engine: Engine,
    precision: Format,
    cohort: Cohort | None = None,
    seed: int = 0,
    overwrite: bool = False,
    past_gates: bool = False,
) -> Exported:
    """Write a bundle's network as one graph: bytes in; logit, Grad-CAM map and embedding out.

    int8 is NNCF's post-training quantisation of the trunk (the head stays in float32) on films that a seed draws
    from the cohort; for OpenVINO with accuracy control, which gives layers back to float32, those that move the
    probabilities most first, until these hold. Others of its films are the gates: ROC AUC may fall by 0.002 against
    float32, the calibrated probability may move by 0.03 at the 99th percentile, and 99% of the decisions must stay.

    Args:
        bundle: the trained model.
        out: folder for the graph and ``runtime.json``; appears whole or not at all.
        engine: whose format.
        precision: number format; bf16 is OpenVINO's alone, since ONNX engines on CPUs have no such convolutions.
        cohort: training films; needed for int8, and judged on for the others where it is given.
        seed: of the draw.
        overwrite: replace what is at ``out``.
        past_gates: write also what fails a gate.

    Raises:
        BundleError: a gate fails, the combination does not exist, or a library is not installed.
        CohortError: films are too few or cannot be read.
        OutputError: ``out`` exists or cannot be written.
    """
    if out.exists() and not (overwrite and (out / RECORD).is_file()):
        raise OutputError(f"{out}: exists already; name another folder, or add --overwrite to replace an export")
    if (engine, precision) == ("onnx", "bf16"):
        raise BundleError("ONNX engines on CPUs have no bf16 convolutions; choose f32 or int8, or the runtime openvino")
    if precision == "int8" and cohort is None:
        raise BundleError("int8 needs training films to set its ranges; name them with --data")
    chosen, judged = _draw(cohort, 2 * CALIBRATION_FILMS if precision == "int8" else 0, seed)
    model = _graph(bundle, engine)
    if chosen is not None:
        model = _quantised(model, bundle, chosen.pixels(bundle.spec.input.size, bundle.spec.input.fit))
    record = Exported(
        engine=engine,
        precision=precision,
        bundle=bundle.spec.name,
        weights_sha256=bundle.sha256,
        size=bundle.spec.input.size,
        software=__version__,
        written_with=_versions(engine, precision),
    )
    with whole_folder(out) as draft:
        _write(model, record, draft)
        if judged is not None:
            gates = _judge(bundle, draft, judged)
            if not (gates.passed or past_gates):
                raise BundleError(f"{out}: not written, for {failed_gates(gates)}; --past-gates writes it all the same")
            record = record.model_copy(update={"gates": gates})
            (draft / RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return record


def failed_gates(gates: Gates) -> str:
    """What failed, in words; empty if nothing did."""
    failures = []
    if gates.auc_loss is not None and gates.auc_loss > MOST_AUC_LOSS:
        failures.append(f"ROC AUC falls by {gates.auc_loss:.4f} (allowed: {MOST_AUC_LOSS})")
    if gates.probability_shift > MOST_PROBABILITY_SHIFT:
        failures.append(
            f"1% of the probabilities move by {gates.probability_shift:.3f} or more (allowed: {MOST_PROBABILITY_SHIFT})"
        )
    if gates.same_decisions < LEAST_SAME_DECISIONS:
        failures.append(f"{gates.same_decisions:.1%} of the decisions stay (needed: {LEAST_SAME_DECISIONS:.0%})")
    return ", and ".join(failures)


def load_nncf() -> Any:
    """NNCF, quiet, and without its habit of reporting its use to its makers unless it is told not to.

    Raises:
        BundleError: it is not installed.
    """
    nncf = _library("nncf")
    from openvino_telemetry import Telemetry

    Telemetry().consent = False
    nncf.set_log_level(logging.WARNING)
    return nncf


def _draw(cohort: Cohort | None, count: int, seed: int) -> tuple[Cohort | None, Cohort | None]:
    """So many films to set ranges with, and others to judge on; None where there are none."""
    if cohort is None:
        return None, None
    if len(cohort) < count + LEAST_GATE_FILMS:
        raise CohortError(
            f"{cohort.name}: {len(cohort)} films are too few; {count + LEAST_GATE_FILMS} are needed, of which "
            f"{LEAST_GATE_FILMS} judge the export"
        )
    order = np.random.default_rng(seed).permutation(len(cohort))
    return cohort.take(order[:count]) if count else None, cohort.take(order[count : count + GATE_FILMS])


def _graph(bundle: Bundle, engine: Engine) -> Any:
    if engine == "openvino":
        return build_model(bundle)
    _library("onnx")
    from pneumoscope.graphs.onnx_graph import OnnxWriter

    build_model(bundle)  # which finds shapes that do not follow from one another; ONNX would not
    spec = bundle.spec
    weights = Weights(bundle.tensors(), str(bundle.path))
    return describe(OnnxWriter(), weights, size=spec.input.size, attention=spec.architecture.attention)


def _quantised(model: Any, bundle: Bundle, films: npt.NDArray[np.uint8]) -> Any:
    """The graph in int8: ranges from the first half of the films (2 · N, S, S), accuracy control on the second."""
    nncf = load_nncf()
    # Films one by one, whatever number of them the graph is open to.
    ranges, control = np.split(films[:, None, None], 2)
    data = nncf.Dataset(ranges, lambda film: {INPUT: film})
    options = {
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": len(ranges),
        "ignored_scope": nncf.IgnoredScope(types=list(HEAD), validate=False),
    }
    if not hasattr(model, "get_ops"):  # ONNX
        return nncf.quantize(model, data, **options)
    before = bundle.spec.calibration.probability(OpenVinoRuntime(bundle).run(control[:, 0]).logit)

    def closeness(compiled: Any, films: Iterable[tuple[npt.NDArray[np.uint8], float]]) -> tuple[float, list[float]]:
        logits = ((compiled({INPUT: film})["logit"], probability) for film, probability in films)
        shifts = [abs(float(bundle.spec.calibration.probability(logit)[0]) - known) for logit, known in logits]
        # NNCF wants more to be better, and divides by what float32 reaches, which must not be 0.
        return 1 - float(np.quantile(shifts, PERCENTILE)), [1 - shift for shift in shifts]

    return nncf.quantize_with_accuracy_control(
        model,
        data,
        nncf.Dataset(list(zip(control, before, strict=True))),
        closeness,
        max_drop=MOST_PROBABILITY_SHIFT,
        **options,
    )


def _write(model: Any, record: Exported, folder: Path) -> None:
    place = folder / GRAPHS[record.engine]
    if record.engine == "onnx":
        import onnx

        known = record.model_dump(include={"bundle", "weights_sha256", "precision", "software"})
        onnx.helper.set_model_props(model, {f"pneumoscope.{key}": str(value) for key, value in known.items()})
        onnx.save(model, place)
    else:
        import openvino as ov

        # Halves the file; bfloat16 has fewer digits than float16, int8 fewer still, but float32 keeps what it has.
        ov.save_model(model, place, compress_to_fp16=record.precision == "bf16")
    (folder / RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _judge(bundle: Bundle, folder: Path, cohort: Cohort) -> Gates:
    films = cohort.pixels(bundle.spec.input.size, bundle.spec.input.fit)
    both: list[Scores] = [
        score_pixels(runtime, films) for runtime in (OpenVinoRuntime(bundle), open_exported(folder, bundle))
    ]
    before, after = (bundle.spec.calibration.probability(scores.logit) for scores in both)
    threshold = bundle.spec.operating_point().threshold
    gates = Gates(
        data=cohort.name,
        films=len(cohort),
        auc_loss=_auc_loss(cohort, before, after),
        probability_shift=float(np.quantile(abs(before - after), PERCENTILE)),
        same_decisions=float(((before >= threshold) == (after >= threshold)).mean()),
        passed=True,
    )
    return gates.model_copy(update={"passed": not failed_gates(gates)})


def _auc_loss(cohort: Cohort, before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float | None:
    from pneumoscope.evaluation import delong

    known = np.asarray(cohort.cases["label"].notna(), dtype=bool)
    labels = np.array(cohort.cases["label"][known], dtype=np.int64)
    if len(set(labels)) < 2:
        return None
    areas, _ = delong(labels, np.stack([before[known], after[known]]))
    return float(areas[0] - areas[1])


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise BundleError(f"this export needs {name}; install it with: pip install 'pneumoscope[export]'") from None


def _versions(engine: Engine, precision: Format) -> str:
    from importlib.metadata import version

    names = ["openvino" if engine == "openvino" else "onnx", *(["nncf"] if precision == "int8" else [])]
    return ", ".join(f"{name} {version(name)}" for name in names)
