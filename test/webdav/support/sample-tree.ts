import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes a tree with what trips clients up: odd names, empty things, depth, a file of many blocks. */
export async function makeSampleTree(root: string): Promise<void> {
  const files: Record<string, string | Uint8Array> = {
    'plain.txt': 'plain\n',
    empty: '',
    'with space & ampersand.txt': 'x',
    'ümlaut-€-𝄞.txt': 'unicode',
    "quote'and;semi,comma=1+1": 'y',
    '100%.txt': 'percent',
    '#hash?query': 'marks',
    'deep/er/and/deeper/file': 'deep',
    'deep/.hidden': 'hidden',
    'deep/._resource': 'a file like others',
    large: randomBytes(5_000_000),
  };
  for (let n = 0; n < 60; n++) files[`many/file-${n}`] = `content ${n}`;
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
  }
  await mkdir(join(root, 'empty directory'));
}
