import { readFile } from 'node:fs/promises';

/** How this machine's mount table calls our mounts: the type with its subtype, and the source. */
export const filesystemType = 'fuse.holdfast';
export const filesystemSource = 'holdfast';

export interface MountTableEntry {
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
  /** `major:minor`, by which /sys/class/bdi knows it. */
  readonly device: string;
}

/** The mounts of this process's namespace, in the order in which they were made (proc(5), /proc/PID/mountinfo). */
export async function readMountTable(): Promise<readonly MountTableEntry[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text.split('\n').flatMap(parseLine);
}

export function parseLine(line: string): MountTableEntry[] {
  const [front = '', back = ''] = line.split(' - ');
  const [, , device, , mountpoint] = front.split(' ');
  const [type, source] = back.split(' ');
  if (device === undefined || mountpoint === undefined || type === undefined || source === undefined) return [];
  return [{ device, mountpoint: unescape(mountpoint), type, source: unescape(source) }];
}

/** Space, tab, newline and backslash stand as three octal digits each; a name's other bytes are as they are. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The newest mount at exactly `path`, if there is one. */
export async function mountAt(path: string): Promise<MountTableEntry | undefined> {
  return (await readMountTable()).findLast(({ mountpoint }) => mountpoint === path);
}
