"""Tuning: a dataset and a recipe in, an adapter with its manifest out.

``recipe`` and ``base`` are light; ``run`` imports torch, so only the command itself imports it.
"""

from fimls.libraries import tame
from training.tuning.recipe import Recipe, load_recipe, recipe_names

tame()  # before a module of this package imports peft

__all__ = ["Recipe", "load_recipe", "recipe_names"]
