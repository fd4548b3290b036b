"""What is wrong with a recipe: the mistakes of any YAML file, under the name that recipes have for them."""

from __future__ import annotations

from polysee.schema.problems import FileError, Keys, Place, Problem

__all__ = ["Keys", "Place", "Problem", "RecipeError"]

RecipeError = FileError
