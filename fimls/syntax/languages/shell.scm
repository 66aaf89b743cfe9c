; Captures are explained in fimls/syntax/query.py.

(function_definition name: (word) @name body: (_) @body) @function
(program (variable_assignment name: (variable_name) @name) @constant)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @constant)

((command name: (command_name) @_name argument: (_)) @use (#starts-with? @_name "source"))
((command name: (command_name) @_name argument: (_)) @use (#starts-with? @_name ". "))
