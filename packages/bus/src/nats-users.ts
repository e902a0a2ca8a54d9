import { nkeys } from 'nats';
import { BusError } from './bus-error.ts';
import { type NatsRole, natsPermissions, type PermissionOptions } from './permissions.ts';

/** A user that logs in by signing with its seed: the server knows the public key alone. */
export interface NatsUser {
  readonly role: NatsRole;
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

const SEED = /^SU[A-Z2-7]{56}$/;

/** @param seed of a user that there is; absent: a new one @throws BusError `bad-seed` */
export function natsUser(role: NatsRole, seed?: string): NatsUser {
  try {
    // The library overlooks what follows a seed.
    if (seed !== undefined && !SEED.test(seed)) throw new Error('it does not have the form of a seed');
    const pair: KeyPair = seed === undefined ? nkeys.createUser() : nkeys.fromSeed(Buffer.from(seed));
    const publicKey = pair.getPublicKey();
    return { role, publicKey, seed: Buffer.from(pair.getSeed()).toString('utf8') };
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
 * refused. Source: NATS server documentation, "Authorization", "Permissions", "allow_responses".
 */
export function natsUsersConfig(users: readonly NatsUser[], options: PermissionOptions = {}): string {
  const lines = users.map(({ role, publicKey }) => {
    const { publish, subscribe } = natsPermissions(role, options);
    return [
      `    # ${role}`,
      `    { nkey: ${publicKey}, permissions: {`,
      `        publish: { allow: [${list(publish)}] }`,
      `        subscribe: { allow: [${list(subscribe)}] }`,
      '        allow_responses: { max: 10, expires: "2m" } } }',
    ].join('\n');
  });
  return `authorization {\n  users: [\n${lines.join('\n')}\n  ]\n}\n`;
}

function list(subjects: readonly string[]): string {
  return [...new Set(subjects)].map((subject) => JSON.stringify(subject)).join(', ');
}
