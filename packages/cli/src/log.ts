/** The program's log. It goes to stderr, as text on a terminal and as JSON lines otherwise, and never contains a key.
 *  `LogLimiter` bounds what is written, and `LineWriter` what waits to be written. */
import { isatty } from 'node:tty';
import type { Log } from '@underpass/runtime';
import pino from 'pino';
import type { LogLevel } from './log-level.js';
import { type LineKind, LogLimiter, type Suppression } from './log-limiter.js';
import { lossText, setLossLine, stderrWriter } from './stderr.js';
import { usesColor, withoutControlCharacters } from './terminal.js';

/** Fields that are removed, in case a caller logs a whole options object. */
const SECRET_FIELDS = ['privateKey', 'presharedKey', '*.privateKey', '*.presharedKey'];

/** The destination of the log. */
export interface LogOutput {
  readonly isTTY: boolean;
  /** Writes one line, given without its end. */
  readonly writeLine: (line: string) => void;
}

/** Lines reach stderr before a log call returns, if stderr accepts them, so that the last line before an exit is not
 *  lost. */
export async function openLog(level: LogLevel, output: LogOutput = stderrOutput()): Promise<Log> {
  const write = await destinationOf(output);
  const limiter = new LogLimiter({
    now: () => performance.now(),
    schedule: (delayMs, callback) => void setTimeout(callback, delayMs).unref(),
    onSuppressed: (suppression) => logSuppression(log, suppression),
  });
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS, remove: true },
      hooks: {
        logMethod(line, write, levelNumber) {
          if (limiter.admits(kindOf(line[0], pino.levels.labels[levelNumber] ?? ''))) write.apply(this, line);
        },
      },
    },
    { write },
  );
  process.once('exit', () => limiter.report());
  return log;
}

function stderrOutput(): LogOutput {
  const isTTY = isatty(2);
  if (!isTTY) setLossLine(jsonLossLine);
  return { isTTY, writeLine: (line) => stderrWriter().write(line) };
}

async function destinationOf({ isTTY, writeLine }: LogOutput): Promise<(line: string) => void> {
  if (!isTTY) return (line) => writeLine(line.trimEnd());
  const format = await terminalFormat();
  return (line) => writeLine(format(line).trimEnd());
}

/** `12:34:56 connected to …`: only the message. The fields are for programs. */
async function terminalFormat(): Promise<(line: string) => string> {
  // A service, which has no terminal, starts faster without it.
  const { prettyFactory } = await import('./pretty-log.js');
  return prettyFactory({
    colorize: usesColor({ isTTY: true }),
    translateTime: 'SYS:HH:MM:ss',
    hideObject: true,
    // By default these are shown in front of the message, as what names the program. Here they are fields of events.
    ignore: 'name,hostname,pid,caller',
    messageFormat: (fields, messageKey) => withoutControlCharacters(String(fields[messageKey] ?? '')),
    customPrettifiers: { time: (time) => String(time) },
  });
}

function kindOf(fields: unknown, level: string): LineKind {
  return { level, event: stringField(fields, 'event'), peer: stringField(fields, 'peer') };
}

function stringField(fields: unknown, name: string): string | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined;
  const value: unknown = Reflect.get(fields, name);
  return typeof value === 'string' ? value : undefined;
}

/** `laptop: 14430 more 'refused' lines in 10 s, not shown`. */
function logSuppression(log: pino.Logger, { level, event, peer, lines, windowMs }: Suppression): void {
  const whose = peer === undefined ? '' : `${peer}: `;
  const which = event === undefined ? '' : `'${event}' `;
  const text = `${whose}${lines} more ${which}${lines === 1 ? 'line' : 'lines'} in ${Math.ceil(windowMs / 1000)} s, not shown`;
  log[levelOf(level)]({ event: 'suppressed', of: event, peer, lines }, text);
}

function levelOf(label: string): 'debug' | 'info' | 'warn' | 'error' {
  return label === 'debug' || label === 'info' || label === 'error' ? label : 'warn';
}

function jsonLossLine(lines: number, reason: string): string {
  const time = new Date().toISOString();
  return JSON.stringify({ level: 'warn', time, event: 'log-lost', lines, msg: lossText(lines, reason) });
}
