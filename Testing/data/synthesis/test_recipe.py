"""Recipes: read from YAML, sets inherit, heads come by weight, errors are sentences."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ParetoSegLib.core.errors import ConfigError, LayoutError
from ParetoSegLib.data.synthesis.head_files import shipped_heads
from ParetoSegLib.data.synthesis.making import Order, unfinished
from ParetoSegLib.data.synthesis.recipe import HeadSource, Recipe, head_chooser, read_recipe

TEXT = """
cases: 7
settings:
  lesions: [1, 3]
  weak_share: 0.5
heads:
  - place: shipped
    names: [synthseg-02, synthseg-08]
    weight: 3
  - place: small
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_recipe_is_read(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, TEXT))
    assert (recipe.cases, recipe.seed) == (7, None)
    assert recipe.settings.lesions == (1, 3)
    assert recipe.heads[1] == HeadSource("small")


def test_sets_inherit_and_replace(tmp_path: Path) -> None:
    sets = "sets:\n  free: {seed: 4, settings: {lesions: [0, 0]}}\n  same:\n"
    file = write(tmp_path, TEXT + sets)
    free, same = read_recipe(file, "free"), read_recipe(file, "same")
    assert (free.cases, free.seed, free.settings.lesions) == (7, 4, (0, 0))
    assert free.settings.weak_share == same.settings.weak_share == 0.5
    assert free.heads == same.heads
    assert same.settings.lesions == (1, 3)


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (TEXT, "free", "holds no sets"),
        (TEXT + "sets: {free: }\n", None, "the sets free"),
        (TEXT + "sets: {free: }\n", "main", "the sets free"),
        ("colour: red\n", None, "key colour is unknown"),
        ("settings: {colour: red}\n", None, "settings.colour is unknown"),
        ("settings: {weak_share: 3}\n", None, "weak_share is 3"),
        ("heads: []\n", None, "heads is empty"),
        ("first: 0\n", None, "first is 0"),
        ("heads: [{place: mni, weight: 0}]\n", None, "weight of the heads mni"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(
    tmp_path: Path, text: str, name: str | None, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_recipe(write(tmp_path, text), name)


def test_sets_of_a_recipe_can_share_a_folder(tmp_path: Path) -> None:
    sets = "sets:\n  one: {seed: 4}\n  other: {seed: 5, first: 8, cases: 2}\n"
    file = write(tmp_path, TEXT + sets)
    numbers = [
        unfinished(Order(recipe, tmp_path, tmp_path / "out", recipe.seed or 0), recipe.cases or 0)
        for recipe in (read_recipe(file, "one"), read_recipe(file, "other"))
    ]
    assert numbers == [[1, 2, 3, 4, 5, 6, 7], [8, 9]]


def test_heads_come_by_weight(tmp_path: Path) -> None:
    choose = head_chooser(read_recipe(write(tmp_path, TEXT)), tmp_path)
    names = Counter(choose(seed).name for seed in range(2000))
    shipped = names["synthseg-02"], names["synthseg-08"]
    assert 0.7 < sum(shipped) / 2000 < 0.8
    assert min(shipped) > 600
    assert choose(5).name == choose(5).name
    assert sum(name.startswith("small-") for name in names) > 400


def test_missing_heads_are_named_or_left_out(tmp_path: Path) -> None:
    absent = HeadSource("absent", weight=50.0)
    with pytest.raises(LayoutError, match="absent does not exist"):
        head_chooser(Recipe(heads=(absent, HeadSource())), tmp_path)
    optional = HeadSource("absent", weight=50.0, optional=True)
    choose = head_chooser(Recipe(heads=(optional, HeadSource())), tmp_path)
    assert {choose(seed).name for seed in range(60)} == {head.name for head in shipped_heads()}
    with pytest.raises(LayoutError, match="None of the recipe's heads"):
        head_chooser(Recipe(heads=(optional,)), tmp_path)
    with pytest.raises(LayoutError, match="no head called synthseg-99"):
        head_chooser(Recipe(heads=(HeadSource(names=("synthseg-99",)),)), tmp_path)


ROOT = Path(__file__).parents[3]
SETS = ("main", "whole-heads", "thick-slices", "tumour-free")


def test_what_is_measured_on_was_never_trained_on() -> None:
    recipes = ROOT / "Resources" / "Recipes"
    names = ("mixed", "large", "edema", "necrosis", "cysts", "small")
    mixed, *others = training = [read_recipe(recipes / "patients.yaml", name) for name in names]
    seen = {(source.place, name) for source in mixed.heads for name in source.names}
    assert all(other.heads == mixed.heads for other in others)
    assert all(source.names or source.place == "mni" for source in mixed.heads)
    for name in SETS:
        holdout = read_recipe(ROOT / "benchmarks" / "default_model" / "holdout.yaml", name)
        unseen = {(source.place, head) for source in holdout.heads for head in source.names}
        assert unseen
        assert not unseen & seen
        assert all(source.names for source in holdout.heads)
        assert holdout.seed not in {recipe.seed for recipe in training}
        assert holdout.settings.raters >= 1
    assert holdout.settings.lesions == (0, 0)
