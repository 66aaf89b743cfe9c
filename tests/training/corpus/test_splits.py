from __future__ import annotations

from collections import Counter

import pytest

from training.corpus import Fingerprint, Splits, SplitUnit, assign_splits, fingerprint
from training.types import CorpusFile, Split

FRACTIONS = {Split.TEST: 0.2, Split.VALIDATION: 0.1}


def function(name: str, count: int = 8) -> str:
    """A function like no other."""
    lines = (f"    {name}_{n} = call_{name}_{n}(first_{name}, other_{n})\n" for n in range(count))
    return f"def {name}():\n{''.join(lines)}    return {name}_1\n\n\n"


def prints(files: dict[str, str]) -> list[Fingerprint]:
    """Files by "repository/path"."""
    return [
        fingerprint(CorpusFile(key.split("/")[0], "", key.split("/")[1], "python", "", text))
        for key, text in files.items()
    ]


def corpus() -> list[Fingerprint]:
    """Ten repositories of five files of three functions; r2 and r3 share one, r7 repeats one."""
    files = {
        f"r{r}/f{f}.py": "".join(function(f"w{r}{f}{n}") for n in range(3))
        for r in range(10)
        for f in range(5)
    }
    files["r2/f1.py"] += function("shared")
    files["r3/f4.py"] += function("shared")
    files["r7/f0.py"] += function("twice")
    files["r7/f1.py"] += function("twice")
    return prints(files)


def split_of(splits: Splits, key: str, start: int, end: int) -> Split:
    """The split of a function: its own, or its file's."""
    return next(
        (split for *span, split in splits.functions.get(key, ()) if [start, end] == span),
        splits.files[key],
    )


@pytest.mark.parametrize("by", ["repository", "file", "function"])
def test_near_duplicate_functions_stay_on_one_side(by: SplitUnit) -> None:
    """The leak check: equal functions have equal splits, for any seed."""
    files = corpus()
    for seed in range(5):
        splits = assign_splits(files, by=by, fractions=FRACTIONS, seed=seed)
        sides: dict[bytes, set[Split]] = {}
        for file in files:
            for each in file.functions:
                split = split_of(splits, file.key, each.start, each.end)
                sides.setdefault(each.signature, set()).add(split)
        assert {1} == {len(side) for side in sides.values()}


@pytest.mark.parametrize(("by", "units"), [("repository", 10), ("file", 50), ("function", 154)])
def test_splits_have_their_fractions(by: SplitUnit, units: int) -> None:
    """Close to what was asked for, never more, by characters."""
    files = corpus()
    splits = assign_splits(files, by=by, fractions=FRACTIONS, seed=1)
    assert units == splits.units
    chars = Counter[Split]()
    for file in files:
        for each in file.functions:
            chars[split_of(splits, file.key, each.start, each.end)] += each.end - each.start
    share = {split: chars[split] / sum(chars.values()) for split in Split}
    assert 0.1 < share[Split.TEST] <= 0.21
    assert 0.05 < share[Split.VALIDATION] <= 0.11


def test_a_seed_decides_and_the_order_of_the_files_does_not() -> None:
    """Any worker may deliver first."""
    files = corpus()
    first = assign_splits(files, by="file", fractions=FRACTIONS, seed=1)
    again = assign_splits(files[::-1], by="file", fractions=FRACTIONS, seed=1)
    other = assign_splits(files, by="file", fractions=FRACTIONS, seed=2)
    assert first.files == again.files
    assert first.files != other.files


def test_the_newest_are_held_out() -> None:
    """With times nothing is random: the test split is the newest, validation the next newest."""
    files = prints({f"r/f{n}.py": function(f"w{n}") for n in range(10)})
    times = {file.key: float(number) for number, file in enumerate(files)}
    splits = assign_splits(files, by="file", fractions=FRACTIONS, seed=0, times=times)
    expected = [Split.TRAIN] * 7 + [Split.VALIDATION] + [Split.TEST] * 2
    assert expected == [splits.files[file.key] for file in files]


def test_what_is_tied_to_old_code_is_old() -> None:
    """A new file with an old function isn't held out."""
    texts = {f"r/f{n}.py": function(f"w{n}") for n in range(10)}
    texts["r/f9.py"] += texts["r/f0.py"]
    files = prints(texts)
    times = {file.key: float(number) for number, file in enumerate(files)}
    splits = assign_splits(files, by="file", fractions=FRACTIONS, seed=0, times=times)
    assert Split.TRAIN is splits.files["r/f9.py"]


def test_a_cluster_that_does_not_fit_is_trained_on() -> None:
    """One file, or one that all others repeat, leaves nothing to hold out."""
    files = prints({"r/f.py": function("w")})
    splits = assign_splits(files, by="file", fractions=FRACTIONS, seed=0)
    assert {"r/f.py": Split.TRAIN} == splits.files
    copies = prints({f"r/{n}.py": function("w") for n in range(9)})
    splits = assign_splits(copies, by="file", fractions=FRACTIONS, seed=0)
    assert ({Split.TRAIN}, 9) == (set(splits.files.values()), splits.largest_cluster)


@pytest.mark.parametrize("by", ["repository", "file", "function"])
def test_an_empty_corpus_has_empty_splits(by: SplitUnit) -> None:
    """No files, no error."""
    assert {} == assign_splits([], by=by, fractions=FRACTIONS, seed=0).files
