"""The process inside the sandbox that starts, watches and ends what may not be trusted.

Standard library only, run by path with ``python -I -S``: nothing else of fimls is in there with it.
It reads jobs from standard input and answers on standard output, each a frame: four bytes of
length, big-endian, then that much JSON.

    main      the conversation: jobs in, results out
    trees     the copy of a repository that a job works in
    jobs      one job: started, watched, ended
    processes who runs, what they use, and the end of them all
    confine   what the process takes from itself: rights, files (Landlock), calls (seccomp)
"""
