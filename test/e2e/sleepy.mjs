// Loaded into a program with --import: at SIGUSR2 its machine has slept for as long as a keypair is used. The program's clock
// counts sleep (spec outage 5), so its keys age as much, while a test need not wait.
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

const SLEEP_SECONDS = 121;
const realUptime = os.uptime;
let sleptSeconds = 0;

os.uptime = () => realUptime() + sleptSeconds;
syncBuiltinESMExports();
process.on('SIGUSR2', () => {
  sleptSeconds += SLEEP_SECONDS;
});
