/** What the checks of every step are made of. */

/** One thing that a step's program must do. The title says what; the error of `run` says what went wrong and why it matters. */
export interface Check<Step> {
  readonly title: string;
  /** Set if this machine can't run the check, with the reason. */
  readonly skip?: string;
  readonly run: (step: Step) => void | Promise<void>;
}

/** Long enough for a busy machine. A program that is right never waits that long. */
const DEADLINE_MS = 10_000;

export function expectThat(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** Waits for something that must happen soon. */
export async function soon<T>(promise: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Bytes in which a repeated, lost or swapped piece shows: the same every time. */
export function sampleBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
