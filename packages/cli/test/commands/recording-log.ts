/** A log that records its lines as `LEVEL MESSAGE`. */
import type { Log } from '@underpass/runtime';

export function recordingLog(): Log & { readonly lines: string[]; readonly fields: object[] } {
  const lines: string[] = [];
  const fields: object[] = [];
  const at =
    (level: string) =>
    (what: object, message: string): void => {
      lines.push(`${level} ${message}`);
      fields.push(what);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), lines, fields };
}
