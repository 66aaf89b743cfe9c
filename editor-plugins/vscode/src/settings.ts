/**
 * Which of VS Code's settings are the server's.
 *
 * The server refuses a key it doesn't know, and a value that nobody set must not win over what
 * the workspace's own file says: only what the person set is passed on.
 */

/** Keys under `fimls.` that are this extension's own. */
const OWN = new Set(['enabled', 'server']);

export interface Inspected {
  globalValue?: unknown;
  workspaceValue?: unknown;
  workspaceFolderValue?: unknown;
}

/**
 * The settings to send: `names` are the keys under `fimls.`, `inspect` tells where each was set.
 * An untrusted workspace's values are left out by VS Code itself (restrictedConfigurations).
 */
export function serverSettings(
  names: Iterable<string>,
  inspect: (name: string) => Inspected | undefined,
  value: (name: string) => unknown,
): Record<string, unknown> {
  const sent: Record<string, unknown> = {};
  for (const name of names) {
    const found = inspect(name);
    const isSet = found !== undefined
      && [found.globalValue, found.workspaceValue, found.workspaceFolderValue].some((one) => one !== undefined);
    if (!OWN.has(name) && isSet) {
      sent[name] = value(name);
    }
  }
  return sent;
}
