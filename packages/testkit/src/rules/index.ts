/** The rules for every run, in addition to the model of its streams. */
import { acknowledgements } from './acknowledgements.js';
import { addressMoves } from './address-moves.js';
import { amplification } from './amplification.js';
import { answers } from './answers.js';
import { credit } from './credit.js';
import { datagramSizes } from './datagram-sizes.js';
import { deadlines } from './deadlines.js';
import { farewells } from './farewells.js';
import { flights } from './flights.js';
import { formerRuns } from './former-runs.js';
import { handshakePace } from './handshake-pace.js';
import { helloFirst } from './hello.js';
import { keepalives } from './keepalives.js';
import { keypairs } from './keypairs.js';
import { malformed } from './malformed.js';
import { messageForms } from './message-forms.js';
import { numbers } from './numbers.js';
import { pacing } from './pacing.js';
import { places } from './places.js';
import { probing } from './probing.js';
import { repeats } from './repeats.js';
import type { Rule } from './rule.js';
import { sentAgain } from './sent-again.js';
import { silenceReports } from './silence-reports.js';
import { statistics } from './statistics.js';
import { wakeUps } from './wake-ups.js';
import { congestionWindow } from './window.js';

export const RULES: readonly Rule[] = [
  numbers,
  messageForms,
  malformed,
  addressMoves,
  amplification,
  farewells,
  formerRuns,
  keypairs,
  handshakePace,
  keepalives,
  helloFirst,
  acknowledgements,
  probing,
  repeats,
  sentAgain,
  congestionWindow,
  pacing,
  credit,
  places,
  datagramSizes,
  wakeUps,
  deadlines,
  answers,
  flights,
  silenceReports,
  statistics,
];
