/** `underpass check`: what is wrong with config files, or what they mean. */
import { existsSync } from 'node:fs';
import { clientWords, relayWords } from '../check/config-words.js';
import { CliError, ConfigError } from '../cli-error.js';
import { loadClientConfig } from '../config/client-config.js';
import { type ConfigKind, configKind } from '../config/config-kind.js';
import { defaultConfigDirectory, defaultRelayConfigFile } from '../config/default-paths.js';
import { savedNames, savedRelay } from '../config/saved-relays.js';
import { readTomlDocument } from '../config/toml-document.js';
import { ExitCode } from '../exit-code.js';
import { failureOf } from '../failure-lines.js';
import { printErrorLine, printLine, requireOutput } from '../terminal.js';
import { readRelayFiles } from './relay-files.js';

export interface CheckFlags {
  readonly config?: string;
}

/** @throws CliError if any file has mistakes, after all have been checked */
export async function runCheck({ config }: CheckFlags): Promise<void> {
  if (config !== undefined) {
    printLine(reportOf(config));
    return requireOutput();
  }
  const files = ownConfigs();
  let failed = 0;
  for (const [index, file] of files.entries()) {
    try {
      printLine(`${index > 0 ? '\n' : ''}${reportOf(file)}`);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      failed++;
      for (const line of failureOf(error).lines) printErrorLine(line);
    }
  }
  await requireOutput();
  if (failed > 0) {
    throw new CliError(ExitCode.config, `${failed} of ${files.length} configs cannot be used`, 'see above');
  }
}

/** The configs of this user's relay and clients. */
function ownConfigs(): string[] {
  const relay = defaultRelayConfigFile();
  const clients = savedNames().map((name) => savedRelay(name).file);
  const files = [...(existsSync(relay) ? [relay] : []), ...clients];
  if (files.length > 0) return files;
  throw new CliError(
    ExitCode.config,
    `there is no config in ${defaultConfigDirectory()}`,
    'give one with --config, or start with underpass relay or underpass client LINK',
  );
}

/** @throws CliError with what is wrong */
function reportOf(file: string): string {
  return [`${file}: no mistakes`, ...wordsOf(file)].join('\n');
}

function wordsOf(file: string): string[] {
  if (kindOf(file) === 'relay') {
    const { config, stored } = readRelayFiles(file);
    return relayWords(config, stored, Date.now());
  }
  const config = loadClientConfig(file);
  config.privateKey.fill(0);
  config.presharedKey?.fill(0);
  return clientWords(config);
}

/** @throws CliError if the file cannot be read, or could be either */
function kindOf(file: string): ConfigKind {
  const kind = configKind(readTomlDocument(file));
  if (kind === 'relay' || kind === 'client') return kind;
  const found =
    kind === 'both' ? 'keys of both a relay and a client' : 'no key that tells a relay from a client';
  throw new ConfigError([`${file}:1: found ${found}, expected either listen or relay`]);
}
