"""From what a person names to files that may be learnt from.

::

    spec -> open_sources -> Repository -> list_files -> Listed -> FileTaker.take -> TakenFile
         -> Duplicates.add -> assign_splits

``FileTaker`` does all the work that looks at one file alone, so that any number of processes can
share it; what is left, in the order of the corpus, is a few look-ups a file. ``is_broken`` judges a
syntax tree, for whoever parses the file anyway.
"""

from training.corpus.content import is_broken
from training.corpus.decontamination import Decontaminator
from training.corpus.duplicates import Duplicate, Duplicates
from training.corpus.files import Dropped, Limits, Listed, Reason, list_files, read_file, read_files
from training.corpus.fingerprints import Fingerprint, file_key, fingerprint
from training.corpus.git import change_times
from training.corpus.licences import ALLOWED_LICENCES, is_allowed, licence_of
from training.corpus.scrubbing import scrub
from training.corpus.sources import open_sources
from training.corpus.splits import Splits, SplitUnit, assign_splits
from training.corpus.taking import FileTaker, TakenFile

__all__ = [
    "ALLOWED_LICENCES",
    "Decontaminator",
    "Dropped",
    "Duplicate",
    "Duplicates",
    "FileTaker",
    "Fingerprint",
    "Limits",
    "Listed",
    "Reason",
    "SplitUnit",
    "Splits",
    "TakenFile",
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
    "read_files",
    "scrub",
]
