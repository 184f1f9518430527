"""``pneumoscope demo``: a first look, on two real films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report and its pictures.")] = Path(
        "demo-output"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
) -> None:
    """Score a real chest film, refuse a leg, and judge the default model where its test films can be had."""
    from rich.text import Text

    from pneumoscope.cli._output import console
    from pneumoscope.demo import demonstrate
    from pneumoscope.scoring import RESEARCH_NOTICE, percent

    found = demonstrate(out, overwrite=overwrite)
    lines = []
    for what, scored, picture in found.films:
        prediction = scored.prediction
        why = " ".join(reason.message for reason in prediction.reasons)
        if prediction.probability is None:
            lines.append(f"{what.capitalize()}: refused. {why}")
        else:
            share = percent(prediction.probability)
            lines.append(f"{what.capitalize()}: {prediction.decision}, probability of pneumonia {share}. {why}")
            lines.append(f"  Picture: {picture}")
    if found.evaluation:
        ours, theirs = found.evaluation, found.evaluation.reference
        lines.append(
            f"PneumoniaMNIST, {ours.n} test films: ROC AUC {ours.roc_auc.text()}, "
            f"accuracy {ours.chosen.accuracy.text()}"
        )
        if theirs:
            lines.append(
                f"  {theirs.name}: ROC AUC {theirs.roc_auc.text()}, accuracy {theirs.decisions.accuracy.text()}"
            )
    else:
        lines.append(f"PneumoniaMNIST's test films were left out: {found.why_not}")
    lines += [f"Report: {found.report}", RESEARCH_NOTICE]
    console().print(Text("\n".join(lines)), soft_wrap=True)
