-- What the server is doing, for the status line and :Fimls status.
local M = { state = 'off', message = '', model = '', adapter = '', log = nil, percent = nil }

local TEXT = { off = 'fimls off', ready = 'fimls', missing = 'fimls ?', error = 'fimls !' }

local function redraw()
  vim.schedule(function()
    vim.api.nvim_exec_autocmds('User', { pattern = 'FimlsStatus', modeline = false })
    vim.cmd.redrawstatus()
  end)
end

function M.set(state, message)
  M.state, M.message, M.percent = state, message or '', nil
  redraw()
end

--- Take a `fimls/status` notification.
function M.of_server(status)
  M.model, M.adapter, M.log = status.model, status.adapter, status.log
  M.set(status.state, status.message)
end

function M.text()
  if vim.g.fimls_enabled == false or vim.b.fimls_enabled == false then
    return TEXT.off
  end
  if M.state == 'loading' then
    return M.percent and ('fimls %d%%'):format(M.percent) or 'fimls ...'
  end
  return TEXT[M.state] or 'fimls'
end

vim.api.nvim_create_autocmd('LspProgress', {
  group = vim.api.nvim_create_augroup('fimls.status', { clear = true }),
  callback = function(event)
    local data = event.data or {}
    local client = data.client_id and vim.lsp.get_client_by_id(data.client_id)
    local value = (data.params or data.result or {}).value
    if client and client.name == 'fimls' and value and M.state == 'loading' then
      M.percent = value.percentage
      redraw()
    end
  end,
})

return M
