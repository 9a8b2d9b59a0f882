/** What the manual says about the program as a whole. docs/cli.md says more; a test compares the two. */
import type { Sections } from './man-page.js';

export const SECTIONS: Sections = {
  exitStatus: [
    ['0', 'Done, or stopped by the first SIGINT or SIGTERM.'],
    ['1', 'Something failed while running, such as a port that is in use.'],
    ['2', 'The command line is wrong.'],
    ['3', 'A config file or a key is wrong, missing, or open to others.'],
    ['70', 'A bug in underpass.'],
  ],
  environment: [
    ['UNDERPASS_CONFIG', "The config file of the relay, for the commands that take the relay's --config."],
    ['UNDERPASS_LISTEN', 'As --listen of underpass relay.'],
    ['UNDERPASS_ENDPOINT', 'As --endpoint of underpass relay and underpass invite.'],
    ['UNDERPASS_LOG_LEVEL', 'As --log-level.'],
    ['UNDERPASS_DEBUG', 'If set, errors come with a stack trace.'],
    ['NO_COLOR', 'If set, the log has no colours.'],
    ['XDG_CONFIG_HOME', 'Where the directory underpass with config files and keys is; ~/.config by default.'],
    ['XDG_RUNTIME_DIR', 'Where the directory underpass with control sockets is.'],
    ['XDG_STATE_HOME', 'The same if XDG_RUNTIME_DIR is not set; ~/.local/state by default.'],
    ['RUNTIME_DIRECTORY', 'The directory for the control socket of a service. systemd sets it.'],
    ['CREDENTIALS_DIRECTORY', 'A directory with secrets for a service. systemd sets it.'],
    ['NOTIFY_SOCKET', 'Where a service reports its state, and WATCHDOG_USEC how often. systemd sets them.'],
  ],
  files: [
    ['~/.config/underpass/relay.toml', 'The config of the relay.'],
    ['~/.config/underpass/relay.d', 'The peers that enrolled, and the invites.'],
    ['~/.config/underpass/relays/NAME.toml', 'The config of a client, one for each relay.'],
    ['/var/lib/underpass', "The home of the relay that runs as the system's service."],
  ],
};
