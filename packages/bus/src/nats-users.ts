import { COMMAND_SUBJECT_PREFIX, EVENT_SUBJECT_PREFIX } from '@salvor/contracts';
import { nkeys } from 'nats';
import { BusError } from './bus-error.ts';
import { PEOPLE_ACCOUNT, type Person } from './caller.ts';
import {
  isPerson,
  type NatsRole,
  natsPermissions,
  PEOPLE_ASK,
  type PermissionOptions,
} from './permissions.ts';

/** A user that logs in by signing with its seed: the server knows the public key alone. */
export interface NatsUser {
  readonly role: NatsRole;
  /** Who it is, where several have a role; else the role. */
  readonly name: string;
  /** `U…` */
  readonly publicKey: string;
  /** `SU…`, a secret. */
  readonly seed: string;
}

/** What `nats` exports is untyped: the part of a key pair of nkeys.js that is used. */
interface KeyPair {
  getPublicKey(): string;
  getSeed(): Uint8Array;
}

/** JetStream is here. */
const SERVICES_ACCOUNT = 'SALVOR';
/** Answers to commands that come later reach nobody in the account of people. */
const ANSWER_WITHIN = '10m';

const SEED = /^SU[A-Z2-7]{56}$/;

/** @param seed of a user that there is; absent: a new one @throws BusError `bad-seed` */
export function natsUser(role: NatsRole, seed?: string, name: string = role): NatsUser {
  try {
    // The library overlooks what follows a seed.
    if (seed !== undefined && !SEED.test(seed)) throw new Error('it does not have the form of a seed');
    const pair: KeyPair = seed === undefined ? nkeys.createUser() : nkeys.fromSeed(Buffer.from(seed));
    const publicKey = pair.getPublicKey();
    return { role, name, publicKey, seed: Buffer.from(pair.getSeed()).toString('utf8') };
  } catch (cause) {
    // What is in it may be a secret that was meant for something else.
    throw new BusError(
      'bad-seed',
      `expected the seed of a NATS user (SU…) for ${role}, found something else`,
      {
        cause,
      },
    );
  }
}

/**
 * Part of the configuration of a NATS server (`include`), with these users and what each may do. Everything that is not named is
 * refused. Services have an account with JetStream; people have one of their own, from which they reach commands and events: so
 * the server tells the services who gave a command. Source: NATS server documentation, "Accounts", "Authorization",
 * "allow_responses".
 */
export function natsUsersConfig(users: readonly NatsUser[], options: PermissionOptions = {}): string {
  const of = (isOfPeople: boolean): string =>
    users
      .filter(({ role }) => isPerson(role) === isOfPeople)
      .map((user) => userText(user, options))
      .join('\n');
  const [command, event] = [`${COMMAND_SUBJECT_PREFIX}.>`, `${EVENT_SUBJECT_PREFIX}.>`].map((each) =>
    JSON.stringify(each),
  );
  const to = `accounts: [${PEOPLE_ACCOUNT}]`;
  const { discovery, streams } = PEOPLE_ASK;
  const exported = [
    `{ service: ${command}, ${to}, threshold: "${ANSWER_WITHIN}" }`,
    ...streams.map((subject) => `{ service: ${JSON.stringify(subject)}, ${to} }`),
    ...discovery.map((subject) => `{ service: ${JSON.stringify(subject)}, ${to}, response_type: stream }`),
    `{ stream: ${event}, ${to} }`,
  ];
  const from = `account: ${SERVICES_ACCOUNT}, subject:`;
  const imported = [
    // `share`: with who asks.
    `{ service: { ${from} ${command} }, share: true }`,
    ...[...streams, ...discovery].map((subject) => `{ service: { ${from} ${JSON.stringify(subject)} } }`),
    `{ stream: { ${from} ${event} } }`,
  ];
  const account = (name: string, ...parts: readonly string[]): string =>
    `  ${name}: {\n${parts.map((part) => `    ${part}\n`).join('')}  }\n`;
  const block = (name: string, lines: readonly string[]): string =>
    `${name}: [\n${lines.map((line) => `      ${line}`).join('\n')}\n    ]`;
  return [
    'accounts {\n',
    account(
      SERVICES_ACCOUNT,
      'jetstream: enabled',
      `users: [\n${of(false)}\n    ]`,
      block('exports', exported),
    ),
    account(PEOPLE_ACCOUNT, `users: [\n${of(true)}\n    ]`, block('imports', imported)),
    '}\n',
  ].join('');
}

/** Whom services credit commands to: for `SALVOR_NATS_PEOPLE_FILE`. It holds no secret. */
export function natsPeopleFile(users: readonly NatsUser[]): string {
  const people = users
    .filter(({ role }) => isPerson(role))
    .map(({ publicKey, name, role }): Person => ({ publicKey, name, role }));
  return `${JSON.stringify(people, null, 2)}\n`;
}

function userText({ role, name, publicKey }: NatsUser, options: PermissionOptions): string {
  const { publish, subscribe } = natsPermissions(role, options);
  return [
    `      # ${name === role ? role : `${name}, ${role}`}`,
    `      { nkey: ${publicKey}, permissions: {`,
    `          publish: { allow: [${list(publish)}] }`,
    `          subscribe: { allow: [${list(subscribe)}] }`,
    '          allow_responses: { max: 10, expires: "2m" } } }',
  ].join('\n');
}

function list(subjects: readonly string[]): string {
  return [...new Set(subjects)].map((subject) => JSON.stringify(subject)).join(', ');
}
