-- The language client: one server for all projects of this Neovim, restarted when it dies.
local options = require('fimls.options')
local status = require('fimls.status')

local M = { name = 'fimls' }

local MADE_FOR = '0.1' -- the server's version
local MAX_CRASHES, WINDOW_S = 5, 180
local crashes = {}
local roots = {}
local stopping = false

-- Neovim 0.10's clients are called with a dot, later ones' methods with a colon.
local function call(client, method, ...)
  if vim.fn.has('nvim-0.11') == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

--- The running client, or nil.
function M.get()
  return vim.lsp.get_clients({ name = M.name })[1]
end

function M.request(method, params, handler, bufnr)
  local client = M.get()
  if not client or not client.initialized then
    return nil
  end
  local ok, id = call(client, 'request', method, params, handler, bufnr)
  return ok and id or nil
end

function M.cancel(id)
  local client = M.get()
  if client then
    call(client, 'cancel_request', id)
  end
end

function M.notify(method, params)
  local client = M.get()
  if client and client.initialized then
    call(client, 'notify', method, params)
  end
end

--- Run a command of the server's; `handler(result)` gets nil where it failed.
function M.execute(command, arguments, handler)
  local asked = M.request('workspace/executeCommand', { command = command, arguments = arguments or {} }, function(_, result)
    if handler then
      handler(result)
    end
  end)
  if not asked and handler then
    handler(nil)
  end
end

--- Whether a buffer is completed: a file or a new buffer, on, and of no filetype that is off.
function M.wanted(bufnr)
  if not vim.api.nvim_buf_is_valid(bufnr) or vim.bo[bufnr].buftype ~= '' or not vim.bo[bufnr].modifiable then
    return false
  end
  if vim.b[bufnr].fimls_enabled ~= nil then
    return vim.b[bufnr].fimls_enabled
  end
  return vim.g.fimls_enabled ~= false and not vim.tbl_contains(options.get().filetypes_off, vim.bo[bufnr].filetype)
end

local function add_root(root)
  if not root or roots[root] then
    return
  end
  roots[root] = true
  local folder = { uri = vim.uri_from_fname(root), name = vim.fs.basename(root) }
  M.notify('workspace/didChangeWorkspaceFolders', { event = { added = { folder }, removed = {} } })
end

local function died(code, signal)
  if stopping or (code == 0 and signal == 0) then
    return
  end
  local now = vim.uv.now() / 1000
  crashes = vim.tbl_filter(function(at)
    return now - at < WINDOW_S
  end, crashes)
  table.insert(crashes, now)
  if #crashes > MAX_CRASHES then
    status.set('error', 'the server died again and again; see :Fimls log')
    return
  end
  local wait_ms = math.min(16000, 1000 * 2 ^ (#crashes - 1))
  status.set('loading', ('the server died; starting it again in %d s'):format(wait_ms / 1000))
  vim.defer_fn(M.attach_open_buffers, wait_ms)
end

local function check_version(info)
  local version = info and info.version or '?'
  if not vim.startswith(version .. '.', MADE_FOR .. '.') then
    vim.notify(
      ('fimls: the server is version %s, this plugin is made for %s. Upgrade the older one: uv tool upgrade fimls, or pip install -U fimls'):format(version, MADE_FOR),
      vim.log.levels.WARN
    )
  end
end

local function capabilities()
  local made = vim.lsp.protocol.make_client_capabilities()
  made.textDocument.inlineCompletion = { dynamicRegistration = false }
  return made
end

local function settings()
  return vim.tbl_extend('force', { automatic = options.get().automatic }, options.get().settings)
end

--- Start the server if need be, and attach a buffer to it.
function M.attach(bufnr)
  if not M.wanted(bufnr) then
    return
  end
  local command = options.get().cmd
  if vim.fn.executable(command[1]) == 0 then
    status.set('error', ('there is no program %s; :checkhealth fimls'):format(command[1]))
    return
  end
  local root = vim.fs.root(bufnr, options.get().root_markers)
  local first = M.get() == nil
  local started = vim.lsp.start({
    name = M.name,
    cmd = command,
    root_dir = root,
    capabilities = capabilities(),
    init_options = settings(),
    settings = { fimls = settings() },
    handlers = {
      ['fimls/status'] = function(_, result)
        status.of_server(result)
      end,
    },
    on_init = function(_, result)
      check_version(result.serverInfo)
    end,
    on_attach = function(_, attached)
      if options.native() then
        vim.lsp.inline_completion.enable(true, { bufnr = attached })
        require('fimls.native').attached(attached)
      end
    end,
    on_exit = function(code, signal)
      vim.schedule(function()
        roots = {}
        died(code, signal)
      end)
    end,
  }, {
    bufnr = bufnr,
    silent = true,
    reuse_client = function(client)
      return client.name == M.name
    end,
  })
  if not started then
    status.set('error', 'the server did not start; see :Fimls log')
  elseif first and root then
    roots[root] = true
  else
    add_root(root)
  end
end

function M.attach_open_buffers()
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) then
      M.attach(bufnr)
    end
  end
end

--- Attach to every buffer, now and later.
function M.start()
  local group = vim.api.nvim_create_augroup('fimls.client', { clear = true })
  vim.api.nvim_create_autocmd({ 'FileType', 'BufEnter' }, {
    group = group,
    callback = function(event)
      M.attach(event.buf)
    end,
  })
  vim.api.nvim_create_autocmd('VimLeavePre', {
    group = group,
    callback = function()
      stopping = true
    end,
  })
  require('fimls.suggest').start()
  M.attach_open_buffers()
end

--- Stop the server; with `again`, start a new one.
function M.stop(again)
  stopping = true
  local client = M.get()
  if client then
    call(client, 'stop')
  end
  local left = 50
  local function wait()
    left = left - 1
    if M.get() and left > 0 then
      vim.defer_fn(wait, 50)
      return
    end
    stopping, crashes = false, {}
    if again then
      M.attach_open_buffers()
    end
  end
  wait()
end

--- Send the settings again, after one changed.
function M.configure(changed)
  local merged = vim.tbl_extend('force', options.get().settings, changed)
  options.get().settings = merged
  local client = M.get()
  if client then
    client.settings = { fimls = settings() }
    client.config.settings = client.settings
  end
  M.notify('workspace/didChangeConfiguration', { settings = { fimls = settings() } })
end

return M
