/** Finds the line of each key in a TOML document, because the parser returns values without positions. */

/** A path of table keys and list indexes, as zod writes it. */
export type KeyPath = readonly PropertyKey[];

/** The line numbers (from 1) of every key, table header and list element of a document.
 *
 *  It scans the text a second time, after the parser has accepted it. So it only meets valid TOML and can be lenient:
 *  it finds where values begin and end, and never checks them. The constructor does all the work; after that it only
 *  answers `lineOf`. */
export class KeyLines {
  readonly #lines = new Map<string, number>();
  readonly #text: string;
  #at = 0;
  #line = 1;

  /** @param text  a document that the TOML parser accepted */
  constructor(text: string) {
    this.#text = text;
    this.#lines.set(nameOf([]), 1);
    this.#readDocument();
  }

  /** The line of the key, or of the nearest table around it, because a missing key has no line of its own. */
  lineOf(path: KeyPath): number {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(nameOf(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return 1;
  }

  #readDocument(): void {
    const tableCounts = new Map<string, number>();
    let table: KeyPath = [];
    for (;;) {
      this.#skipBlank();
      const character = this.#peek();
      if (character === '') return;
      if (character === '[') table = this.#readHeader(tableCounts);
      else if (!this.#readPair(table)) return;
    }
  }

  /** Reads `[a.b]` or `[[a.b]]`. Each `[[a]]` starts the next element of the list `a`. */
  #readHeader(tableCounts: Map<string, number>): KeyPath {
    const line = this.#line;
    const isList = this.#text.startsWith('[[', this.#at);
    this.#at += isList ? 2 : 1;
    const keys = this.#readDottedKey();
    this.#at += isList ? 2 : 1;
    const path: PropertyKey[] = [];
    for (const [position, key] of keys.entries()) {
      path.push(key);
      this.#record(path, line); // a list as a whole is at its first element
      const count = tableCounts.get(nameOf(path));
      const isNew = isList && position === keys.length - 1;
      if (isNew) tableCounts.set(nameOf(path), (count ?? 0) + 1);
      if (isNew) path.push(count ?? 0);
      else if (count !== undefined) path.push(count - 1);
      this.#record(path, line);
    }
    return path;
  }

  /** @returns false when the text is not valid here */
  #readPair(table: KeyPath): boolean {
    const line = this.#line;
    const start = this.#at;
    const path = [...table];
    for (const key of this.#readDottedKey()) {
      path.push(key);
      this.#record(path, line);
    }
    if (this.#peek() !== '=') return false;
    this.#at++;
    this.#readValue(path);
    return this.#at > start;
  }

  #readDottedKey(): string[] {
    const keys: string[] = [];
    for (;;) {
      this.#skipSpaces();
      const quote = this.#peek();
      if (quote === '"' || quote === "'") {
        const start = this.#at;
        this.#skipString();
        const raw = this.#text.slice(start, this.#at);
        keys.push(quote === '"' ? unescapeBasic(raw) : raw.slice(1, -1));
      } else {
        const bare = /^[A-Za-z0-9_-]*/.exec(this.#text.slice(this.#at, this.#at + 256))?.[0] ?? '';
        keys.push(bare);
        this.#at += bare.length;
      }
      this.#skipSpaces();
      if (this.#peek() !== '.') return keys;
      this.#at++;
    }
  }

  #readValue(path: KeyPath): void {
    this.#skipBlank();
    const first = this.#peek();
    if (first === '"' || first === "'") this.#skipString();
    else if (first === '[') this.#readList(path);
    else if (first === '{') this.#readInlineTable(path);
    else while (!',]}#\r\n'.includes(this.#peek())) this.#at++; // number, boolean, date; '' ends it too
  }

  #readList(path: KeyPath): void {
    this.#at++;
    for (let index = 0; ; index++) {
      this.#skipBlank();
      if (this.#closes(']')) return;
      const start = this.#at;
      this.#record([...path, index], this.#line);
      this.#readValue([...path, index]);
      this.#skipBlank();
      if (this.#peek() === ',') this.#at++;
      if (this.#at === start) return; // not valid TOML: stop rather than loop forever
    }
  }

  #readInlineTable(path: KeyPath): void {
    this.#at++;
    for (;;) {
      this.#skipBlank();
      if (this.#closes('}') || !this.#readPair(path)) return;
      this.#skipBlank();
      if (this.#peek() === ',') this.#at++;
    }
  }

  #closes(bracket: string): boolean {
    if (this.#peek() === '') return true;
    if (this.#peek() !== bracket) return false;
    this.#at++;
    return true;
  }

  /** Skips a string of any of TOML's four kinds. The cursor is on its opening quote. */
  #skipString(): void {
    const quote = this.#peek();
    const isMultiline = this.#text.startsWith(quote.repeat(3), this.#at);
    const closing = isMultiline ? quote.repeat(3) : quote;
    this.#at += closing.length;
    while (this.#at < this.#text.length && !this.#text.startsWith(closing, this.#at)) {
      if (this.#peek() === '\n') this.#line++;
      this.#at += quote === '"' && this.#peek() === '\\' && this.#text[this.#at + 1] !== '\n' ? 2 : 1;
    }
    this.#at += closing.length;
    // Up to two quotes may precede the closing three.
    while (isMultiline && this.#peek() === quote) this.#at++;
  }

  #skipSpaces(): void {
    while (this.#peek() === ' ' || this.#peek() === '\t') this.#at++;
  }

  #skipBlank(): void {
    for (;;) {
      const character = this.#peek();
      if (character === '\n') this.#line++;
      if (character === '#') {
        while (this.#peek() !== '\n' && this.#peek() !== '') this.#at++;
      } else if (character !== '' && ' \t\r\n'.includes(character)) this.#at++;
      else return;
    }
  }

  #record(path: KeyPath, line: number): void {
    const name = nameOf(path);
    if (!this.#lines.has(name)) this.#lines.set(name, line);
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }
}

function nameOf(path: KeyPath): string {
  return JSON.stringify(path);
}

/** TOML's basic escapes are JSON's, except for `\U`, `\x` and `\e`. A key with one of those keeps its raw text. */
function unescapeBasic(raw: string): string {
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === 'string' ? value : raw;
  } catch {
    return raw.slice(1, -1);
  }
}
