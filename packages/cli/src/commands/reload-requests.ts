/** Requests to reload the relay's config, from SIGHUP and from changes of its files.
 *
 *  They may come from the first moment on, when nothing can be reloaded yet. Such a request is remembered, because the
 *  config may already have been read by then. */
export class ReloadRequests {
  #serve: (() => void) | undefined;
  #isDue = false;

  request(): void {
    if (this.#serve === undefined) this.#isDue = true;
    else this.#serve();
  }

  /** From now on requests call `serve`. If there were any before, it is called now, once. */
  serveWith(serve: () => void): void {
    this.#serve = serve;
    if (this.#isDue) serve();
  }
}
