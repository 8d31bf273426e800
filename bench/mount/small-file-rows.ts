import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** One thing that is done with a tree of small files, and timed. */
export interface Row {
  readonly name: string;
  /** A shell script; `$1` is the archive, `$2` the tree. */
  readonly script: string;
  /** Whether it leaves something to be drained. */
  readonly changes?: boolean;
  /** Done before, untimed. */
  readonly prepare?: (archive: string, tree: string) => void;
}

/** Runs a shell script and returns what it printed. Throws what it complained of. */
export function sh(script: string, ...args: string[]): string {
  const done = spawnSync('sh', ['-euc', script, 'sh', ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.status !== 0) throw new Error(`${script}: ${done.stderr}`);
  return done.stdout;
}

const find = 'find "$2" -type f > /dev/null';
const list = 'ls -lR "$2" > /dev/null';
/** Fails where nothing is found, as is the case here. */
const search = 'grep -r "qqzz no such text" "$2" || true';
const status = 'cd "$2" && git status > /dev/null';
const twice = (script: string) => (archive: string, tree: string) => {
  sh(script, archive, tree);
  sh(script, archive, tree);
};

/** In this order: each finds what those before it left. `tar` waits for nothing on the disk, and neither does anybody who unpacks. */
export const rows: readonly Row[] = [
  { name: 'untar', script: 'tar -C "$2" --strip-components=1 -P -xf "$1" --transform="s,^/*,,"', changes: true },
  {
    name: 'find, cold',
    script: find,
    // What the kernel knows of names and inodes, of all filesystems; proc(5). Only root may.
    prepare: () => writeFileSync('/proc/sys/vm/drop_caches', '2'),
  },
  { name: 'find, warm', script: find },
  { name: 'ls -lR, warm', script: list, prepare: twice(list) },
  { name: 'grep -r, warm', script: search, prepare: twice(search) },
  {
    name: 'git add',
    script: 'cd "$2" && git add -f . 2> /dev/null',
    changes: true,
    prepare: (_archive, tree) => void sh('cd "$1" && git init -q . && git config gc.auto 0', tree),
  },
  { name: 'git status, warm', script: status, prepare: twice(status) },
  {
    name: 'rm -rf',
    script: 'rm -rf "$2"',
    changes: true,
    prepare: (_archive, tree) => void sh('rm -rf "$1/.git"', tree),
  },
];
