/** The names of the files in which a relay keeps its invites and the peers that enrolled (spec enrolment 6). */
import path from 'node:path';

/** The rules and the invite. Only commands write it. */
export const PEER_FILE = 'peer.toml';
export const INVITE_KEY_FILE = 'invite.psk';
/** The key of the client that enrolled. Only the relay writes it, once: if it exists, the invite is used. */
export const ENROLLED_FILE = 'enrolled.toml';
/** Exists once the peer has connected with its own key. */
export const CONNECTED_FILE = 'connected';
/** Written after each change, because whoever watches the store does not see into its directories. */
export const CHANGED_FILE = '.changed';

/** Directories that are being made, or being deleted. A crash may leave them behind. */
export const NEW_PREFIX = '.new-';
export const REMOVED_PREFIX = '.removed-';

/** The store is beside the relay's config: `relay.d` for `relay.toml`. */
export function storeDirectoryOf(configFile: string): string {
  const { dir, name, ext } = path.parse(path.resolve(configFile));
  return path.join(dir, `${ext === '.toml' ? name : name + ext}.d`);
}
