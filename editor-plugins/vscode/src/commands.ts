/** The commands of the palette, and the menu behind the status bar. */

import * as vscode from 'vscode';

import { explain } from './explain';
import { install } from './install';
import type { Server } from './server';

interface Entry extends vscode.QuickPickItem {
  run: () => unknown;
}

export function registerCommands(server: Server, log: vscode.LogOutputChannel): vscode.Disposable[] {
  const commands: Record<string, () => unknown> = {
    'fimls.showMenu': () => showMenu(server),
    'fimls.trigger': () => vscode.commands.executeCommand('editor.action.inlineSuggest.trigger'),
    'fimls.showExplanation': () => explain(server),
    'fimls.toggle': () => update('enabled', !read<boolean>('enabled', true)),
    'fimls.toggleLanguage': toggleLanguage,
    'fimls.toggleAutomatic': () => update('automatic', !read<boolean>('automatic', true)),
    'fimls.chooseModel': () => chooseModel(server),
    'fimls.chooseAdapter': () => chooseAdapter(server),
    'fimls.fetchModel': () => server.execute('fimls.pull'),
    'fimls.restart': () => server.restart({ replace: true }),
    'fimls.showLog': () => showLog(server, log),
    'fimls.install': install,
  };
  return Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run));
}

async function showMenu(server: Server): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const enabled = read<boolean>('enabled', true);
  const entries: Entry[] = [
    { label: enabled ? '$(circle-slash) Turn off' : '$(sparkle) Turn on', run: () => run('toggle') },
  ];
  if (enabled && language !== undefined) {
    const off = read<string[]>('languages_off', []).includes(language);
    entries.push({ label: `${off ? '$(sparkle) Turn on' : '$(circle-slash) Turn off'} for ${language}`, run: () => run('toggleLanguage') });
  }
  if (enabled) {
    const automatic = read<boolean>('automatic', true);
    entries.push(
      { label: automatic ? '$(keyboard) On demand only' : '$(keyboard) While typing', run: () => run('toggleAutomatic') },
      { label: '$(question) Why this suggestion, or none?', run: () => run('showExplanation') },
      { label: '$(chip) Model...', description: server.status?.model, run: () => run('chooseModel') },
      { label: '$(mortar-board) Adapter...', description: server.status?.adapter || 'none', run: () => run('chooseAdapter') },
    );
  }
  if (server.status?.state === 'missing') {
    entries.unshift({ label: '$(cloud-download) Fetch the model', run: () => run('fetchModel') });
  }
  if (server.status === undefined && enabled) {
    entries.push({ label: '$(desktop-download) Install the server...', run: () => run('install') });
  }
  entries.push(
    { label: '$(refresh) Restart the server', run: () => run('restart') },
    { label: '$(output) Show the log', run: () => run('showLog') },
    { label: '$(gear) Settings', run: () => vscode.commands.executeCommand('workbench.action.openSettings', '@ext:fimls.fimls') },
  );
  const picked = await vscode.window.showQuickPick(entries, { title: 'fimls', placeHolder: server.status?.message || server.status?.state });
  await picked?.run();
}

/** Show how the server was started and, where windows share it, the file that it logs to. */
async function showLog(server: Server, log: vscode.LogOutputChannel): Promise<void> {
  log.show(true);
  if (server.logFile !== undefined) {
    await vscode.window.showTextDocument(vscode.Uri.file(server.logFile), { preview: true });
  }
}

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language === undefined) {
    return;
  }
  const off = read<string[]>('languages_off', []);
  await update('languages_off', off.includes(language) ? off.filter((one) => one !== language) : [...off, language]);
}

async function chooseModel(server: Server): Promise<void> {
  const models = (await server.execute<{ name: string; note: string }[]>('fimls.models')) ?? [];
  const items: vscode.QuickPickItem[] = models.map(({ name, note }) => ({ label: name, description: note }));
  const file = 'A GGUF file...';
  const picked = await vscode.window.showQuickPick([...items, { label: file }], { title: 'Model', placeHolder: server.status?.model });
  if (picked === undefined) {
    return;
  }
  if (picked.label !== file) {
    await update('model', picked.label);
    return;
  }
  const chosen = await vscode.window.showOpenDialog({ filters: { 'GGUF files': ['gguf'] } });
  if (chosen?.[0] !== undefined) {
    await update('model', chosen[0].fsPath);
  }
}

async function chooseAdapter(server: Server): Promise<void> {
  const adapters = (await server.execute<{ name: string; note: string }[]>('fimls.adapters')) ?? [];
  const items: (vscode.QuickPickItem & { setting?: string })[] = [
    { label: 'The promoted one', description: 'what `fimls adapters promote` or the last gate chose', setting: '' },
    { label: 'None', description: 'the model alone', setting: 'none' },
    ...adapters.map(({ name, note }) => ({ label: name, description: note, setting: name })),
    { label: 'A folder...' },
  ];
  const picked = await vscode.window.showQuickPick(items, { title: 'Adapter', placeHolder: server.status?.adapter || 'none' });
  if (picked?.setting !== undefined) {
    await update('adapter', picked.setting);
  } else if (picked !== undefined) {
    const chosen = await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false });
    if (chosen?.[0] !== undefined) {
      await update('adapter', chosen[0].fsPath);
    }
  }
}

function run(name: string): Thenable<unknown> {
  return vscode.commands.executeCommand(`fimls.${name}`);
}

function read<T>(name: string, otherwise: T): T {
  return vscode.workspace.getConfiguration('fimls').get<T>(name, otherwise);
}

function update(name: string, value: unknown): Thenable<void> {
  return vscode.workspace.getConfiguration('fimls').update(name, value, vscode.ConfigurationTarget.Global);
}
