-- What became of a suggestion goes to the server, and nowhere else.
local client = require('fimls.client')

local M = {}

function M.shown(item)
  client.notify('textDocument/didShowCompletion', { item = { command = item.command } })
end

function M.accepted(item)
  if item.command then
    client.execute(item.command.command, item.command.arguments)
  end
end

--- `part`: the text taken; its length goes over the wire in UTF-16 units.
function M.partially_accepted(item, part)
  local length = vim.str_utfindex and select(2, pcall(vim.str_utfindex, part, 'utf-16')) or #part
  client.notify('textDocument/didPartiallyAcceptCompletion', {
    item = { command = item.command },
    acceptedLength = type(length) == 'number' and length or #part,
  })
end

return M
