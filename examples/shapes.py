"""A file to try completion on: `fimls complete examples/shapes.py:23:15`."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Circle:
    radius: float

    def area(self) -> float:
        return math.pi * self.radius**2


@dataclass
class Rectangle:
    width: float
    height: float

    def area(self) -> float:
        return


def total_area(shapes: list[Circle | Rectangle]) -> float:
    """The sum of the areas of all shapes."""
    return sum(shape.area() for shape in shapes)
