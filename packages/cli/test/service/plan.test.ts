import { describe, expect, it } from 'vitest';
import { planInstall, planUninstall } from '../../src/service/plan.js';
import { unitArgument } from '../../src/service/unit-text.js';
import { machineIn } from './machine-of-tests.js';

const machine = machineIn('/m', { node: '/usr/bin/node', script: '/opt/under pass/underpass.js' });
const relay = { kind: 'relay', config: undefined, port: 51_820 } as const;
const client = {
  kind: 'client',
  name: 'home',
  isSaved: true,
  client: {
    file: '/c/relays/home.toml',
    secrets: ['/c/relays/home.key', '/c/relays/home.psk'],
    ports: [8080],
  },
} as const;
/** The lines of the plan's last file, which is the unit. */
const unitOf = (plan: ReturnType<typeof planInstall>) => plan.files.at(-1)?.text.split('\n') ?? [];

describe("the system's relay", () => {
  // Each line grants or refuses the service something, and a unit that lacks one still works.
  it('has exactly this unit', () => {
    expect(planInstall(relay, false, machine).files.at(-1)?.text).toBe(`\
# Written by underpass service install. Changes belong in a drop-in: systemctl edit NAME
[Unit]
Description=Underpass relay
Documentation=man:underpass-relay(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
# Without the optional package koffi, systemd-notify reports for the program, as a process of its own.
NotifyAccess=all
ExecStart=/usr/bin/node "/opt/under pass/underpass.js" relay
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=60
TimeoutStopSec=10
Restart=on-failure
RestartSec=2
# A wrong config stays wrong: don't restart.
RestartPreventExitStatus=2 3
LimitNOFILE=65536
SyslogIdentifier=underpass
User=underpass
StateDirectory=underpass
StateDirectoryMode=0700
RuntimeDirectory=underpass
RuntimeDirectoryMode=0700

AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
KeyringMode=private
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
`);
  });

  it('has its files described to the user: whose they are, where, and how to work on them', () => {
    const { unit, notes } = planInstall(relay, false, machine);
    expect([unit, ...notes]).toEqual([
      'underpass-relay',
      'The relay runs as the user underpass. Its files are in /var/lib/underpass/.config/underpass.',
      'Run commands on them as that user: sudo -u underpass underpass …',
    ]);
  });

  it('runs as a user of its own, whom systemd-sysusers creates first', () => {
    const plan = planInstall(relay, false, machine);
    expect(plan.files.map(({ path }) => path)).toEqual([
      '/m/sysusers.d/underpass.conf',
      '/m/system/underpass-relay.service',
    ]);
    expect(plan.files[0]?.text).toContain('u underpass - "Underpass relay" /var/lib/underpass');
    expect(unitOf(plan)).toContain('User=underpass');
    expect(plan.commands).toEqual([
      'systemd-sysusers underpass.conf',
      'systemctl daemon-reload',
      'systemctl enable --now underpass-relay',
      expect.stringMatching(/^journalctl -u underpass-relay /),
    ]);
    expect(unitOf(plan)).toEqual(
      expect.arrayContaining([
        'StateDirectory=underpass',
        'StateDirectoryMode=0700',
        'RuntimeDirectory=underpass',
        'RuntimeDirectoryMode=0700',
        'WantedBy=multi-user.target',
      ]),
    );
  });

  it('tells systemd when it is ready, reloads by SIGHUP, and is not restarted with a wrong config', () => {
    const lines = unitOf(planInstall(relay, false, machine));
    expect(lines).toContain('Type=notify');
    expect(lines).toContain('WatchdogSec=60');
    expect(lines).toContain('ExecStart=/usr/bin/node "/opt/under pass/underpass.js" relay');
    expect(lines).toContain('ExecReload=/bin/kill -HUP $MAINPID');
    expect(lines).toContain('RestartPreventExitStatus=2 3');
  });

  it('has one capability for a port below 1024, and otherwise none', () => {
    const high = unitOf(planInstall(relay, false, machine));
    expect(high).toEqual(expect.arrayContaining(['CapabilityBoundingSet=', 'PrivateUsers=yes']));
    const low = unitOf(planInstall({ ...relay, port: 443 }, false, machine));
    expect(low).toEqual(
      expect.arrayContaining([
        'CapabilityBoundingSet=CAP_NET_BIND_SERVICE',
        'AmbientCapabilities=CAP_NET_BIND_SERVICE',
      ]),
    );
    expect(low).not.toContain('PrivateUsers=yes');
  });

  it('cannot have its config elsewhere', () => {
    expect(() => planInstall({ ...relay, config: '/etc/relay.toml' }, false, machine)).toThrow(
      expect.objectContaining({
        message: "the system's relay has its config in /var/lib/underpass, because it adds peers to it",
        hint: expect.stringMatching(/leave --config out .* --user/),
      }),
    );
  });
});

describe("the system's client", () => {
  it('runs as a dynamic user, which gets the config and the keys from systemd', () => {
    const lines = unitOf(planInstall(client, false, machine));
    expect(lines).toEqual(
      expect.arrayContaining([
        'DynamicUser=yes',
        'LoadCredential=home.toml:/c/relays/home.toml',
        'LoadCredential=home.key:/c/relays/home.key',
        'LoadCredential=home.psk:/c/relays/home.psk',
        'CapabilityBoundingSet=',
      ]),
    );
    expect(lines).toContain(
      'ExecStart=/usr/bin/node "/opt/under pass/underpass.js" client --config %d/home.toml',
    );
  });

  it('is a unit of the system, whose start the user asks for', () => {
    const plan = planInstall(client, false, machine);
    expect(plan.files.map(({ path }) => path)).toEqual(['/m/system/underpass-client-home.service']);
    expect(plan.commands).toEqual([
      'systemctl daemon-reload',
      'systemctl enable --now underpass-client-home',
      expect.stringMatching(/^journalctl -u underpass-client-home /),
    ]);
    expect(plan.notes).toEqual([
      'systemd hands the service copies of /c/relays/home.* at each start: restart it after a change.',
    ]);
    const lines = unitOf(plan);
    const service = lines.slice(lines.indexOf('[Service]'), lines.indexOf('ProtectHome=yes'));
    expect(service).toEqual(
      expect.arrayContaining([
        'DynamicUser=yes',
        'RuntimeDirectory=underpass-client-home',
        'RuntimeDirectoryMode=0700',
      ]),
    );
    expect(lines).toContain('WantedBy=multi-user.target');
  });

  it('may have its files in a directory with any name', () => {
    const client50 = { ...client.client, file: '/c 50%h/home.toml', secrets: [] };
    const lines = unitOf(planInstall({ ...client, client: client50 }, false, machine));
    expect(lines).toContain('LoadCredential=home.toml:/c 50%%h/home.toml');
  });

  it('has the capability for a forward on a port below 1024', () => {
    const low = { ...client, client: { ...client.client, ports: [0, 8080, 80] } };
    expect(unitOf(planInstall(low, false, machine))).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE');
  });
});

describe("a user's service", () => {
  it('uses the files of that user, and no setting that needs rights', () => {
    const plan = planInstall(client, true, machine);
    expect(plan.files.map(({ path }) => path)).toEqual(['/m/user/underpass-client-home.service']);
    const lines = unitOf(plan);
    expect(lines.find((line) => line.startsWith('ExecStart='))).toMatch(/ client home$/);
    expect(lines).toEqual(expect.arrayContaining(['NoNewPrivileges=yes', 'WantedBy=default.target']));
    expect(lines.join('\n')).not.toMatch(/^(?:User|DynamicUser|Protect|Private|Capability|Ambient)/m);
    expect(plan.commands).toEqual([
      'systemctl --user daemon-reload',
      'systemctl --user enable --now underpass-client-home',
      expect.stringMatching(/^loginctl enable-linger /),
    ]);
  });

  it('may have its config elsewhere', () => {
    const elsewhere = unitOf(planInstall({ ...client, isSaved: false }, true, machine));
    expect(elsewhere.find((line) => line.startsWith('ExecStart='))).toMatch(
      / client --config \/c\/relays\/home\.toml$/,
    );
    const plan = planInstall({ ...relay, config: '/x/100%.toml' }, true, machine);
    expect(unitOf(plan).find((line) => line.startsWith('ExecStart='))).toMatch(
      /relay --config \/x\/100%%\.toml$/,
    );
  });
});

describe('removing a service', () => {
  it('removes the link that starts it, the unit, and the description of its user', () => {
    expect(planUninstall(relay, false, machine).files).toEqual([
      '/m/system/multi-user.target.wants/underpass-relay.service',
      '/m/system/underpass-relay.service',
      '/m/sysusers.d/underpass.conf',
    ]);
    expect(planUninstall(client, true, machine).files).toEqual([
      '/m/user/default.target.wants/underpass-client-home.service',
      '/m/user/underpass-client-home.service',
    ]);
  });
});

it.each([
  [undefined, false],
  [0, false],
  [1, true],
  [1023, true],
  [1024, false],
])('a relay on port %s needs the capability for low ports: %s', (port, isNeeded) => {
  const lines = unitOf(planInstall({ ...relay, port }, false, machine));
  expect(lines.includes('AmbientCapabilities=CAP_NET_BIND_SERVICE')).toBe(isNeeded);
});

it('names the role in the description of the unit, and only a relay can reload', () => {
  const [ofRelay, ofClient] = [relay, client].map((role) => unitOf(planInstall(role, true, machine)));
  expect(ofRelay).toEqual(
    expect.arrayContaining(['Description=Underpass relay', 'Documentation=man:underpass-relay(1)']),
  );
  expect(ofClient).toEqual(
    expect.arrayContaining(['Description=Underpass client of home', 'Documentation=man:underpass-client(1)']),
  );
  expect(unitOf(planInstall(client, false, machine))).toContain('Description=Underpass client of home');
  const units = [relay, client].flatMap((role) =>
    [true, false].map((isUser) => planInstall(role, isUser, machine).unit),
  );
  expect(new Set(units)).toEqual(new Set(['underpass-relay', 'underpass-client-home']));
  const reloads = (lines: readonly string[] = []) => lines.some((line) => line.startsWith('ExecReload='));
  expect([reloads(ofRelay), reloads(ofClient)]).toEqual([true, false]);
});

it.each([
  [relay, false, true],
  [relay, true, false],
  [client, false, false],
  [client, true, false],
])(
  'removing the service of a %o (of the user: %s) leaves keys of the system behind: %s',
  (role, isUser, isLeft) => {
    const { notes, commands, files } = planUninstall(role, isUser, machine);
    const left = "The relay's key and peers are still in /var/lib/underpass, and its user still exists.";
    expect(notes).toEqual(isLeft ? [left] : []);
    expect(commands.some((command) => command.startsWith('rm -r /var/lib/underpass'))).toBe(isLeft);
    expect(files.some((file) => file.endsWith('sysusers.d/underpass.conf'))).toBe(isLeft);
    const unit = `underpass-${role.kind === 'relay' ? 'relay' : 'client-home'}`;
    const systemctl = isUser ? 'systemctl --user' : 'systemctl';
    expect(commands.slice(0, 2)).toEqual([`${systemctl} stop ${unit}`, `${systemctl} daemon-reload`]);
  },
);

describe('an argument in a unit', () => {
  it.each([
    ['/usr/bin/node', '/usr/bin/node'],
    ['a b', '"a b"'],
    ['say "hi" \\', '"say \\"hi\\" \\\\"'],
    ['50%', '50%%'],
    ['$HOME', '$$HOME'],
    ['', '""'],
  ])('%j becomes %s', (text, quoted) => {
    expect(unitArgument(text)).toBe(quoted);
  });
});
