import { writeFile } from 'node:fs/promises';
import { mountAt } from './mount-table.ts';
import { transferBytesMax } from './negotiation.ts';

/**
 * Lets the kernel read ahead in the largest requests it can send. INIT can only lower its 128 KiB; more is set through
 * sysfs, for which one must be root (and sysfs writable): whoever is not reads in smaller requests, nothing else.
 */
export async function raiseReadAhead(mountpoint: string): Promise<boolean> {
  const entry = await mountAt(mountpoint);
  if (entry === undefined) return false;
  try {
    await writeFile(`/sys/class/bdi/${entry.device}/read_ahead_kb`, String(transferBytesMax / 1024));
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['EACCES', 'EPERM', 'EROFS', 'ENOENT'].includes(code)) return false;
    throw error;
  }
}
