import type { RecordedDatagram } from './record.mjs';

export function captureSession(datagrams: readonly RecordedDatagram[]): Buffer;
