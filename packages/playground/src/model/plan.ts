/** A session as text: what it starts with, what is done to it and when, and the moment that is shown. It is the
 *  fragment of the page's address, so every situation can be shared as a link. */
import { type Action, readDeed, readNumber, writeDeed } from './actions.js';
import { MAX_ACTIONS, MAX_CLIENTS, MAX_LINK_CHARACTERS, MAX_RUN_MS } from './limits.js';
import { CONTROLLERS, DEFAULT_SETUP, LINK_RANGES, LINK_SETTINGS, type Setup } from './settings.js';

/** The version of the format. */
const VERSION = '1';

export interface Plan {
  readonly setup: Setup;
  /** By time. */
  readonly actions: readonly Action[];
  /** The moment that is shown, in virtual ms. */
  readonly at: number;
  /** The digest of the run at that moment, if the writer of the link knew it. */
  readonly digest?: string;
}

export type PlanResult = { readonly plan: Plan } | { readonly problem: string };

/** A time rounded up to a whole number of microseconds, as links state it. */
export function onGrid(ms: number): number {
  const microseconds = Math.round(ms * 1000);
  // Never earlier, not even by a rounding error: time cannot go back to it.
  return (microseconds / 1000 < ms ? microseconds + 1 : microseconds) / 1000;
}

export function writePlan({ setup, actions, at, digest }: Plan): string {
  const link = LINK_SETTINGS.map((name) => setup.link[name]).join(',');
  const fields = [
    `v=${VERSION}`,
    `seed=${setup.seed}`,
    `clients=${setup.clients.join(',')}`,
    `link=${setup.isLinkShared ? 'shared' : 'own'},${link}`,
    `at=${at}`,
  ];
  if (actions.length > 0)
    fields.push(`do=${actions.map((action) => `${action.at}:${writeDeed(action)}`).join(';')}`);
  if (digest !== undefined) fields.push(`check=${digest}`);
  return fields.join('&');
}

/** Reads what `writePlan` wrote, or anything else.
 *  @param text  the fragment of an address, without the `#` */
export function readPlan(text: string): PlanResult {
  if (text.length > MAX_LINK_CHARACTERS)
    return { problem: `is longer than ${MAX_LINK_CHARACTERS} characters` };
  const fields = new Map<string, string>();
  for (const field of text.split('&')) {
    const [name = '', ...value] = field.split('=');
    if (fields.has(name)) return { problem: `has '${name}' twice` };
    fields.set(name, value.join('='));
  }
  const version = fields.get('v');
  if (version === undefined) return { problem: "does not begin with 'v=1'" };
  if (version !== VERSION) {
    return {
      problem: `was made by another version of this page (${version.slice(0, 8)}, this is ${VERSION})`,
    };
  }
  return readFields(fields);
}

function readFields(fields: ReadonlyMap<string, string>): PlanResult {
  const seed = readNumber(fields.get('seed') ?? '', { min: 0, max: 999_999_999, isWhole: true });
  if (seed === undefined) return wrong(fields, 'seed', 'a whole number');
  const clients = (fields.get('clients') ?? '').split(',');
  const known = clients.filter((name) => (CONTROLLERS as readonly string[]).includes(name));
  if (known.length !== clients.length || clients.length > MAX_CLIENTS) {
    return wrong(fields, 'clients', `one to ${MAX_CLIENTS} of ${CONTROLLERS.join(', ')}`);
  }
  const [kind, ...values] = (fields.get('link') ?? '').split(',');
  const settings = LINK_SETTINGS.map((name, i) => readNumber(values[i] ?? '', LINK_RANGES[name]));
  if (
    (kind !== 'shared' && kind !== 'own') ||
    settings.includes(undefined) ||
    values.length > settings.length
  ) {
    return wrong(fields, 'link', `'shared' or 'own' and then ${LINK_SETTINGS.join(', ')} in their ranges`);
  }
  const at = readNumber(fields.get('at') ?? '', { min: 0, max: MAX_RUN_MS });
  if (at === undefined) return wrong(fields, 'at', `milliseconds up to ${MAX_RUN_MS}`);
  const actions = readActions(fields.get('do') ?? '');
  if (typeof actions === 'string') return { problem: actions };
  const digest = fields.get('check');
  if (digest !== undefined && !/^[0-9a-f]{16}$/.test(digest)) {
    return wrong(fields, 'check', '16 hexadecimal digits');
  }
  const link = Object.fromEntries(LINK_SETTINGS.map((name, i) => [name, settings[i]])) as unknown;
  const setup: Setup = {
    seed,
    clients: known as Setup['clients'],
    isLinkShared: kind === 'shared',
    link: link as Setup['link'],
  };
  return { plan: { setup, actions, at, ...(digest === undefined ? {} : { digest }) } };
}

function wrong(fields: ReadonlyMap<string, string>, name: string, expected: string): PlanResult {
  const found = fields.get(name);
  const what = found === undefined ? `has no '${name}'` : `has '${name}=${found.slice(0, 40)}'`;
  return { problem: `${what}: expected ${expected}` };
}

/** @returns the actions, or what is wrong with them */
function readActions(text: string): Action[] | string {
  if (text === '') return [];
  const parts = text.split(';');
  if (parts.length > MAX_ACTIONS) return `has more than ${MAX_ACTIONS} actions`;
  const actions: Action[] = [];
  for (const part of parts) {
    const [time = '', ...rest] = part.split(':');
    const at = readNumber(time, { min: actions.at(-1)?.at ?? 0, max: MAX_RUN_MS });
    if (at === undefined)
      return `has an action without a valid time, or out of order: '${part.slice(0, 40)}'`;
    const deed = readDeed(rest.join(':'));
    if (typeof deed === 'string') return `has a wrong action: ${deed.slice(0, 120)}`;
    actions.push({ ...deed, at });
  }
  return actions;
}

export const EMPTY_PLAN: Plan = { setup: DEFAULT_SETUP, actions: [], at: 0 };
