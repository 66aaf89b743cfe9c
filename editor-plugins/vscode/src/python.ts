/** The Python extension's selected environment, if that extension is there. */

import * as vscode from 'vscode';

interface PythonApi {
  environments?: { getActiveEnvironmentPath(resource?: vscode.Uri): { path: string } };
}

/** The environment's interpreter or folder; undefined without the extension, or if it takes long. */
export async function selectedPython(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonApi>('ms-python.python');
  if (extension === undefined) {
    return undefined;
  }
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, 1_500, undefined));
  const api = await Promise.race([extension.activate(), late]);
  return api?.environments?.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri).path;
}
