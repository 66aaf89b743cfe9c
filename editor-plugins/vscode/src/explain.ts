/** "Why this suggestion?": the server's explanation as a page beside the code. */

import * as vscode from 'vscode';

import type { Server } from './server';

/** Open the explanation of the last request. */
export async function explain(server: Server): Promise<void> {
  const text = await server.execute<string>('fimls.explain');
  if (text === undefined || text === '') {
    void vscode.window.showInformationMessage('fimls: nothing was asked yet. Type somewhere, then ask again.');
    return;
  }
  const document = await vscode.workspace.openTextDocument({ language: 'markdown', content: text });
  await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.Beside, preview: true });
}
