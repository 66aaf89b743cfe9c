#!/bin/sh
# What `make test` needs and pip can't bring. Installs it where that is allowed; else says what is missing.
set -eu
[ "$(uname -s)" = Linux ] || exit 0

confines() { bwrap --unshare-all --ro-bind / / true; }
traces() { strace -f -qq -o /dev/null true; }

# need PACKAGE PROGRAM CHECK PURPOSE
need() {
    "$3" 2>/dev/null && return
    if ! command -v "$2" >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        echo "installing $1"
        { apt-get -qq update && apt-get -qq -y install "$1"; } >/dev/null || true
        "$3" 2>/dev/null && return
    fi
    if command -v "$2" >/dev/null; then
        echo "$1 is installed, but doesn't work here: $("$3" 2>&1 | tail -n 1)" >&2
    else
        echo "$1 is not installed (Debian: sudo apt install $1)" >&2
    fi
    echo "make test needs it: $4. make test-quick does without." >&2
    exit 1
}

need bubblewrap bwrap confines "hostile completions are run behind it"
need strace strace traces "connections of native code are seen by it"
