/** The client library, a file of its own: it is read when the server starts, not with the window. */

export { CloseAction, ErrorAction, LanguageClient, RevealOutputChannelOn, Trace } from 'vscode-languageclient/node';
export type { LanguageClientOptions } from 'vscode-languageclient/node';
