/** Why a connection with the relay ended, for the user. */
import { type ConnectionError, ConnectionErrorCode } from '@underpass/protocol';
import type { DisconnectCause } from './client-options.js';

export function causeOf({ by, code }: ConnectionError): DisconnectCause {
  if (code === ConnectionErrorCode.peerRestarted) return 'relay-restarted';
  if (by === 'local') return 'error';
  switch (code) {
    case ConnectionErrorCode.none:
      return 'relay-stopped';
    case ConnectionErrorCode.removed:
      return 'removed';
    case ConnectionErrorCode.superseded:
      return 'superseded';
    default:
      return 'error-at-relay';
  }
}
