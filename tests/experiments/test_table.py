from __future__ import annotations

from pathlib import Path

import pytest

from pneumoscope.errors import RecipeError
from pneumoscope.experiments.table import differences, load_table, merged, row_recipes
from pneumoscope.training.recipe import load_recipe

from .conftest import TABLE

RECIPES = Path(__file__).parents[2] / "recipes"


def test_every_row_of_the_ablations_is_a_recipe_that_differs_as_it_says() -> None:
    file = RECIPES / "ablations.toml"
    table = load_table(file)
    recipes = row_recipes(table, file)
    base = recipes["base"]
    assert base.input.size == 96
    assert [phase.epochs for phase in base.phases] == [2]
    shipped = load_recipe(RECIPES / "pneumoniamnist.toml")
    assert set(differences(base, shipped)) == {"input.size", "phases.1.epochs"}
    assert differences(recipes["focal"], base) == {"loss.kind": "focal"}
    assert differences(recipes["mixed5"], base) == {"phases.1.unfreeze": "mixed5"}
    study = recipes["study"]
    assert [phase.epochs for phase in study.phases] == [10, 10]
    assert study.network.batch_norm == "train"
    for row in table.rows[1:]:
        if not row.films.model_dump(exclude_defaults=True):
            assert differences(recipes[row.name], base), row.name
    small = row_recipes(table.small(), file)
    assert {recipe.input.size for recipe in small.values()} == {75}


def test_changes_go_into_tables_and_phases_place_by_place() -> None:
    base = {"a": {"b": 1, "c": 2}, "phases": [{"x": 1, "y": 1}, {"x": 2}], "ages": [1, 5]}
    changed = merged(base, {"a": {"c": 3}, "phases": [{"x": 9}], "ages": [2, 3]})
    assert changed == {"a": {"b": 1, "c": 3}, "phases": [{"x": 9, "y": 1}, {"x": 2}], "ages": [2, 3]}
    assert merged({"phases": [{"x": 1}]}, {"phases": [{}, {"x": 2}]}) == {"phases": [{"x": 1}, {"x": 2}]}
    assert base["a"] == {"b": 1, "c": 2}, "what is merged stays as it is"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("bootstrap = 200", "bootstraps = 200"), "bootstraps: unknown key"),
        (('kind = "patients"', 'kind = "hospitals"'), "folds"),
        (("^second-", "("), "not a regular expression"),
        (('name = "focal"', 'name = "base"'), "same name: base"),
        (('of = ["base"]', 'of = ["bass"]'), "mirror averages bass"),
        (('rows = ["mirror"]', 'rows = ["mirrors"]'), "quick names mirrors"),
        (("of = 3\n[shift]", "of = 3\nnumber = 3\n[shift]"), "number 3 of 3"),
        (("title", "=title"), "not valid TOML"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(table_file: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in TABLE
    table_file.write_text(TABLE.replace(*change))
    with pytest.raises(RecipeError, match=r"small\.toml") as error:
        load_table(table_file)
    assert message in str(error.value)


def test_a_wrong_row_is_refused_with_its_name(table_file: Path) -> None:
    for wrong, message in (('{ kind = "fokal" }', "loss.kind"), ("{ kinds = 1 }", "loss.kinds: unknown key")):
        table_file.write_text(TABLE.replace('{ kind = "focal" }', wrong))
        with pytest.raises(RecipeError, match="row focal") as error:
            row_recipes(load_table(table_file), table_file)
        assert message in str(error.value)


def test_chosen_rows_bring_what_they_need(table_file: Path) -> None:
    table = load_table(table_file)
    chosen = table.only(["mirror"])
    assert [row.name for row in chosen.rows] == ["base"]
    assert [row.name for row in chosen.combinations] == ["mirror"]
    assert [row.name for row in table.only(["focal"]).rows] == ["base", "focal"]
    with pytest.raises(RecipeError, match=r"views, which are none of: base, focal, mirror"):
        table.only(["views"])
