; Captures are explained in fimls/syntax/query.py.

(function_declaration name: (identifier) @name body: (_) @body) @function
(generator_function_declaration name: (identifier) @name body: (_) @body) @function
(variable_declarator
  name: (identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(assignment_expression
  left: (member_expression property: (property_identifier) @name)
  right: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
(class_declaration name: (identifier) @name body: (_) @body) @class
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @class
(method_definition name: (_) @name body: (_) @body) @method
(field_definition
  property: (property_identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method
(variable_declarator name: (identifier) @name) @constant
[(arrow_function) (function_expression) (generator_function)] @local

(import_statement source: (string) @module)
(import_statement (import_clause (identifier) @import.default) source: (string) @module)
(import_statement
  (import_clause (namespace_import (identifier) @module.local)) source: (string) @module)
(import_statement
  (import_clause (named_imports (import_specifier name: (_) @import alias: (_)? @import.local)))
  source: (string) @module)
(export_statement
  (export_clause (export_specifier name: (_) @import alias: (_)? @import.local))
  source: (string) @module)
(export_statement "*" @import.all source: (string) @module)
(export_statement (namespace_export (_) @module.local) source: (string) @module)
(variable_declarator
  name: (identifier) @module.local
  value: (call_expression arguments: (arguments . (string) @module .)) @_call
  (#starts-with? @_call "require("))
(variable_declarator
  name: (object_pattern [
    (shorthand_property_identifier_pattern) @import
    (pair_pattern key: (_) @import value: (identifier) @import.local)
  ])
  value: (call_expression arguments: (arguments . (string) @module .)) @_call
  (#starts-with? @_call "require("))
