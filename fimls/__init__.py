"""fimls: a fill-in-the-middle code-completion language server.

One prompt builder for training, serving and evaluation: :func:`fimls.fim.build_prompt`.
"""

__version__ = "0.1.0"
