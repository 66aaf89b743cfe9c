import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { candidates, findServer, type Places } from '../src/find';

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
