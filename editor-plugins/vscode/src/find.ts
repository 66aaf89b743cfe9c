/** Where the `fimls` program may be, the surest place first. Nothing is run to find out. */

import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

export interface Places {
  /** The setting `fimls.server.path`; wins, even where it doesn't exist, so that a typo is seen. */
  setting: string;
  /** Folders whose own environments may be run: those of trusted workspaces only. */
  folders: readonly string[];
  /** The selected Python environment's interpreter or folder, where the Python extension tells it. */
  python: string | undefined;
  /** PATH, as in the environment. */
  path: string;
  windows: boolean;
}

/** All candidates in order. */
export function candidates(places: Places): string[] {
  const name = places.windows ? 'fimls.exe' : 'fimls';
  const bin = places.windows ? 'Scripts' : 'bin';
  if (places.setting !== '') {
    return [places.setting.replace(/^~(?=[/\\]|$)/, homedir())];
  }
  const environments = places.folders.flatMap((folder) => ['.venv', 'venv', 'env'].map((one) => join(folder, one, bin)));
  const selected = places.python === undefined ? [] : [dirname(places.python), join(places.python, bin)];
  const onPath = places.path.split(delimiter).filter((one) => one !== '');
  // Where uv and pipx put programs, which a window started from a desktop often lacks in its PATH.
  const tools = [join(homedir(), '.local', 'bin')];
  const folders = [...environments, ...selected, ...onPath, ...tools];
  return [...new Set(folders.map((folder) => join(folder, name)))];
}

/** The first candidate that is a program. */
export function findServer(places: Places): string | undefined {
  return candidates(places).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
