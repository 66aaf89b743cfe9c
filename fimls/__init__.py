"""fimls: a fill-in-the-middle code-completion language server.

One prompt builder for training, serving and evaluation: :func:`fimls.fim.build_prompt`.
"""

from pathlib import Path

__version__ = "0.1.0"

IMPORT_ROOT = Path(__file__).resolve().parents[1]
"""Where a process of ours that is started with ``-m`` has to stand: that imports from the current
folder first, which may be anybody's repository.
"""
