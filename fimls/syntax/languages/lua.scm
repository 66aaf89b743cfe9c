; Captures are explained in fimls/syntax/query.py.

; What a module's table has is found like a file's own, since the file is the module.
(function_declaration
  name: [
    (identifier) @name
    (dot_index_expression field: (identifier) @name)
  ]
  body: (_)? @body
  "end" @close) @function
(function_declaration
  name: (method_index_expression table: (identifier) @container method: (identifier) @name)
  body: (_)? @body
  "end" @close) @method
(assignment_statement
  (variable_list name: [
    (identifier) @name
    (dot_index_expression field: (identifier) @name)
  ])
  (expression_list value: (function_definition body: (_)? @body "end" @close))) @function
((variable_declaration
  (assignment_statement
    (variable_list name: (identifier) @name)
    (expression_list . value: (_) @_value))) @constant
  (#not-starts-with? @_value "{}"))  ; the module's own table, mostly
(chunk (assignment_statement (variable_list name: (identifier) @name)) @constant)
(function_definition) @local

((function_call
  name: (identifier) @_call
  arguments: (arguments (string content: (string_content) @module)))
  (#starts-with? @_call "require"))
(variable_declaration
  (assignment_statement
    (variable_list name: (identifier) @module.local)
    (expression_list
      value: (function_call
        name: (identifier) @_call
        arguments: (arguments (string content: (string_content) @module)))))
  (#starts-with? @_call "require"))
