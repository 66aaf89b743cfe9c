"""All that is done to one file alone, so that any number of processes can share the work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from training.corpus.decontamination import Decontaminator
from training.corpus.files import Dropped, Limits, Listed, Reason, read_file
from training.corpus.fingerprints import Fingerprint, fingerprint
from training.corpus.scrubbing import scrub
from training.corpus.words import words_of
from training.types import CorpusFile, Repository


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A file without secrets. scrubbed: what was replaced in it, by kind."""

    file: CorpusFile
    fingerprint: Fingerprint
    scrubbed: Counter[str]


class FileTaker:
    """Reads the files of one repository. To be made in the process that uses it; cheap."""

    def __init__(
        self,
        repository: Repository,
        *,
        public: bool,
        limits: Limits | None = None,
        decontaminator: Decontaminator | None = None,
    ) -> None:
        self._repository = repository
        self._public = public
        self._limits = limits or Limits()
        self._decontaminator = decontaminator

    def take(self, listed: Listed) -> TakenFile | Dropped:
        """Read a file, judge it, scrub it and take its fingerprint; a pure function of the file."""
        file = read_file(self._repository, listed, public=self._public, limits=self._limits)
        if isinstance(file, Dropped):
            return file
        text, scrubbed = scrub(file.text, file.path)
        file = replace(file, text=text)
        words = words_of(text)
        if self._decontaminator is not None and self._decontaminator.holds(words):
            return Dropped(file.path, Reason.EVALUATION, len(words.data))
        return TakenFile(file, fingerprint(file, words), scrubbed)
