// Files of a simulated run: a capture for Wireshark, and an event log for qvis.

import { writeFileSync } from 'node:fs';
import { START_UNIX_MS } from '@underpass/testkit';
import { Capture, Qlog } from '@underpass/trace';

const APPLICATION = 'underpass, scripts/simulate.mjs';

/** Records what every process sends, as somebody sees it who stands in the middle of the network, with the secrets of
 *  every process. What the network itself makes (copies, damaged copies, forgeries) is not in it.
 *  @returns a recorder with `save`, which writes the file with mode 0600 */
export function recordCapture(file) {
  const pieces = [];
  const capture = new Capture({
    application: APPLICATION,
    interfaceName: 'the simulated network',
    write: (bytes) => pieces.push(bytes) > 0,
  });
  // What becomes of a datagram is known only after it was sent.
  let last;
  const flush = () => {
    if (last !== undefined) capture.handleDatagram(last);
    last = undefined;
  };
  return {
    onKeyLog(_node, line) {
      flush();
      capture.handleKeyLogLine(line);
    },
    onSent({ atUnixMs, from, to, bytes }) {
      flush();
      last = { atUnixMs, from, to, bytes: new Uint8Array(bytes) };
    },
    onLost(reason) {
      if (last !== undefined) last.comment = `lost on the way (${reason})`;
    },
    onReceived: flush,
    onTurn: flush,
    save() {
      flush();
      writeFileSync(file, Buffer.concat(pieces), { mode: 0o600 });
    },
  };
}

/** Records the events of one process.
 *  @param place  the process: `relay`, `client`, `client-2` ...
 *  @returns a recorder with `save`, which writes the file with mode 0600 */
export function recordQlog(file, place, suite) {
  const records = [];
  const qlog = new Qlog({
    application: APPLICATION,
    vantagePoint: place === 'relay' ? 'server' : 'client',
    startUnixMs: START_UNIX_MS,
    suite,
    write: (record) => records.push(record) > 0,
  });
  const isHere = ({ node }) => node === place;
  return {
    onKeyLog: (node, line) => node === place && qlog.handleKeyLogLine(line),
    onSent: (sent) => isHere(sent) && qlog.handleDatagram(sent.atUnixMs, 'sent', sent.to, sent.bytes),
    onLost() {},
    onReceived: (received) =>
      isHere(received) && qlog.handleDatagram(received.atUnixMs, 'received', received.from, received.bytes),
    onTurn(node, atUnixMs, peers) {
      if (node !== place) return;
      for (const peer of peers) qlog.handleMetrics(atUnixMs, peer.stats());
    },
    save: () => writeFileSync(file, records.join(''), { mode: 0o600 }),
  };
}

/** One recorder that passes everything on to several. */
export function joinRecorders(recorders) {
  const all =
    (name) =>
    (...args) => {
      for (const recorder of recorders) recorder[name](...args);
    };
  const names = ['onKeyLog', 'onSent', 'onLost', 'onReceived', 'onTurn', 'save'];
  return Object.fromEntries(names.map((name) => [name, all(name)]));
}
