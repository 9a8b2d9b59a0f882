/** The two state machines of a stream as tables (spec streams 4.2, 4.3; RFC 9000 §3). SendHalf and ReceiveHalf look up
 *  each event here. An event that a state does not list changes nothing. */

export type SendState = 'ready' | 'send' | 'data-sent' | 'data-received' | 'reset-sent' | 'reset-received';
export type SendEvent =
  | 'data-sent'
  | 'fin-sent'
  | 'all-acknowledged'
  | 'reset'
  | 'reset-acknowledged'
  | 'lost';

/** The event 'lost' is the end of the whole connection. */
export const SEND_TRANSITIONS: Record<SendState, Partial<Record<SendEvent, SendState>>> = {
  ready: { 'data-sent': 'send', 'fin-sent': 'data-sent', reset: 'reset-sent', lost: 'reset-received' },
  send: { 'fin-sent': 'data-sent', reset: 'reset-sent', lost: 'reset-received' },
  'data-sent': { 'all-acknowledged': 'data-received', reset: 'reset-sent', lost: 'reset-received' },
  'data-received': {},
  'reset-sent': { 'reset-acknowledged': 'reset-received', lost: 'reset-received' },
  'reset-received': {},
};

export type ReceiveState =
  | 'receive'
  | 'size-known'
  | 'data-received'
  | 'data-read'
  | 'reset-received'
  | 'reset-read';
export type ReceiveEvent = 'fin' | 'all-arrived' | 'all-read' | 'reset' | 'told' | 'lost';

/** The event 'told' means that the application knows that nothing more comes, because the reset was reported
 *  to it or because it has stopped reading. 'lost' is the end of the whole connection. */
export const RECEIVE_TRANSITIONS: Record<ReceiveState, Partial<Record<ReceiveEvent, ReceiveState>>> = {
  receive: { fin: 'size-known', reset: 'reset-received', lost: 'reset-read' },
  'size-known': {
    'all-arrived': 'data-received',
    reset: 'reset-received',
    told: 'reset-read',
    lost: 'reset-read',
  },
  'data-received': { 'all-read': 'data-read', told: 'reset-read', lost: 'reset-read' },
  'data-read': {},
  'reset-received': { told: 'reset-read', lost: 'reset-read' },
  'reset-read': {},
};
