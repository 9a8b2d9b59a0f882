/** The program's log: words on a terminal, JSON lines otherwise, always to stderr, never with a key in it. */
import type { Log } from '@underpass/runtime';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import { usesColor, withoutControlCharacters } from './terminal.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Fields that must not be logged; here in case somebody hands over a whole options object. */
const SECRET_FIELDS = ['privateKey', 'presharedKey', '*.privateKey', '*.presharedKey'];

/** Written synchronously, so that the last line before an exit is not lost. */
export function openLog(level: LogLevel, stderr: NodeJS.WriteStream = process.stderr): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS, remove: true },
    },
    stderr.isTTY ? terminalDestination(stderr) : stderr,
  );
}

/** `12:34:56 connected to …`: the words only; the fields are for programs, and for people at level debug. */
function terminalDestination(stderr: NodeJS.WriteStream): { write(line: string): void } {
  const format = prettyFactory({
    colorize: usesColor(stderr),
    translateTime: 'SYS:HH:MM:ss',
    hideObject: true,
    messageFormat: (fields, messageKey) => withoutControlCharacters(String(fields[messageKey] ?? '')),
    customPrettifiers: { time: (time) => String(time) },
  });
  return { write: (line) => stderr.write(format(line)) };
}
