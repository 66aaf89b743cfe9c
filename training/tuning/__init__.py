"""Tuning: a dataset and a recipe in, an adapter with its manifest out.

``recipe`` and ``base`` are light; ``run`` imports torch, so only the command itself imports it.
"""

from training.tuning.recipe import Recipe, load_recipe, recipe_names

__all__ = ["Recipe", "load_recipe", "recipe_names"]
