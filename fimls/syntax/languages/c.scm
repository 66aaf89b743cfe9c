; Captures are explained in fimls/syntax/query.py.

(function_declarator declarator: (identifier) @name) @declarator
(struct_specifier name: (type_identifier) @name body: (_) @body) @type
(union_specifier name: (type_identifier) @name body: (_) @body) @type
(enum_specifier name: (type_identifier) @name body: (_) @body) @type
(type_definition type: (_ body: (_) @body) declarator: (type_identifier) @name) @type
(type_definition
  declarator: [
    (type_identifier) @name
    (_ (type_identifier) @name)
    (_ (_ (_ (type_identifier) @name)))  ; a function pointer
  ]) @type
(declaration
  declarator: [
    (identifier) @name
    (_ declarator: (identifier) @name)  ; initialised, a pointer or an array
    (_ declarator: (_ declarator: (identifier) @name))
    (_ declarator: (_ declarator: (_ declarator: (identifier) @name)))
  ]) @constant
(preproc_def name: (identifier) @name value: (_)) @constant
(preproc_function_def name: (identifier) @name) @function

(preproc_include path: [(string_literal) (system_lib_string)] @module @import.all)
