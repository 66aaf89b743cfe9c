"""Keeping the evaluation suites' solutions out of what is learnt.

``windows`` hashes a text's windows of six lines; ``decontaminator`` looks for those of the suites;
``build`` makes the stored hashes (``*.bin``) from a suite's files. The suites' texts themselves are
not shipped: hashes can't leak into anything.
"""

from training.corpus.decontamination.decontaminator import Decontaminator

__all__ = ["Decontaminator"]
