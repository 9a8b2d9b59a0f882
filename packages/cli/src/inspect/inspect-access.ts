/** Who may look: whoever opens the link of the inspector first (docs/adr/0036-inspector.md). */
import { createHash, timingSafeEqual } from 'node:crypto';

const TOKEN_BYTES = 32;
const COOKIE = 'underpass-inspector';
/** Names that a browser resolves to this machine without asking anybody, so no other site can stand behind them. */
const LOOPBACK_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i;

/** What a browser gets for the token. */
export interface Session {
  /** Where its page is: `/RANDOM/`. */
  readonly path: string;
  /** The value of a Set-Cookie header. */
  readonly setCookie: string;
}

export type Opening = Session | 'wrong' | 'used';

/** One token, and the session for which it is exchanged.
 *
 *  The token is in a link, so it ends up in logs, histories and process lists. It is therefore worth nothing once it was
 *  used. The session is a cookie that scripts cannot read and other sites cannot cause to be sent. Since browsers send a
 *  cookie to every port of a host, its path is random too: a page of another program on this machine would have to know
 *  it to receive the cookie. */
export class InspectAccess {
  readonly token: string;
  readonly #token: Buffer;
  readonly #cookie: string;
  readonly #session: Buffer;
  readonly #path: string;
  #isUsed = false;

  constructor(random: (length: number) => Uint8Array) {
    const secret = (): string => Buffer.from(random(TOKEN_BYTES)).toString('base64url');
    this.token = secret();
    this.#token = digest(this.token);
    this.#cookie = secret();
    this.#session = digest(this.#cookie);
    this.#path = `/${secret()}/`;
  }

  /** Exchanges the token for the session, once. */
  open(token: string): Opening {
    if (!timingSafeEqual(digest(token), this.#token)) return 'wrong';
    if (this.#isUsed) return 'used';
    this.#isUsed = true;
    const setCookie = `${COOKIE}=${this.#cookie}; Path=${this.#path}; HttpOnly; SameSite=Strict`;
    return { path: this.#path, setCookie };
  }

  /** @param url  the path of a request @param cookies  its Cookie header
   *  @returns what is asked for, below the session's path; undefined if the request does not belong to the session */
  admit(url: string, cookies: string | undefined): string | undefined {
    if (!this.#isUsed || !url.startsWith(this.#path)) return undefined;
    const pairs = (cookies ?? '').split(';').map((pair) => pair.trim());
    const values = pairs.filter((pair) => pair.startsWith(`${COOKIE}=`));
    const isKnown = values.some((pair) =>
      timingSafeEqual(digest(pair.slice(COOKIE.length + 1)), this.#session),
    );
    return isKnown ? url.slice(this.#path.length) : undefined;
  }
}

/** Whether a Host header names this machine in a way that no site on the internet can (DNS rebinding). Any port is
 *  right, because the inspector of a server is reached through ports that ssh forwards. */
export function isLoopbackHost(header: string | undefined): boolean {
  return header !== undefined && LOOPBACK_HOST.test(header);
}

/** Comparing digests takes the same time whatever the lengths. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
