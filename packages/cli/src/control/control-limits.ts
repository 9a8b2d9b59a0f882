/** Limits of the control socket (docs/adr/0019-control-socket.md). */

/** How many programs may be connected to one control socket at once. Further ones are refused. */
export const MAX_CONTROL_CONNECTIONS = 128;
/** The longest body of a request. */
export const MAX_CONTROL_REQUEST_BYTES = 64 * 1024;
/** The longest head of a request: its first line and its headers. */
export const MAX_CONTROL_HEAD_BYTES = 8 * 1024;
/** How many bytes of events wait for a caller that does not read. Further events are left out. */
export const MAX_CONTROL_BACKLOG_BYTES = 256 * 1024;
/** How long a request may take to arrive. */
export const CONTROL_REQUEST_TIMEOUT_MS = 5_000;
/** How long `underpass status` and other callers wait for an answer. */
export const CONTROL_ANSWER_TIMEOUT_MS = 10_000;
/** The longest answer that a caller reads. */
export const MAX_CONTROL_ANSWER_BYTES = 64 * 1024 * 1024;
/** How many sockets `underpass status` looks at. */
export const MAX_CONTROL_SOCKETS = 256;

/** The longest path of a unix socket in bytes: the kernel's field, minus the zero at its end. */
export const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;
