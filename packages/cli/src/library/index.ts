/** The library: `import { connect } from 'underpass'`. api.ts documents it. */
import { TunnelError as ForwardTunnelError } from '@underpass/forward';
import { UnderpassError as RuntimeError } from '@underpass/runtime';
import type * as Api from './api.js';
import { connect as open } from './connect.js';
import { enrol as enrolAt } from './enrol.js';
import { generateKeyPair as generate } from './keys.js';

export type * from './api.js';

// The annotations make the compiler compare the implementation with the declarations that users get.
export const connect: typeof Api.connect = open;
export const enrol: typeof Api.enrol = enrolAt;
export const generateKeyPair: typeof Api.generateKeyPair = generate;
export const UnderpassError: typeof Api.UnderpassError = RuntimeError;
export const TunnelError: typeof Api.TunnelError = ForwardTunnelError;
