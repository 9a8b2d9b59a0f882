/** What a client's unit has to know about its config. */
import path from 'node:path';
import { isUnix } from '@underpass/forward';
import { CliError } from '../cli-error.js';
import { loadClientConfig } from '../config/client-config.js';
import { resolveFrom } from '../config/default-paths.js';
import { valueAt } from '../config/schema-problems.js';
import { readTomlDocument } from '../config/toml-document.js';
import { ExitCode } from '../exit-code.js';

export interface ClientFacts {
  /** The config file. */
  readonly file: string;
  /** The key files that it names. */
  readonly secrets: readonly string[];
  /** The local ports of its forwards. */
  readonly ports: readonly number[];
}

/** Names that a unit can contain as they are. systemd has no name with a colon or beyond ASCII for a file that it hands on. */
const NAME_IN_UNIT = /^[\w@+=,.-]+$/;

/** @param isBeside  whether the key files must be in the config's directory, and have names that a unit can contain
 *  @throws CliError if the config is wrong or forwards nothing, a key file is elsewhere, or a name is impossible */
export function clientFacts(file: string, isBeside: boolean): ClientFacts {
  const config = loadClientConfig(file);
  config.privateKey.fill(0);
  config.presharedKey?.fill(0);
  if (config.forwards.length === 0) {
    throw new CliError(
      ExitCode.config,
      `${file} forwards nothing, so its service would end as soon as it starts`,
      'write the forwards into it, for example: local_forwards = ["8080:localhost:80"]',
    );
  }
  const { value, directory } = readTomlDocument(file);
  const secrets = ['private_key_file', 'preshared_key_file']
    .map((key) => valueAt(value, [key]))
    .filter((name) => typeof name === 'string')
    .map((name) => {
      const secret = resolveFrom(directory, name);
      if (!isBeside || name === path.basename(secret)) return secret;
      throw new CliError(
        ExitCode.config,
        `${file} names the key file ${name}, but systemd hands a service files of one directory`,
        `move it beside the config and write only its name, ${path.basename(secret)}`,
      );
    });
  for (const { base } of isBeside ? [file, ...secrets].map(path.parse) : []) {
    if (NAME_IN_UNIT.test(base)) continue;
    throw new CliError(
      ExitCode.config,
      `systemd cannot hand a service a file with the name '${base}'`,
      'use only letters, digits and .-_+=,@ in the names of the config and of its key files',
    );
  }
  return {
    file: path.resolve(file),
    secrets,
    ports: config.forwards.flatMap(({ kind, place }) =>
      kind === 'reverse' || isUnix(place) ? [] : [place.port],
    ),
  };
}
