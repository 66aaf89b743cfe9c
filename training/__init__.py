"""Training and evaluation: a repository in, an adapter and the proof that it helps out.

The path, each arrow a value of ``training.types``::

    corpus -> spans -> examples -> dataset -> batches -> tuning -> export, and evaluation of it all

``training`` imports ``fimls``, never the other way round: an example holds the serving context, and
its ids come from :func:`fimls.fim.encode_example`, which calls the serving prompt builder. The way
in is the ``fimls`` command (``fimls prepare|train|export|eval|adapters``).
"""
