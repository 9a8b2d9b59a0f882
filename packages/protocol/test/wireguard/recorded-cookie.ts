/** A recorded exchange with wireguard-go under load, in hex: initiation, cookie reply, initiation with mac2. */
import { readVectors } from '@underpass/testkit/crypto';

export const RECORDED = readVectors<{
  readonly responder_static_public: string;
  readonly initiation_without_cookie: string;
  readonly mac1_of_it: string;
  readonly cookie_key: string;
  readonly cookie_reply: string;
  readonly nonce: string;
  readonly encrypted_cookie: string;
  readonly cookie: string;
  readonly next_initiation_with_mac2: string;
  readonly mac2_of_it: string;
}>('wireguard-cookie.json');
