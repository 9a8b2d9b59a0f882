/** What happens to single datagrams, and what an attacker can do with them. */
import type { Experiment } from './experiment.js';

export const DATAGRAM_EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'lost-handshake',
    title: 'Lose the first handshake message',
    question:
      'The client sends its first handshake message, and the network loses it. When does the client send the next one?',
    answers: [
      'After 5 seconds, because WireGuard permits one initiation in 5 seconds.',
      'After less than half a second.',
      'Never: the program has to try again.',
    ],
    right: 1,
    watch: 'Datagram 1 ends in a cross after 5 ms. Wait for datagram 2, open both, and compare their bytes.',
    explanation:
      'The client sends datagram 2 after 400 ms, and it is the same message, byte for byte. A new initiation costs the relay a computation, so there may be only one in 5 seconds. A copy costs it nothing: the relay accepts each timestamp once.',
    spec: 'session 5.7',
    link: 'v=1&seed=1&clients=bbr&link=shared,40,0,4000,32,0&at=0&do=1:upload,1,20000;5:drop,1',
    speed: 50,
  },
  {
    name: 'replay',
    title: 'Replay a datagram',
    question:
      'An attacker has recorded a datagram of the upload, and sends it to the relay again, from an address of its own. It is genuine, so it authenticates. What does the relay do?',
    answers: [
      'It reads the data a second time.',
      'It drops the datagram, and does not answer.',
      'It sends its answers to the attacker from now on.',
    ],
    right: 1,
    watch:
      'The dotted line at 500 ms. Select it, and read why the relay dropped it. See the relay’s idea of the client’s address.',
    explanation:
      'Each sealed datagram has a counter, and the relay remembers the counters that it has seen. The copy has an old one, so it has no effect: the data is not read, and the address of the client does not move.',
    spec: 'session 4',
    link: 'v=1&seed=2&clients=bbr&link=shared,40,0,4000,32,0&at=0&do=1:upload,1,20000;500:replay,4',
    speed: 50,
  },
  {
    name: 'forgery',
    title: 'Forge a datagram',
    question:
      'An attacker takes a datagram that it has seen, changes one byte, and sends it to the relay. What does the attacker learn from the answer?',
    answers: ['That a relay listens there.', 'Which byte was wrong.', 'Nothing: there is no answer.'],
    right: 2,
    watch: 'The dotted line at 500 ms, and what follows it from the right: nothing goes to the attacker.',
    explanation:
      'The tag at the end of a datagram covers every byte of it. If the tag does not match, the datagram is dropped and counted, and nothing else happens. Silence is also what an address has where nobody listens.',
    spec: 'wire 2.5',
    link: 'v=1&seed=3&clients=bbr&link=shared,40,0,4000,32,0&at=0&do=1:upload,1,20000;500:forge,4',
    speed: 50,
  },
  {
    name: 'cookie',
    title: 'A cookie under load',
    question:
      'A stranger floods the relay with 400 handshake messages a second. In the middle of it, a second client that the relay knows wants to connect. Does it get in?',
    answers: [
      'Only when the flood is over.',
      'Yes, after it has shown that it receives at its address.',
      'Yes, and it notices nothing.',
    ],
    right: 1,
    watch:
      'Show the datagrams of client 2. Its first initiation, at 1.5 s, is answered by a cookie reply. Compare the mac2 of its two initiations.',
    explanation:
      'After 128 handshake messages in a second, the relay does no more computations for free. It answers an initiation with a cookie, which is sealed and depends on the sender’s address. Client 2 puts a mac2 made with the cookie into its next initiation, and the relay accepts that. The stranger does not.',
    spec: 'handshake 5',
    link: 'v=1&seed=9&clients=bbr&link=shared,40,0,0,32,0&at=0&do=200:flood,4000,400;1500:peer',
    speed: 200,
  },
];
