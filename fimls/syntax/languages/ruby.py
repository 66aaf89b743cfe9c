"""Ruby."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

from fimls.syntax.language import Blocks, Declares, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file
from fimls.syntax.query import text_of

if TYPE_CHECKING:
    import tree_sitter

_HEADER = (
    r"^\s*(?!.*\bend$)(?!def\s+[\w.?!]+(?:\([^)]*\))?\s+=\s)"  # a body on the same line
    r"(?:begin|case|class|def|else|elsif|ensure|for|if|module|rescue|unless|until|when|while)\b"
    r"|\b(?:begin|do|else|then)$|\bdo\s*\|[^|]*\|$"
    r"|(?:[\w)?!]|->)\s*\{\s*(?:\|[^|]*\|)?$"  # after anything else a brace opens a hash
)
_KEYWORDS = """
    BEGIN END __ENCODING__ __FILE__ __LINE__ alias and begin break case class def defined do
    else elsif end ensure false for if in module next nil not or private protected public redo
    rescue retry return self super then true undef unless until when while yield
    """
# Kernel, Module, and the methods of the core classes that most code uses.
_BUILTINS = """
    ARGV ArgumentError Array BasicObject Class Comparable Dir ENV EOFError Encoding Enumerable
    Enumerator Exception File FileUtils Float Hash IO IOError IndexError Integer Kernel KeyError
    LoadError Logger Module Mutex NameError NilClass NoMethodError NotImplementedError Numeric
    Object Proc Process Random Range RangeError Rational Regexp RuntimeError Set StandardError
    String StringIO Struct Symbol SystemExit Thread Time TrueClass TypeError ZeroDivisionError
    abort abs alias_method all any append args array at_exit attr_accessor attr_reader
    attr_writer block block_given call capitalize catch ceil chars chomp chunk clamp class
    class_eval clear collect compact concat const_get count cycle define_method delete delete_at
    delete_if detect dig directory downcase drop dup each each_char each_cons each_key each_line
    each_pair each_slice each_value each_with_index each_with_object empty end_with eql equal
    error exist exit extend fail fetch filter filter_map find find_all find_index first flat_map
    flatten floor format freeze frozen gets group_by gsub has_key hash include initialize inject
    insert inspect instance_of instance_variable_get instance_variable_set invert is_a itself
    join keep_if key keys kind_of lambda last length lines ljust load local loop map match max
    max_by member merge message method method_missing methods min min_by minmax module_function
    new nil none one open options pack partition path pop prepend print printf
    private_class_method private_constant proc public_send push puts raise rand read reduce
    refine reject replace require require_relative respond_to respond_to_missing reverse rindex
    rjust rotate round sample scan select send shift shuffle size sleep slice sort sort_by split
    sprintf squeeze start_with step store strftime strip sub succ sum swapcase system take
    take_while tally tap then throw times to_a to_f to_h to_i to_json to_proc to_s to_set to_sym
    tr transform_keys transform_values transpose uniq unpack unshift upcase upto value values
    values_at warn with_index write zero zip
    """
_FOLDERS = ("lib", "app", "")


def _uses(node: tree_sitter.Node, source: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield what a ``require`` loads: everything in it (see :attr:`Grammar.uses`)."""
    call, arguments = node.child_by_field_name("method"), node.child_by_field_name("arguments")
    if call is not None and arguments is not None:
        relative = "./" if text_of(call, source) == "require_relative" else ""
        yield relative + text_of(arguments.named_children[0], source).strip("\"'"), "*", "*"


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    name = found.module.removesuffix(".rb") + ".rb"
    if name.startswith("./"):
        candidates = [join(dirname(path), name)]
    else:
        candidates = [join(one, folder, name) for one in ancestors(path) for folder in _FOLDERS]
    if file := first_file([normpath(one) for one in candidates], files):
        yield Target((file,), found.names)


LANGUAGES = (
    Language(
        id="ruby",
        suffixes=(".rb",),
        filenames=("Gemfile", "Rakefile"),
        grammar=Grammar(
            source="tree_sitter_ruby:language",
            query="ruby",
            blocks=kinds("begin block_body body_statement do else ensure then"),
            filler="nil",
            name_marks="?!=",
            strings=kinds("heredoc_body regex string string_array subshell symbol_array"),
            code_in_strings=kinds("interpolation"),
            wrappers=kinds("argument_list call"),  # private def name
            arguments=kinds("argument_list"),
            expressions=kinds(
                """
                array binary call conditional element_reference hash lambda range scope_resolution
                string unary
                """
            ),
            statements=kinds(
                """
                assignment case if if_modifier operator_assignment return unless unless_modifier
                until while yield
                """
            ),
            functions=kinds("method singleton_method"),
            uses=_uses,
        ),
        line_comment="#",
        comment_start=r"#(?!\{)",  # not in /#{name}/
        blocks=Blocks.WORDS,
        block_header=_HEADER,
        block_ends=("end",),
        clauses={
            "else": kinds("if elsif unless case when rescue begin def"),
            "elsif": kinds("if elsif"),
            "ensure": kinds("begin def rescue else"),
            "rescue": kinds("begin def rescue"),
            "when": kinds("case when"),
        },
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=rb"""\n[ \t]*(?:
            (?:(?:private|private_class_method|protected|public)[ \t]+)?def[ \t]+(?:self\.)?(NAME)
            |(?:class|module)[ \t]+(?:\w+::)*(NAME)
            |([A-Z]\w*)[ \t]*=[^=~>])""",
        import_line=r"\s*(?:autoload|load|require|require_relative)\b",
        resolve=_resolve,
        folder_is_package=True,  # as autoloaders see it: a constant needs no import
        declares=(Declares.MADE,),
        constructors=kinds("initialize"),
    ),
)
