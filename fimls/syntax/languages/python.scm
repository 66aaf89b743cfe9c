; Captures are explained in fimls/syntax/query.py.

(function_definition name: (identifier) @name body: (block) @body) @function
(class_definition name: (identifier) @name body: (block) @body) @class
(expression_statement (assignment left: (identifier) @name)) @constant
(type_alias_statement left: (type [(identifier) @name (generic_type (identifier) @name)])) @type
(lambda) @local

(import_statement name: (dotted_name) @module @module.reached)
(import_statement
  name: (aliased_import name: (dotted_name) @module alias: (identifier) @module.local))
(import_from_statement module_name: (_) @module name: (dotted_name) @import)
(import_from_statement
  module_name: (_) @module
  name: (aliased_import name: (dotted_name) @import alias: (identifier) @import.local))
(import_from_statement module_name: (_) @module (wildcard_import) @import.all)
