from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pneumoscope.cli.reproduce import TABLES
from pneumoscope.errors import RecipeError
from pneumoscope.training.recipe import Augmentation, Recipe, load_recipe, parse_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
MINIMAL = 'name = "m"\n[[phases]]\nunfreeze = "none"\nlearning_rate = 1e-3\n'


@pytest.mark.parametrize(
    "path",
    sorted(set(RECIPES.glob("*.toml")) - {RECIPES / f"{table}.toml" for table in TABLES}),
    ids=lambda p: p.stem,
)
def test_each_shipped_recipe_is_valid_and_bears_its_file_name(path: Path) -> None:
    assert load_recipe(path).name == path.stem


def test_the_study_is_what_it_says() -> None:
    study = load_recipe(RECIPES / "study.toml")
    assert study.input.size == 299
    assert study.batch_size == 32
    assert study.loss.kind == "focal"
    assert study.balance.class_weights
    assert study.balance.oversample
    first, second = study.phases
    assert (first.unfreeze, first.learning_rate, first.epochs) == ("none", 1e-4, 10)
    assert (second.unfreeze, second.learning_rate, second.epochs) == ("mixed8", 1e-5, 10)
    for phase in study.phases:
        assert (phase.early_stopping, phase.plateau_patience, phase.plateau_factor) == (3, 2, 0.5)


def test_dumped_recipe_reads_back_the_same() -> None:
    recipe = parse_recipe(MINIMAL, origin="x")
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1\n" + MINIMAL, "colour: unknown key"),
        (MINIMAL + "epoch = 3\n", "phases.0.epoch: unknown key"),
        ("[augmentation]\nrotation = 'much'\n", "augmentation.rotation"),
        ("[augmentation]\nflip = 1.5\n", "augmentation.flip"),
        ("name = 'm'", "phases"),
        (MINIMAL.replace("none", "mixed11"), "mixed11"),
        (MINIMAL.replace('"none"', '"all"') + "cached_views = 2", "cached_views"),
        (MINIMAL + "epochs = 0", "nothing would be trained"),
        (MINIMAL + "[balance]\nby = ['view']\n", "balance.oversample is off"),
        (MINIMAL + "[validation]\nfolds = 1\n", "validation.folds"),
        ("name = ", "TOML"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(RecipeError, match="my recipe") as caught:
        parse_recipe(text, origin="my recipe")
    assert words in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read as text"):
        load_recipe(tmp_path / "binary.toml")


def test_every_setting_is_documented() -> None:
    for name, field in Augmentation.model_fields.items():
        assert field.description, name
    assert tomllib.loads((RECIPES / "study.toml").read_text())["description"]
