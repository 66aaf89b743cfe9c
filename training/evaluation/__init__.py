"""Did training help, is it safe to switch, how good is it: numbers that hold up.

The path: a suite gives items, a plan chooses among them, an asker completes each through the
shipped pipeline, workers score the answers beside it, and a journal keeps the rows; all the rest
reads rows::

    suites/       what is completed and how it is judged: an item is a file with a hole
    execution/    runs programs and a repository's tests in a sandbox
    typing/       another measurement: real code typed against the real server
    repository    which files of a folder are read, and the copy that is worked in
    answers       asks: the shipped completer, the model alone, or neither
    metrics       how good a text is, compared with what a person wrote there
    run           chooses items by a seed, and asks and scores at the same time
    journal       the rows on disk, for a run that is interrupted
    figures       rates with intervals, by kind, language and context
    comparison    two runs of the same items: differences, tests, and the gate for adapters
    traces        hashes of the training code, kept beside an adapter
    memorisation  what a model gives away of what it was trained on
    evaluate      the whole of it, from a suite's name to what was found
    report        all of it as JSON; tables and page show it

Nothing here uses the network. Reports quote code; they are written where they were asked for and
nowhere else.
"""
