"""Typing real code against the real server, and what a typist would have felt.

    plan          which functions are typed and how, decided by a seed before anything runs
    dependencies  what a function's file imports, and whether its body needs another file
    rhythm        how long a person takes for each key, and where a finger slips
    typist        the document while it is typed: indentation, closing brackets, accepted text
    client        the process of a language server, and the client that talks to it
    session       one function typed: keys out, answers in, suggestions taken
    run           the whole run: a server for each repository
    looks         what was asked after a keystroke, and what came
    tally         what came of each function
    explainer     the server's own account of each request
    figures       percentiles and shares with their intervals; two runs compared
    report        the run as JSON, in a terminal and as a page

The plan depends on the seed alone. So does everything but the times if the engine is deterministic
and each key waits for its answer. Code of the replayed folder goes to the server and into the files
that were asked for, nowhere else.
"""
