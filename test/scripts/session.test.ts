/** The annotated session: every byte has an explanation, the committed page is what the script makes, and the capture
 *  shows the same in Wireshark. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { captureSession } from '../../scripts/session/capture.mjs';
import { makePage } from '../../scripts/session/page.mjs';
import { type RecordedDatagram, recordSession } from '../../scripts/session/record.mjs';
import { fieldsByTshark, WITH_DISSECTOR } from '../e2e/tshark.js';

const PAGE = new URL('../../docs/session/README.md', import.meta.url);
const CAPTURE = new URL('../../docs/session/session.pcapng', import.meta.url);
const PROSE = new URL('../../scripts/session/prose.md', import.meta.url);
const AGAIN = 'differs from what the script makes: run node scripts/session.mjs';

const datagrams = recordSession();
const { page, totalBytes, explainedBytes } = makePage(datagrams);

describe('the annotated session', () => {
  it('explains every byte', () => {
    expect(totalBytes).toBeGreaterThan(5000);
    expect(explainedBytes).toBe(totalBytes);
  });

  it('is committed as the script makes it', () => {
    expect(page === readFileSync(PAGE, 'utf8'), `docs/session/README.md ${AGAIN}`).toBe(true);
    expect(captureSession(datagrams).equals(readFileSync(CAPTURE)), `session.pcapng ${AGAIN}`).toBe(true);
  });

  it('contains all that it promises', () => {
    expect(datagrams.filter(({ bytes }) => bytes[0] === 1)).toHaveLength(2); // the handshake and the re-key
    expect(datagrams.filter(({ isLost }) => isLost)).toHaveLength(1);
    for (const word of ['HELLO', 'STREAM with FIN', 'ACK', 'CLOSE', 'HTTP/1.1 200 OK'])
      expect(page).toContain(word);
  });

  it('is not made when a byte is not decoded or a datagram has no prose', () => {
    const [first, second] = datagrams as [RecordedDatagram, RecordedDatagram];
    const damaged = { ...second, bytes: Uint8Array.of(4, 0, 0) };
    expect(() => makePage([first, damaged])).toThrow('datagram 2 does not open');
    const prose = readFileSync(PROSE, 'utf8');
    expect(() => makePage(datagrams, prose.replace('## 17: keepalive', '## 17: packet 9: ACK'))).toThrow(
      "prose.md has '17: packet 9: ACK' where the session has '17: keepalive'",
    );
    expect(() => makePage(datagrams, prose.split('## 28')[0])).toThrow("prose.md has 'nothing'");
  });

  it('is the same in tshark', (context) => {
    const fields = [
      'wg.type',
      'wg.handshake_ok',
      'wg.decryption_error',
      'underpass.packet_number',
      'frame.comment',
    ];
    const rows = fieldsByTshark(fileURLToPath(CAPTURE), 'wg', fields, WITH_DISSECTOR);
    if (rows === undefined) return context.skip('tshark is not installed');
    expect(rows).toHaveLength(datagrams.length);
    const glance = page.match(/^\| \[\d+\]\(#d\d+\).*$/gm) ?? [];
    for (const [i, [type, isVerified, problem, packetNumber, comment]] of rows.entries()) {
      expect(problem).toBe('');
      expect(type).toBe(String(datagrams[i]?.bytes[0]));
      if (type === '2') expect(isVerified).toMatch(/^(1|True)$/);
      if (packetNumber !== '') expect(glance[i]).toContain(`packet ${packetNumber}:`);
      expect(glance[i]?.includes('(lost)')).toBe(comment === 'lost on the way');
    }
  });
});
