import { describe, expect, it } from 'vitest';
import { clientCommand } from '../../src/commands/client-command.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../../src/limits.js';

describe('the help of underpass client', () => {
  it('names the default that the program uses', () => {
    const option = clientCommand(async () => {}).options.find(({ long }) => long === '--connect-timeout');
    expect(option?.description).toContain(`(default: ${DEFAULT_CONNECT_TIMEOUT_SECONDS}, 0: forever)`);
  });
});
