import assert from 'node:assert/strict';
import { test } from 'node:test';

import { show } from '../src/state';

test('loading shows its percentage', () => {
  assert.equal(show({ kind: 'loading', message: 'Loading', percent: 41.6 }).text, '$(loading~spin) fimls 42 %');
});

test('quiet says why', () => {
  assert.match(show({ kind: 'quiet', why: 'in a comment' }).tooltip, /in a comment/);
});

test('what needs the person has a colour', () => {
  assert.equal(show({ kind: 'missing', message: 'no model' }).tone, 'warning');
  assert.equal(show({ kind: 'error', message: 'dead' }).tone, 'error');
});
