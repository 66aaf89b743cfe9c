"""A dataset on disk: a folder of Parquet shards, and the JSON that says what they are.

::

    dataset.json                   written last: without it the folder isn't a dataset
    started.json                   the settings, from the start: what a resumed run must agree with
    shards/00000.files.parquet     a row for each file: its whole text, once
    shards/00000.examples.parquet  a row for each example: which file, where its middle is, snippets
    shards/00000.json              the shard's counts and checksum; written last: the shard is done

An example refers to the whole text, so that training rebuilds exactly the prompt that serving would
send. Training decides on the order of its parts, and whether it keeps its snippets.
"""

from training.dataset.format import DatasetInfo, RepositoryInfo, ShardInfo
from training.dataset.reader import Dataset
from training.dataset.writer import DatasetWriter

__all__ = [
    "Dataset",
    "DatasetInfo",
    "DatasetWriter",
    "RepositoryInfo",
    "ShardInfo",
]
