/** Helps to install the server, in a terminal that the person sees. */

import * as vscode from 'vscode';

const WAYS: Record<string, string> = {
  'With uv': 'uv tool install fimls',
  'With pipx': 'pipx install fimls',
  'With pip': 'python3 -m pip install --user fimls',
};
const CHOOSE = 'Choose the Program...';
const NEVER = "Don't Ask Again";
let asked = false;

/** Say once a window that there is no server, and what can be done. */
export async function offerInstall(setting: string, log: vscode.LogOutputChannel): Promise<void> {
  log.warn(setting === '' ? 'no fimls program was found' : `fimls.server.path names no program: ${setting}`);
  if (asked) {
    return;
  }
  asked = true;
  const message = setting === ''
    ? 'fimls: the server is not installed, or not where this window looks.'
    : `fimls: the setting fimls.server.path names no program: ${setting}`;
  const choice = await vscode.window.showWarningMessage(message, 'Install...', CHOOSE, NEVER);
  if (choice === 'Install...') {
    await install();
  } else if (choice === CHOOSE) {
    await chooseProgram();
  } else if (choice === NEVER) {
    await vscode.workspace.getConfiguration('fimls').update('enabled', false, vscode.ConfigurationTarget.Global);
  }
}

/** Let the person choose how; the command runs in a terminal, so nothing happens unseen. */
export async function install(): Promise<void> {
  const items = Object.entries(WAYS).map(([label, detail]) => ({ label, detail }));
  const picked = await vscode.window.showQuickPick(items, { title: 'Install the fimls server', placeHolder: 'Then run "fimls: Restart the Server"' });
  if (picked !== undefined) {
    const terminal = vscode.window.createTerminal('fimls');
    terminal.show();
    terminal.sendText(picked.detail);
  }
}

async function chooseProgram(): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({ title: 'The fimls program', canSelectMany: false });
  const path = chosen?.[0]?.fsPath;
  if (path !== undefined) {
    await vscode.workspace.getConfiguration('fimls').update('server.path', path, vscode.ConfigurationTarget.Global);
  }
}
