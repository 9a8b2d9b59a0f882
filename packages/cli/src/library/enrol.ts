/** Enrols a program at a relay. api.ts documents it. */
import { enrol as ask } from '@underpass/client';
import { formatTarget, type InviteLink, parseInviteLink } from '@underpass/forward';
import { UnderpassError } from '@underpass/runtime';
import { type EnrolFailure, enrolFailure, linkFailure } from '../commands/enrol-text.js';
import { encodeKey } from '../key-text.js';
import { publicKeyOf } from '../public-key.js';
import type { Enrolment, EnrolOptions } from './api.js';
import { keyIn } from './keys.js';

export async function enrol(text: string, { privateKey: given, signal }: EnrolOptions): Promise<Enrolment> {
  signal?.throwIfAborted();
  const link = linkIn(text);
  let privateKey: Uint8Array | undefined;
  try {
    privateKey = keyIn(given, 'privateKey');
    const publicKey = publicKeyOf(privateKey);
    const outcome = await ask({ link, publicKey, ...(signal && { signal }) });
    const place = formatTarget(link.endpoint);
    if (outcome.kind !== 'enrolled') {
      signal?.throwIfAborted();
      throw errorOf(enrolFailure(outcome, place));
    }
    const { presharedKey, peerName, relayName } = outcome.answer;
    const enrolment = {
      relay: place,
      relayPublicKey: encodeKey(link.relayPublicKey),
      privateKey: encodeKey(privateKey),
      presharedKey: encodeKey(presharedKey),
      peerName,
      relayName,
    };
    presharedKey.fill(0);
    return enrolment;
  } finally {
    privateKey?.fill(0);
    link.secret.fill(0);
  }
}

function linkIn(text: string): InviteLink {
  const link = parseInviteLink(text);
  if (typeof link === 'string') throw errorOf(linkFailure(link));
  return link;
}

function errorOf({ code, message, hint }: EnrolFailure): UnderpassError {
  return new UnderpassError(code, message, hint);
}
