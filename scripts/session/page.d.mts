import type { RecordedDatagram } from './record.mjs';

export function makePage(
  datagrams: readonly RecordedDatagram[],
  prose?: string,
): { readonly page: string; readonly totalBytes: number; readonly explainedBytes: number };
