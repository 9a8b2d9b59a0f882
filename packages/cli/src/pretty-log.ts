/** The part of pino-pretty that we use, in a file that only a process with a terminal loads. */
import pretty from 'pino-pretty';

export const { prettyFactory } = pretty;
