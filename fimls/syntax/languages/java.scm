; Captures are explained in fimls/syntax/query.py.

(class_declaration name: (identifier) @name body: (_) @body) @class
(record_declaration name: (identifier) @name body: (_) @body) @class
(interface_declaration name: (identifier) @name body: (_) @body) @type
(enum_declaration name: (identifier) @name body: (_) @body) @type
(annotation_type_declaration name: (identifier) @name body: (_) @body) @type
(constructor_declaration name: (identifier) @name body: (_) @body) @method
(compact_constructor_declaration name: (identifier) @name body: (_) @body) @method
(method_declaration name: (identifier) @name body: (_)? @body) @method
(annotation_type_element_declaration name: (identifier) @name) @method
(lambda_expression) @local

((import_declaration (scoped_identifier) @module @module.last .) @_import
  (#not-starts-with? @_import "import static "))
(import_declaration "static" (scoped_identifier scope: (_) @module name: (_) @import) .)
(import_declaration (_) @module (asterisk) @import.all)
