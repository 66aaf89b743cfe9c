"""Shell scripts: Bash, and what others have in common with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import join, normpath
from typing import TYPE_CHECKING

from fimls.syntax.language import Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file
from fimls.syntax.query import text_of

if TYPE_CHECKING:
    import tree_sitter

_KEYWORDS = """
    case coproc do done elif else esac fi for function if in local select then time until while
    """
# POSIX, Bash's manual, and the programs that most scripts call.
_BUILTINS = """
    BASH_SOURCE BASH_VERSION EOF EUID EXIT FUNCNAME HOME HOSTNAME IFS INT LANG LC_ALL LINENO
    OLDPWD OPTARG OPTIND PATH PIPESTATUS PPID PS1 PWD RANDOM REPLY SECONDS SHELL TERM TMPDIR UID
    USER alias apt awk basename bash bc bg bind break builtin cat cd chmod chown cmp command
    compgen complete continue cp curl cut date dd declare dev df diff dirname dirs disown docker
    du echo egrep enable env errexit eval exec exit export expr false fg fgrep file find getopts
    git grep gunzip gzip hash head help history hostname id install jobs kill let ln ls make
    mapfile mkdir mktemp mv nohup nounset null open openssl paste pipefail popd printf ps pushd
    pwd python python3 read readarray readlink readonly realpath return rm rmdir rsync sed seq
    set sh shift shopt sleep sort source split ssh stat stderr stdin stdout sudo suspend tail
    tar tee test timeout tmp touch tr trap true tty type typeset ulimit umask unalias uname uniq
    unset unzip usr wait wc wget which whoami xargs yes zip
    """
# "$(dirname "$0")/common.sh", $HERE/common.sh: what comes after is the path.
_COMPUTED = re.compile(r"""^.*[)}]"?/|^.*\$\w+"?/""")


def _uses(node: tree_sitter.Node, source: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield what ``source`` reads: everything in it (see :attr:`Grammar.uses`)."""
    argument = node.child_by_field_name("argument")
    if argument is not None:
        yield _COMPUTED.sub("./", text_of(argument, source).strip("\"'")), "*", "*"


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    candidates = [normpath(join(one, found.module)) for one in ancestors(path)]
    if file := first_file(candidates, files):
        yield Target((file,), found.names)


LANGUAGES = (
    Language(
        id="shellscript",
        suffixes=(".sh", ".bash", ".zsh"),
        aliases=("bash", "sh", "zsh"),
        grammar=Grammar(
            source="tree_sitter_bash:language",
            query="shell",
            blocks=kinds("compound_statement do_group else_clause subshell"),
            filler=":",
            strings=kinds("ansi_c_string heredoc_body raw_string regex string"),
            code_in_strings=kinds("command_substitution expansion simple_expansion"),
            arguments=frozenset(),
            expressions=kinds(
                "array command_substitution concatenation expansion string test_command"
            ),
            statements=kinds(
                "command declaration_command list pipeline test_command variable_assignment"
            ),
            functions=kinds("function_definition"),
            uses=_uses,
        ),
        line_comment="#",
        comment_start=r"(?<![^\s;&|()])#",  # not in $#, ${#name} and ${name#prefix}
        block_header=r"(?<!=)[({]$|\b(?:do|else|in|then)$",
        block_ends=("done", "esac", "fi"),
        clauses={"elif": kinds("if elif"), "else": kinds("if elif")},
        label_line=r"\s*[^\s()]+\)",  # a pattern of a case
        no_body=":",
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=rb"""\n[ \t]*(?:(?:function[ \t]+)?([\w-]+)[ \t]*\([ \t]*\)
            |function[ \t]+([\w-]+)[ \t]*\{
            |(?:(?:declare|export|readonly)[ \t]+(?:-\w+[ \t]+)*)?([A-Z_][A-Z0-9_]*)=)""",
        import_line=r"\s*(?:source|\.)\s",
        resolve=_resolve,
        declares=(),
    ),
)
