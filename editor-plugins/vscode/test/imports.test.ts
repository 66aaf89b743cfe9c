import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, parse } from 'node:path';
import { test } from 'node:test';

/** What each file of a folder imports of the others, types included. */
function imports(folder: string): Map<string, string[]> {
  return new Map(readdirSync(folder).map((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    return [parse(file).name, [...text.matchAll(/(?:from|import\() ?'\.\/(\w+)(?:\.js)?'/g)].map(([, name = '']) => name)];
  }));
}

/** A path that ends where it has been, or undefined. */
function circle(graph: Map<string, string[]>, path: string[]): string[] | undefined {
  for (const next of graph.get(path.at(-1) ?? '') ?? []) {
    const found = path.includes(next) ? [...path, next] : circle(graph, [...path, next]);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

test('no file imports itself by way of others', () => {
  const graph = imports('src');
  assert.deepEqual(graph.get('accept'), ['server']);
  for (const name of graph.keys()) {
    assert.equal(undefined, circle(graph, [name]));
  }
});

test('a circle would be seen', () => {
  const graph = new Map([['a', ['b']], ['b', ['c']], ['c', ['a']]]);
  assert.deepEqual(circle(graph, ['a']), ['a', 'b', 'c', 'a']);
});
