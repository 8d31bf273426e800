import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

/**
 * Changes 50 names in every way there is, by calls of which each must come back, until its standard input ends. Errors of
 * who gets in another's way are part of it; any other ends it. Says what it does before each call, and at the end what it did.
 */
const script = `
import errno, mmap, os, random, select, sys
root, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
expected = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.ESTALE, errno.EINVAL, errno.EPERM}
counts = {}
def name(): return os.path.join(root, 'n%d' % chance.randrange(50))
def text(): return b'%d-%d ' % (seed, chance.randrange(10**6)) * chance.randrange(1, 2000)
def open_(path, flags): return os.open(path, flags, 0o644)
def write(flags):
    fd = open_(name(), flags)
    try: os.write(fd, text())
    finally: os.close(fd)
def read():
    fd = open_(name(), os.O_RDONLY)
    try:
        while os.read(fd, 65536): pass
    finally: os.close(fd)
def map_(flags, protection, use):
    # In a process of its own: a mapping of what somebody truncates meanwhile ends it by SIGBUS, as on any filesystem.
    fd = open_(name(), flags)
    try:
        child = os.fork()
        if child == 0:
            try:
                size = os.fstat(fd).st_size
                if size > 0: use(mmap.mmap(fd, size, mmap.MAP_SHARED, protection))
            finally: os._exit(0)
        os.waitpid(child, 0)
    finally: os.close(fd)
def scribble(view):
    at = chance.randrange(len(view))
    view[at:at + 1] = b'#'
    view.flush()
def inside():
    folder = name()
    fd = open_(os.path.join(folder, 'i%d' % chance.randrange(3)), os.O_WRONLY | os.O_CREAT)
    os.close(fd)
def clear():
    entries = os.listdir(root)
    if len(entries) > 60: os.unlink(os.path.join(root, chance.choice(entries)))
def empty():
    folder = name()
    for entry in os.listdir(folder): os.unlink(os.path.join(folder, entry))
    os.rmdir(folder)
ways = {
    'create': lambda: write(os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    'create anew': lambda: write(os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    'append': lambda: write(os.O_WRONLY | os.O_APPEND),
    'overwrite': lambda: write(os.O_RDWR),
    'read': read,
    'mmap read': lambda: map_(os.O_RDONLY, mmap.PROT_READ, lambda view: view[:]),
    'mmap write': lambda: map_(os.O_RDWR, mmap.PROT_READ | mmap.PROT_WRITE, scribble),
    'unlink': lambda: os.unlink(name()),
    'rename': lambda: os.rename(name(), name()),
    'link': lambda: os.link(name(), name()),
    'mkdir': lambda: os.mkdir(name()),
    'create in it': inside,
    'rmdir': empty,
    'chmod': lambda: os.chmod(name(), chance.choice([0o600, 0o640, 0o644, 0o755])),
    'truncate': lambda: os.truncate(name(), chance.randrange(9000)),
    'stat': lambda: os.stat(name()),
    'list': lambda: [os.lstat(os.path.join(root, each)) for each in os.listdir(root)],
    'clear': clear,
}
while not select.select([sys.stdin], [], [], 0)[0]:
    way = chance.choice(list(ways))
    print(way, flush=True)
    try: ways[way]()
    except OSError as error:
        if error.errno not in expected:
            print('FAILED', way, errno.errorcode[error.errno], flush=True)
            sys.exit(1)
    counts[way] = counts.get(way, 0) + 1
print('DID', sum(counts.values()), min(counts.get(way, 0) for way in ways), flush=True)
`;

/** No call takes so long, however busy the machine is. */
const callMsMax = 30_000;

/** Somebody on one mount who changes the same names as others do. */
export class Vandal {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #last = 'nothing';
  #lastMs = performance.now();

  constructor(directory: string, seed: number) {
    this.#child = spawn('python3', ['-c', script, directory, String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'close');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#last = text.trimEnd().split('\n').at(-1) ?? '';
      this.#lastMs = performance.now();
    });
  }

  /** Throws if it ended, or if its call does not come back, with where in the kernel that waits. */
  async check(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      throw new Error(`the vandal ended: ${this.#last} (${this.#child.signalCode ?? this.#child.exitCode})`);
    }
    const takenMs = performance.now() - this.#lastMs;
    if (takenMs < callMsMax) return;
    const stack = await readFile(`/proc/${this.#child.pid}/stack`, 'utf8').catch(String);
    throw new Error(`"${this.#last}" has not come back for ${takenMs.toFixed(0)} ms:\n${stack}`);
  }

  /** Ends it after its call at hand; returns how many calls it made, and how many of the rarest kind. */
  async stop(): Promise<{ readonly calls: number; readonly rarest: number }> {
    this.#child.stdin?.end();
    const late = AbortSignal.timeout(callMsMax);
    while (this.#child.exitCode === null && this.#child.signalCode === null && !late.aborted) {
      await Promise.race([this.#ended, once(late, 'abort')]);
    }
    const [, calls, rarest] = /^DID (\d+) (\d+)$/.exec(this.#last) ?? [];
    if (calls === undefined || rarest === undefined) throw new Error(`the vandal did not end well: ${this.#last}`);
    return { calls: Number(calls), rarest: Number(rarest) };
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
