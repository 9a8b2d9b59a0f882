/** The kinds of UDP socket, as `--socket` and `underpass status` call them. The better one is first. */
export const SOCKET_KINDS = ['native', 'plain'] as const;
export type SocketKind = (typeof SOCKET_KINDS)[number];
