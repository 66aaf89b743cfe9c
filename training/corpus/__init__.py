"""From what a person names to files that may be learnt from.

::

    spec -> open_sources -> Repository -> list_files -> Listed -> read_file -> CorpusFile
         -> scrub -> fingerprint -> Duplicates.add -> assign_splits

Everything up to the fingerprint looks at one file alone, so that any number of processes can share
it; the rest is done in the order of the corpus, and is a few look-ups a file.
"""

from training.corpus.decontamination import Decontaminator
from training.corpus.duplicates import Duplicates, Fingerprint, file_key, fingerprint
from training.corpus.files import Dropped, Limits, Listed, Reason, is_broken, list_files, read_file
from training.corpus.git import change_times
from training.corpus.licences import is_allowed, licence_of
from training.corpus.scrubbing import scrub
from training.corpus.sources import open_sources
from training.corpus.splits import Splits, SplitUnit, assign_splits
from training.corpus.words import words_of

__all__ = [
    "Decontaminator",
    "Dropped",
    "Duplicates",
    "Fingerprint",
    "Limits",
    "Listed",
    "Reason",
    "SplitUnit",
    "Splits",
    "assign_splits",
    "change_times",
    "file_key",
    "fingerprint",
    "is_allowed",
    "is_broken",
    "licence_of",
    "list_files",
    "open_sources",
    "read_file",
    "scrub",
    "words_of",
]
