/** Measures the path with probes of growing size, until one takes long enough to tell the rate. */
import type { ProbeOutcome } from '@underpass/forward';
import type { Patient } from './patient.js';

const KIB = 1024;
/** A slow line is not filled for long, and a fast one is filled for long enough. */
const SIZES_BYTES = [64 * KIB, 512 * KIB, 4096 * KIB, 32_768 * KIB] as const;
/** A transfer of this length tells the rate. */
const LONG_ENOUGH_MS = 700;

export interface Measurement {
  readonly bytesPerSecond: number;
}

/** @returns the reason of the probe that failed, if one did before any rate was known */
export async function measure(
  patient: Pick<Patient, 'probe'>,
  direction: 'up' | 'down',
): Promise<Measurement | Extract<ProbeOutcome, { readonly ok: false }>['reason']> {
  let measured: Measurement | undefined;
  for (const bytes of SIZES_BYTES) {
    const options =
      direction === 'up'
        ? { uploadBytes: bytes, downloadBytes: 0 }
        : { uploadBytes: 0, downloadBytes: bytes };
    const outcome = await patient.probe(options);
    if (!outcome.ok) return measured ?? outcome.reason;
    measured = { bytesPerSecond: (bytes * 1000) / Math.max(outcome.transferMs, 1) };
    if (outcome.transferMs >= LONG_ENOUGH_MS) break;
  }
  return measured ?? 'internal-error';
}
