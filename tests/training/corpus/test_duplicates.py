from __future__ import annotations

from training.corpus import Duplicates, Reason, fingerprint
from training.corpus.duplicates import similarities
from training.types import CorpusFile

LINES = [
    f"value_{number} = compute_{number}(alpha_{number}, beta_{number})" for number in range(200)
]


def file(path: str, text: str) -> CorpusFile:
    """A file of the repository r."""
    return CorpusFile("r", "", path, "python", "", text)


def test_an_exact_copy_is_found_whatever_its_white_space() -> None:
    """Reindented code is the same code."""
    duplicates = Duplicates()
    assert None is duplicates.add(fingerprint(file("a.py", "\n".join(LINES))))
    expected = (Reason.DUPLICATE, "r/a.py")
    assert expected == duplicates.add(fingerprint(file("b.py", "\n\n  ".join(LINES))))


def test_a_near_copy_is_found() -> None:
    """A file with a few changed lines repeats the first."""
    duplicates = Duplicates()
    duplicates.add(fingerprint(file("a.py", "\n".join(LINES))))
    changed = [*LINES[:100], "something = else_entirely(here)", *LINES[100:]]
    found = duplicates.add(fingerprint(file("b.py", "\n".join(changed))))
    assert (Reason.NEAR_DUPLICATE, "r/a.py") == found


def test_files_with_half_in_common_are_two() -> None:
    """Only nearly equal files are duplicates, and a dropped file is not compared with."""
    duplicates = Duplicates()
    halves = "\n".join(LINES[:100]), "\n".join(LINES[50:150])
    assert [None, None] == [
        duplicates.add(fingerprint(file(f"{number}.py", text)))
        for number, text in enumerate(halves)
    ]


def test_tiny_files_are_compared_exactly() -> None:
    """A file of fewer than five words has no signature."""
    duplicates = Duplicates()
    texts = ["x = 1", "x = 2", "x  =  1", ""]
    found = [duplicates.add(fingerprint(file(str(n), text))) for n, text in enumerate(texts)]
    assert [None, None, (Reason.DUPLICATE, "r/0"), None] == found


def test_signatures_estimate_similarity() -> None:
    """The share of equal slots is close to the share of common runs of words."""
    import numpy as np

    one, other = (
        np.frombuffer(fingerprint(file("", "\n".join(lines))).signature, np.uint32)[None, :]
        for lines in (LINES[:100], LINES[50:150])
    )
    (estimated,) = similarities(one, other).tolist()
    assert abs(1 / 3 - estimated) < 0.13


def test_functions_are_found_in_code_points() -> None:
    """A function's span is in the text's own offsets, whatever is before it."""
    body = "".join(f"    value_{n} = compute_{n}(alpha, beta, gamma, delta)\n" for n in range(6))
    text = f"# \u00e9\u4e16\U0001f600\nclass A:\n  x = 1\n\ndef f():\n{body}\ny = 2\n"
    (function,) = fingerprint(file("a.py", text)).functions
    assert f"def f():\n{body}".rstrip("\n") == text[function.start : function.end]
