/** Turns zod's issues into lines that say where the problem is, what was found and what was expected. */
import * as z from 'zod/mini';
import { looksLikeKey } from '../key-text.js';
import { closestName } from './closest-name.js';
import type { KeyPath } from './key-lines.js';
import type { TomlDocument } from './toml-document.js';

/** One problem of a config file. */
export interface Problem {
  readonly line: number;
  /** Everything after `FILE:LINE: `. */
  readonly text: string;
}

/** Marks a custom issue whose message is complete: the found value is not added. */
export const COMPLETE_MESSAGE = { completeMessage: true } as const;

/** Longer values are cut when they are printed. */
const SHOWN_CHARACTERS = 48;

export function schemaProblems(
  document: TomlDocument,
  schema: z.ZodMiniType,
  issues: readonly z.core.$ZodIssue[],
): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema, issue.path);
      return issue.keys.map((key) => ({
        line: document.lineOf([...issue.path, key]),
        text: unknownKeyText([...issue.path, key], valueAt(document.value, [...issue.path, key]), known),
      }));
    }
    const isComplete = issue.code === 'custom' && issue.params?.completeMessage === true;
    const found = describe(valueAt(document.value, issue.path));
    return {
      line: document.lineOf(issue.path),
      text: `${keyName(issue.path)}: ${isComplete ? issue.message : `found ${found}, expected ${issue.message}`}`,
    };
  });
}

/** `FILE:LINE: …`, in the order of the file. */
export function problemLines(document: TomlDocument, problems: readonly Problem[]): string[] {
  return [...problems]
    .sort((a, b) => a.line - b.line)
    .map((problem) => `${document.file}:${problem.line}: ${problem.text}`);
}

/** The value at a path, of any type. */
export function valueAt(value: unknown, path: KeyPath): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Reflect.get(current, key);
  }
  return current;
}

/** A value as an error message shows it. A value with the shape of a key is not shown, because it may be a private
 *  key. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') {
    if (looksLikeKey(value)) return `${value.trim().length} characters that look like a key (not shown)`;
    const isLong = value.length > SHOWN_CHARACTERS;
    return JSON.stringify(isLong ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value);
  }
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a table';
  return String(value);
}

/** The keys as they are written in the file, without list indexes: `peer.allow`. */
function keyName(path: KeyPath): string {
  const name = path.filter((key) => typeof key === 'string').join('.');
  return name === '' ? 'the file' : name;
}

function unknownKeyText(path: KeyPath, value: unknown, known: readonly string[]): string {
  const closest = closestName(String(path.at(-1)), known);
  const name = asWritten(keyName(path), value);
  if (closest === undefined) return `${name}: unknown key; known keys: ${known.join(', ')}`;
  const isSecret = closest.endsWith('_file') && typeof value === 'string' && looksLikeKey(value);
  const why = isSecret ? ' Put the key into a file of its own, and the path of that file here.' : '';
  return `${name}: unknown key; did you mean ${asWritten(closest, value)}?${why}`;
}

/** In the file, a list of tables has double brackets. */
function asWritten(name: string, value: unknown): string {
  const isListOfTables =
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'object');
  return isListOfTables ? `[[${name}]]` : name;
}

/** The known keys of the schema's table at `path`. */
function knownKeys(schema: z.ZodMiniType, path: KeyPath): string[] {
  let current: unknown = schema;
  for (const key of [...path, undefined]) {
    while (current instanceof z.ZodMiniOptional || current instanceof z.ZodMiniPipe) {
      current = current instanceof z.ZodMiniPipe ? current.def.in : current.def.innerType;
    }
    if (key === undefined) break;
    if (current instanceof z.ZodMiniArray) current = current.def.element;
    else if (current instanceof z.ZodMiniObject) current = current.shape[String(key)];
  }
  return current instanceof z.ZodMiniObject ? Object.keys(current.shape) : [];
}
