"""PHP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Declares, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file
from fimls.syntax.query import text_of

if TYPE_CHECKING:
    import tree_sitter

_KEYWORDS = """
    abstract and array as bool break callable case catch class clone const continue declare
    default do echo else elseif empty enddeclare endfor endforeach endif endswitch endwhile enum
    eval exit extends false final finally float fn for foreach from function global goto if
    implements include include_once instanceof insteadof int interface isset iterable list match
    mixed namespace never new null object or parent print private protected public readonly
    require require_once return self static string switch throw trait true try unset use var
    void while xor yield
    """
# The manual's predefined classes and constants, and the functions that most code calls.
_BUILTINS = """
    ArgumentCountError ArithmeticError ArrayAccess ArrayIterator ArrayObject BackedEnum Closure
    Countable DIRECTORY_SEPARATOR DateInterval DateTime DateTimeImmutable DateTimeInterface
    DateTimeZone DivisionByZeroError E_ALL Error ErrorException Exception Generator INF
    InvalidArgumentException Iterator IteratorAggregate JsonException JsonSerializable
    LengthException LogicException OutOfBoundsException OutOfRangeException PDO PDOException
    PDOStatement PHP_EOL PHP_INT_MAX PHP_VERSION ReflectionClass RuntimeException
    SplObjectStorage Stringable Throwable Traversable TypeError UnexpectedValueException
    UnitEnum ValueError WeakMap _COOKIE _ENV _FILES _GET _POST _REQUEST _SERVER _SESSION
    __CLASS__ __DIR__ __FILE__ __FUNCTION__ __LINE__ __METHOD__ __NAMESPACE__ __call
    __callStatic __clone __construct __destruct __get __invoke __isset __set __toString __unset
    abs array_column array_combine array_diff array_diff_key array_fill array_fill_keys
    array_filter array_flip array_intersect array_intersect_key array_key_exists array_key_first
    array_key_last array_keys array_map array_merge array_pad array_pop array_push array_reduce
    array_reverse array_search array_shift array_slice array_splice array_sum array_unique
    array_unshift array_values array_walk array_walk_recursive arsort asort assert base64_decode
    base64_encode basename bin2hex call_user_func call_user_func_array ceil chr class_exists
    compact count ctype_digit current date define defined die dirname e end error_log explode
    extract fclose feof fgets file_exists file_get_contents file_put_contents filter_var floor
    fopen fread func_get_args function_exists fwrite get_class gettype hash header
    htmlspecialchars http_build_query implode in_array ini_set intdiv intval is_a is_array
    is_bool is_callable is_dir is_file is_float is_int is_null is_numeric is_object is_resource
    is_string iterator_to_array join json_decode json_encode key krsort ksort lcfirst ltrim max
    mb_strlen mb_strtolower mb_strtoupper mb_substr md5 method_exists microtime min mkdir
    mt_rand next nl2br number_format ob_get_clean ob_start ord parse_url password_hash pathinfo
    php preg_match preg_match_all preg_quote preg_replace preg_replace_callback preg_split
    printf property_exists rand random_bytes random_int range realpath reset round rsort rtrim
    serialize session_start sha1 shuffle sizeof sleep sort spl_autoload_register sprintf
    str_contains str_ends_with str_pad str_repeat str_replace str_split str_starts_with strcmp
    strlen strpos strrpos strtolower strtotime strtoupper substr substr_count this time
    trigger_error trim ucfirst ucwords uksort unlink unserialize urlencode usleep usort var_dump
    var_export vsprintf
    """
# "App\\": "src/" of a composer.json
_PREFIX = re.compile(r'"((?:\w+\\\\)+)"\s*:\s*\[?\s*"([^"]*)"')


def _uses(node: tree_sitter.Node, source: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield what a ``use`` or an ``include`` names (see :attr:`Grammar.uses`)."""
    if node.type != "namespace_use_declaration":
        texts = [text_of(one, source) for one in _descendants(node, "string")]
        if texts:
            yield "./" + texts[-1].strip("\"'").lstrip("/"), "*", "*"
        return
    group = node.child_by_field_name("body")
    shared = next((text_of(c, source) for c in node.children if c.type == "namespace_name"), "")
    for clause in (group or node).named_children:
        if clause.type != "namespace_use_clause":
            continue
        alias = clause.child_by_field_name("alias")
        named = [one for one in clause.named_children if one != alias]
        module = (f"{shared}\\" if shared else "") + text_of(named[-1], source).lstrip("\\")
        yield module, "", text_of(alias, source) if alias else module.rpartition("\\")[2]


def _descendants(node: tree_sitter.Node, kind: str) -> Iterator[tree_sitter.Node]:
    for child in node.named_children:
        if child.type == kind:
            yield child
        yield from _descendants(child, kind)


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    if found.module.startswith("./"):
        included = [join(one, found.module) for one in (dirname(path), *ancestors(path))]
        if file := first_file([normpath(one) for one in included], files):
            yield Target((file,), found.names)
        return
    name = found.module.rpartition("\\")[2]
    if file := first_file([f"{one}.php" for one in _class_files(found.module, path, files)], files):
        yield Target((file,), ((name, found.alias),), found.alias)


def _class_files(module: str, path: str, files: Lister) -> Iterator[str]:
    """Where a class may be, without the suffix: as composer.json says, else by its namespace."""
    inner = module.replace("\\", "/")
    for folder in ancestors(path):
        settings = join(folder, "composer.json")
        text = files.text(settings) if files.exists(settings) else None
        for prefix, place in _PREFIX.findall(text or ""):
            namespace = prefix.replace("\\\\", "/")
            if inner.startswith(namespace):
                yield normpath(join(folder, place, inner[len(namespace) :]))
        yield join(folder, inner)
        yield join(folder, "src", inner.partition("/")[2])


LANGUAGES = (
    Language(
        id="php",
        suffixes=(".php",),
        grammar=Grammar(
            # The other one takes all before "<?php" for text, so also a piece from a file's middle.
            source="tree_sitter_php:language_php_only",
            query="php",
            blocks=kinds(
                "compound_statement declaration_list enum_declaration_list match_block switch_block"
            ),
            strings=kinds("encapsed_string heredoc nowdoc shell_command_expression string"),
            attributes=kinds("attribute_list"),
            groups=kinds("const_declaration expression_statement"),
            arguments=kinds("arguments"),
            expressions=kinds("anonymous_function arrow_function encapsed_string string"),
            statements=kinds("const_declaration property_declaration"),
            functions=kinds("function_definition method_declaration"),
            uses=_uses,
        ),
        line_comment="//",
        comment_start=r"//|#(?!\[)",  # #[ starts an attribute
        block_comment=C_COMMENT,
        block_header=BRACE_HEADER,
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=rb"""\n[ \t]*
            (?:(?:abstract|final|private|protected|public|readonly|static)[ \t]+)*
            (?:class|const|enum|function|interface|trait)[ \t]+&?(NAME)""",
        import_line=r"use\b|namespace\b[^{]*$|(?:include|require)(?:_once)?\b|<\?php\s*$",
        resolve=_resolve,
        folder_is_package=True,
        declares=(Declares.MADE, Declares.TYPE_FIRST),
        constructors=kinds("__construct"),
    ),
)
