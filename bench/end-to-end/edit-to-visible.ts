import { open, readFile, writeFile } from 'node:fs/promises';
import { Stand } from '../../test/end-to-end/stand.ts';

/**
 * How long after a file is closed on mount A its new content is read on mount B, whose kernel had the old one cached.
 * B reads in a loop without pause, so the figure includes everything: upload, commit, notification, pull,
 * invalidation, hydration and the read.
 */
const edits = Number(process.argv[2] ?? 200);
const password = 'a long password';

const stand = await Stand.open();
try {
  await stand.addUser('ada', password);
  const a = await stand.device('ada', password, 'a');
  const b = await stand.device('ada', password, 'b');
  await a.mount();
  await b.mount();
  await writeFile(a.path('note.txt'), contentOf(-1));
  await readUntil(b.path('note.txt'), contentOf(-1));
  const latenciesMs: number[] = [];
  for (let edit = 0; edit < edits; edit += 1) {
    const content = contentOf(edit);
    const file = await open(a.path('note.txt'), 'w');
    await file.writeFile(content);
    const closing = performance.now();
    await file.close();
    await readUntil(b.path('note.txt'), content);
    latenciesMs.push(performance.now() - closing);
  }
  latenciesMs.sort((x, y) => x - y);
  const at = (share: number): string => (latenciesMs[Math.floor(share * (edits - 1))] ?? 0).toFixed(1);
  console.log(`edit to visible, ${edits} edits: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`);
} finally {
  await stand.close();
}

function contentOf(edit: number): string {
  return `edit ${edit}: ${'the quick brown fox jumps over the lazy dog. '.repeat(100)}`;
}

async function readUntil(path: string, wanted: string): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    const seen = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (seen === wanted) return;
    deadline.throwIfAborted();
  }
}
