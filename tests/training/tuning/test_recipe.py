from __future__ import annotations

from pathlib import Path

import pytest

from training.tuning import Recipe, load_recipe, recipe_names
from training.tuning.recipe import Plan, default_recipe, learning_rate, validations_due
from training.types import TrainingError


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_are_valid(name: str) -> None:
    """Each names only known keys, within their bounds, and one length."""
    recipe = load_recipe(name)
    assert 1 == sum(bool(value) for value in (recipe.epochs, recipe.tokens, recipe.minutes))
    assert recipe.prefix_tokens + recipe.suffix_tokens + recipe.snippet_tokens < recipe.row_tokens


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    """A typo must not become an experiment."""
    path = tmp_path / "mine.toml"
    path.write_text("learning_rte = 1e-4\n")
    with pytest.raises(
        TrainingError, match=r"unknown key 'learning_rte' in .*mine\.toml"
    ) as caught:
        load_recipe(str(path))
    assert "did you mean 'learning_rate'?" == caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rank = 'big'", "rank in .* is 'big'"),
        ("rank = true", "rank in .* is True"),
        ("rank = 0", "rank = 0 is out of range"),
        ("method = 'magic'", "no method 'magic'"),
        ("layers = 'bottom'", "layers = 'bottom'"),
        ("layers = 0", "layers = 0"),
        ("epochs = 1\ntokens = 5", "not epochs and tokens"),
        ("epochs = 0", "a run needs a length"),
        ("rank = ", "is not TOML"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """With the key, the value and what would do."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=message):
        load_recipe(str(path))


def test_a_missing_recipe_names_the_nearest() -> None:
    """Of those that come with the package."""
    with pytest.raises(TrainingError, match="no recipe 'cpu-smal'") as caught:
        load_recipe("cpu-smal")
    assert "did you mean 'cpu-small'?" == caught.value.hint


def test_another_length_takes_the_place_of_the_first() -> None:
    """``--tokens`` over a recipe that says minutes is no contradiction."""
    recipe = Recipe().with_changes({"minutes": 3}, source="test")
    assert (0, 0, 3) == (recipe.epochs, recipe.tokens, recipe.minutes)
    assert 500 == recipe.with_changes({"tokens": 500}, source="test").tokens


def test_the_learning_rate_rises_falls_and_ends_at_its_floor() -> None:
    """Linear to the peak at the warm-up's end, cosine to the final share."""
    recipe = Recipe(learning_rate=1.0, warmup_share=0.2, final_rate_share=0.1)
    rates = [learning_rate(recipe, progress) for progress in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert pytest.approx([0.0, 0.5, 1.0, 0.55, 0.1]) == rates


def test_validations_are_spread_evenly_and_begin_and_end_with_the_run() -> None:
    """One before the first step, the last after the last, whatever the size of the steps."""
    for steps in (4, 7, 100):
        due = [validations_due(at / steps, 4) for at in range(steps + 1)]
        assert (1, 5) == (due[0], due[-1])
        assert due == sorted(due)
        assert due[-2] < 5


def test_progress_is_counted_in_the_plans_unit() -> None:
    """Examples or tokens, never past the end."""
    assert 0.5 == Plan("examples", 10).progress(examples=5, tokens=999)
    assert 1.0 == Plan("tokens", 10).progress(examples=5, tokens=999)


def test_the_default_goes_by_device_and_start() -> None:
    """A repository that goes on from fimls' adapter needn't be taught where to stop again."""
    found = {
        default_recipe(cuda=cuda, goes_on=goes_on)
        for cuda in (True, False)
        for goes_on in (True, False)
    }
    assert {"default-gpu", "cpu-further", "cpu-small"} == found <= set(recipe_names())
    assert "cpu-further" == default_recipe(cuda=False, goes_on=True)
