/** The server's life: found, started, asked, restarted when it dies, stopped. */

import { homedir } from 'node:os';

import * as vscode from 'vscode';
// Types alone: the library takes longer to load than all the rest, and the window is waiting.
import type { LanguageClient, LanguageClientOptions } from './client.js';

import { Backoff } from './backoff';
import { findServer, launch } from './find';
import { offerInstall } from './install';
import { selectedPython } from './python';
import { serverSettings } from './settings';
import type { StatusBar } from './statusBar';
import { Suggestions } from './suggestions';

type Lsp = typeof import('./client.js');

interface Status {
  state: 'loading' | 'ready' | 'missing' | 'error';
  message: string;
  model: string;
  engine: string;
  adapter: string;
  /** The file that the server logs to, where windows share one. */
  log?: string;
}

interface Progress {
  percentage?: number;
  message?: string;
  title?: string;
  kind?: string;
}

export class Server {
  readonly suggestions = new Suggestions(this);
  status: Status | undefined;
  /** The log of the server that runs, or ran last; undefined where that is this extension's own. */
  logFile: string | undefined;
  private client: LanguageClient | undefined;
  private readonly backoff = new Backoff();
  private timer: NodeJS.Timeout | undefined;
  /** Starts and stops take turns: a restart asked for twice is two restarts, never two servers. */
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly log: vscode.LogOutputChannel,
    readonly bar: StatusBar,
    private readonly version: string,
  ) {}

  start(): Promise<void> {
    return this.inTurn(() => this.startNow({ replace: false }));
  }

  stop(): Promise<void> {
    return this.inTurn(() => this.stopNow());
  }

  /** `replace`: by a new process, where windows share one; the others keep theirs. */
  restart({ replace }: { replace: boolean }): Promise<void> {
    this.backoff.reset();
    return this.inTurn(async () => {
      await this.stopNow();
      await this.startNow({ replace });
    });
  }

  /** Run a command of the server's; undefined while there is none. */
  async execute<T>(command: string, ...args: unknown[]): Promise<T | undefined> {
    if (this.client?.isRunning() !== true) {
      return undefined;
    }
    return this.client.sendRequest('workspace/executeCommand', { command, arguments: args });
  }

  notify(method: string, params: unknown): void {
    if (this.client?.isRunning() === true) {
      void this.client.sendNotification(method, params);
    }
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work, work);
    return this.queue;
  }

  private async startNow({ replace }: { replace: boolean }): Promise<void> {
    const settings = vscode.workspace.getConfiguration('fimls');
    if (!settings.get<boolean>('enabled', true)) {
      this.bar.state = { kind: 'off', why: 'the setting fimls.enabled' };
      return;
    }
    this.bar.state = { kind: 'starting' };
    const trusted = vscode.workspace.isTrusted;
    const folders = (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === 'file');
    const { places, args, shared } = launch({
      trusted,
      folders: folders.map((folder) => folder.uri.fsPath),
      settings: {
        path: settings.inspect<string>('server.path'),
        arguments: settings.inspect<string[]>('server.arguments'),
        shared: settings.inspect<boolean>('server.shared'),
      },
      python: trusted ? await selectedPython() : undefined,
      path: process.env['PATH'] ?? '',
      windows: process.platform === 'win32',
    });
    const command = findServer(places);
    if (command === undefined) {
      this.bar.state = { kind: 'error', message: 'The fimls server was not found. Click to install it.' };
      void offerInstall(places.setting, this.log);
      return;
    }
    this.log.info(`starting ${command}`);
    if (shared) {
      args.push('--shared', ...(replace ? ['--replace'] : []));
    }
    // The library would start it in the folder, from which Python may import.
    const run = { command, args, options: { cwd: homedir() } };
    const lsp = await import('./client.js');
    const client = new lsp.LanguageClient('fimls', 'fimls', run, this.options(lsp));
    this.client = client;
    client.onNotification('fimls/status', (status: Status) => this.onStatus(status));
    try {
      await client.start();
      await client.setTrace(lsp.Trace.Off);
    } catch (error) {
      this.log.error(`the server did not start: ${String(error)}`);
      this.bar.state = { kind: 'error', message: `The server did not start (${command}). See the log.` };
      return;
    }
    this.checkVersion(client.initializeResult?.serverInfo?.version);
    void vscode.commands.executeCommand('setContext', 'fimls.running', true);
  }

  private async stopNow(): Promise<void> {
    clearTimeout(this.timer);
    const client = this.client;
    this.client = undefined;
    void vscode.commands.executeCommand('setContext', 'fimls.running', false);
    if (client !== undefined && client.needsStop()) {
      // A server that doesn't answer within two seconds is killed by the client.
      await client.dispose(2_000).catch((error: unknown) => this.log.warn(`while stopping: ${String(error)}`));
    }
  }

  private options({ CloseAction, ErrorAction, RevealOutputChannelOn }: Lsp): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-remote' }],
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: sent(),
      synchronize: { configurationSection: 'fimls' },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.onDied();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        handleWorkDoneProgress: (_token, params: Progress, next) => {
          if (this.status?.state !== 'ready' && params.kind !== 'end') {
            const message = params.message ?? params.title ?? 'Loading';
            this.bar.state = { kind: 'loading', message, percent: params.percentage };
          }
          next(_token, params as never);
        },
        workspace: {
          configuration: (params) => params.items.map((item) => (item.section === 'fimls' ? sent() : null)),
          didChangeConfiguration: async () => {
            this.notify('workspace/didChangeConfiguration', { settings: { fimls: sent() } });
          },
        },
        provideInlineCompletionItems: (document, position, context, token, next) =>
          this.suggestions.provide(document, position, context, token, next),
      },
    };
  }

  private onStatus(status: Status): void {
    this.status = status;
    this.logFile = status.log;
    this.log.info(`${status.state}: ${status.message || status.model}`);
    switch (status.state) {
      case 'ready':
        this.backoff.reset();
        this.bar.state = { kind: 'ready' };
        this.suggestions.ready();
        break;
      case 'loading':
        this.bar.state = { kind: 'loading', message: status.message };
        break;
      case 'missing':
        this.bar.state = { kind: 'missing', message: status.message };
        break;
      case 'error':
        this.bar.state = { kind: 'error', message: status.message };
        break;
    }
  }

  private onDied(): void {
    void vscode.commands.executeCommand('setContext', 'fimls.running', false);
    const wait = this.backoff.crashed();
    this.status = undefined;
    if (wait === undefined) {
      this.bar.state = { kind: 'error', message: 'The server died again and again. See the log.' };
      void vscode.window
        .showErrorMessage('fimls: the server died six times in three minutes.', 'Restart', 'Show Log')
        .then((choice) => {
          if (choice === 'Restart') {
            void this.restart({ replace: true });
          } else if (choice === 'Show Log') {
            void vscode.commands.executeCommand('fimls.showLog');
          }
        });
      return;
    }
    this.log.warn(`the server died; starting it again in ${wait} ms`);
    this.bar.state = { kind: 'loading', message: `The server died; starting it again in ${Math.ceil(wait / 1000)} s` };
    this.timer = setTimeout(() => void this.start(), wait);
  }

  private checkVersion(found: string | undefined): void {
    if (found === undefined || minor(found) === minor(this.version)) {
      return;
    }
    this.log.warn(`the server is ${found}, this extension is for ${minor(this.version)}`);
    void vscode.window.showWarningMessage(
      `fimls: the server is version ${found}, this extension is made for ${minor(this.version)}. Upgrade the older one: uv tool upgrade fimls, or pip install -U fimls.`,
    );
  }
}

/** What the person set for the server. */
function sent(): Record<string, unknown> {
  const all = vscode.workspace.getConfiguration('fimls');
  const names = Object.keys(all).filter((name) => typeof all[name] !== 'function');
  return serverSettings(names, (name) => all.inspect(name), (name) => all.get(name));
}

function minor(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
