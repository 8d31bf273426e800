import { createCipheriv, hash } from 'node:crypto';
import type { Randomness } from '../../../protocol/environment.ts';

/** `length` incompressible bytes that depend on the seed alone: AES-256-CTR over zeros, keyed by the seed's SHA-256. */
export function seededBytes(seed: string, length: number): Buffer {
  const cipher = createCipheriv('aes-256-ctr', hash('sha256', seed, 'buffer'), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(length));
}

/** `length` bytes of made-up words that depend on the seed alone and compress well. */
export function seededText(seed: string, length: number): Buffer {
  const words = ['mount', 'drive', 'block', 'pack', 'seal', 'cursor', 'commit', 'lease', 'trash', 'replica', '\n'];
  const out = Buffer.alloc(length);
  const picks = seededBytes(seed, Math.ceil(length / 4) + 1);
  let at = 0;
  for (let pick = 0; at < length; pick++) {
    at += out.write((words[(picks[pick] ?? 0) % words.length] ?? '') + ' ', at, 'latin1');
  }
  return out;
}

/** Randomness that a seed repeats. Only for tests: keys made from it are no secret. */
export function seededRandomness(seed: string): Randomness {
  let draws = 0;
  return { bytes: (length) => seededBytes(`${seed}/${draws++}`, length) };
}
