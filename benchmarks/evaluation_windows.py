"""Hash the solutions of evaluation suites, so that nobody learns from them.

    python benchmarks/evaluation_windows.py OUT.bin SUITE.jsonl.gz...

A suite is HumanEval-infilling's format: one JSON object a line with prompt, canonical_solution and
suffix. ``training/corpus/human-eval-infilling.bin`` is made from its four published suites.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.corpus.decontamination import window_hashes, write_windows
from training.corpus.words import words_of


def main() -> None:
    """Read the suites that the command line names and write their hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("suites", type=Path, nargs="+")
    arguments = parser.parse_args()
    texts = {text for suite in arguments.suites for text in suite_texts(suite)}
    hashes = [window_hashes(words_of(text)) for text in sorted(texts)]
    write_windows(arguments.out, np.concatenate(hashes))


def suite_texts(suite: Path) -> Iterator[str]:
    """Yield the whole program of each task of a suite."""
    with gzip.open(suite, "rt", encoding="utf-8") as lines:
        for line in lines:
            task = json.loads(line)
            yield task["prompt"] + task["canonical_solution"] + task["suffix"]


if __name__ == "__main__":
    main()
