/** Accept a word or a line: the editor's own commands, and a note to the server. */

import * as vscode from 'vscode';

import type { Server } from './server';

const COMMANDS = {
  'fimls.acceptWord': 'editor.action.inlineSuggest.acceptNextWord',
  'fimls.acceptLine': 'editor.action.inlineSuggest.acceptNextLine',
};

export class AcceptCommands implements vscode.Disposable {
  private readonly registered: vscode.Disposable[];

  constructor(private readonly server: Server) {
    this.registered = Object.entries(COMMANDS).map(([name, builtIn]) =>
      vscode.commands.registerCommand(name, () => this.accept(builtIn)));
  }

  private async accept(builtIn: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const before = editor?.document.offsetAt(editor.selection.active);
    await vscode.commands.executeCommand(builtIn);
    if (editor !== undefined && before !== undefined) {
      this.server.suggestions.partiallyAccepted(editor.document.offsetAt(editor.selection.active) - before);
    }
  }

  dispose(): void {
    this.registered.forEach((one) => one.dispose());
  }
}
