// Kills a relay with SIGKILL at random moments while clients enrol and its files change, and checks after each kill
// that its files load, that no link has worked twice, and that no client that was told it is enrolled was lost.
//
//   node scripts/kill-relay.mjs [--rounds 200] [--seed 1]
//
// In each round a relay runs, some clients enrol with links of their own, rules change, SIGHUP comes in between, and
// the relay is killed. Then it is started again, clients without an answer ask again with the same key, and strangers
// try every link. The seed decides what happens when; how far the relay gets in that time depends on the machine. Exit
// code: 0 all held, 1 something did not, 2 not built or wrong arguments.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PROGRAM = fileURLToPath(new URL('../packages/cli/bin/underpass.js', import.meta.url));
const CLI = new URL('../packages/cli/dist/', import.meta.url);
const MAX_CLIENTS = 4;
/** A kill comes at most this long after the clients start, so that most come while they enrol. */
const MAX_KILL_MS = 1000;
/** And this long after the first answer, in every other round. */
const MAX_CLOSE_MS = 40;
const HOUR_MS = 3_600_000;

if (!existsSync(new URL('main.js', CLI))) fail('the program is not built: run npm run setup first');
const { rounds, seed } = readArguments();
const { enrol, startClient } = await import(new URL('../packages/client/dist/index.js', import.meta.url));
const { oneTimeKeys, parseAllowRule } = await import(
  new URL('../packages/forward/dist/index.js', import.meta.url)
);
const { silentLog } = await import(new URL('../packages/runtime/dist/index.js', import.meta.url));
const { loadRelayConfig } = await import(new URL('config/relay-config.js', CLI));
const { publicKeyOf } = await import(new URL('public-key.js', CLI));
const { addInvite, removeStored, setRules } = await import(new URL('store/store-changes.js', CLI));
const { storeDirectoryOf } = await import(new URL('store/store-files.js', CLI));
const { loadStoredPeer } = await import(new URL('store/stored-peer.js', CLI));
const { writeFirstRelayConfig } = await import(new URL('config/first-relay-config.js', CLI));

const draw = randomFrom(seed);
const directory = mkdtempSync(path.join(tmpdir(), 'underpass-kill-'));
const file = path.join(directory, 'relay.toml');
const store = storeDirectoryOf(file);
/** Every client that was told it is enrolled, by name: its keys. Revoked ones are removed. */
const enrolled = new Map();
const counts = { links: 0, beforeKill: 0, strangersFirst: 0, refused: 0, reloads: 0, revoked: 0 };
let relay;
let port = 0;
try {
  writeFirstRelayConfig(file, { listen: '127.0.0.1:0' });
  const relayPublicKey = loadRelayConfig(file).publicKey;
  for (let round = 0; round < rounds; round++) {
    await runRound(round, relayPublicKey);
    if (process.stdout.isTTY) process.stdout.write(`\r${round + 1} of ${rounds}`);
  }
  await connectSome(relayPublicKey);
  process.stdout.write(`${JSON.stringify({ rounds, seed, ...counts, peers: enrolled.size })}\n`);
} catch (error) {
  process.stderr.write(`seed ${seed}: ${error.stack}\n`);
  process.exitCode = 1;
} finally {
  relay?.kill('SIGKILL');
  rmSync(directory, { recursive: true });
}

async function runRound(round, relayPublicKey) {
  await startRelay();
  const clients = Array.from({ length: 1 + below(MAX_CLIENTS) }, (_, index) =>
    newClient(`peer-${round}-${index}`, relayPublicKey),
  );
  counts.links += clients.length;
  await follow();
  const asked = clients.map((client) => ask(client, client.key));
  const disturbing = disturb();
  // In every other round, right after the first answer: the relay is then writing for the other clients.
  if (draw() < 0.5) {
    await Promise.race([...asked, sleep(4 * MAX_KILL_MS)]);
    await sleep(below(MAX_CLOSE_MS));
  } else await sleep(below(MAX_KILL_MS));
  relay.kill('SIGKILL');
  await once(relay, 'exit');
  await disturbing;
  // Clients that have no answer wait for the relay that is started now, and ask it with the same key.
  check(clients.filter((client) => client.presharedKey !== undefined).map(({ name }) => name));
  counts.beforeKill += clients.filter((client) => client.presharedKey !== undefined).length;
  await startRelay();
  const strangers = clients.map((client) => askAsStranger(client, draw() < 0.5));
  await Promise.all([...asked, ...strangers]);
  for (const client of clients) {
    if (client.presharedKey === undefined) throw new Error(`${client.name} did not enrol`);
    enrolled.set(client.name, client);
    if (await isAdmitted(client, newKey())) throw new Error(`the link of ${client.name} worked twice`);
    counts.refused++;
  }
  check([]);
  if (draw() < 0.2) revokeOne();
  relay.kill('SIGKILL');
  await once(relay, 'exit');
  check([]);
}

/** A client with a link and a key of its own. */
function newClient(name, relayPublicKey) {
  const secret = randomBytes(32);
  const keys = oneTimeKeys(secret, relayPublicKey);
  const { presharedKey } = keys;
  const invite = { publicKey: publicKeyOf(keys.privateKey), presharedKey, expiresAtMs: Date.now() + HOUR_MS };
  if (!addInvite(store, name, { allow: rules('localhost:80') }, invite)) throw new Error(`${name} exists`);
  const link = { endpoint: { host: '127.0.0.1', port }, relayPublicKey, secret };
  return { name, link, key: newKey(), presharedKey: undefined };
}

/** Asks until there is an answer, as a client does that is started again with the same link. */
async function ask(client, key) {
  for (;;) {
    const outcome = await enrol({
      link: { ...client.link, endpoint: { host: '127.0.0.1', port } },
      publicKey: key.publicKey,
    });
    if (outcome.kind === 'no-answer' || outcome.kind === 'ended') continue;
    if (outcome.kind === 'refused' && outcome.status === 'internal-error') continue;
    if (outcome.kind === 'refused') {
      // A stranger was first.
      if (outcome.status !== 'invite-used' || client.takenBy === undefined) {
        throw new Error(`${client.name} was refused: ${outcome.status}`);
      }
      return;
    }
    admit(client, key, outcome.answer.presharedKey);
    return;
  }
}

/** Somebody else with the same link, who may come first if the client has no answer yet. */
async function askAsStranger(client, mayBeFirst) {
  if (!mayBeFirst || client.presharedKey !== undefined) return;
  const key = newKey();
  client.takenBy ??= key;
  if (await isAdmitted(client, key)) counts.strangersFirst++;
}

async function isAdmitted(client, key) {
  const outcome = await enrol({
    link: { ...client.link, endpoint: { host: '127.0.0.1', port } },
    publicKey: key.publicKey,
  });
  if (outcome.kind === 'enrolled') {
    admit(client, key, outcome.answer.presharedKey);
    return true;
  }
  if (outcome.kind === 'ended') return isAdmitted(client, key);
  // On a busy machine an answer may take too long. A relay that has ended gives none.
  if (outcome.kind === 'no-answer' && isRunning(relay)) return isAdmitted(client, key);
  if (outcome.kind === 'refused' && outcome.status === 'invite-used') return false;
  throw new Error(`${client.name}: a stranger got ${JSON.stringify(outcome)}`);
}

/** Notes who was told to be enrolled with a link. Nobody else may be. */
function admit(client, key, presharedKey) {
  if (client.presharedKey !== undefined && !same(client.admitted.publicKey, key.publicKey)) {
    throw new Error(`the link of ${client.name} worked for two keys`);
  }
  if (client.presharedKey !== undefined && !same(client.presharedKey, presharedKey)) {
    throw new Error(`${client.name} was told two preshared keys`);
  }
  client.admitted = key;
  client.presharedKey = presharedKey;
}

function isRunning({ exitCode, signalCode }) {
  return exitCode === null && signalCode === null;
}

/** Changes rules and asks for reloads while clients enrol. */
async function disturb() {
  const names = [...enrolled.keys()];
  for (let count = below(4); count > 0; count--) {
    await sleep(below(MAX_KILL_MS / 2));
    const name = names[below(names.length)];
    const peer = name === undefined ? undefined : loadStoredPeer(store, name);
    if (peer !== undefined) setRules(store, peer, { allow: rules(`localhost:${1 + below(65_535)}`) });
    if (isRunning(relay)) relay.kill('SIGHUP');
    counts.reloads++;
  }
}

function revokeOne() {
  const names = [...enrolled.keys()];
  const name = names[below(names.length)];
  if (!removeStored(store, name)) throw new Error(`${name} is not in the store`);
  enrolled.delete(name);
  counts.revoked++;
}

/** The files load, and have everybody who was told to be enrolled. */
function check(more) {
  const { peers } = loadRelayConfig(file);
  const found = new Map(peers.map((peer) => [peer.name, peer]));
  for (const name of [...enrolled.keys(), ...more]) {
    const peer = found.get(name);
    if (peer === undefined) throw new Error(`${name} is enrolled and was lost`);
    const client = enrolled.get(name);
    if (client === undefined) continue;
    if (!same(peer.publicKey, client.admitted.publicKey) || !same(peer.presharedKey, client.presharedKey)) {
      throw new Error(`${name} has other keys than it was told`);
    }
  }
}

/** The last clients that enrolled can connect with their own keys. */
async function connectSome(relayPublicKey) {
  await startRelay();
  for (const { name, admitted, presharedKey } of [...enrolled.values()].slice(-10)) {
    const client = await startClient({
      relay: { host: '127.0.0.1', port },
      relayPublicKey,
      privateKey: Uint8Array.from(admitted.privateKey),
      presharedKey,
      forwards: [],
      log: silentLog,
    });
    client.connect();
    await Promise.race([
      client.connected(),
      sleep(20_000, undefined, { ref: false }).then(() =>
        Promise.reject(new Error(`${name} cannot connect`)),
      ),
    ]);
    await client.close();
  }
}

/** Always on the same port, once the system has chosen one. */
async function startRelay() {
  const listen = ['--listen', `127.0.0.1:${port}`, '--log-level', 'info'];
  relay = spawn(process.execPath, [PROGRAM, 'relay', '--config', file, ...listen], {
    // The sockets of killed relays stay where they are.
    env: { ...process.env, XDG_RUNTIME_DIR: directory, XDG_STATE_HOME: directory },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines = [];
  for await (const line of createInterface({ input: relay.stderr })) {
    lines.push(line);
    const event = line.startsWith('{') ? JSON.parse(line) : undefined;
    if (event?.event !== 'listening') continue;
    port = event.port;
    relay.stderr.resume();
    return;
  }
  throw new Error(`the relay did not start:\n${lines.join('\n')}`);
}

/** Waits until the running relay knows the new invites: it answers clients that it knows, and no others. */
async function follow() {
  relay.kill('SIGHUP');
  await sleep(20);
}

function rules(...texts) {
  return texts.map(parseAllowRule);
}

function newKey() {
  const privateKey = Uint8Array.from(randomBytes(32));
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

function same(a, b) {
  return Buffer.compare(a, b) === 0;
}

function below(limit) {
  return Math.floor(draw() * limit);
}

/** mulberry32 */
function randomFrom(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function readArguments() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
  });
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
  if (!(rounds > 0) || !Number.isInteger(seed)) fail('rounds and seed are numbers');
  return { rounds, seed };
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
