"""C and C++."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from posixpath import join, normpath

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Declares, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file

# C23 and C++23, with the headers that most files include.
_C_KEYWORDS = """
    _Alignas _Alignof _Atomic _Bool _Complex _Generic _Noreturn _Static_assert _Thread_local
    alignas alignof auto bool break case char const constexpr continue default define defined do
    double elif else endif enum error extern false float for goto if ifdef ifndef include inline
    int long nullptr pragma register restrict return short signed sizeof static static_assert
    struct switch thread_local true typedef typeof undef union unsigned void volatile while
    """
_C_BUILTINS = """
    EOF ERANGE EXIT_FAILURE EXIT_SUCCESS FILE INT_MAX INT_MIN LONG_MAX NULL SEEK_CUR SEEK_END
    SEEK_SET SIZE_MAX UINT_MAX __FILE__ __LINE__ __VA_ARGS__ __attribute__ __cplusplus __func__
    abort abs argc argv assert atexit atof atoi atol calloc ceil clock cos errno exit exp fabs
    fclose feof ferror fflush fgets floor fmod fopen fprintf fputc fputs fread free fscanf fseek
    ftell fwrite getc getchar getenv int16_t int32_t int64_t int8_t intptr_t isalnum isalpha
    isdigit isspace isupper log main malloc memchr memcmp memcpy memmove memset off_t once
    perror pow printf ptrdiff_t putc putchar puts qsort rand realloc remove rename rewind scanf
    setjmp signal sin size_t snprintf sprintf sqrt srand sscanf ssize_t stderr stdin stdout
    strcat strchr strcmp strcpy strdup strerror strlen strncat strncmp strncpy strrchr strstr
    strtod strtok strtol strtoul system tan time time_t tolower toupper uint16_t uint32_t
    uint64_t uint8_t uintptr_t ungetc va_arg va_end va_list va_start vfprintf vprintf vsnprintf
    """
_CPP_KEYWORDS = """
    and and_eq asm bitand bitor catch char16_t char32_t char8_t class co_await co_return
    co_yield compl concept const_cast consteval constinit decltype delete dynamic_cast explicit
    export final friend mutable namespace new noexcept not not_eq operator or or_eq override
    private protected public reinterpret_cast requires static_cast template this throw try
    typeid typename using virtual wchar_t xor xor_eq
    """
_CPP_BUILTINS = """
    all_of any any_of append array assign async at atomic back back_inserter basic_string begin
    bind bitset bool_constant c_str capacity cbegin cend cerr chrono cin clear clog compare
    condition_variable contains copy count count_if cout crbegin data declval default_random
    deque distance duration emplace emplace_back empty enable_if enable_if_t end endl equal
    erase exception false_type fill find find_if first flush for_each forward forward_list front
    function future generate get getline hash ifstream initializer_list insert invoke
    invoke_result_t ios iota is_base_of is_same is_same_v istream istringstream iterator join
    key_type length list load lock lock_guard logic_error lower_bound make_pair make_shared
    make_tuple make_unique map mapped_type max max_element memory_order_relaxed merge min
    min_element move multimap multiset mutex next none_of npos nth_element nullopt
    numeric_limits ofstream optional ostream ostringstream out_of_range pair partition pop
    pop_back pop_front prev priority_queue promise ptr push push_back push_front queue rbegin
    recursive_mutex remove remove_cvref_t remove_if rend replace reserve reset resize result_of
    reverse runtime_error second set shared_lock shared_mutex shared_ptr shrink_to_fit size
    size_type sort span stack static_pointer_cast std stod stoi stol store str string
    string_view stringstream substr swap thread tie to_string top transform true_type try_lock
    tuple unique unique_lock unique_ptr unlock unordered_map unordered_set upper_bound use_count
    value value_or value_type variant vector visit wait weak_ptr what write
    """

_FOLDERS = ("include", "src", "inc", "lib")


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    parents = list(ancestors(path))
    places = [parents[0], *(join(one, folder) for one in parents for folder in ("", *_FOLDERS))]
    if header := first_file([normpath(join(place, found.module)) for place in places], files):
        yield Target((header,), (("*", "*"),))


_C_GRAMMAR = Grammar(
    source="tree_sitter_c:language",
    query="c",
    blocks=kinds("compound_statement enumerator_list field_declaration_list"),
    strings=kinds("char_literal string_literal"),
    declared=kinds("declaration field_declaration function_definition"),
    arguments=kinds("argument_list"),
    expressions=kinds("attribute concatenated_string initializer_list"),
    statements=kinds("declaration field_declaration"),
    functions=kinds("function_definition"),
)
_C = Language(
    id="c",
    suffixes=(".c", ".h"),
    related="c",
    grammar=_C_GRAMMAR,
    line_comment="//",
    block_comment=C_COMMENT,
    block_header=BRACE_HEADER,
    keywords=_C_KEYWORDS,
    builtins=_C_BUILTINS,
    # A function is at the left margin, its type before it or on the line above.
    definitions=rb"""\n(?:[ \t]*\#[ \t]*define[ \t]+(NAME)
        |typedef[ \t][^\n()]*[ \t*](NAME)[ \t]*;|\}[ \t*]*(NAME)[ \t]*;
        |[ \t]*(?:typedef[ \t]+)?(?:class|enum(?:[ \t]+class)?|namespace|struct|union)[ \t]+(NAME)
        [^;=()\n{]*(?=[{\n])
        |[ \t]*using[ \t]+(NAME)[ \t]*=
        |[A-Za-z_][^\n;={}()\#"]*[ \t*&:~](NAME)[ \t]*\(|(NAME)[ \t]*\([^\n;]*(?=\n))""",
    import_line=r"#\s*include\b",
    resolve=_resolve,
    folder_is_package=True,
    declares=(Declares.MADE, Declares.TYPE_FIRST),
    counterparts=((".h", ".hh", ".hpp", ".hxx"), (".c", ".cc", ".cpp", ".cxx", ".m")),
)
LANGUAGES = (
    _C,
    replace(
        _C,
        id="cpp",
        suffixes=(".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".cu", ".cuh"),
        grammar=replace(
            _C_GRAMMAR,
            source="tree_sitter_cpp:language",
            query="cpp",
            blocks=_C_GRAMMAR.blocks | kinds("declaration_list"),
            strings=kinds("char_literal raw_string_literal string_literal"),
            wrappers=kinds("template_declaration"),
        ),
        keywords=_C_KEYWORDS + _CPP_KEYWORDS,
        builtins=_C_BUILTINS + _CPP_BUILTINS,
        import_line=r"#\s*include\b|using\s",
    ),
)
