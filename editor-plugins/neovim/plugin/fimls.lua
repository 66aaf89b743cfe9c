-- Defines the command; everything else is loaded by setup() or by the command's first use.
if vim.g.loaded_fimls then
  return
end
vim.g.loaded_fimls = true

vim.api.nvim_create_user_command('Fimls', function(arguments)
  require('fimls.commands').run(arguments.fargs)
end, {
  nargs = '*',
  desc = 'fimls: code completion',
  complete = function(lead, line)
    return require('fimls.commands').complete(lead, line)
  end,
})
