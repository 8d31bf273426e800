import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Names this run of the machine: it changes with each boot. Where the kernel gives none, the hour of the boot serves. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    const hourMs = 3_600_000;
    return `booted ${Math.round((Date.now() - uptime() * 1000) / hourMs)}`;
  }
}
