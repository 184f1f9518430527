"""A training run as data: TOML in, validated settings out. Unknown keys are errors."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pneumoscope.errors import RecipeError

Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], Field(description="lowest and highest value")]


class Section(BaseModel):
    """A table of the recipe: immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Section)


class Input(Section):
    """How a film becomes the network's input."""

    size: int = Field(299, ge=75, le=1024, description="side of the square input in pixels")
    fit: Literal["crop", "pad"] = Field("crop", description="centre crop or pad to a square; the aspect ratio is kept")


class NetworkSettings(Section):
    """What is trained."""

    attention: bool = Field(False, description="squeeze-and-excitation on the last stage")
    dropout: Share = Field(0.5, description="share of the embedding dropped while training")
    batch_norm: Literal["train", "frozen"] = Field(
        "train",
        description="'frozen' keeps the running statistics in every stage; 'train' updates them in unfrozen stages",
    )


class Loss(Section):
    """Focal loss (Lin et al., ICCV 2017) or cross-entropy, on one logit."""

    kind: Literal["focal", "cross-entropy"] = "cross-entropy"
    gamma: float = Field(2.0, ge=0, description="focusing exponent of the focal loss")
    alpha: Share = Field(
        0.5, description="weight of pneumonia in the focal loss; normal gets 1 − alpha; 0.5 is neutral"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="labels become ε and 1 − ε")


class Balance(Section):
    """What is done about unequal classes, in the training split only."""

    class_weights: bool = Field(False, description="weigh each class by the inverse of its frequency")
    oversample: bool = Field(False, description="draw the rarer class as often as the other one")
    by: tuple[Literal["source", "view"], ...] = Field(
        (),
        description="balance within each source, each view or each pair of them, so that neither gives a label away",
    )


class Validation(Section):
    """Which films watch the training, calibrate the model and choose its operating points."""

    folds: int = Field(
        0,
        ge=0,
        description="0 takes the split val; otherwise train and val together are divided into so many folds with "
        "patients apart, of which one validates",
    )


class Augmentation(Section):
    """Random changes to the training films; a strength of 0 switches one off.

    Each change is drawn for each film and epoch anew. Angles in degrees, lengths as shares of the side.
    """

    share: Share = Field(1.0, description="share of films that are changed; the others are seen as they are")
    flip: Share = Field(0.0, description="probability of a left–right mirror image")
    rotation: float = Field(0.0, ge=0, le=180, description="up to so many degrees either way")
    shift: Share = Field(0.0, description="up to this share of the side, each way")
    scale: Share = Field(0.0, description="zoom between 1 − s and 1 + s")
    stretch: Share = Field(0.0, description="width against height, between 1 − s and 1 + s")
    brightness: Share = Field(0.0, description="add up to ± this much")
    contrast: Share = Field(0.0, description="stretch about the mean by 1 ± this much")
    gamma: float = Field(0.0, ge=0, le=2, description="exponent between e^-g and e^g")
    hue: Share = Field(0.0, description="accepted for the study's sake; grey films have no hue, so nothing happens")
    noise: Share = Field(0.0, description="standard deviation of Gaussian noise, drawn up to this")
    blur: Share = Field(0.0, description="probability of a loss of resolution: fewer pixels, and up again")
    coarsest: float = Field(0.25, gt=0, lt=1, description="least share of the side's pixels that blur leaves")
    sharpen: Share = Field(0.0, description="probability of sharpening, by up to three times the detail")
    erase: Share = Field(0.0, description="probability of a grey rectangle over 2–15% of the film")
    equalize: Share = Field(0.0, description="probability of histogram equalisation")
    clahe: Share = Field(0.0, description="probability of contrast-limited adaptive histogram equalisation")
    mixup: float = Field(0.0, ge=0, le=2, description="α of the Beta distribution that mixes pairs of films (mixup)")


class Phase(Section):
    """One stretch of training."""

    epochs: int = Field(10, ge=0, description="at most so many passes; 0 skips the phase")
    unfreeze: str = Field(description="first trained stage: 'none' (head alone), stem, mixed0 … mixed10, or 'all'")
    learning_rate: float = Field(gt=0, description="of the head; of the trunk too unless trunk_factor says otherwise")
    trunk_factor: float = Field(1.0, gt=0, le=1, description="the trunk's learning rate as a share of the head's")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay (AdamW); 0 is plain Adam")
    schedule: Literal["plateau", "cosine", "constant"] = Field(
        "plateau", description="plateau: shrink when validation loss stalls; cosine: linear warm-up, then to 0"
    )
    plateau_patience: int = Field(2, ge=0)
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    early_stopping: int = Field(3, ge=0, description="epochs without a better validation loss; 0 never stops early")
    keep: Literal["best", "last"] = Field(
        "best", description="weights of the best validation loss or of the last epoch"
    )
    cached_views: int = Field(
        0,
        ge=0,
        description="compute the frozen stages once for this many augmented views of each film and train on those; "
        "0 augments anew each epoch",
    )


class Recipe(Section):
    """Everything that decides what a training run does, apart from films, starting weights and machine."""

    name: str = Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    ages: tuple[float, float] | None = Field(
        None, description="youngest and oldest patient of the films in years; the model refers films of others"
    )
    seed: int = Field(0, ge=0)
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(1, ge=1, description="batches per optimiser step")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights that are kept; 0 is none")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto measures which is faster here")
    leave_out: tuple[dict[str, str], ...] = Field(
        (),
        description="rules, such as {source = 'nih', label = '1', confirmed = ''}: training and validation go without "
        "films whose columns of the case table all have these values, where '' is an empty cell",
    )
    input: Input = Input()
    network: NetworkSettings = NetworkSettings()
    loss: Loss = Loss()
    balance: Balance = Balance()
    validation: Validation = Validation()
    augmentation: Augmentation = Augmentation()
    phases: tuple[Phase, ...] = Field(min_length=1, description="run one after the other")

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        from pneumoscope.network.inception import stages_from

        if not any(phase.epochs for phase in self.phases):
            raise ValueError("every phase has 0 epochs: nothing would be trained")
        if self.balance.by and not self.balance.oversample:
            raise ValueError("balance.by says within what the classes are balanced, but balance.oversample is off")
        if self.validation.folds == 1:
            raise ValueError("validation.folds is 1: no film would be left to train on")
        for phase in self.phases:
            stages_from(phase.unfreeze)
            if phase.cached_views and phase.unfreeze in ("all", "stem"):
                raise ValueError("cached_views needs frozen stages, but this phase unfreezes everything")
        return self


def load_recipe(path: Path) -> Recipe:
    """Read and validate a TOML recipe.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, a wrong type or a value out of range.
    """
    return parse_recipe(read_recipe(path), origin=str(path))


def read_recipe(path: Path) -> str:
    """The text of a recipe.

    Raises:
        RecipeError: no such file, or no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None


def parse_recipe(text: str, *, origin: str) -> Recipe:
    """Validate the text of a recipe; ``origin`` names it in errors."""
    return validated(Recipe, parse_toml(text, origin=origin), origin=origin)


def parse_toml(text: str, *, origin: str) -> dict[str, Any]:
    """TOML as mappings, with errors that name ``origin``.

    Raises:
        RecipeError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{origin}: not valid TOML: {error}") from None


def validated(kind: type[S], settings: Mapping[str, Any], *, origin: str) -> S:
    """Settings as a section of this kind.

    Raises:
        RecipeError: an unknown key, a wrong type or a value out of range, each named.
    """
    from pneumoscope.errors import NetworkError

    try:
        return kind.model_validate(settings)
    except NetworkError as error:
        raise RecipeError(f"{origin}: {error}") from None
    except ValidationError as error:
        raise RecipeError(f"{origin}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"]) or "recipe"
        what = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{where}: {what}")
    return "; ".join(lines)
