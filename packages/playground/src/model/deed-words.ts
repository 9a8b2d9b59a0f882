/** Actions in words. */
import { type Deed, READS_AT_ONCE } from './actions.js';
import { LINK_RANGES, type LinkSettings } from './settings.js';

export function describeDeed(deed: Deed): string {
  switch (deed.kind) {
    case 'drop':
      return `You dropped datagram ${deed.datagram}`;
    case 'delay':
      return `You delayed datagram ${deed.datagram} by ${deed.ms} ms`;
    case 'corrupt':
      return `You changed a byte of datagram ${deed.datagram}`;
    case 'duplicate':
      return `You duplicated datagram ${deed.datagram}`;
    case 'replay':
      return `You sent a copy of datagram ${deed.datagram} from another address`;
    case 'forge':
      return `You forged a datagram that looks like ${deed.datagram}`;
    case 'flood':
      return `You flooded the relay with ${deed.perSecond} initiations a second for ${seconds(deed.ms)}`;
    case 'link':
      return `You set the ${LINK_RANGES[deed.setting].label.toLowerCase()} to ${describeSetting(deed.setting, deed.value)}`;
    case 'blackout':
      return `You cut the link for ${seconds(deed.ms)}`;
    case 'move':
      return `You gave client ${deed.client} a new address`;
    case 'rebind':
      return `You made client ${deed.client}'s NAT choose another port`;
    case 'restart':
      return `You restarted ${nameOfNumber(deed.node)}`;
    case 'clock':
      return `You set the clock of ${nameOfNumber(deed.node)} ${deed.seconds < 0 ? 'back' : 'forward'} by ${Math.abs(deed.seconds)} s`;
    case 'rekey':
      return `You asked ${nameOfNumber(deed.node)} for new keys`;
    case 'peer':
      return 'You started another client';
    case 'upload':
      return `You let client ${deed.client} upload ${size(deed.bytes)}`;
    case 'download':
      return `You let client ${deed.client} download ${size(deed.bytes)}`;
    case 'reader':
      return `You let ${nameOfNumber(deed.node)} read ${readerWords(deed.kilobytesPerSecond)}`;
  }
}

export function describeSetting(name: keyof LinkSettings, value: number): string {
  if (value === 0 && name === 'kbitPerSecond') return 'no limit';
  if (value === 0 && name === 'pathBytes') return 'any size';
  return `${value} ${LINK_RANGES[name].unit}`;
}

/** @param node  0 is the relay */
export function nameOfNumber(node: number): string {
  return node === 0 ? 'the relay' : `client ${node}`;
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${bytes / 1000} kB`;
  return `${bytes / 1_000_000} MB`;
}

function readerWords(kilobytesPerSecond: number): string {
  if (kilobytesPerSecond === 0) return 'nothing';
  return kilobytesPerSecond >= READS_AT_ONCE ? 'at once' : `${kilobytesPerSecond} kB a second`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
