/** Everything that `underpass doctor` can find wrong. docs/troubleshooting.md has an entry for each title. */

export interface Finding {
  /** What is wrong, as the start of the line. */
  readonly title: string;
  /** What to do about it. */
  readonly advice: string;
}

export const FINDINGS = {
  'config-wrong': {
    title: 'The config is wrong',
    advice: 'correct what the lines say',
  },
  'clock-behind': {
    title: "This machine's clock is behind",
    advice:
      'set the clock; a relay refuses handshakes that are older than the last one it accepted from this client',
  },
  'name-not-found': {
    title: "The relay's name does not exist",
    advice: 'check how the name is written, and that its DNS record exists',
  },
  'name-lookup-failed': {
    title: "The relay's name cannot be looked up",
    advice:
      "check this machine's network and its DNS; with the relay's address in the config, DNS is not needed",
  },
  'cannot-send': {
    title: 'This machine cannot send to the relay',
    advice: "check this machine's network, its VPNs, and its own firewall for outgoing UDP",
  },
  'port-closed': {
    title: "Nothing listens on the relay's port",
    advice:
      'start the relay, or check the port on both sides; a firewall that rejects packets looks the same',
  },
  unreachable: {
    title: "The relay's machine cannot be reached",
    advice: 'check the address, and that the machine is up',
  },
  'no-answer': {
    title: 'The relay does not answer',
    advice:
      "on the relay's machine, run underpass status and read the relay's log: a line about an unknown key or this client's clock means that it hears this client; without one, open the UDP port in every firewall, including the provider's, and compare relay_public_key with what the relay prints",
  },
  'preshared-keys-differ': {
    title: 'The preshared keys differ',
    advice: 'give both sides the same preshared key, or enrol again with a new invite',
  },
  'client-removed': {
    title: 'The relay no longer accepts this client',
    advice: 'ask whoever runs the relay for a new invite',
  },
  'key-shared': {
    title: 'Another client uses the same key',
    advice: "give each client a key of its own: two with one key end each other's connections",
  },
  'connection-ended': {
    title: 'The relay ended the connection',
    advice: 'read its log, and check that both sides run the same version',
  },
  'clocks-differ': {
    title: 'The clocks differ',
    advice:
      "set the clock that is wrong; the tunnel works, but a link expires by the relay's clock, and the times of the two logs do not match",
  },
  'relay-too-old': {
    title: 'The relay does not know probes',
    advice: 'update the relay to see more',
  },
  'target-not-allowed': {
    title: 'The target is not allowed',
    advice:
      'on the relay, add the rule that its log names: underpass allow NAME TARGET, or allow in relay.toml',
  },
  'target-name-not-found': {
    title: 'The relay cannot resolve the target',
    advice: "check the name as the relay's machine would look it up, and its DNS",
  },
  'target-refused': {
    title: 'The target refuses connections',
    advice: "start the service there, or check the port; localhost means the relay's machine",
  },
  'target-unreachable': {
    title: 'The relay has no route to the target',
    advice: "check the address, and the network of the relay's machine",
  },
  'target-silent': {
    title: 'The target does not answer the relay',
    advice: 'check that it is up, and that no firewall between the relay and it drops packets',
  },
  'relay-busy': {
    title: 'The relay has too many connections of this client',
    advice: 'close some, or try again later',
  },
  'target-failed': {
    title: 'The relay failed to connect to the target',
    advice: "read the relay's log: it says why",
  },
  'connection-lost': {
    title: 'The connection to the relay was lost',
    advice: 'run the doctor again; if this repeats, the path or the relay is unstable',
  },
  'path-lossy': {
    title: 'The path loses packets',
    advice: 'it works, but more slowly: check the Wi-Fi, the line and what else uses it',
  },
  'path-fragments': {
    title: 'The path fragments packets',
    advice: 'raise the MTU of the link or tunnel below; some firewalls drop fragments',
  },
} as const satisfies Record<string, Finding>;

export type FindingId = keyof typeof FINDINGS;
