// Makes docs/session/README.md from the recorded session, the dissection of each datagram, and prose.md.

import { readFileSync } from 'node:fs';
import { base64, createPortableSuite } from '@underpass/protocol';
import { DatagramOpener } from '@underpass/trace';
import { explain, explainedBytes } from './fields.mjs';
import { ADDRESSES, DELAY_MS, PRIVATE_KEYS, SEED, TARGET } from './record.mjs';

const PROSE = new URL('prose.md', import.meta.url);
const SPEC = new URL('../../docs/spec/', import.meta.url);
/** The most bytes of a field that its row shows. All of them are in the datagram's dump. */
const SHOWN_BYTES = 8;
const DUMP_BYTES = 32;

/** @param datagrams  as `recordSession` returns them
 *  @returns the page, and how many bytes of how many it explains
 *  @throws Error if a byte has no explanation, or the prose is not about these datagrams */
export function makePage(datagrams, prose = readFileSync(PROSE, 'utf8')) {
  const explained = explainAll(datagrams);
  const totalBytes = datagrams.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const bytesWithText = explained.reduce((sum, datagram) => sum + explainedBytes(datagram), 0);
  const { opening, phases } = parseProse(withLinks(prose), explained);
  const facts = {
    DATAGRAMS: datagrams.length,
    BYTES: grouped(totalBytes),
    EXPLAINED: grouped(bytesWithText),
  };
  const page = [
    filled(`# ${opening}`, facts),
    '## At a glance\n',
    glance(explained),
    '## The keys\n',
    keys(),
    ...phases.flatMap(({ title, text, steps }) => [
      `## ${title}\n`,
      text,
      ...steps.map((step) => section(explained[step.number - 1], step.text)),
    ]),
  ].join('\n');
  return { page: `${page.trim()}\n`, totalBytes, explainedBytes: bytesWithText };
}

function explainAll(datagrams) {
  const opener = new DatagramOpener(createPortableSuite());
  return datagrams.map((datagram, i) => {
    for (const { by, line } of datagram.keys) if (by === 'client') opener.handleKeyLogLine(line);
    const opened = opener.open(datagram.bytes);
    if (opened === undefined) throw new Error(`datagram ${i + 1} does not open`);
    try {
      const { kind, summary, parts } = explain(opened, datagram.from);
      const title = summary.replace(/^transport to \w+, counter \d+, /, '').replace(/ (from|to) 0x\w+/g, '');
      return { ...datagram, number: i + 1, opened, kind, title, parts };
    } catch (error) {
      throw new Error(`datagram ${i + 1}: ${error.message}`);
    }
  });
}

/** Splits prose.md: what comes first, then phases (`# `) with a text and steps (`## 3: packet 0: HELLO`). */
function parseProse(prose, explained) {
  const [, opening, ...rest] = prose.split(/^# /m);
  const phases = rest.map((phase) => {
    const [head, ...steps] = phase.split(/^## /m);
    const [title, ...text] = head.split('\n');
    return { title, text: `${text.join('\n').trim()}\n`, steps: steps.map(parseStep) };
  });
  const steps = phases.flatMap((phase) => phase.steps);
  for (const [i, { title }] of explained.entries()) {
    const step = steps[i];
    const wanted = `${i + 1}: ${title}`;
    const found = step === undefined ? 'nothing' : `${step.number}: ${step.title}`;
    if (found !== wanted) throw new Error(`prose.md has '${found}' where the session has '${wanted}'`);
  }
  if (steps.length > explained.length)
    throw new Error('prose.md has more steps than the session has datagrams');
  return { opening, phases };
}

function parseStep(step) {
  const [head, ...text] = step.split('\n');
  const [, number, title] = /^(\d+): (.*)$/.exec(head) ?? [];
  return { number: Number(number), title, text: `${text.join('\n').trim()}\n` };
}

function filled(text, facts) {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => String(facts[name]));
}

function glance(explained) {
  const rows = explained.map((datagram) => [
    `[${datagram.number}](#d${datagram.number})`,
    timeText(datagram.at),
    arrow(datagram),
    String(datagram.bytes.length),
    datagram.isLost ? `${datagram.title} **(lost)**` : datagram.title,
  ]);
  return table(['', 'sent at', '', 'bytes', 'contents'], rows);
}

function keys() {
  const suite = createPortableSuite();
  const rows = Object.entries(PRIVATE_KEYS).map(([name, hex]) => {
    const key = Uint8Array.from(Buffer.from(hex, 'hex'));
    const { address, port } = ADDRESSES[name];
    return [name, `${address}:${port}`, code(base64(key)), code(base64(suite.x25519PublicKey(key)))];
  });
  return `${table(['', 'address', 'static private key', 'static public key'], rows)}
The private keys are those of Alice (the client) and Bob (the relay) in RFC 7748 §6.1. All other random numbers are hashes of the text
"${SEED}" and a counter. Each direction takes ${DELAY_MS} ms. The target is a web server that the relay knows as \`${TARGET.host}:${TARGET.port}\`.
`;
}

function section(datagram, text) {
  const { number, bytes, opened, kind, parts } = datagram;
  const isSealed = kind === 'transport' || kind === 'initiation';
  return `### <a id="d${number}"></a>${number}. ${arrow(datagram)}, ${timeText(datagram.at)}: ${datagram.title}${datagram.isLost ? ' (lost)' : ''}

${text}
<details>
<summary>${isSealed ? 'The sealed bytes, as they are on the wire' : 'The bytes on the wire'}: ${bytes.length}</summary>

\`\`\`
${dump(bytes)}
\`\`\`

</details>

<details>
<summary>Every byte${isSealed ? ', opened' : ''}</summary>

${parts.map((part) => partText(part, opened)).join('\n')}
</details>
`;
}

function partText({ name, summary, fields }, opened) {
  const rows = fields.map((field) => [
    field.length === 1 ? String(field.offset) : `${field.offset}–${field.offset + field.length - 1}`,
    code(shortHex(opened.subarray(field.offset, field.offset + field.length))),
    specLink(field.spec, field.name),
    code(field.value),
    field.explanation,
  ]);
  const title = summary === '' ? `**${name}**` : `**${name}**: ${summary}`;
  return `${title}\n\n${table(['bytes', 'hex', 'field', 'value', 'meaning'], rows)}`;
}

/** Turns `{streams 3.2}` into a link, and links from prose.md into links from the page. */
function withLinks(prose) {
  return prose
    .replaceAll('](../../docs/', '](../')
    .replaceAll(/\{(\w+) ([\d.]+)\}/g, (_, page, number) =>
      specLink(`${page} ${number}`, `${page} ${number}`),
    );
}

/** Links a field to its section: `wire 2.5` is in docs/spec/wire.md. */
function specLink(spec, text) {
  const [page, number] = spec.split(' ');
  const heading = readFileSync(new URL(`${page}.md`, SPEC), 'utf8')
    .split('\n')
    .find((line) => /^#+ /.test(line) && line.split(' ')[1].replace(/\.$/, '') === number);
  if (heading === undefined) throw new Error(`there is no section ${spec}`);
  const anchor = heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
  return `[${text}](../spec/${page}.md#${anchor})`;
}

function arrow({ from }) {
  return from === 'client' ? 'client → relay' : 'relay → client';
}

function timeText(ms) {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(3)} s`;
}

function shortHex(bytes) {
  const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES)).toString('hex').replaceAll(/../g, '$& ').trim();
  return bytes.length > SHOWN_BYTES ? `${shown} …` : shown;
}

function dump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += DUMP_BYTES) {
    const hex = Buffer.from(bytes.subarray(at, at + DUMP_BYTES))
      .toString('hex')
      .replaceAll(/.{8}/g, '$& ')
      .trim();
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex}`);
  }
  return lines.join('\n');
}

function table(head, rows) {
  const line = (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

function code(text) {
  return text === '' ? '' : `\`${text.replaceAll('`', "'")}\``;
}

function grouped(number) {
  return String(number).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
