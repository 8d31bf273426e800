import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Runs the benchmarks that the README quotes and puts what they print between its markers, unedited.
 *
 *     node bench/readme.ts
 */
const root = join(import.meta.dirname, '..');
const benchmarks = [
  ['bench/mount/large-file.ts', '--mebibytes', '512', '--runs', '3'],
  ['bench/mount/small-files.ts', '--files', '2000', '--runs', '3'],
  ['bench/end-to-end/edit-to-visible.ts', '200'],
] as const;
const begin = '<!-- what follows is written by bench/readme.ts -->';
const end = '<!-- end of what bench/readme.ts writes -->';

const sections = benchmarks.map((command) => {
  const run = spawnSync(process.execPath, [...command], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 24 });
  if (run.status !== 0) throw new Error(`${command.join(' ')} ended with ${run.status}: ${run.stderr}`);
  return ['```console', `$ node ${command.join(' ')}`, run.stdout.trimEnd(), '```'].join('\n');
});

const path = join(root, 'README.md');
const text = readFileSync(path, 'utf8');
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error('README.md has lost the markers of its measurements');
writeFileSync(path, `${text.slice(0, from)}${begin}\n\n${sections.join('\n\n')}\n\n${text.slice(to)}`);
