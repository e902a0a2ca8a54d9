/** The value of `<cluster>:cluster:conf:storage`: the ordered engines of a storage cluster. */

import { entryTexts, joinedTexts, plainText, plainWords } from './cluster-storage-text.ts';
import { DIAL_ADDRESS, isDialAddress } from './dial-address.ts';
import { type ConfigProblem, ConfigValueError } from './errors.ts';
import { rememberingReader } from './last-read.ts';
import {
  integer,
  isAbsent,
  items,
  type Members,
  members,
  type Place,
  plainValue,
  problem,
  readStockYaml,
  text,
  writeStockYaml,
} from './stock-yaml.ts';

/** 0-Disk's words; any other word makes its readers refuse the whole value. */
export const ENGINE_STATES = ['online', 'offline', 'repair', 'respread', 'rip'] as const;
export type EngineState = (typeof ENGINE_STATES)[number];

export const ENGINE_STATUSES = [
  'online',
  'offline',
  'repair-tmp-outage',
  'repair-final-outage',
  'rip',
] as const;
export type EngineStatus = (typeof ENGINE_STATUSES)[number];

/** The one state that each status is written with. */
export const stateOfStatus: Readonly<Record<EngineStatus, EngineState>> = {
  online: 'online',
  offline: 'offline',
  'repair-tmp-outage': 'repair',
  'repair-final-outage': 'respread',
  rip: 'rip',
};

const statusOfState: Readonly<Record<EngineState, EngineStatus>> = {
  online: 'online',
  offline: 'offline',
  repair: 'repair-tmp-outage',
  respread: 'repair-final-outage',
  rip: 'rip',
};

/** The engine that takes over a shard once its blocks are rebuilt there. */
export interface Replacement {
  /** `host:port` */
  readonly address: string;
  readonly db: number;
  readonly generation: number;
}

export interface ServerEntry {
  /** `host:port`; may be empty or nonsense only when the state is `rip`. */
  readonly address: string;
  readonly db: number;
  readonly state: EngineState;
  readonly status: EngineStatus;
  /** Which engine in a row holds this shard; starts at 1 and grows with each replacement. */
  readonly generation: number;
  readonly replacement?: Replacement;
  /** The incident in which somebody accepted what the engine had lost, until it has been repaired or replaced. */
  readonly acceptedLoss?: string;
  /** Members that Salvor does not know; they survive a rewrite. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * The engine that a shard's repair is about: a spare that is filled, or that failed while it was and is waited for, stands in
 * for the engine that is lost.
 */
export function engineInPlace(
  entry: Pick<ServerEntry, 'status' | keyof Replacement | 'replacement'>,
): Replacement {
  const { status, replacement } = entry;
  return status === 'repair-final-outage' || status === 'offline' ? (replacement ?? entry) : entry;
}

export interface ClusterStorage {
  /** The position is the shard number. */
  readonly servers: readonly ServerEntry[];
  /** Members that Salvor does not know; they survive a rewrite. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * Reads whatever the stock reader reads. Throws `ConfigValueError`.
 *
 * `status` is Salvor's own member. Where it contradicts `state` (someone used 0-Disk's tools), the entry is taken as
 * not online: an engine becomes online only by Salvor's own repair. Otherwise `state` wins.
 */
export const parseClusterStorage: (value: string) => ClusterStorage = rememberingReader(
  (value) => readEntries(value) ?? readWhole(value),
  32,
);

/** Null where that would not be what the whole means, or something is wrong: then the whole says where. */
function readEntries(value: string): ClusterStorage | null {
  try {
    const servers = entryTexts(value)?.map(parseEntry);
    return servers === undefined ? null : { servers };
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}

const parseEntry = rememberingReader((text): ServerEntry => {
  const plain = plainEntry(text);
  if (plain !== null) return plain;
  const [entry, another] = readWhole(text).servers;
  if (entry === undefined || another !== undefined)
    throw new ConfigValueError('cluster storage', [{ path: 'servers', found: text, expected: 'one engine' }]);
  return entry;
}, 1_024);

/** Null where the words are not those of one engine that means what it says: then the reader of YAML has the say. */
function plainEntry(text: string): ServerEntry | null {
  const words = plainWords(text);
  if (words === null) return null;
  const { address, db, generation, replacement } = words;
  const status = ENGINE_STATUSES.find((known) => known === words.status);
  if (status === undefined || stateOfStatus[status] !== words.state) return null;
  const places = [{ address, generation }, ...(replacement === undefined ? [] : [replacement])];
  if (!places.every((place) => isDialAddress(place.address) && isGeneration(place.generation))) return null;
  return {
    ...{ address, db, state: stateOfStatus[status], status, generation },
    ...(replacement === undefined ? {} : { replacement }),
  };
}

function readWhole(value: string): ClusterStorage {
  return readStockYaml('cluster storage', value, (root) => {
    const servers = items(root.member('servers')).map(readServer);
    return { servers, ...extraOf(root) };
  });
}

/**
 * Writes what {@link parseClusterStorage} and the stock readers accept and take for the same; throws `ConfigValueError`
 * otherwise.
 */
export function formatClusterStorage(storage: ClusterStorage): string {
  const problems = storage.servers.flatMap(unwritable);
  if (problems.length > 0) throw new ConfigValueError('cluster storage', problems);
  const { extra, servers } = storage;
  const value =
    extra === undefined && servers.length > 0
      ? joinedTexts(servers.map(entryText))
      : writeStockYaml({ ...extra, servers: servers.map(plainServer) });
  parseClusterStorage(value);
  return value;
}

/** Of entries as they were read, which nobody changes. */
const knownTexts = new WeakMap<ServerEntry, string>();

function entryText(entry: ServerEntry): string {
  const known = knownTexts.get(entry);
  if (known !== undefined) return known;
  const isPlain = entry.extra === undefined && entry.acceptedLoss === undefined;
  const plain = isPlain ? plainText(entry) : null;
  const text = plain ?? writeStockYaml({ servers: [plainServer(entry)] });
  if (Object.isFrozen(entry)) knownTexts.set(entry, text);
  return text;
}

function readServer(place: Place): ServerEntry {
  const server = members(place);
  const state = readState(server.member('state'));
  const address = text(server.member('address'));
  if (state !== 'rip' && !isDialAddress(address)) problem(server.member('address'), DIAL_ADDRESS);
  const db = integer(
    server.member('db'),
    state === 'rip' ? Number.MIN_SAFE_INTEGER : 0,
    'a whole number of at least 0',
  );
  const replacement = readReplacement(server);
  return {
    address,
    db,
    ...readStatus(server, state),
    generation: readGeneration(server),
    ...(replacement === null ? {} : { replacement }),
    ...readAcceptedLoss(server),
    ...extraOf(server),
  };
}

function readState(place: Place): EngineState {
  if (isAbsent(place)) return 'online';
  const word = text(place);
  const state = ENGINE_STATES.find((known) => known === word);
  if (state === undefined) problem(place, `one of ${ENGINE_STATES.join(', ')}`);
  return state ?? 'offline';
}

function readStatus(server: Members, written: EngineState): { state: EngineState; status: EngineStatus } {
  const word = plainValue(server.member('status'));
  const status = ENGINE_STATUSES.find((known) => known === word);
  if (status === undefined || stateOfStatus[status] === written) {
    return { state: written, status: status ?? statusOfState[written] };
  }
  return written === 'online'
    ? { state: stateOfStatus[status], status }
    : { state: written, status: statusOfState[written] };
}

function readGeneration(server: Members): number {
  const generation = plainValue(server.member('generation'));
  return isGeneration(generation) ? generation : 1;
}

function readReplacement(server: Members): Replacement | null {
  return toReplacement(plainValue(server.member('replacement')));
}

function readAcceptedLoss(server: Members): Pick<ServerEntry, 'acceptedLoss'> {
  const acceptedLoss = plainValue(server.member('acceptedLoss'));
  return typeof acceptedLoss === 'string' && acceptedLoss !== '' ? { acceptedLoss } : {};
}

function toReplacement(value: unknown): Replacement | null {
  if (typeof value !== 'object' || value === null || !('address' in value)) return null;
  const { address } = value;
  const db = 'db' in value ? value.db : 0;
  const generation = 'generation' in value ? value.generation : null;
  if (typeof address !== 'string' || !isDialAddress(address)) return null;
  if (typeof db !== 'number' || !Number.isSafeInteger(db) || db < 0 || !isGeneration(generation)) return null;
  return { address, db, generation };
}

function isGeneration(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

/** What the readers would not refuse but take for something else. */
function unwritable(entry: ServerEntry, shard: number): ConfigProblem[] {
  const { db, status, state, generation, replacement } = entry;
  const wanted: [member: string, found: unknown, ok: boolean, expected: string][] = [
    ['db', db, Number.isSafeInteger(db), 'a whole number'],
    [
      'state',
      state,
      state === stateOfStatus[status],
      `${stateOfStatus[status]}, the state of status ${status}`,
    ],
    ['generation', generation, isGeneration(generation), 'a whole number of at least 1'],
    [
      'replacement',
      JSON.stringify(replacement),
      replacement === undefined || toReplacement(replacement) !== null,
      `{address: ${DIAL_ADDRESS}, db: at least 0, generation: at least 1}`,
    ],
  ];
  return wanted
    .filter(([, , ok]) => !ok)
    .map(([member, found, , expected]) => ({
      path: `servers[${shard}].${member}`,
      found: String(found),
      expected,
    }));
}

function extraOf(from: Members): { extra?: Record<string, unknown> } {
  const extra = from.rest();
  return extra === undefined ? {} : { extra };
}

function plainServer(entry: ServerEntry): Record<string, unknown> {
  return {
    ...entry.extra,
    ...(entry.address === '' ? {} : { address: entry.address }),
    db: entry.db,
    state: entry.state,
    status: entry.status,
    generation: entry.generation,
    ...(entry.replacement === undefined ? {} : { replacement: { ...entry.replacement } }),
    ...(entry.acceptedLoss === undefined ? {} : { acceptedLoss: entry.acceptedLoss }),
  };
}
