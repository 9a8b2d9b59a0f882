/** What a connection survives, and what it does not. */
import type { Experiment } from './experiment.js';

export const CONNECTION_EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'new-address',
    title: 'A new address in the middle of an upload',
    question:
      'In the middle of an upload, the client’s machine moves from one network to another and gets a new address. What becomes of the stream?',
    answers: [
      'It goes on. The relay sends to the new address after the next datagram from there.',
      'It is reset, and the program has to connect again.',
      'It waits until the keys are renewed.',
    ],
    right: 0,
    watch:
      'From 600 ms on, what the relay sends to the old address is lost. Look for PATH_CHALLENGE and PATH_RESPONSE a little later.',
    explanation:
      'A connection belongs to keys, not to addresses. The first authentic datagram from the new address moves the path there. Until the client has answered a challenge, the relay sends no more than three times what it receives, so that nobody can use it to flood others. The upload is complete after 3 seconds.',
    spec: 'path 1',
    link: 'v=1&seed=4&clients=bbr&link=shared,40,0,4000,32,0&at=0&do=1:upload,1,1000000;600:move,1',
    speed: 50,
  },
  {
    name: 'restart',
    title: 'A restarted relay',
    question:
      'The relay’s program ends in the middle of an upload, and starts again at once, with the same keys. What becomes of the stream?',
    answers: [
      'It goes on where it was.',
      'It hangs for ever.',
      'It is reset, once the client has learned that this is another run.',
    ],
    right: 2,
    watch:
      'The relay has lost its sessions, so it cannot read what the client sends: “unknown index”. Watch the handshake that ends this, and the HELLO behind it.',
    explanation:
      'A restarted relay cannot say so: it has no keys to say it with. The client notices the silence and starts a handshake, 5 seconds after its last one at the earliest. The HELLO under the new keys has a new epoch, which says that the old streams are gone. So the stream is reset at 5.3 s, and the two are connected again.',
    spec: 'streams 3.4',
    link: 'v=1&seed=8&clients=bbr&link=shared,40,0,4000,32,0&at=0&do=1:upload,1,2000000;600:restart,0',
    speed: 200,
  },
  {
    name: 'slow-reader',
    title: 'A slow reader',
    question:
      'The link carries a megabyte in a second. The program behind the relay reads only 50 kilobytes in a second. Where do the rest of the bytes wait?',
    answers: [
      'In the relay’s memory, which grows until the upload is over.',
      'In the queue of the network.',
      'At the client: the relay permits only so many.',
    ],
    right: 2,
    watch:
      'The table of streams: how much the relay has received, and how much its program has read. And the throughput, which falls to the pace of the reader.',
    explanation:
      'The relay grants credit for what its program has read, and a window beyond that. At no time does it hold more than 262 kB. When the client has used up its credit, it stops, and so does the program that writes. A slow reader slows down its writer, and nothing else.',
    spec: 'streams 5.2',
    link: 'v=1&seed=7&clients=bbr&link=shared,40,0,8000,32,0&at=0&do=1:reader,0,50;2:upload,1,600000',
    speed: 500,
  },
  {
    name: 'mtu-black-hole',
    title: 'An MTU black hole',
    question:
      'At 1.5 s, the path begins to lose every datagram of more than 1300 bytes, and no router says so. Smaller ones still pass. What becomes of the upload?',
    answers: [
      'It stalls until a person lowers the MTU.',
      'It goes on with smaller datagrams, after about half a second.',
      'It goes on as before: the datagrams are cut into fragments.',
    ],
    right: 1,
    watch: 'The sizes in the list of datagrams: 1440 bytes before, and 1152 after a row of losses.',
    explanation:
      'The client had found out by probes that the path carries 1440 bytes. When every large packet is lost and small ones are not, it concludes that the path has become smaller, and falls back to 1152 bytes, which pass everywhere. That takes 0.45 s here. Nobody had to send it a message, and a lost message could not stop it.',
    spec: 'mtu 4.1',
    link: 'v=1&seed=10&clients=bbr&link=shared,40,0,4000,32,0&at=0&do=1:upload,1,1500000;1500:link,pathBytes,1300',
    speed: 100,
  },
];
