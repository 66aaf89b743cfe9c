-- :checkhealth fimls
local client = require('fimls.client')
local options = require('fimls.options')
local status = require('fimls.status')

local M = {}

local function doctor(command)
  local result = vim.system({ command, 'doctor', '--quick', '--json' }, { text = true, timeout = 20000 }):wait()
  local ok, report = pcall(vim.json.decode, result.stdout or '')
  return ok and report or nil, vim.trim(result.stderr or '')
end

function M.check()
  local health = vim.health
  health.start('fimls')
  if vim.fn.has('nvim-0.10') == 0 then
    health.error('Neovim 0.10 or newer is needed')
    return
  end
  health.ok(('Neovim %s, ghost text: %s'):format(tostring(vim.version()), options.native() and 'vim.lsp.inline_completion' or "the plugin's own"))

  local command = options.get().cmd[1]
  if vim.fn.executable(command) == 0 then
    health.error(('there is no program %s'):format(command), {
      'uv tool install fimls, or pipx install fimls',
      "or say where it is: require('fimls').setup({ cmd = { '/path/to/fimls', 'serve', '--stdio' } })",
    })
    return
  end
  health.ok('the server is ' .. vim.fn.exepath(command))

  local report, failure = doctor(command)
  if report then
    health.ok('fimls doctor works')
  else
    health.warn('fimls doctor failed: ' .. failure)
  end

  if client.get() then
    health.ok(('running: %s %s'):format(status.state, status.message))
  else
    health.warn('not running', { "require('fimls').setup() and open a file" })
  end
  if status.state == 'missing' then
    health.warn('the model is not on this machine', { ':Fimls pull' })
  end
end

return M
