/** Where the `fimls` program may be, the surest place first. Nothing is run to find out. */

import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join, relative, sep } from 'node:path';

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

/** Where a setting was set, as VS Code tells it. */
export interface Setting<T> {
  defaultValue?: T;
  globalValue?: T;
  workspaceValue?: T;
  workspaceFolderValue?: T;
}

export interface Window {
  trusted: boolean;
  /** The window's folders. */
  folders: readonly string[];
  settings: { path?: Setting<string>; arguments?: Setting<string[]>; shared?: Setting<boolean> };
  python: string | undefined;
  path: string;
  windows: boolean;
}

export interface Launch {
  places: Places;
  args: string[];
  shared: boolean;
}

/**
 * What may be run in a window, and how. Of an untrusted one's folders nothing is: neither an
 * environment or a program within them, whatever PATH says, nor what their settings name. VS Code
 * leaves those settings out itself (restrictedConfigurations); that is not relied upon.
 */
export function launch(window: Window): Launch {
  const { trusted, folders, settings, windows } = window;
  const entries = window.path.split(delimiter).filter((one) => isAbsolute(one));
  const outside = entries.filter((one) => !folders.some((folder) => isWithin(one, folder)));
  return {
    places: {
      setting: value(settings.path, trusted) ?? '',
      folders: trusted ? folders : [],
      python: trusted ? window.python : undefined,
      path: (trusted ? entries : outside).join(delimiter),
      windows,
    },
    args: [...(value(settings.arguments, trusted) ?? ['serve', '--stdio'])],
    shared: value(settings.shared, trusted) ?? true,
  };
}

function value<T>(setting: Setting<T> | undefined, trusted: boolean): T | undefined {
  const folders = trusted ? (setting?.workspaceFolderValue ?? setting?.workspaceValue) : undefined;
  return folders ?? setting?.globalValue ?? setting?.defaultValue;
}

function isWithin(path: string, folder: string): boolean {
  const [real, root] = [realPath(path), realPath(folder)];
  const way = relative(root, real);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
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
