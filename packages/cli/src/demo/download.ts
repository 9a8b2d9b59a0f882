/** Downloads a URL, and measures its length, hash and time. */
import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';

export interface Download {
  readonly bytes: number;
  readonly sha256: string;
  /** From the request to the last byte. */
  readonly durationMs: number;
}

/** @throws CliError when it fails, or when nothing arrives for `idleLimitMs` */
export function download(url: string, idleLimitMs: number): Promise<Download> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void =>
      reject(new CliError(ExitCode.failure, `the download through the tunnel failed: ${reason}`));
    const request = get(url, { agent: false }, (response) => {
      readBody(response, started).then(resolve, (error: unknown) => fail(systemReason(error)));
    });
    request.setTimeout(idleLimitMs, () => {
      request.destroy();
      fail(`nothing came for ${idleLimitMs / 1000} s`);
    });
    request.on('error', (error) => fail(systemReason(error)));
  });
}

async function readBody(response: IncomingMessage, started: number): Promise<Download> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex'), durationMs: performance.now() - started };
}
