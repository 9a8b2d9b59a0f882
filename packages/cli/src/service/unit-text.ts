/** The text of systemd units (docs/adr/0021-service.md). */

/** What a unit runs. */
export interface UnitOptions {
  readonly description: string;
  /** The command's page in the manual, such as `underpass-relay(1)`. */
  readonly manual: string;
  /** The program and its arguments, as `unitArgument` quotes them. */
  readonly command: readonly string[];
  readonly canReload: boolean;
  /** Lines of the section [Service] that say as whom it runs, and which directories it has. */
  readonly identity: readonly string[];
  readonly sandbox: readonly string[];
  /** The target that starts it. */
  readonly wantedBy: string;
}

/** Keepalives for systemd's watchdog are due twice in this time. A laptop that sleeps does not count: systemd's clock
 *  stands still too. */
const WATCHDOG_SECONDS = 60;
/** The program stops within 5 s by itself. */
const STOP_LIMIT_SECONDS = 10;

export function unitText(options: UnitOptions): string {
  const { description, manual, command, canReload, identity, sandbox, wantedBy } = options;
  return `# Written by underpass service install. Changes belong in a drop-in: systemctl edit NAME
[Unit]
Description=${description}
Documentation=man:${manual}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
# Without the optional package koffi, systemd-notify reports for the program, as a process of its own.
NotifyAccess=all
ExecStart=${command.join(' ')}
${canReload ? 'ExecReload=/bin/kill -HUP $MAINPID\n' : ''}WatchdogSec=${WATCHDOG_SECONDS}
TimeoutStopSec=${STOP_LIMIT_SECONDS}
Restart=on-failure
RestartSec=2
# A wrong config stays wrong: don't restart.
RestartPreventExitStatus=2 3
LimitNOFILE=65536
SyslogIdentifier=underpass
${identity.map((line) => `${line}\n`).join('')}
${sandbox.join('\n')}

[Install]
WantedBy=${wantedBy}
`;
}

/** Quotes an argument for ExecStart=; systemd.service(5), 'Command lines'. */
export function unitArgument(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w@%+=:,./$-]+$/.test(escaped)) return escaped;
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Restrictions that any user may set, because seccomp and the no-new-privileges bit need no rights.
 *  MemoryDenyWriteExecute= is missing: Node compiles code while it runs. */
export const USER_SANDBOX: readonly string[] = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  'SystemCallErrorNumber=EPERM',
  'UMask=0077',
];

/** @param bindsLowPort  whether it listens on a port below 1024: the only privilege that it may need */
export function systemSandbox(bindsLowPort: boolean): readonly string[] {
  const capabilities = bindsLowPort ? 'CAP_NET_BIND_SERVICE' : '';
  return [
    `AmbientCapabilities=${capabilities}`,
    `CapabilityBoundingSet=${capabilities}`,
    'DevicePolicy=closed',
    'KeyringMode=private',
    'PrivateDevices=yes',
    'PrivateMounts=yes',
    'PrivateTmp=yes',
    // In a user namespace of its own, a capability would not count for the port.
    ...(bindsLowPort ? [] : ['PrivateUsers=yes']),
    'ProcSubset=pid',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHome=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectProc=invisible',
    'ProtectSystem=strict',
    'RemoveIPC=yes',
    ...USER_SANDBOX,
  ];
}
