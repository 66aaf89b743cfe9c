from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from training.corpus import Decontaminator
from training.corpus.decontamination import read_windows, window_hashes, write_windows
from training.corpus.words import words_of
from training.types import CorpusError

SOLUTION = """def total(prices, discounts):
    result = 0
    for price, discount in zip(prices, discounts):
        if discount > price:
            raise ValueError("too much")

        result += price - discount
    return round(result, 2)
"""
# The first task of HumanEval, as everybody copies it.
HUMANEVAL = """from typing import List


def has_close_elements(numbers: List[float], threshold: float) -> bool:
    \"\"\" Check if in given list of numbers, are any two numbers closer to each other than
    given threshold.
    >>> has_close_elements([1.0, 2.0, 3.0], 0.5)
    False
    >>> has_close_elements([1.0, 2.8, 3.0, 4.0, 5.0, 2.0], 0.3)
    True
    \"\"\"
    for idx, elem in enumerate(numbers):
        for idx2, elem2 in enumerate(numbers):
            if idx != idx2:
                distance = abs(elem - elem2)
                if distance < threshold:
                    return True

    return False
"""


def test_the_shipped_suite_is_recognised() -> None:
    """A file with a task of HumanEval, whole or its body alone, isn't learnt from."""
    shipped = Decontaminator()
    body = HUMANEVAL[HUMANEVAL.index("    for idx, ") :]
    assert shipped.holds(HUMANEVAL)
    assert shipped.holds("def mine(numbers, threshold):\n" + body)
    assert shipped.holds(body.replace("    ", "\t").replace("\n", "\n\n"))


def test_other_code_is_not() -> None:
    """Ordinary code, short texts and no text pass."""
    shipped = Decontaminator()
    ours = Path(__file__).parents[3] / "training"
    held = [path.name for path in ours.rglob("*.py") if shipped.holds(path.read_text())]
    assert [] == held
    assert not shipped.holds("")
    assert not shipped.holds("x = 1\n" * 3)


def test_further_texts_count_too() -> None:
    """Six of a text's lines in a row are found elsewhere, five are not."""
    own = Decontaminator([SOLUTION], shipped=False)
    lines = [line for line in SOLUTION.splitlines() if line.strip()]
    assert own.holds("\n".join(["import os", *lines[1:], "x = 1"]))
    assert not own.holds("\n".join(["import os", *lines[2:], "x = 1"][:6]))
    assert not Decontaminator(shipped=False).holds(SOLUTION)


def test_the_order_of_words_and_lines_matters() -> None:
    """The same words in another order are other code."""
    own = Decontaminator([SOLUTION], shipped=False)
    lines = SOLUTION.splitlines()
    assert not own.holds("\n".join(lines[::-1]))
    assert not own.holds("\n".join(" ".join(line.split()[::-1]) for line in lines))


def test_windows_are_stored_and_read_again(tmp_path: Path) -> None:
    """A file of hashes keeps them sorted, each once; a damaged one is named."""
    hashes = window_hashes(words_of(SOLUTION))
    path = tmp_path / "x.bin"
    write_windows(path, np.concatenate([hashes, hashes]))
    assert sorted(hashes.tolist()) == read_windows(path).tolist()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorpusError, match=r"x\.bin"):
        read_windows(path)


def test_hashes_don_t_change() -> None:
    """Stored hashes must mean the same on every machine; a change needs a new VERSION."""
    expected = [10782831834960434874]
    assert expected == words_of("word").hashes.tolist()


def test_it_travels_to_workers() -> None:
    """A copy in another process knows the same windows."""
    own = Decontaminator([SOLUTION], shipped=False)
    copy = pickle.loads(pickle.dumps(own))  # noqa: S301  our own
    assert (len(own), True) == (len(copy), copy.holds(SOLUTION))
