import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { runCommand } from './process.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

const noPython = skipLoudly('interrupted O_DIRECT reads', whyNoProgram('python3', 'python3'));
const ioTimeoutS = 2;
/** More than the requests that kernels have waiting by default (FUSE_DEFAULT_MAX_BACKGROUND is 12). */
const waitingReaders = 50;
/** What "at once" is on a machine that does other things too. */
const promptMs = 1_000;

/** Reads with O_DIRECT, so that the read itself waits and no page; prints the name of the error it ends with. */
const directRead = `
import errno, mmap, os, signal, sys
signal.signal(signal.SIGINT, lambda *_: (_ for _ in ()).throw(InterruptedError(errno.EINTR, 'EINTR')))
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
print('reading', flush=True)
try: os.readv(fd, [mmap.mmap(-1, 4096)])
except OSError as error: print(errno.errorcode[error.errno], flush=True)
`;

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

describe.skipIf(skipLoudly('a silent server', whyNoMount()))('a mount whose server never answers', () => {
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;
  let b: Device;
  const readers: ChildProcess[] = [];

  beforeAll(async () => {
    ({ stand, a, b, line } = await openAdasStand({ a: 'direct', b: 'byLine' }, '--io-timeout', String(ioTimeoutS)));
    for (const name of ['here', 'there', 'elsewhere', 'later', 'direct']) {
      await writeFile(a.path(name), randomBytes(300_000));
    }
    for (let index = 0; index < waitingReaders; index += 1)
      await writeFile(a.path(`many${index}`), randomBytes(200_000));
    await a.drain();
    await eventually(async () => expect(await readdir(b.mountpoint)).toHaveLength(5 + waitingReaders));
    await readFile(b.path('here'));
    line.freeze();
  }, 120_000);

  afterEach(() => {
    for (const reader of readers.splice(0)) reader.kill('SIGKILL');
  });

  afterAll(() => stand?.close());

  /** A reader that waits for the network: its read has reached the mount and is not answered. */
  async function waitingReader(path: string, command: readonly string[]): Promise<ChildProcess> {
    const [program = '', ...args] = command;
    const reader = spawn(program, [...args, path], { stdio: ['ignore', 'pipe', 'ignore'] });
    readers.push(reader);
    await eventually(async () =>
      expect(await readFile(`/proc/${reader.pid}/wchan`, 'utf8')).toMatch(/fuse|folio|page|request_wait_answer/),
    );
    return reader;
  }

  test('lists, looks up, shows attributes, reads what is local and takes changes at once', async () => {
    expect(await elapsedMs(() => readdir(b.mountpoint))).toBeLessThan(promptMs);
    expect(await elapsedMs(() => stat(b.path('there')))).toBeLessThan(promptMs);
    expect(await elapsedMs(() => expect(stat(b.path('no such file'))).rejects.toThrow('ENOENT'))).toBeLessThan(
      promptMs,
    );
    expect(await elapsedMs(() => readFile(b.path('here')))).toBeLessThan(promptMs);
    const waiting = await waitingReader(b.path('elsewhere'), ['cat']);
    expect(await elapsedMs(() => writeFile(b.path('new'), 'made meanwhile'))).toBeLessThan(promptMs);
    expect(await readFile(b.path('new'), 'utf8')).toBe('made meanwhile');
    waiting.kill('SIGKILL');
  });

  test('ends a read that needs it with EIO after --io-timeout, and says so in the log', async () => {
    const takenMs = await elapsedMs(() => expect(readFile(b.path('there'))).rejects.toThrow('EIO'));
    expect(takenMs).toBeGreaterThan(ioTimeoutS * 1000 - 100);
    expect(takenMs).toBeLessThan(ioTimeoutS * 1500);
    const said = /"level":40.*nothing came from the server for 2 s.*"path":".*there".*a read was given up/;
    await b.process.expect(said, promptMs);
    expect(b.process.output.match(/"path":"[^"]*there"/g)).toHaveLength(1);
  });

  test('reads what is on the disk at once, however many readers wait', async () => {
    const names = (await readdir(b.mountpoint)).filter((name) => name.startsWith('many'));
    expect(names).toHaveLength(waitingReaders);
    await Promise.all(names.map((name) => waitingReader(b.path(name), ['cat'])));
    // Without the kernel's pages of it, the mount has to be asked.
    await runCommand('dd', [`if=${b.path('here')}`, 'iflag=nocache', 'count=0', 'status=none']);
    expect(await elapsedMs(() => readFile(b.path('here')))).toBeLessThan(promptMs);
  });

  test('lets Ctrl-C end a read that waits', async () => {
    const reader = await waitingReader(b.path('later'), ['cat']);
    const ended = once(reader, 'exit');
    expect(
      await elapsedMs(async () => {
        reader.kill('SIGINT');
        expect((await ended)[1]).toBe('SIGINT');
      }),
    ).toBeLessThan(promptMs);
  });

  test.skipIf(noPython)('ends a read(2) with EINTR when its caller handles the signal', async () => {
    const reader = await waitingReader(b.path('direct'), ['python3', '-c', directRead]);
    let said = '';
    reader.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    const ended = once(reader, 'close');
    expect(
      await elapsedMs(async () => {
        reader.kill('SIGINT');
        await ended;
      }),
    ).toBeLessThan(promptMs);
    expect(said).toContain('EINTR');
  });

  test('is stopped by SIGTERM all the same, in good order, with what is not uploaded kept', async () => {
    const { process } = b;
    const takenMs = await elapsedMs(() => b.unmount());
    expect(process.child.exitCode).toBe(0);
    expect(takenMs).toBeLessThan(30_000);
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(b.mountpoint);
    expect(process.output).toMatch(/not uploaded.*\.local\/state\/holdfast\/mounts/);
  }, 60_000);

  test('starts without an answer, reads when the server answers again, and has lost nothing', async () => {
    expect(await elapsedMs(() => b.mount('--io-timeout', String(ioTimeoutS)))).toBeLessThan(45_000);
    expect(await readFile(b.path('new'), 'utf8')).toBe('made meanwhile');
    line.thaw();
    expect((await readFile(b.path('there'))).equals(await readFile(a.path('there')))).toBe(true);
    await b.drain(60);
    await eventually(async () => expect(await readFile(a.path('new'), 'utf8')).toBe('made meanwhile'));
  }, 120_000);
});
