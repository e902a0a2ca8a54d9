import { BusError } from './bus-error.ts';

/** Someone who gives commands, as the file of `salvor bus users` has it. */
export interface Person {
  /** Of the nkey: `U…`. */
  readonly publicKey: string;
  readonly name: string;
  readonly role: string;
}

/** Who gave a command, as the NATS server says; what somebody says of himself is `claimed` of {@link creditedTo}. */
export interface Caller {
  readonly name: string;
  /** `console` speaks for those who have a token of it. Null: it came from within the account of the services. */
  readonly role: string | null;
}

/**
 * A NATS server puts this header on requests that come to the services from the account of people, and takes away what the
 * sender wrote there. Source: nats-server, `ClientInfoHdr`, and `share` of service imports.
 */
const REQUEST_INFO = 'Nats-Request-Info';
/** The account of people in the configuration that {@link natsUsersConfig} writes. */
export const PEOPLE_ACCOUNT = 'PEOPLE';
/** Speaks for others: it has asked them for their tokens. */
const SPEAKS_FOR_OTHERS = 'console';

/** Reads what `salvor bus users` writes into `nats-people.json`. Empty: nobody is told apart. @throws BusError `bad-people` */
export function parsePeople(text: string): readonly Person[] | null {
  if (text.trim() === '') return null;
  try {
    const people: unknown = JSON.parse(text);
    if (!Array.isArray(people)) throw new Error('expected a list');
    return people.map(personOf);
  } catch (cause) {
    throw new BusError(
      'bad-people',
      'SALVOR_NATS_PEOPLE: expected the content of nats-people.json, as salvor bus users writes it',
      { cause },
    );
  }
}

/** What is asked of the headers of a request: all values under exactly this name. */
export interface RequestHeaders {
  values(name: string): string[];
}

/** @throws when the header is there and is not what a server writes */
export function callerOf(headers: RequestHeaders | undefined, people: readonly Person[]): Caller {
  const [info, ...more] = headers?.values(REQUEST_INFO) ?? [];
  if (info === undefined) return { name: 'a service', role: null };
  const { acc, user } = membersOf(JSON.parse(info));
  if (more.length > 0 || acc !== PEOPLE_ACCOUNT)
    throw new Error(`expected one ${REQUEST_INFO}, of account ${PEOPLE_ACCOUNT}`);
  const known = people.find(({ publicKey }) => publicKey === user);
  return known === undefined
    ? { name: typeof user === 'string' ? user : 'nobody', role: 'unknown' }
    : { name: known.name, role: known.role };
}

/** To whom a command is credited; what its sender claimed stays visible where it is something else. */
export function creditedTo({ name, role }: Caller, claimed: string | undefined): string {
  if (role === null) return `${claimed ?? 'operator'} (unverified)`;
  if (claimed === undefined || claimed === '' || claimed === name) return name;
  if (role === SPEAKS_FOR_OTHERS) return `${claimed} (by ${name})`;
  return `${name} (as ${claimed})`;
}

const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

function personOf(value: unknown): Person {
  const { publicKey, name, role } = membersOf(value);
  const isOne =
    typeof publicKey === 'string' && typeof name === 'string' && typeof role === 'string' && NAME.test(name);
  if (!isOne || !PUBLIC_KEY.test(publicKey)) throw new Error('expected publicKey, name and role');
  return { publicKey, name, role };
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new Error('expected an object');
  return { ...value };
}
