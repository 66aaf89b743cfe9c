"""The report: what was dropped and why, and what the examples are."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.corpus import Dropped
from training.dataset import Dataset
from training.dataset.format import shard_paths
from training.dataset.writer import write_json
from training.preparation.page import render
from training.preparation.planning import Plan, PlannedRepository
from training.preparation.reading import ReadChunk, ReadFile
from training.types import FimExample, Split

_SHOWN_EXAMPLES = 5
_SHOWN_OF_A_KIND = 1


def write_report(dataset: Dataset, planned: Plan, read: Sequence[ReadChunk]) -> None:
    """Write ``report.json`` and ``report.html`` beside a dataset that is about to be finished.

    Raises:
        OSError: they can't be written. DatasetError: a shard can't be read.
    """
    report = numbers(dataset, planned, read)
    write_json(dataset.folder / "report.json", report)
    page = render(report, _shown(dataset))
    (dataset.folder / "report.html").write_text(page, "utf-8")


def numbers(dataset: Dataset, planned: Plan, read: Sequence[ReadChunk]) -> dict[str, Any]:
    """All counts, as JSON. Bytes are of text in UTF-8; folders that were left out count as one."""
    kept = [one.read for repository in planned.repositories for one in repository.files]
    dropped = list(itertools.chain.from_iterable(planned.dropped.values()))
    scrubbed = sum((chunk.scrubbed for chunk in read), Counter[str]())
    return {
        "settings": dataset.info.settings,
        "corpus_sha256": dataset.sha256,
        "kept": {"files": len(kept), "bytes": sum(file.bytes for file in kept)},
        "dropped": _by(dropped, lambda one: one.reason.value),
        "languages": _by(kept, lambda file: file.language_id),
        "licences": _by(kept, lambda file: file.licence or "none"),
        "repositories": [
            _repository(one, planned.dropped[one.number]) for one in planned.repositories
        ],
        "scrubbed": dict(sorted(scrubbed.items())),
        "splits": {
            "units": planned.splits.units,
            "largest_cluster": planned.splits.largest_cluster,
            **{
                split: {"files": counts.files, "examples": counts.examples}
                for split, counts in dataset.info.counts.items()
            },
        },
        **_examples(dataset),
    }


def _by(things: Iterable[Any], name: Callable[[Any], str]) -> dict[str, dict[str, int]]:
    """Files and bytes by a name, the most bytes first."""
    counts: dict[str, dict[str, int]] = {}
    for thing in things:
        count = counts.setdefault(name(thing), {"files": 0, "bytes": 0})
        count["files"] += 1
        count["bytes"] += thing.bytes
    order = sorted(counts, key=lambda key: (-counts[key]["bytes"], -counts[key]["files"], key))
    return {key: counts[key] for key in order}


def _repository(planned: PlannedRepository, dropped: Sequence[Dropped]) -> dict[str, Any]:
    files: list[ReadFile] = [one.read for one in planned.files]
    return {
        "name": planned.repository.name,
        "commit": planned.repository.commit,
        "licence": planned.repository.licence,
        "kept": {"files": len(files), "bytes": sum(file.bytes for file in files)},
        "dropped": _by(dropped, lambda one: one.reason.value),
    }


def _examples(dataset: Dataset) -> dict[str, Any]:
    """How long the middles are, by kind, in characters, and how many have snippets."""
    lengths: dict[str, list[int]] = {}
    snippets: list[int] = []
    for shard in dataset.info.shards:
        path = shard_paths(dataset.folder, shard.index)[1]
        table = pq.read_table(path, columns=["kind", "start", "end", "snippets"])
        chars = pc.subtract(table["end"], table["start"]).to_pylist()
        for kind, length in zip(table["kind"].to_pylist(), chars, strict=True):
            lengths.setdefault(kind, []).append(length)
        snippets += pc.list_value_length(table["snippets"]).to_pylist()
    count = len(snippets)
    return {
        "examples": count,
        "kinds": {kind: _quantiles(sorted(found)) for kind, found in sorted(lengths.items())},
        "snippets": {
            "examples_with": sum(map(bool, snippets)),
            "mean": round(sum(snippets) / count, 3) if count else 0,
        },
    }


def _quantiles(lengths: Sequence[int]) -> dict[str, int]:
    last = len(lengths) - 1
    return {
        "examples": len(lengths),
        "median_chars": lengths[last // 2],
        "p90_chars": lengths[last * 9 // 10],
        "max_chars": lengths[last],
    }


def _shown(dataset: Dataset) -> list[FimExample]:
    """A few examples to look at, of different kinds."""
    shown: list[FimExample] = []
    kinds = Counter[str]()
    for example in dataset.examples(Split.TRAIN, shuffle_seed=0):
        kind = example.span.kind.value
        if kinds[kind] < _SHOWN_OF_A_KIND:
            kinds[kind] += 1
            shown.append(example)
        if len(shown) == _SHOWN_EXAMPLES:
            break
    return shown
