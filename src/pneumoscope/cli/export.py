"""``pneumoscope export``: a model's network for other engines and in smaller number formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from pneumoscope.cli._options import AsJson, Columns, Preset, parse_columns

if TYPE_CHECKING:
    from pneumoscope.scoring.runtimes.exported import Exported


def export(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The trained model: name or folder.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the graph and runtime.json.")],
    runtime: Annotated[str, typer.Option(metavar="openvino|onnx", help="Whose format.")] = "openvino",
    precision: Annotated[str, typer.Option(metavar="f32|bf16|int8", help="Number format.")] = "f32",
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH|NAME", help="Training films: int8 needs them, other formats are judged on them."),
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of them to take; never a test split.")] = "train",
    columns: Columns = None,
    preset: Preset = None,
    seed: Annotated[int, typer.Option(help="Of the draw of films.")] = 0,
    past_gates: Annotated[bool, typer.Option("--past-gates", help="Write it although a gate fails.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is in DIR.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write one graph that gives logit, heat map and embedding; run it with predict --runtime DIR.

    Given films, it is held against the model in float32: ROC AUC, probabilities and decisions must stay.
    """
    from pneumoscope.bundle import load_bundle
    from pneumoscope.cli._output import print_json
    from pneumoscope.errors import BundleError, CohortError
    from pneumoscope.export import Engine, Format, export_bundle

    for what, given, known in (("runtime", runtime, get_args(Engine)), ("precision", precision, get_args(Format))):
        if given not in known:
            raise BundleError(f"there is no {what} {given!r} to export to; choose one of {', '.join(known)}")
    model = load_bundle(bundle)
    cohort = None
    if data and split == "test":
        raise CohortError("--split test: an export is set and judged on training films, never on those of a test")
    if data:
        from pneumoscope.cohorts import load_cohort

        cohort = load_cohort(data, columns=parse_columns(columns), preset=preset).select(split)
    record = export_bundle(
        model,
        out,
        engine=runtime,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        cohort=cohort,
        seed=seed,
        overwrite=overwrite,
        past_gates=past_gates,
    )
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        _show(record, out)


def _show(record: Exported, out: Path) -> None:
    from rich.text import Text

    from pneumoscope.cli._output import console, counted
    from pneumoscope.export import failed_gates

    lines = [f"{out}: {record.bundle} for {record.engine} in {record.precision} ({record.written_with})"]
    if gates := record.gates:
        lines.append(f"Against float32 on {counted(gates.films, 'film')} of {gates.data}:")
        if gates.auc_loss is not None:
            lines.append(f"  ROC AUC falls by {gates.auc_loss:.4f}")
        lines.append(f"  99% of the probabilities move by less than {gates.probability_shift:.4f}")
        lines.append(f"  {gates.same_decisions:.2%} of the decisions stay")
        lines.append("  All gates passed." if gates.passed else f"  Gates failed: {failed_gates(gates)}")
    else:
        lines.append("Not judged: no films were given.")
    console().print(Text("\n".join(lines)), soft_wrap=True)
