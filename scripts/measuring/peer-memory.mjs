// Prints the memory that an endpoint holds for one peer: one that was never heard, one that has just connected, and one that
// has transferred a megabyte each way, each at once and after having been idle. For scripts/measure-peers.mjs.
//
//   node --expose-gc scripts/measuring/peer-memory.mjs

const PROTOCOL = new URL('../../packages/protocol/dist/index.js', import.meta.url);
const RUNTIME = new URL('../../packages/runtime/dist/index.js', import.meta.url);
const MEBIBYTE = 1024 * 1024;
const MEASURED_PEERS = 1000;
const WARM_UP_PEERS = 200;

await measureMemory();

async function measureMemory() {
  const protocol = await import(PROTOCOL);
  const { chooseSuite, secureRandom } = await import(RUNTIME);
  const suite = await chooseSuite();
  const relayAddress = { address: '192.0.2.1', port: 51_820 };
  const clientAddress = { address: '198.51.100.1', port: 40_000 };
  let now = 1;
  const newEndpoint = (role, privateKey) =>
    new protocol.Endpoint({
      role,
      privateKey,
      suite,
      random: secureRandom,
      unixTimeMs: () => Date.now() + now,
    });
  const relay = newEndpoint('relay', secureRandom(32));
  const batch = new protocol.TransmitBatch();

  /** All that one endpoint has to send goes to the other. Streams are read, and closed when they are. */
  const deliver = (from, to, address) => {
    for (let event = from.pollEvent(); event !== undefined; event = from.pollEvent()) {
      if (event.type !== 'stream-readable') continue;
      while (event.stream.read() !== undefined);
      if (event.stream.readFinished) event.stream.finish();
    }
    while (from.pollTransmit(now, batch)) {
      for (let at = 0; at < batch.lengthBytes; at += batch.segmentBytes) {
        const end = Math.min(at + batch.segmentBytes, batch.lengthBytes);
        to.handleDatagram(now, batch.buffer.slice(at, end), address);
      }
    }
  };
  const run = (client, milliseconds) => {
    for (const end = now + milliseconds; now < end; now += 5) {
      relay.handleTimeout(now);
      client.handleTimeout(now);
      deliver(client, relay, clientAddress);
      deliver(relay, client, relayAddress);
    }
  };
  const connectTo = (key) => {
    const client = newEndpoint('client', key);
    const peer = client.addPeer({ publicKey: relay.publicKey, address: relayAddress });
    peer.connect(now);
    run(client, 100);
    return { client, peer };
  };
  const transfer = (side, endpoint) => {
    const stream = side.openStream();
    let left = MEBIBYTE;
    for (let turns = 0; left > 0 && turns < 1000; turns++) {
      left -= stream.write(Buffer.alloc(Math.min(left, 65_536)));
      run(endpoint, 5);
    }
    stream.finish();
    run(endpoint, 500);
  };
  const use = (peer, key, isBusy) => {
    const { client, peer: side } = connectTo(key);
    if (isBusy) for (const each of [side, peer]) transfer(each, client);
    if (!peer.stats().connected || peer.stats().openStreams > 0) throw new Error('the peers did not finish');
    client.destroy();
  };
  const settle = (milliseconds) => {
    for (const end = now + milliseconds; now < end; now += 1000) {
      relay.handleTimeout(now);
      while (relay.pollEvent() !== undefined);
      while (relay.pollTransmit(now, batch));
    }
  };
  const newKeys = (count) => Array.from({ length: count }, () => secureRandom(32));
  const add = (key) => relay.addPeer({ publicKey: suite.x25519PublicKey(key) });

  // Code that is compiled meanwhile would count, so it is made to run first.
  for (const [i, key] of newKeys(WARM_UP_PEERS).entries()) use(add(key), key, i % 10 === 0);
  settle(60_000);
  const unheard = newKeys(MEASURED_PEERS);
  const before = heldBytes();
  for (const publicKey of unheard) relay.addPeer({ publicKey });
  report('never heard', before, unheard.length);
  for (const isBusy of [false, true]) {
    const keys = newKeys(isBusy ? MEASURED_PEERS / 5 : MEASURED_PEERS);
    const before = heldBytes();
    for (const key of keys) use(add(key), key, isBusy);
    report(isBusy ? 'after a transfer' : 'connected', before, keys.length);
    settle(60_000);
    report('  and idle for 1 min', before, keys.length);
    settle(600_000);
    report('  and idle for 11 min', before, keys.length);
  }
}

/** The heap and what stands outside it, after everything that can go has gone. */
function heldBytes() {
  for (let i = 0; i < 5; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function report(name, before, count) {
  const kilobytes = (heldBytes() - before) / 1024 / count;
  process.stdout.write(`${name.padEnd(24)}${kilobytes.toFixed(1).padStart(8)} KB\n`);
}
