"""Keywords and builtin names of languages, by family; Python's come from the interpreter.

Builtins are the names that code uses without an import and without a definition of its own: global
functions and types, and the methods of strings, arrays, maps and the like. Sources: ECMA-262 and
WHATWG's globals, TypeScript's handbook, the Go specification and its ``builtin`` package, the Rust
reference and ``std::prelude`` with the methods of ``Option``, ``Result``, ``Vec``, ``String`` and
``Iterator``, the Java language specification and ``java.lang``, C23 and C++23 with the headers that
most files include.
"""

EXTENDS = {"typescript": "javascript", "cpp": "c"}

KEYWORDS = {
    "javascript": """
        async await break case catch class const continue debugger default delete do else export
        extends false finally for from function get if import in instanceof let new null of return
        set static super switch this throw true try typeof undefined var void while with yield
        """,
    "typescript": """
        abstract any as asserts bigint boolean constructor declare enum implements infer interface
        is keyof module namespace never number object out override private protected public readonly
        require satisfies string symbol type unique unknown
        """,
    "go": """
        break case chan const continue default defer else fallthrough for func go goto if import
        interface map package range return select struct switch type var
        """,
    "rust": """
        Self as async await break const continue crate dyn else enum extern false fn for if impl in
        let loop macro_rules match mod move mut pub ref return self static struct super trait true
        type union unsafe use where while
        """,
    "java": """
        abstract assert boolean break byte case catch char class const continue default do double
        else enum extends false final finally float for goto if implements import instanceof int
        interface long native new non null package permits private protected public record return
        sealed short static strictfp super switch synchronized this throw throws transient true try
        var void volatile when while yield
        """,
    "c": """
        _Alignas _Alignof _Atomic _Bool _Complex _Generic _Noreturn _Static_assert _Thread_local
        alignas alignof auto bool break case char const constexpr continue default define defined do
        double elif else endif enum error extern false float for goto if ifdef ifndef include inline
        int long nullptr pragma register restrict return short signed sizeof static static_assert
        struct switch thread_local true typedef typeof undef union unsigned void volatile while
        """,
    "cpp": """
        and and_eq asm bitand bitor catch char16_t char32_t char8_t class co_await co_return
        co_yield compl concept const_cast consteval constinit decltype delete dynamic_cast explicit
        export final friend mutable namespace new noexcept not not_eq operator or or_eq override
        private protected public reinterpret_cast requires static_cast template this throw try
        typeid typename using virtual wchar_t xor xor_eq
        """,
}

BUILTINS = {
    "javascript": """
        AbortController AbortSignal AggregateError Array ArrayBuffer BigInt Blob Boolean Buffer
        CustomEvent DOMException DataView Date Element Error EvalError Event EventTarget File
        FormData Function HTMLElement Headers Infinity Int16Array Int32Array Int8Array Intl JSON Map
        Math NaN Node Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Request
        Response Set String Symbol SyntaxError TextDecoder TextEncoder TypeError URL URLSearchParams
        Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebSocket
        Worker XMLHttpRequest __dirname __filename abs addEventListener alert all allSettled any
        appendChild apply arguments assign at atob bind body btoa call callee catch ceil charAt
        charCodeAt children classList clear clearInterval clearTimeout clone closest codePointAt
        concat console constructor copyWithin cos create createElement crypto cwd debug
        decodeURIComponent defineProperties defineProperty delete description detail dispatchEvent
        document done encodeURIComponent endsWith entries env error every exec exit exp exports
        fetch fill filter finally find findIndex findLast findLastIndex finished flags flat flatMap
        floor forEach freeze from fromCharCode fromEntries get getAttribute getDate getDay
        getElementById getFullYear getHours getItem getMilliseconds getMinutes getMonth
        getOwnPropertyDescriptor getOwnPropertyNames getPrototypeOf getSeconds getTime global
        globalThis groupBy has hasOwn hasOwnProperty history hypot id includes index indexOf info
        innerHTML innerText input insertBefore isArray isFinite isFrozen isInteger isNaN
        isPrototypeOf isSafeInteger iterator join json key keys lastIndex lastIndexOf length
        localStorage localeCompare location log log10 log2 map match matchAll max message method min
        module name navigator next normalize now ok on onchange onclick padEnd padStart parentNode
        parse parseFloat parseInt performance platform pop pow preventDefault preventExtensions
        process prototype push querySelector querySelectorAll queueMicrotask race random raw reduce
        reduceRight reject removeAttribute removeChild removeEventListener removeItem repeat replace
        replaceAll require resolve reverse round seal search sessionStorage setAttribute setInterval
        setItem setPrototypeOf setTimeout shift sign signal sin size slice some sort source splice
        split sqrt stack startsWith status statusText stderr stdin stdout stopPropagation stringify
        structuredClone style sub subarray substring tagName tan target test text textContent then
        toFixed toISOString toJSON toLocaleString toLowerCase toReversed toSorted toString
        toUpperCase trace trim trimEnd trimStart trunc type unshift url value valueOf values warn
        window write
        """,
    "typescript": """
        AsyncIterable Awaited ConstructorParameters Exclude Extract Generator InstanceType Iterable
        IterableIterator Iterator Lowercase NonNullable Omit Parameters Partial Pick PromiseLike
        Readonly ReadonlyArray ReadonlyMap ReadonlySet Record Required ReturnType ThisType
        Uncapitalize Uppercase
        """,
    "go": """
        Error String any append bool byte cap clear close cmp comparable complex complex128
        complex64 copy delete err error false float32 float64 imag init int int16 int32 int64 int8
        iota len main make max min new nil ok panic print println real recover rune string true uint
        uint16 uint32 uint64 uint8 uintptr
        """,
    "rust": """
        AsMut AsRef Box Clone Copy Debug Default Display Drop Eq Err Error Extend Fn FnMut FnOnce
        From FromIterator Hash Into IntoIterator Iterator None Ok Option Ord PartialEq PartialOrd
        Result Send Some String Sync ToOwned ToString TryFrom TryInto Vec all allow and_then any
        append as_bytes as_deref as_mut as_mut_slice as_ref as_slice as_str assert assert_eq
        assert_ne binary_search bool borrow borrow_mut by_ref bytes capacity ceil cfg chain char
        char_indices chars checked_add checked_div checked_mul checked_sub chunks clear clone cloned
        cmp collect column concat contains contains_key copied count dbg dedup default deny deref
        derive div doc drain drop ends_with entry enumerate env eprintln eq err expect extend
        extend_from_slice f32 f64 fetch_add file filter filter_map find find_map first flat_map
        flatten floor flush fmt fold for_each format from from_iter from_str from_utf8 get get_mut
        get_or_insert_with hash i128 i16 i32 i64 i8 include_bytes include_str inline insert inspect
        into into_bytes into_iter into_owned into_string is_alphabetic is_alphanumeric
        is_ascii_digit is_char_boundary is_digit is_empty is_err is_none is_ok is_some is_whitespace
        isize iter iter_mut join keys last len line lines lock main map map_err map_or map_or_else
        matches max max_by max_by_key mem min min_by min_by_key must_use ne new next next_back nth
        ok ok_or ok_or_else or_default or_else or_insert or_insert_with panic parse partial_cmp
        partition peek peekable pop position print println ptr push push_str read read_to_string
        remove repeat replace reserve resize retain rev rfind rotate_left rsplit saturating_add
        saturating_sub shrink_to_fit skip skip_while sort sort_by sort_by_key sort_unstable split
        split_at split_off split_once split_whitespace sqrt starts_with std step_by str strip_prefix
        strip_suffix sum swap take take_while test then then_some to_ascii_lowercase
        to_ascii_uppercase to_be_bytes to_le_bytes to_lowercase to_owned to_string to_uppercase
        to_vec todo trim trim_end trim_start truncate try_from try_into u128 u16 u32 u64 u8
        unimplemented unreachable unwrap unwrap_or unwrap_or_default unwrap_or_else unzip usize
        values values_mut vec warn windows with_capacity wrapping_add wrapping_sub write writeln zip
        """,
    "java": """
        ArithmeticException ArrayIndexOutOfBoundsException AutoCloseable Boolean Byte CharSequence
        Character Class ClassCastException ClassLoader CloneNotSupportedException Cloneable
        Comparable Deprecated Double Enum Error Exception Float FunctionalInterface
        IllegalArgumentException IllegalStateException IndexOutOfBoundsException Integer
        InterruptedException Iterable Long Math NullPointerException Number NumberFormatException
        Object Override Process Record Runnable Runtime RuntimeException SafeVarargs Short String
        StringBuffer StringBuilder SuppressWarnings System Thread ThreadLocal Throwable
        UnsupportedOperationException Void abs add addAll append args arraycopy booleanValue build
        builder charAt chars clear clone close compareTo computeIfAbsent contains containsAll
        containsKey containsValue copyOf count currentTimeMillis deleteCharAt doubleValue endsWith
        entrySet equals equalsIgnoreCase err exit filter finalize findFirst flatMap floatValue flush
        forEach format get getBytes getCause getClass getKey getMessage getName getOrDefault
        getSimpleName getStackTrace getValue hasNext hashCode ifPresent indexOf insert intValue
        interrupt isBlank isEmpty isPresent iterator join keySet lastIndexOf length lines longValue
        main map matches max min name nanoTime next notify notifyAll of ofNullable orElse
        orElseThrow ordinal out parseDouble parseInt parseLong peek poll pop pow print
        printStackTrace printf println push put putAll putIfAbsent random remove removeIf repeat
        replace replaceAll reverse round run set setLength size sleep sort split sqrt start
        startsWith stream strip subList substring toArray toCharArray toList toLowerCase toString
        toUpperCase trim valueOf values wait write
        """,
    "c": """
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
        """,
    "cpp": """
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
        """,
}
