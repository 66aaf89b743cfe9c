-- :Fimls and what follows it.
local client = require('fimls.client')
local options = require('fimls.options')
local status = require('fimls.status')

local M = {}

local function say(text, level)
  vim.notify('fimls: ' .. text, level or vim.log.levels.INFO)
end

local function show(title, lines)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].filetype = 'markdown'
  vim.bo[buffer].bufhidden = 'wipe'
  vim.bo[buffer].modifiable = false
  vim.cmd.vsplit()
  vim.api.nvim_win_set_buf(0, buffer)
  vim.api.nvim_buf_set_name(buffer, ('fimls://%s/%d'):format(title, buffer))
end

local function set_enabled(scope, value)
  scope.fimls_enabled = value
  if value then
    client.attach_open_buffers()
  else
    require('fimls.suggest').dismiss()
    local running = client.get()
    for _, bufnr in ipairs(running and vim.tbl_keys(running.attached_buffers) or {}) do
      if not client.wanted(bufnr) then
        vim.lsp.buf_detach_client(bufnr, running.id)
      end
    end
  end
  vim.cmd.redrawstatus()
end

local function toggle_filetype()
  local filetype, off = vim.bo.filetype, options.get().filetypes_off
  for index, name in ipairs(off) do
    if name == filetype then
      table.remove(off, index)
      set_enabled({}, true)
      say('on for ' .. filetype)
      return
    end
  end
  table.insert(off, filetype)
  set_enabled({}, false)
  say('off for ' .. filetype)
end

local COMMANDS = {
  toggle = function()
    set_enabled(vim.g, vim.g.fimls_enabled == false)
  end,
  enable = function()
    set_enabled(vim.g, true)
  end,
  disable = function()
    set_enabled(vim.g, false)
  end,
  buffer = function()
    set_enabled(vim.b, not client.wanted(0))
  end,
  filetype = toggle_filetype,
  automatic = function()
    options.get().automatic = not options.get().automatic
    client.configure({ automatic = options.get().automatic })
    say(options.get().automatic and 'while typing' or 'on demand only')
  end,
  trigger = function()
    require('fimls.suggest').trigger()
  end,
  status = function()
    local what = { status.state, status.message, status.model, status.adapter }
    say(table.concat(
      vim.tbl_filter(function(one)
        return one and one ~= ''
      end, what),
      ' | '
    ))
  end,
  why = function()
    client.execute('fimls.explain', {}, function(text)
      if type(text) == 'string' and text ~= '' then
        show('why', vim.split(text, '\n', { plain = true }))
      else
        say('nothing was asked yet')
      end
    end)
  end,
  pull = function()
    say('fetching the model')
    client.execute('fimls.pull', {}, function(result)
      say(type(result) == 'table' and result.state or 'the model could not be fetched; see :Fimls log')
    end)
  end,
  restart = function()
    client.stop(true)
  end,
  stop = function()
    client.stop(false)
  end,
  log = function()
    local of_client = vim.lsp.log and vim.lsp.log.get_filename and vim.lsp.log.get_filename() or vim.lsp.get_log_path()
    vim.cmd.edit(status.log or of_client)
  end,
  model = function(name)
    client.configure({ model = name })
  end,
  adapter = function(name)
    client.configure({ adapter = name or '' })
  end,
}

--- Run `:Fimls NAME [ARGUMENT]`; without a name, say how things are.
function M.run(arguments)
  local name = arguments[1] or 'status'
  local command = COMMANDS[name]
  if not command then
    say(('there is no :Fimls %s; there are: %s'):format(name, table.concat(M.complete('', 'Fimls '), ', ')), vim.log.levels.ERROR)
    return
  end
  command(arguments[2])
end

--- Names that begin with what is typed.
function M.complete(lead, line)
  if #vim.split(vim.trim(line), '%s+') > 2 then
    return {}
  end
  local names = vim.tbl_keys(COMMANDS)
  table.sort(names)
  return vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, names)
end

return M
