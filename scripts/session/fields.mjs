// The fields of a recorded datagram, with the request, the status and HTTP inside streams taken apart.

import { decodeRequest } from '@underpass/forward';
import { dissect } from '@underpass/trace';
import { EXPLANATIONS } from './explanations.mjs';

const REQUEST_SPEC = 'streams 6.1';
const STATUS_SPEC = 'streams 6.2';

/** @param bytes  with plaintext in place of what is sealed
 *  @returns the dissection; each field has an `explanation`
 *  @throws Error if a byte has no explanation */
export function explain(bytes, from) {
  const { kind, summary, parts, problem } = dissect(bytes, true);
  if (problem !== undefined) throw new Error(`not decoded: ${problem}`);
  const explained = parts.map((part) => ({
    ...part,
    fields: part.fields
      .flatMap((field) => (field.name === 'data' ? splitData(bytes, part.fields, field, from) : [field]))
      .map((field) => ({ ...field, explanation: explanationOf(part.name, field.name) })),
  }));
  requireAll(explained, bytes.length);
  return { kind, summary, parts: explained };
}

/** @returns how many bytes of the datagram a field with an explanation covers */
export function explainedBytes({ parts }) {
  return parts.flatMap(({ fields }) => fields).reduce((sum, { length }) => sum + length, 0);
}

function requireAll(parts, bytes) {
  let end = 0;
  for (const { offset, length } of parts.flatMap(({ fields }) => fields)) {
    if (offset !== end) throw new Error(`byte ${end} has no explanation`);
    end += length;
  }
  if (end !== bytes) throw new Error(`byte ${end} has no explanation`);
}

function explanationOf(part, field) {
  const explanation = EXPLANATIONS[`${part}/${field}`] ?? EXPLANATIONS[field];
  if (explanation === undefined) throw new Error(`the field '${field}' of ${part} has no explanation`);
  return explanation;
}

/** The first bytes of a stream are the request or the status, and the rest is HTTP. */
function splitData(bytes, fields, data, from) {
  const content = bytes.subarray(data.offset, data.offset + data.length);
  const http = { name: from === 'client' ? 'HTTP request' : 'HTTP response', value: '' };
  const isStart = fields.find(({ name }) => name === 'offset')?.value === '0';
  const head = !isStart ? [] : from === 'client' ? requestFields(content) : statusFields(content);
  const lengths = head.reduce((sum, { length }) => sum + length, 0);
  const rest = {
    ...http,
    length: content.length - lengths,
    spec: 'streams 2',
    value: firstLine(content.subarray(lengths)),
  };
  let { offset } = data;
  return [...head, rest].map((field) => {
    const placed = { ...field, offset };
    offset += field.length;
    return placed;
  });
}

function requestFields(content) {
  const decoded = decodeRequest(content);
  if (!decoded.ok) throw new Error('the stream does not start with a request');
  const { kind, host, port } = decoded.value;
  return [
    { name: 'request kind', length: 1, value: `0x01 ${kind.toUpperCase()}`, spec: REQUEST_SPEC },
    { name: 'host length', length: 1, value: `${host.length} bytes`, spec: REQUEST_SPEC },
    { name: 'host', length: host.length, value: host, spec: REQUEST_SPEC },
    { name: 'port', length: 2, value: String(port), spec: REQUEST_SPEC },
  ];
}

function statusFields(content) {
  if (content[0] !== 0) throw new Error('the stream does not start with the status opened');
  return [{ name: 'status', length: 1, value: '0 opened', spec: STATUS_SPEC }];
}

function firstLine(bytes) {
  const text = String.fromCharCode(...bytes);
  return text.slice(0, 60).split(/[\r\n]/, 1)[0] + (text.length > 60 || text.includes('\n') ? ' …' : '');
}
