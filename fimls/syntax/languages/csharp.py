"""C#."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import join

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Declares, Grammar, Language, kinds
from fimls.syntax.languages import java
from fimls.syntax.modules import PACKAGE_FILES_MAX, Import, Lister, Target, ancestors

_KEYWORDS = """
    abstract add alias and as ascending async await base bool break byte case catch char checked
    class const continue decimal default delegate descending do double dynamic else enum equals
    event explicit extern false file finally fixed float for foreach from get global goto group
    if implicit in init int interface internal into is join let lock long nameof namespace new
    nint not notnull null object on operator or orderby out override params partial private
    protected public readonly record ref remove required return sbyte scoped sealed select set
    short sizeof stackalloc static string struct switch this throw true try typeof uint ulong
    unchecked unmanaged unsafe ushort using value var virtual void volatile when where while
    with yield
    """
# System, System.Collections.Generic, System.Linq and System.Threading.Tasks.
_BUILTINS = """
    Action Activator Add AddRange Aggregate All Any Append ArgumentException
    ArgumentNullException ArgumentOutOfRangeException Array Assert Attribute Average
    BinaryReader Boolean Buffer Byte CancellationToken CancellationTokenSource Cast Char Clear
    Close Collections Combine Compare CompareTo Concat ConfigureAwait Console Contains
    ContainsKey Convert Copy CopyTo Count Create DateOnly DateTime DateTimeOffset Decimal Delay
    Dequeue Dictionary Directory Dispose Distinct Double Empty EndsWith Enqueue Enum Enumerable
    Environment Equals Event EventArgs EventHandler Except Exception Exists Exit File FileInfo
    First FirstOrDefault Format FormatException Func GC Generic GetAwaiter GetEnumerator
    GetHashCode GetResult GetType GroupBy Guid HashSet HttpClient IAsyncDisposable
    IAsyncEnumerable ICollection IComparable IDictionary IDisposable IEnumerable IEnumerator
    IEquatable IList IO IQueryable IReadOnlyCollection IReadOnlyDictionary IReadOnlyList ISet
    IndexOf Insert Int16 Int32 Int64 InvalidOperationException Invoke IsEmpty IsNullOrEmpty
    IsNullOrWhiteSpace Join Key KeyNotFoundException KeyValuePair Keys Last LastOrDefault Lazy
    Length LinkedList Linq List Main Match Math Max MemoryStream Min MoveNext Now Nullable
    Object Obsolete ObsoleteAttribute OfType OperationCanceledException OrderBy
    OrderByDescending Parse Path Peek Pop Predicate Push Queue Random Range Read ReadLine
    ReadOnlySpan Regex Remove RemoveAll Replace Reverse Round Run Select SelectMany
    SemaphoreSlim Serializable Single SingleOrDefault Skip Sort SortedDictionary Span Split
    Stack Start StartsWith Stopwatch Stream StreamReader StreamWriter String StringBuilder
    StringComparison Substring Sum System Take Task TaskCanceledException Tasks Text ThenBy
    Thread Threading Throw TimeSpan Timeout ToArray ToDictionary ToHashSet ToList ToLower
    ToLowerInvariant ToString ToUpper Trim TrimEnd TrimStart TryAdd TryGetValue TryParse Tuple
    Type UInt32 UInt64 Uri UtcNow Value ValueTask Values Version Wait WhenAll WhenAny Where
    Write WriteLine Zip args cancellationToken e ex sender
    """


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    """Folders are called after namespaces, most of them without the project's own name."""
    if any(name != "*" for name, _ in found.names):
        return
    parts = found.module.split(".")
    for root in ancestors(path):
        for inner in ("/".join(parts), found.module, "/".join(parts[1:])):
            folder = join(root, inner) if root else inner
            if inner and (package := files.within(folder, (".cs",))):
                yield Target(tuple(package[:PACKAGE_FILES_MAX]), (("*", "*"),))
                return


LANGUAGES = (
    Language(
        id="csharp",
        suffixes=(".cs",),
        aliases=("cs",),
        grammar=Grammar(
            source="tree_sitter_c_sharp:language",
            query="csharp",
            blocks=kinds(
                """
                accessor_list block declaration_list enum_member_declaration_list switch_body
                """
            ),
            strings=kinds(
                """
                character_literal interpolated_string_expression raw_string_literal string_literal
                verbatim_string_literal
                """
            ),
            code_in_strings=kinds("interpolation"),
            attributes=kinds("attribute_list"),
            groups=kinds("global_statement"),
            arguments=kinds("argument_list"),
            expressions=kinds("string_literal"),
            statements=kinds("field_declaration property_declaration"),
            functions=kinds("constructor_declaration local_function_statement method_declaration"),
        ),
        line_comment="//",
        block_comment=C_COMMENT,
        quotes=('"""', '"', "'"),
        block_header=BRACE_HEADER,
        no_body="throw new System.NotImplementedException();",
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=java.DEFINITIONS,
        import_line=r"(?:global\s+)?using\s+(?:static\s+)?[\w.]+(?:\s*=\s*[\w.<>]+)?\s*;"
        r"|namespace\b[^{]*$",
        resolve=_resolve,
        folder_is_package=True,
        declares=(Declares.MADE, Declares.TYPE_FIRST),
    ),
)
