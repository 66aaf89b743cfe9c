; Captures are explained in fimls/syntax/query.py.

(function_declarator
  declarator: [
    (identifier) @name
    (field_identifier) @name
    (destructor_name) @name
    (operator_name) @name
    (qualified_identifier
      scope: [
        (namespace_identifier) @container
        (template_type name: (type_identifier) @container)
      ]
      name: [(identifier) (destructor_name) (operator_name)] @name)
    (qualified_identifier
      name: (qualified_identifier
        scope: [
          (namespace_identifier) @container
          (template_type name: (type_identifier) @container)
        ]
        name: [(identifier) (destructor_name) (operator_name)] @name))
  ]) @declarator
(class_specifier name: (type_identifier) @name body: (_) @body) @class
(struct_specifier name: (type_identifier) @name body: (_) @body) @class
(union_specifier name: (type_identifier) @name body: (_) @body) @type
(enum_specifier name: (type_identifier) @name body: (_) @body) @type
(type_definition type: (_ body: (_) @body) declarator: (type_identifier) @name) @type
(type_definition
  declarator: [
    (type_identifier) @name
    (_ (type_identifier) @name)
    (_ (_ (_ (type_identifier) @name)))  ; a function pointer
  ]) @type
(alias_declaration name: (type_identifier) @name) @type
(concept_definition name: (identifier) @name) @type
(namespace_definition name: (_) @name) @namespace
(declaration
  declarator: [
    (identifier) @name
    (_ declarator: (identifier) @name)  ; initialised, a pointer or an array
    (_ declarator: (_ declarator: (identifier) @name))
    (_ declarator: (_ declarator: (_ declarator: (identifier) @name)))
    (_ (reference_declarator (identifier) @name))
  ]) @constant
(preproc_def name: (identifier) @name value: (_)) @constant
(preproc_function_def name: (identifier) @name) @function
(lambda_expression) @local

(preproc_include path: [(string_literal) (system_lib_string)] @module @import.all)
