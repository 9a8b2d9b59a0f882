/** The options of `underpass doctor`. Its implementation is loaded only when it runs. */
import type { Target } from '@underpass/forward/spec';
import { Command } from 'commander';
import type { DoctorFlags } from './doctor.js';
import { anyTargetValue, fileOption, hostPortValue, publicKeyValue, waitValue } from './option-values.js';

/** How long to wait for the relay by default, in seconds: a handshake on a bad path takes several attempts. */
const DEFAULT_WAIT_SECONDS = 10;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Check step by step what works between this machine and a relay, what does not, and why.')
    .argument('[name]', "a saved relay's name")
    .addOption(fileOption('--config <file>', 'a config file', 'a client config file, instead of a name'))
    .option('--relay <host:port>', "the relay's name or address", hostPortValue)
    .option('--relay-key <public-key>', "the relay's public key", publicKeyValue)
    .addOption(fileOption('--key <file>', 'a key file', "this client's private key file"))
    .addOption(fileOption('--preshared-key <file>', 'a key file', 'a key file that the relay has too'))
    .option(
      '--target <host:port[/udp]>',
      "also check this target; may be repeated, in addition to the config's forwards",
      (text: string, previous: readonly Target[] = []) => [...previous, anyTargetValue(text)],
    )
    .option('--wait <seconds>', 'how long to wait for the relay', waitValue, DEFAULT_WAIT_SECONDS)
    .option('--json', 'as JSON lines, for programs')
    .addHelpText('after', '\nExample:\n  underpass doctor vps --target localhost:80')
    .action(async (name: string | undefined, flags: DoctorFlags) => {
      process.exitCode = await (await import('./doctor.js')).runDoctor(name, flags);
    });
}
