"""Did training help, is it safe to switch, how good is it: numbers that hold up.

The path: a suite gives items, a plan chooses among them, an asker completes each through the
shipped pipeline, workers score the answers beside it, and a journal keeps the rows; all the rest
reads rows::

    suites/     what is completed and how it is judged: an item is a file with a hole
    execution/  runs programs and a repository's tests in a sandbox
    plan        which items, by a seed; the broken and the leaked ones left out
    answers     asks: the shipped completer, the model alone, or neither
    metrics     how good a text is, against what a person wrote there
    run         asks and scores at the same time
    journal     the rows on disk, for a run that is interrupted
    figures     rates with intervals, by kind, language and context
    paired      two runs of the same items: differences with intervals, and tests
    traces      what stays of training code beside an adapter: hashes
    leaks       items that training has seen
    memorised   what a model gives away of what it was trained on
    gate        whether an adapter may replace another
    report      all of it as JSON; tables, markdown and page show it

Nothing here uses the network, and reports, which quote code, are written where they were asked for
and nowhere else.
"""
