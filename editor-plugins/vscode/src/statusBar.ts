/** The item in the status bar; a click opens the menu. */

import * as vscode from 'vscode';

import { show, type State } from './state';

const BACKGROUND = { normal: undefined, warning: 'statusBarItem.warningBackground', error: 'statusBarItem.errorBackground' };

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('fimls.status', vscode.StatusBarAlignment.Right, 100);
  private current: State = { kind: 'starting' };

  constructor() {
    this.item.name = 'fimls';
    this.item.command = 'fimls.showMenu';
    this.state = this.current;
    this.item.show();
  }

  get state(): State {
    return this.current;
  }

  set state(state: State) {
    this.current = state;
    const { text, tooltip, tone } = show(state);
    const colour = BACKGROUND[tone];
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.accessibilityInformation = { label: `fimls: ${tooltip}` };
    this.item.backgroundColor = colour === undefined ? undefined : new vscode.ThemeColor(colour);
    void vscode.commands.executeCommand('setContext', 'fimls.ready', ['ready', 'thinking', 'quiet'].includes(state.kind));
  }

  dispose(): void {
    this.item.dispose();
  }
}
