"""``fimls prepare``: sources in, a dataset out, by any number of processes.

::

    reading    a process a chunk of files: read, scrub, fingerprint; texts go to the work folder
    planning   this process, in the corpus's order: duplicates, splits, which files in which shard
    indexing   a process a repository: the database for lexical search
    drawing    a process a shard: spans, their contexts, the shard

A file's spans depend on the seed, its repository's name and its path alone, so any number of
processes writes the same dataset. A run that was killed reads again, and goes on with the shards
that aren't there yet.
"""

from training.preparation.pipeline import prepare
from training.preparation.settings import MAX_FILE_BYTES, Settings

__all__ = ["MAX_FILE_BYTES", "Settings", "prepare"]
