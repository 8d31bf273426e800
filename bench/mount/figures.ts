import { loadavg } from 'node:os';

/** The middle one of several measurements, which one odd run does not move. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Measurements by what was measured and on what. */
export class Figures {
  readonly #seconds = new Map<string, Map<string, number[]>>();

  add(what: string, subject: string, seconds: number): void {
    const subjects = this.#seconds.get(what) ?? new Map<string, number[]>();
    this.#seconds.set(what, subjects);
    subjects.set(subject, [...(subjects.get(subject) ?? []), seconds]);
  }

  /** One line for each thing measured: medians, a rate of `amount` in `unit`, and how many times as long as each peer it took. */
  print(amount: number, unit: string): void {
    for (const [what, subjects] of this.#seconds) {
      const own = median(subjects.get('holdfast') ?? []);
      const parts = [...subjects].map(([subject, seconds]) => {
        const taken = median(seconds);
        const ratio = subject === 'holdfast' ? '' : `, holdfast takes ${(own / taken).toFixed(2)}×`;
        return `${subject} ${taken.toFixed(3)} s (${(amount / taken).toFixed(0)} ${unit}/s${ratio})`;
      });
      console.log(`${what}: ${parts.join('; ')}`);
    }
  }
}

/** How busy the machine is, without which no figure means much. */
export function describeLoad(): string {
  return `load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`;
}

export async function timed(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}
