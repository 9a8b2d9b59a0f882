import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { install, uninstall } from '../../src/service/install.js';
import type { Machine } from '../../src/service/machine.js';
import { planInstall, planUninstall } from '../../src/service/plan.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { machineIn } from './machine-of-tests.js';

const relay = { kind: 'relay', config: undefined, port: undefined } as const;

function scene(parts: Partial<Machine> = {}, options: { isUser?: boolean; dryRun?: boolean } = {}) {
  const machine = machineIn(temporaryDirectory(), parts);
  const printed: string[] = [];
  const execution = {
    isUser: false,
    dryRun: false,
    ...options,
    machine,
    print: (text: string) => void printed.push(text),
  };
  return {
    machine,
    printed,
    unit: path.join(
      execution.isUser ? machine.directories.userUnits : machine.directories.systemUnits,
      'underpass-relay.service',
    ),
    install: () => install(planInstall(relay, execution.isUser, machine), execution),
    uninstall: () => uninstall(planUninstall(relay, execution.isUser, machine), execution),
  };
}

describe('installing a service', () => {
  it('writes its files for everybody to read, and says what it wrote and what to run', () => {
    const { install, unit, printed } = scene();
    install();
    expect(statSync(unit).mode & 0o777).toBe(0o644);
    expect(printed[1]).toBe(`Wrote ${unit}`);
    expect(printed.at(-1)).toMatch(
      /^\nNow run:\n {2}sudo systemd-sysusers underpass\.conf\n {2}sudo systemctl daemon-reload\n {2}sudo systemctl enable --now underpass-relay\n/,
    );
  });

  it('leaves what is already right alone, and replaces what is not', () => {
    const { install, unit, printed } = scene();
    install();
    writeFileSync(unit, 'an older version');
    printed.length = 0;
    install();
    expect(printed.slice(0, 2)).toEqual([expect.stringMatching(/^Unchanged: /), `Wrote ${unit}`]);
    expect(readFileSync(unit, 'utf8')).toContain('[Service]');
  });

  it('prints the files and writes none in a dry run, even without systemd', () => {
    const { install, unit, printed } = scene({ runsSystemd: false, isRoot: false }, { dryRun: true });
    install();
    expect(printed.join('\n')).toContain(`# ${unit}\n`);
    expect(existsSync(unit)).toBe(false);
  });

  it('is refused where there is no systemd', () => {
    expect(scene({ runsSystemd: false }).install).toThrow(
      expect.objectContaining({
        message: 'this machine does not run systemd, so it has no services to install',
        hint: expect.stringMatching(/--dry-run prints the unit; in a container, run underpass relay itself/),
      }),
    );
  });

  it("is refused to everyone but root, unless it is the user's own", () => {
    expect(scene({ isRoot: false }).install).toThrow(
      expect.objectContaining({
        message: 'only root can change the services of the system',
        hint: 'run: sudo underpass service install …, or give --user for a service of your own user',
      }),
    );
    const own = scene({ isRoot: false }, { isUser: true });
    own.install();
    expect(own.printed.at(-1)).toContain('  systemctl --user enable --now underpass-relay');
  });

  it('says how to get what a service cannot read: Node, or this program', () => {
    const hint = (parts: Partial<Machine>) => {
      try {
        scene(parts).install();
      } catch (error) {
        return (error as { readonly hint?: string }).hint;
      }
      return undefined;
    };
    expect(hint({ node: '/root/node' })).toContain('install Node for all users');
    expect(hint({ script: '/root/underpass.js' })).toContain('sudo npm install -g');
  });

  it.each([
    '/home/ada/underpass.js',
    '/root/underpass.js',
    '/run/user/1000/u.js',
    '/tmp/u.js',
    '/var/tmp/u.js',
  ])('is refused for %s, which is in a directory that the sandbox empties', (script) => {
    expect(scene({ script }).install).toThrow(
      `underpass is at ${script}, which a service of the system cannot read`,
    );
  });

  it('is refused if nobody else may enter a directory above the program', () => {
    const above = mkdtempSync(path.join(process.cwd(), 'node_modules', '.underpass-'));
    onTestFinished(() => rmSync(above, { recursive: true }));
    const script = path.join(above, 'bin', 'underpass.js');
    mkdirSync(path.dirname(script));
    writeFileSync(script, '');
    chmodSync(above, 0o700);
    expect(scene({ script }).install).toThrow(`underpass is at ${script}`);
  });

  it('says which file cannot be written or removed, and why', () => {
    const { install, unit } = scene();
    mkdirSync(unit, { recursive: true });
    expect(install).toThrow(`cannot write ${unit}: it is a directory`);
    const own = scene();
    own.install();
    rmSync(own.unit);
    mkdirSync(own.unit);
    expect(own.uninstall).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(new RegExp(`^cannot remove ${own.unit}: (?!${own.unit})`)),
        cause: expect.objectContaining({ path: own.unit }),
      }),
    );
  });

  it('is refused if the sandbox or the mode hides the program from the service', () => {
    const hidden = '/root/.nvm/versions/node/v24/bin/node';
    expect(scene({ node: hidden }).install).toThrow(
      `Node is at ${hidden}, which a service of the system cannot read`,
    );
    // Away from /tmp, which is hidden in any case.
    const directory = mkdtempSync(path.join(process.cwd(), 'node_modules', '.underpass-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const script = path.join(directory, 'underpass.js');
    writeFileSync(script, '');
    chmodSync(script, 0o600);
    expect(scene({ script }).install).toThrow(`underpass is at ${script}`);
  });
});

describe('removing a service', () => {
  it('removes the unit and the link that starts it, and says that the keys stay', () => {
    const { install, uninstall, unit, printed, machine } = scene();
    install();
    const wants = path.join(machine.directories.systemUnits, 'multi-user.target.wants');
    mkdirSync(wants);
    symlinkSync(unit, path.join(wants, 'underpass-relay.service'));
    printed.length = 0;
    uninstall();
    expect(printed.slice(0, 2)).toEqual([
      `Removed ${path.join(wants, 'underpass-relay.service')}`,
      `Removed ${unit}`,
    ]);
    expect(printed.join('\n')).toContain('key and peers are still in /var/lib/underpass');
    expect(existsSync(unit)).toBe(false);
  });

  it('says what it would remove in a dry run', () => {
    const { install, unit, machine } = scene();
    install();
    const printed: string[] = [];
    const print = (text: string) => void printed.push(text);
    uninstall(planUninstall(relay, false, machine), { isUser: false, dryRun: true, machine, print });
    expect(printed[0]).toBe(`Would remove ${unit}`);
    expect(existsSync(unit)).toBe(true);
    rmSync(unit);
    rmSync(machine.directories.sysusers, { recursive: true });
    uninstall(planUninstall(relay, false, machine), { isUser: false, dryRun: true, machine, print });
    expect(printed.at(-1)).toBe(
      `Would remove nothing: underpass-relay is not installed (${path.dirname(unit)})`,
    );
  });

  it('is an error if it is not installed', () => {
    expect(scene().uninstall).toThrow('the service underpass-relay is not installed');
  });

  it('is refused where installing is: without systemd, and to everyone but root', () => {
    expect(scene({ runsSystemd: false }).uninstall).toThrow('does not run systemd');
    expect(scene({ isRoot: false }).uninstall).toThrow('only root can change the services of the system');
    const own = scene({ isRoot: false }, { isUser: true });
    own.install();
    own.uninstall();
    expect(existsSync(own.unit)).toBe(false);
  });

  it('says where it looked when nothing is installed, and where else to look', () => {
    const { uninstall, machine } = scene();
    expect(uninstall).toThrow(`is not installed (${machine.directories.systemUnits})`);
    expect(uninstall).toThrow(
      expect.objectContaining({ hint: 'if it is a service of your user, give --user' }),
    );
    const own = scene({}, { isUser: true });
    expect(own.uninstall).toThrow(
      expect.objectContaining({ hint: 'if it is a service of the system, run this as root' }),
    );
  });
});
