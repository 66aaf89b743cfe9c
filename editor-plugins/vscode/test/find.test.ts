import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';

import { candidates, findServer, launch, type Places, type Window } from '../src/find';

const NOWHERE: Places = { setting: '', folders: [], python: undefined, path: '', windows: false };

function program(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, 0o755);
  return path;
}

test("a folder's own environment comes before the selected one and the PATH", () => {
  const root = mkdtempSync(join(tmpdir(), 'fimls-'));
  const own = program(join(root, 'repo/.venv/bin/fimls'));
  const selected = program(join(root, 'selected/bin/fimls'));
  const onPath = program(join(root, 'path/fimls'));
  const places = { ...NOWHERE, python: join(root, 'selected/bin/python'), path: join(root, 'path') };
  assert.equal(findServer({ ...places, folders: [join(root, 'repo')] }), own);
  assert.equal(findServer(places), selected);
  assert.equal(findServer({ ...places, python: undefined }), onPath);
});

test('the setting wins, and a typo in it is not replaced by something else', () => {
  const root = mkdtempSync(join(tmpdir(), 'fimls-'));
  program(join(root, 'path/fimls'));
  const places = { ...NOWHERE, path: join(root, 'path'), setting: join(root, 'missing') };
  assert.equal(findServer(places), undefined);
});

test('a file that may not be run is no program', () => {
  const root = mkdtempSync(join(tmpdir(), 'fimls-'));
  chmodSync(program(join(root, 'path/fimls')), 0o644);
  assert.ok(!candidates({ ...NOWHERE, path: join(root, 'path') }).some((one) => findServer({ ...NOWHERE, setting: one }) === join(root, 'path/fimls')));
});

/** A window on a folder that has a server in every place where one is looked for. */
function hostile(trusted: boolean): { window: Window; folder: string; outside: string } {
  const root = mkdtempSync(join(tmpdir(), 'fimls-'));
  const folder = join(root, 'folder');
  for (const place of ['.venv/bin', 'venv/bin', 'env/bin', 'tools', 'selected/bin']) {
    program(join(folder, place, 'fimls'));
  }
  const outside = program(join(root, 'path/fimls'));
  symlinkSync(join(folder, 'tools'), join(root, 'link'));
  const named = join(folder, 'tools/fimls');
  const window: Window = {
    trusted,
    folders: [folder],
    settings: {
      path: { defaultValue: '', workspaceValue: named, workspaceFolderValue: named },
      arguments: { defaultValue: ['serve', '--stdio'], workspaceValue: ['--evil'] },
      shared: { defaultValue: true, workspaceValue: false },
    },
    python: join(folder, 'selected/bin/python'),
    path: ['.', '', 'tools', join(folder, '.venv/bin'), join(folder, 'tools'), join(root, 'link'), join(root, 'path')].join(delimiter),
    windows: false,
  };
  return { window, folder, outside };
}

test('nothing of an untrusted folder is run, nor does it say what is', () => {
  const { window, folder, outside } = hostile(false);
  const { places, args, shared } = launch(window);
  assert.equal(findServer(places), outside);
  assert.deepEqual(candidates(places).filter((one) => one.startsWith(folder)), []);
  assert.deepEqual([args, shared], [['serve', '--stdio'], true]);
});

test("an untrusted window has the person's own settings", () => {
  const { window, outside } = hostile(false);
  const own = { path: { ...window.settings.path, globalValue: outside }, arguments: { globalValue: ['serve', '--stdio', '--engine', 'torch'] } };
  const { places, args } = launch({ ...window, settings: own });
  assert.equal(places.setting, outside);
  assert.deepEqual(args, ['serve', '--stdio', '--engine', 'torch']);
});

test("a trusted folder's environment is run, and its settings count", () => {
  const { window, folder } = hostile(true);
  assert.equal(findServer(launch(window).places), join(folder, 'tools/fimls'));
  const { places, args } = launch({ ...window, settings: {} });
  assert.equal(findServer(places), join(folder, '.venv/bin/fimls'));
  assert.deepEqual(args, ['serve', '--stdio']);
});

test('a folder whose name begins with two dots is within its parent', () => {
  const { window, folder, outside } = hostile(false);
  const { places } = launch({ ...window, path: [join(folder, '..bin'), dirname(outside)].join(delimiter) });
  assert.equal(places.path, dirname(outside));
});

test('a relative part of PATH is never looked in', () => {
  for (const trusted of [false, true]) {
    const { places } = launch({ ...hostile(trusted).window, folders: [], python: undefined, settings: {}, path: ['.', 'bin', ''].join(delimiter) });
    assert.equal(places.path, '');
  }
});

test('VS Code is told of every setting that says what is run', () => {
  const { capabilities, contributes } = JSON.parse(readFileSync('package.json', 'utf-8'));
  const names = contributes.configuration.properties === undefined
    ? contributes.configuration.flatMap((one: { properties: object }) => Object.keys(one.properties))
    : Object.keys(contributes.configuration.properties);
  const ours = names.filter((name: string) => name.startsWith('fimls.server.'));
  const restricted = capabilities.untrustedWorkspaces.restrictedConfigurations;
  assert.ok(ours.length >= 3);
  assert.deepEqual(ours.filter((name: string) => !restricted.includes(name)), []);
});
