/** Keeps the memory that V8 sets aside from growing with the size of a config (docs/adr/0028-idle-peers.md). */
import { setFlagsFromString } from 'node:v8';

/** What V8 does by default: it doubles its young generation. */
const DEFAULT_GROWTH = 2;
/** The flag is V8's, and these versions of Node are known to read it each time. */
const [OLDEST_NODE, NEWEST_NODE] = [20, 26];

/** Keeps V8's young generation at its size until the returned function is called.
 *
 *  V8 doubles its young generation when much of what was in it has survived, and does not shrink it while the program
 *  is idle. All peers of a config survive, so loading thousands of them would leave tens of megabytes behind that
 *  nobody uses. When it may grow again, it grows with the traffic. */
export function holdYoungGeneration(): () => void {
  setGrowth(1);
  return () => setGrowth(DEFAULT_GROWTH);
}

function setGrowth(factor: number): void {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < OLDEST_NODE || major > NEWEST_NODE) return;
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}
