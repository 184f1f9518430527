"""A table of experiments as data: a base recipe, what each row changes, and the films that judge it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Field, field_validator, model_validator

from pneumoscope.errors import RecipeError
from pneumoscope.training.recipe import Augmentation, Recipe, Section, parse_toml, read_recipe, validated

Name = Annotated[str, Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9._-]*$")]

Look = Literal["layout", "spectrum"]


class Budget(Section):
    """Films of one fold. Training and validation films are drawn in the cohort's mix of classes, patients apart."""

    training_films: int = Field(ge=4)
    validation_films: int = Field(ge=4, description="they calibrate, and choose an epoch where a recipe says so")
    judged_films: int | None = Field(None, ge=4, description="at most so many held-out films; all without it")


class PatientFold(Section):
    """Held out: one of ``of`` parts of the patients, drawn at random."""

    kind: Literal["patients"]
    name: Name
    of: int = Field(ge=2)
    number: int = Field(0, ge=0)


class SourceFold(Section):
    """Held out: every film of a source, recognised by a column; of a class that it lacks, one part of the patients."""

    kind: Literal["source"]
    name: Name
    column: str = "patient_id"
    pattern: str = Field(description="regular expression that the column of the source's films matches")
    of: int = Field(ge=2)
    number: int = Field(0, ge=0)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern


Fold = Annotated[PatientFold | SourceFold, Field(discriminator="kind")]


class Row(Section):
    """One training."""

    name: Name
    question: str = Field(description="what the row answers")
    base: str | None = Field(None, description="recipe file to start from instead of the table's, beside the table")
    recipe: dict[str, Any] = Field({}, description="keys of the recipe that differ")
    films: Augmentation = Field(Augmentation(), description="done to every film: training, validation and held out")


class Combination(Section):
    """A row that needs no training: the mean logit of other rows' networks, over views of each film.

    With ``dropout``, a network's logit is that of its mean probability over so many passes with units of the embedding
    dropped as in training (Monte Carlo dropout; Gal and Ghahramani, ICML 2016, arXiv:1506.02142).
    """

    name: Name
    question: str
    of: tuple[Name, ...] = Field(min_length=1, description="rows whose networks are averaged")
    views: int = Field(1, ge=1, le=64, description="the film as it is, then so many less one changed")
    changes: Augmentation | None = Field(None, description="how views differ; without it, as in the row's training")
    dropout: int = Field(0, ge=0, le=1024, description="passes of the head with dropout; 0 is one without")


class Quick(Section):
    """A small form of the table, which tries that everything works and answers nothing."""

    budget: Budget
    recipe: dict[str, Any] = Field({}, description="keys of every recipe that differ")
    rows: tuple[Name, ...] = Field(min_length=1)


class Table(Section):
    """A table of experiments. The first row is what the others are compared with."""

    title: str
    base: str = Field(description="recipe file, beside the table")
    seed: int = Field(0, ge=0, description="of folds, draws of films, the shift and the bootstrap")
    bootstrap: int = Field(2000, ge=100, description="resamples")
    budget: Budget
    folds: tuple[Fold, ...] = Field(min_length=1)
    shift: Augmentation = Field(
        Augmentation(), description="changes to the held-out films of unseen patients, the same for every row"
    )
    contrary: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of each class's held-out films, those that look most like the other class, that judge by "
        "themselves too; 0 is none",
    )
    looks: tuple[Look, ...] = Field(("layout",), min_length=1, description="in what contrary films look so")
    recipe: dict[str, Any] = Field({}, description="keys of the base recipe that differ in every row")
    rows: tuple[Row, ...] = Field(min_length=1)
    combinations: tuple[Combination, ...] = ()
    quick: Quick

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        trained = [row.name for row in self.rows]
        names = [*trained, *(row.name for row in self.combinations)]
        _once(names, "rows")
        _once([fold.name for fold in self.folds], "folds")
        for combination in self.combinations:
            _known(combination.of, trained, f"row {combination.name} averages")
        _known(self.quick.rows, names, "quick names")
        for fold in self.folds:
            if fold.number >= fold.of:
                raise ValueError(f"fold {fold.name}: number {fold.number} of {fold.of}; the first is 0")
        return self

    def only(self, names: Sequence[str]) -> Table:
        """The rows of these names, what they average, and the first row.

        Raises:
            RecipeError: no row has that name.
        """
        there = [*(row.name for row in self.rows), *(row.name for row in self.combinations)]
        try:
            _known(names, there, "asked for are")
        except ValueError as error:
            raise RecipeError(str(error)) from None
        combinations = tuple(row for row in self.combinations if row.name in names)
        wanted = {self.rows[0].name, *names, *(member for row in combinations for member in row.of)}
        rows = tuple(row for row in self.rows if row.name in wanted)
        # A table's quick form is spent once rows were taken out of it.
        quick = self.quick.model_copy(update={"rows": (rows[0].name,)})
        return self.model_copy(update={"rows": rows, "combinations": combinations, "quick": quick})

    def small(self) -> Table:
        """The quick form."""
        chosen = self.only(self.quick.rows)
        recipe = merged(self.recipe, self.quick.recipe)
        return chosen.model_copy(update={"budget": self.quick.budget, "recipe": recipe})


def load_table(path: Path) -> Table:
    """Read and validate a table, without the recipes of its rows; see :func:`row_recipes`.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, a wrong type or a value out of range.
    """
    return validated(Table, parse_toml(read_recipe(path), origin=str(path)), origin=str(path))


def row_recipes(table: Table, path: Path) -> dict[str, Recipe]:
    """The whole recipe of each trained row: its base, with the table's changes and then its own.

    Args:
        table: from the file ``path``, beside which its base recipes lie.

    Raises:
        RecipeError: a base recipe is missing, or a row's changes make none that is valid.
    """
    recipes = {}
    for row in table.rows:
        base = path.parent / (row.base or table.base)
        settings = parse_toml(read_recipe(base), origin=str(base))
        for changes in (table.recipe, row.recipe, {"name": row.name, "description": row.question}):
            settings = merged(settings, changes)
        recipes[row.name] = validated(Recipe, settings, origin=f"{path}, row {row.name}")
    return recipes


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes: tables key by key, lists of tables (phases) place by place, anything else replaced."""
    result = dict(settings)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        elif _tables(old) and _tables(value):
            both = [merged(before, after) for before, after in zip(old, value, strict=False)]
            result[key] = both + list(old[len(value) :]) + list(value[len(old) :])
        else:
            result[key] = value
    return result


def differences(recipe: Recipe, base: Recipe) -> dict[str, Any]:
    """Dotted keys of a recipe whose values are not the base's; name and description apart."""
    ours, theirs = (_flat(one.model_dump(mode="json", exclude={"name", "description"})) for one in (recipe, base))
    return {key: ours.get(key) for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)}


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items: Any = value.items()
    elif _tables(value):
        items = ((str(number), part) for number, part in enumerate(value, start=1))
    else:
        return {prefix: value}
    return {
        name: part for key, inner in items for name, part in _flat(inner, f"{prefix}.{key}" if prefix else key).items()
    }


def _tables(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)


def _once(names: Sequence[str], what: str) -> None:
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise ValueError(f"{what} have the same name: {', '.join(again)}")


def _known(names: Sequence[str], there: Sequence[str], words: str) -> None:
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"{words} {', '.join(unknown)}, which are none of: {', '.join(there)}")
