/** How fast to send: what a controller can know about a path. */
import type { Experiment } from './experiment.js';

export const CONGESTION_EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'one-percent',
    title: '1 % loss: three controllers side by side',
    question:
      'Three clients upload over links of their own, all alike: 8 Mbit/s, a round trip of 80 ms, and one datagram in a hundred is lost, by chance. They differ in their congestion controller. Which is the fastest?',
    answers: [
      'NewReno (client 1).',
      'CUBIC (client 2).',
      'BBR (client 3).',
      'They are alike: 1 % loss costs each of them 1 %.',
    ],
    right: 2,
    watch: 'The throughput of the three, and their congestion windows after each loss.',
    explanation:
      'NewReno and CUBIC take a loss for a sign of a full queue, and cut their windows. Here every loss is chance, so they cut for nothing. BBR measures how fast the path delivers, and goes on. After 6 seconds, NewReno has delivered 1.0 MB, CUBIC 1.9 MB, and BBR 5.4 MB.',
    spec: 'congestion 1',
    link: 'v=1&seed=5&clients=newreno,cubic,bbr&link=own,40,1,8000,64,0&at=0&do=1:upload,1,8000000;1:upload,2,8000000;1:upload,3,8000000',
    speed: 500,
  },
  {
    name: 'full-queue',
    title: 'A full queue',
    question:
      'In front of a link of 4 Mbit/s, there is a queue of 256 kB. A round trip takes 80 ms while it is empty. Client 1 uploads with CUBIC, client 2 with BBR, each over a link of its own. How long is the round trip of client 1 after a few seconds?',
    answers: ['80 ms, as before.', 'About 120 ms.', 'About half a second.'],
    right: 2,
    watch: 'The smoothed RTT of the two, and how long a datagram waits at its sender’s side of the ladder.',
    explanation:
      'CUBIC sends more until something is lost, and nothing is lost until the queue is full. From then on, every datagram waits behind 256 kB: half a second. Both clients deliver the same, but with BBR the round trip stays near 83 ms, because it does not send faster than the path delivers.',
    spec: 'congestion 4.1',
    link: 'v=1&seed=6&clients=cubic,bbr&link=own,40,0,4000,256,0&at=0&do=1:upload,1,4000000;1:upload,2,4000000',
    speed: 500,
  },
  {
    name: 'thirty-percent',
    title: '30 % loss',
    question:
      'Nearly every third datagram is lost, in both directions: data, acknowledgements, handshakes. Without loss, an upload of 300 kB takes 0.9 s here. How long does it take now?',
    answers: ['Less than twice as long.', 'More than ten times as long.', 'It never ends.'],
    right: 0,
    watch:
      'Acknowledgements come in ranges, so a lost one is made good by the next. Open one: it says exactly what is missing.',
    explanation:
      'It takes 1.3 s. Of what was lost, only that is sent again. An acknowledgement lists all that has arrived, so it does not matter if the one before it was lost. And BBR does not take the loss for congestion.',
    spec: 'recovery 3.2',
    link: 'v=1&seed=11&clients=bbr&link=shared,40,30,4000,64,0&at=0&do=1:upload,1,300000',
    speed: 50,
  },
  {
    name: 'two-peers',
    title: 'Two peers on one link',
    question:
      'Client 1 uses a link of 8 Mbit/s alone. At 2 s, client 2 begins an upload over the same link. Both use BBR. How do they share it?',
    answers: [
      'Client 1 keeps nearly all of it.',
      'Client 2 takes nearly all of it.',
      'They come to about equal shares.',
    ],
    right: 2,
    watch: 'The throughput of the two, from 2 s on.',
    explanation:
      'Client 2 probes for more than it has, and its datagrams get a share of the queue. Client 1 measures that it delivers less, and sends less. Neither knows of the other. Between 4 and 7 seconds, each carries between two and three fifths of what passes.',
    spec: 'congestion 4.5',
    link: 'v=1&seed=13&clients=bbr,bbr&link=shared,40,0,8000,64,0&at=0&do=1:upload,1,8000000;2000:upload,2,8000000',
    speed: 500,
  },
];
