// Bundles the extension into dist/extension.js, which a window reads as it starts, and dist/client.js,
// which is read with the server; with --tests, the tests beside them.
import { build } from 'esbuild';
import { readdirSync } from 'node:fs';

const common = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' };

await build({
  ...common,
  entryPoints: ['src/extension.ts', 'src/client.ts'],
  outdir: 'dist',
  format: 'cjs',
  minify: true,
  external: ['vscode', './client.js'],
});

if (process.argv.includes('--tests')) {
  const names = readdirSync('test').filter((name) => name.endsWith('.test.ts'));
  await build({
    ...common,
    entryPoints: names.map((name) => `test/${name}`),
    outdir: 'dist/test',
    outExtension: { '.js': '.mjs' },
    format: 'esm',
  });
}
