/** The rules for every run, in addition to the model of its streams. */
import { acknowledgements } from './acknowledgements.js';
import { addressMoves } from './address-moves.js';
import { amplification } from './amplification.js';
import { answers } from './answers.js';
import { commands } from './commands.js';
import { congestion } from './congestion.js';
import { credit } from './credit.js';
import { datagramSizes } from './datagram-sizes.js';
import { deadlines } from './deadlines.js';
import { drops } from './drops.js';
import { farewells } from './farewells.js';
import { flights } from './flights.js';
import { formerRuns } from './former-runs.js';
import { handshakeContents } from './handshake-contents.js';
import { handshakeCopies } from './handshake-copies.js';
import { handshakePace } from './handshake-pace.js';
import { helloFirst } from './hello.js';
import { keepalives } from './keepalives.js';
import { keypairs } from './keypairs.js';
import { limitsTold } from './limits-told.js';
import { malformed } from './malformed.js';
import { messageForms } from './message-forms.js';
import { numbers } from './numbers.js';
import { pacing } from './pacing.js';
import { packetStatistics } from './packet-statistics.js';
import { places } from './places.js';
import { probing } from './probing.js';
import { repeats } from './repeats.js';
import type { Rule } from './rule.js';
import { sentAgain } from './sent-again.js';
import { silenceReports } from './silence-reports.js';
import { startedOver } from './started-over.js';
import { statistics } from './statistics.js';
import { wakeUps } from './wake-ups.js';
import { congestionWindow } from './window.js';

export const RULES: readonly Rule[] = [
  numbers,
  messageForms,
  malformed,
  drops,
  addressMoves,
  amplification,
  farewells,
  formerRuns,
  startedOver,
  keypairs,
  handshakeContents,
  handshakePace,
  handshakeCopies,
  keepalives,
  helloFirst,
  acknowledgements,
  probing,
  repeats,
  sentAgain,
  congestionWindow,
  congestion,
  pacing,
  credit,
  limitsTold,
  commands,
  places,
  datagramSizes,
  wakeUps,
  deadlines,
  answers,
  flights,
  silenceReports,
  statistics,
  packetStatistics,
];
