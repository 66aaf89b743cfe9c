/** The extension: it starts the server, shows how it is, and passes on what the person does. */

import * as vscode from 'vscode';

import { AcceptCommands } from './accept';
import { registerCommands } from './commands';
import { Server } from './server';
import { StatusBar } from './statusBar';

let server: Server | undefined;

/** VS Code calls this once, after its window is up; nothing here looks for the server, or waits. */
export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('fimls', { log: true });
  const bar = new StatusBar();
  server = new Server(log, bar, String(context.extension.packageJSON.version));
  context.subscriptions.push(log, bar, ...registerCommands(server, log), new AcceptCommands(server));
  context.subscriptions.push(
    vscode.workspace.onDidGrantWorkspaceTrust(() => server?.restart({ replace: false })),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('fimls.enabled') || event.affectsConfiguration('fimls.server')) {
        void server?.restart({ replace: false });
      }
    }),
  );
  setTimeout(() => void server?.start());
}

/** VS Code calls this when the window closes, and waits for it. */
export async function deactivate(): Promise<void> {
  const last = server;
  server = undefined;
  await last?.stop();
}
