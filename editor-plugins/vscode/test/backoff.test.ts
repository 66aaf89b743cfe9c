import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../src/backoff';

test('waits twice as long after each crash, and gives up after five in three minutes', () => {
  let now = 0;
  const backoff = new Backoff(() => now);
  const waits = Array.from({ length: 6 }, () => {
    now += 10_000;
    return backoff.crashed();
  });
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, undefined]);
});

test('crashes that lie far apart are each the first', () => {
  let now = 0;
  const backoff = new Backoff(() => now);
  backoff.crashed();
  now += 10 * 60_000;
  assert.equal(backoff.crashed(), 1_000);
});

test('a start by hand counts anew', () => {
  const backoff = new Backoff(() => 0);
  for (let crash = 0; crash < 6; crash += 1) {
    backoff.crashed();
  }
  backoff.reset();
  assert.equal(backoff.crashed(), 1_000);
});
