import { CONGESTION_CONTROLLERS, type CongestionControllerName } from '@underpass/protocol';
import type { LinkConditions } from '@underpass/testkit/simulation';

/** The conditions of every link, the same in both directions. */
export interface LinkSettings {
  /** One way. */
  readonly delayMs: number;
  readonly lossPercent: number;
  /** 0 means that the link has no limit. */
  readonly kbitPerSecond: number;
  /** How many kilobytes wait in front of the link. */
  readonly queueKilobytes: number;
  /** The largest datagram that passes; 0 means that every size does. */
  readonly pathBytes: number;
}

/** What a reader can set about the links, with its range. */
export const LINK_RANGES = {
  delayMs: { min: 0, max: 500, step: 1, label: 'Delay', unit: 'ms' },
  lossPercent: { min: 0, max: 50, step: 0.5, label: 'Loss', unit: '%' },
  kbitPerSecond: { min: 0, max: 50_000, step: 100, label: 'Rate', unit: 'kbit/s' },
  queueKilobytes: { min: 2, max: 512, step: 2, label: 'Queue', unit: 'kB' },
  pathBytes: { min: 0, max: 1500, step: 10, label: 'Path MTU', unit: 'bytes' },
} as const satisfies Record<
  keyof LinkSettings,
  { min: number; max: number; step: number; label: string; unit: string }
>;
export const LINK_SETTINGS = Object.keys(LINK_RANGES) as readonly (keyof LinkSettings)[];

/** What a session starts with. */
export interface Setup {
  readonly seed: number;
  /** One client for each of these congestion controllers. */
  readonly clients: readonly CongestionControllerName[];
  /** Whether all clients share one link, or each has one of its own. */
  readonly isLinkShared: boolean;
  readonly link: LinkSettings;
}

export const CONTROLLERS = CONGESTION_CONTROLLERS;

export const DEFAULT_SETUP: Setup = {
  seed: 1,
  clients: ['bbr'],
  isLinkShared: true,
  link: { delayMs: 40, lossPercent: 0, kbitPerSecond: 4000, queueKilobytes: 32, pathBytes: 0 },
};

/** 1 kbit/s is an eighth of a byte in a millisecond. */
const BYTES_PER_KBIT = 1 / 8;

/** @param from  the moment from which the path's MTU counts */
export function linkConditions(
  settings: LinkSettings,
  from: number,
): Pick<LinkConditions, 'delayMs' | 'lossChance' | 'bytesPerMs' | 'queueBytes' | 'pathBytes'> {
  const { delayMs, lossPercent, kbitPerSecond, queueKilobytes, pathBytes } = settings;
  return {
    delayMs,
    lossChance: lossPercent / 100,
    bytesPerMs: kbitPerSecond === 0 ? undefined : kbitPerSecond * BYTES_PER_KBIT,
    queueBytes: queueKilobytes * 1000,
    pathBytes: pathBytes === 0 ? [] : [{ from, maxBytes: pathBytes }],
  };
}
