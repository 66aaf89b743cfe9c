; Captures are explained in fimls/syntax/query.py.

(function_declaration name: (identifier) @name body: (block)? @body) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @container
    (generic_type type: (type_identifier) @container)
    (pointer_type (type_identifier) @container)
    (pointer_type (generic_type type: (type_identifier) @container))
  ]))
  name: (field_identifier) @name
  body: (block)? @body) @method
(type_spec
  name: (type_identifier) @name
  type: [(struct_type (field_declaration_list) @body) (_)]) @type
(type_alias name: (type_identifier) @name) @type
(method_elem name: (field_identifier) @name) @method
(const_spec (identifier) @name) @constant
(var_spec name: (identifier) @name) @constant
(func_literal) @local

(import_spec !name path: (_) @module @module.last)
(import_spec name: (package_identifier) @module.local path: (_) @module)
(import_spec name: (dot) @import.all path: (_) @module)
(import_spec name: (blank_identifier) path: (_) @module)
