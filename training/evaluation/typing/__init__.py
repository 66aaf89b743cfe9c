"""Typing real code against the real server, and what a typist would have felt.

    repository  which files of a folder are read, and the copy that is worked in
    functions   which functions can be typed, and where their bodies stand
    names       whether a body needs another file; imports tells what it can name
    neighbours  the files that an editor would have open beside it
    rhythm      how long a person takes for each key, and where a finger slips
    plan        all of this, decided by a seed before anything runs
    typist      the document while it is typed: indentation, closing brackets, accepted text
    client      a language server's process, spoken to as an editor does
    memory      what the server's processes take
    session     one function typed: keys out, answers in, suggestions taken
    replay      the whole run
    looks       what came of each keystroke
    tally       what came of each function
    explainer   the server's own account of each request
    reuse       the prompts of a run, had they been in prefix-first order
    figures     percentiles and shares, with their intervals
    report      the run as JSON; table, page and svg show it, of cells and html
    machine     what it ran on
    compare     two runs of one plan

The plan depends on the seed alone, and so does everything but the times when the engine is
deterministic and each key waits for its answer. Code of the replayed folder goes to the server and
into the files that were asked for, nowhere else.
"""
