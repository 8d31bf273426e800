import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededPieces } from './seeded-stream.ts';
import type { Texture } from './seeded-stream.ts';
import type { WebdavServer } from './webdav-scenarios.ts';

/** Writes the same bytes to a plain file and flushes it. */
export async function plainWrite(path: string, seed: number, byteLength: number, texture: Texture): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const piece of seededPieces(seed, byteLength, texture)) await file.write(piece);
    await file.sync();
  } finally {
    await file.close();
    await rm(path);
  }
}

/** `rclone serve webdav` over a folder on the same disk. */
export interface RclonePeer extends WebdavServer {
  readonly pid: number;
  close(): Promise<void>;
}

export async function startRclonePeer(directory: string, port: number): Promise<RclonePeer> {
  const folder = join(directory, 'rclone-peer');
  await mkdir(folder, { recursive: true });
  const child = spawn('rclone', ['serve', 'webdav', folder, '--addr', `127.0.0.1:${port}`, '--config', '/dev/null'], {
    stdio: 'ignore',
  });
  await once(child, 'spawn');
  const webdavUrl = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    const answered = await fetch(webdavUrl).catch(() => undefined);
    if (answered !== undefined) break;
    if (tries > 200 || child.exitCode !== null) throw new Error('rclone serve webdav did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    webdavUrl,
    webdavAuthorization: 'Basic Og==',
    pid: child.pid ?? 0,
    close: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Runs the rclone client against a WebDAV server; `:remote:` in the arguments stands for it. */
export async function rclone(
  server: { readonly webdavUrl: string; readonly webdavLogin?: { readonly user: string; readonly password: string } },
  args: readonly string[],
): Promise<void> {
  const { user = '', password = '' } = server.webdavLogin ?? {};
  const options = [`url="${server.webdavUrl}"`, 'vendor=other'];
  if (user !== '') options.push(`user=${user}`, `pass=${await obscured(password)}`);
  const remote = `:webdav,${options.join(',')}:`;
  const child = spawn(
    'rclone',
    [...args.map((arg) => arg.replace(':remote:', remote)), '--config', '/dev/null', '--quiet'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`rclone ${args[0]} ended with ${code}`);
}

async function obscured(password: string): Promise<string> {
  const child = spawn('rclone', ['obscure', password], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  return text.trim();
}

/** Makes a tree of small files, as many in a folder as source trees have. */
export async function makeSmallFiles(directory: string, count: number): Promise<string> {
  const folder = join(directory, 'small');
  const filler = (await readFile(new URL(import.meta.url), 'utf8')).slice(0, 3000);
  for (let at = 0; at < count; at += 1) {
    const place = join(folder, `folder ${Math.floor(at / 40)}`);
    if (at % 40 === 0) await mkdir(place, { recursive: true });
    await writeFile(join(place, `file ${at}`), `${at} ${filler.slice(at % 2000)}`);
  }
  return folder;
}
