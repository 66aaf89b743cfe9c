/** What was suggested last, so that the server hears what became of it. */

import * as vscode from 'vscode';

import type { StatusBar } from './statusBar';

type Result = vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined;
type Next = (
  document: vscode.TextDocument,
  position: vscode.Position,
  context: vscode.InlineCompletionContext,
  token: vscode.CancellationToken,
) => vscode.ProviderResult<Result>;

/** What is asked of the server. */
interface Server {
  readonly bar: StatusBar;
  readonly status: { state: string } | undefined;
  execute<T>(command: string, ...args: unknown[]): Promise<T | undefined>;
  notify(method: string, params: unknown): void;
}

interface Explanation {
  suppressed: string | null;
}

// An empty answer's reason is asked for once typing pauses.
const PAUSE_MS = 400;

export class Suggestions {
  /** The item on the screen, and its document's address. */
  shown: { item: vscode.InlineCompletionItem; uri: string } | undefined;
  private waiting = 0;
  private pause: NodeJS.Timeout | undefined;

  constructor(private readonly server: Server) {}

  /** The server can be asked now: who typed before needn't type again to see how it goes on. */
  ready(): void {
    if (this.waiting === 0 && vscode.window.activeTextEditor?.document.isDirty === true) {
      void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
    }
  }

  /** Ask the server, and note what it answers. */
  async provide(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
    next: Next,
  ): Promise<Result> {
    const { bar } = this.server;
    clearTimeout(this.pause);
    this.waiting += 1;
    if (this.server.status?.state === 'ready') {
      bar.state = { kind: 'thinking' };
    }
    let result: Result;
    try {
      result = await next(document, position, context, token);
    } finally {
      this.waiting -= 1;
      if (this.waiting === 0 && bar.state.kind === 'thinking') {
        bar.state = { kind: 'ready' };
      }
    }
    if (token.isCancellationRequested) {
      return result;
    }
    const items = Array.isArray(result) ? result : (result?.items ?? []);
    const first = items[0];
    if (first === undefined) {
      this.shown = undefined;
      this.pause = setTimeout(() => void this.explainQuiet(), PAUSE_MS);
    } else {
      this.shown = { item: first, uri: document.uri.toString() };
      this.server.notify('textDocument/didShowCompletion', { item: wire(first) });
    }
    return result;
  }

  /** Tell the server that a word or a line of the item was taken; length in UTF-16 units. */
  partiallyAccepted(acceptedLength: number): void {
    if (this.shown !== undefined && acceptedLength > 0) {
      const item = wire(this.shown.item);
      this.server.notify('textDocument/didPartiallyAcceptCompletion', { item, acceptedLength });
    }
  }

  private async explainQuiet(): Promise<void> {
    const explained = await this.server.execute<Explanation[]>('fimls.why').catch(() => undefined);
    const why = explained?.[0]?.suppressed;
    if (why !== undefined && why !== null && why !== '' && this.waiting === 0 && this.server.status?.state === 'ready') {
      this.server.bar.state = { kind: 'quiet', why };
    }
  }
}

/** As much of an item as says which it is. */
function wire(item: vscode.InlineCompletionItem): object {
  return { command: { command: item.command?.command, arguments: item.command?.arguments } };
}
