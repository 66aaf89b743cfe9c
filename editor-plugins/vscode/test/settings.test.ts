import assert from 'node:assert/strict';
import { test } from 'node:test';

import { serverSettings, type Inspected } from '../src/settings';

test('only what the person set is sent, and nothing of the extension itself', () => {
  const set: Record<string, Inspected> = {
    enabled: { globalValue: true },
    server: { globalValue: { path: '/x' } },
    model: { globalValue: '1.5b' },
    answer_ms: { workspaceValue: 500 },
    context: {},
  };
  const sent = serverSettings(Object.keys(set), (name) => set[name], (name) => set[name]?.globalValue ?? set[name]?.workspaceValue);
  assert.deepEqual(sent, { model: '1.5b', answer_ms: 500 });
});
