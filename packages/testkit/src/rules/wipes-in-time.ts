import type { ObservedProcess } from '../observer/observer.js';
import type { Stage } from './rule.js';

/** spec session 8.1, after more than 540 s of silence. With persistent keepalives keys are renewed forever. */
export function wipesInTime(stage: Stage, processes: readonly ObservedProcess[]): void {
  if (stage.scenario.clients.some(({ keepaliveMs }) => keepaliveMs > 0)) return;
  for (const { name, crypto, isStaticKey } of processes) {
    const left = crypto.countEphemeralKeys(isStaticKey);
    if (left > 0) stage.report(`${name} left ${left} ephemeral private keys in memory`);
    if (crypto.liveCiphers > 0)
      stage.report(`${name} left ${crypto.liveCiphers} ciphers that are not destroyed`);
  }
}
