import { describe, expect, it } from 'vitest';
import { Rush } from '../../../mount/sync/rush.ts';

/** Changes every 10 ms from `startMs` on; returns when the last one was. */
function change(rush: Rush, startMs: number, count: number): number {
  for (let i = 0; i < count; i += 1) rush.changed(startMs + i * 10);
  return startMs + (count - 1) * 10;
}

describe('a rush of changes', () => {
  it('is not what a program makes that saves a document', () => {
    const rush = new Rush();
    const lastMs = change(rush, 1_000, 255);
    expect(rush.endMs).toBe(0);
    expect(rush.isOn(lastMs)).toBe(false);
  });

  it('ends with a pause', () => {
    const rush = new Rush();
    const lastMs = change(rush, 1_000, 256);
    expect(rush.endMs).toBe(lastMs + 50);
    expect(rush.isOn(lastMs + 50)).toBe(true);
    expect(rush.isOn(lastMs + 51)).toBe(false);
    rush.changed(lastMs + 51);
    expect(rush.endMs).toBe(0);
  });

  it('keeps nobody waiting for more than five seconds, however long it lasts', () => {
    const rush = new Rush();
    const lastMs = change(rush, 1_000, 5_000);
    expect(rush.endMs).toBe(6_000);
    expect(rush.isOn(lastMs)).toBe(true);
  });
});
