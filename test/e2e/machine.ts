/** Machines of users, each with a config directory of its own. */
import path from 'node:path';
import { expect } from 'vitest';
import { type RunningProgram, runUnderpass, startUnderpass } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';

/** A machine: a user's config directory, and the program run there. */
export class Machine {
  readonly config = temporaryDirectory();
  readonly environment = { XDG_CONFIG_HOME: this.config };

  run(commandArguments: readonly string[], stdin?: string) {
    return runUnderpass(commandArguments, { environment: this.environment, ...(stdin && { stdin }) });
  }
  start(...commandArguments: readonly string[]): RunningProgram {
    return startUnderpass(commandArguments, this.environment);
  }
  file(...parts: readonly string[]): string {
    return path.join(this.config, 'underpass', ...parts);
  }
}

/** A relay on a machine of its own, and a function that makes links for its clients. */
export async function startRelay(...more: readonly string[]) {
  const server = new Machine();
  const relay = server.start('relay', '--listen', '127.0.0.1:0', ...more);
  const { port } = await relay.event('listening');
  const endpoint = `127.0.0.1:${String(port)}`;
  const invite = async (name: string, allow: string, ...rest: readonly string[]): Promise<string> => {
    const rules = ['--allow', allow, ...rest];
    const { code, stdout } = await server.run(['invite', name, ...rules, '--endpoint', endpoint]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^underpass:\/\/\S+\n$/);
    return stdout.trim();
  };
  return { server, relay, endpoint, invite };
}
