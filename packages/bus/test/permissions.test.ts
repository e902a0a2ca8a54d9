import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  CONSOLE_ROLE,
  HUMAN_ROLES,
  inboxOf,
  type NatsRole,
  type NatsUser,
  natsUser,
  natsUsersConfig,
  SERVICE_ROLES,
} from '@salvor/bus';
import { commandNames, commands, eventFilter, eventPublishers, eventTypes } from '@salvor/contracts';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { NatsProcess } from './nats-process.ts';

const ROLES: readonly NatsRole[] = [...SERVICE_ROLES, CONSOLE_ROLE, ...HUMAN_ROLES];
/** Who gives commands to whom, as the pages of the services say. */
const ASKS: Partial<Record<NatsRole, readonly string[]>> = {
  'health-analyzer': ['engine.probe', 'nbdserver.probe'],
  'nbd-server': ['vdisk.takeover'],
  'repair-coordinator': ['nbdserver.status'],
  'replication-manager': [
    ...['volume.status', 'volume.tell', 'volume.compare', 'volume.log', 'volume.replicate'],
    ...['volume.promote', 'volume.demote', 'volume.clone', 'volume.remove-clone', 'plan.get', 'plan.list'],
    ...['instance.get', 'instance.set', 'instance.delete', 'instance.start', 'instance.stop'],
    'operation.get',
    'nbdserver.cut',
    ...['vdisk.create', 'vdisk.clone', 'vdisk.delete', 'vdisk.describe'],
  ],
};
const MAKES_TIER1: readonly NatsRole[] = ['segment-recovery', 'administrator'];
const WRITES_LOGS: readonly NatsRole[] = [
  'nbd-server',
  'tlog-replayer',
  'replication-manager',
  'administrator',
];
const PURGES_LOGS: readonly NatsRole[] = [
  ...(['repair-coordinator', 'tlog-replayer', 'replication-manager'] as const),
  ...MAKES_TIER1,
];

interface Attempt {
  readonly operation: 'publish' | 'subscription';
  readonly subject: string;
  readonly isAllowed: (role: NatsRole) => boolean;
}

const isAdministrator = (role: NatsRole): boolean => role === 'administrator';
const isPerson = (role: NatsRole): boolean => HUMAN_ROLES.some((one) => one === role);

const attempts: readonly Attempt[] = [
  ...commandNames().flatMap((name): Attempt[] => {
    const { subject, service, mutating } = commands[name];
    const mayAsk = (role: NatsRole): boolean =>
      isAdministrator(role) ||
      role === 'operator' ||
      role === CONSOLE_ROLE ||
      (role === 'reader' && !mutating) ||
      (ASKS[role]?.includes(name) ?? false);
    const mayServe = (role: NatsRole): boolean => isAdministrator(role) || role === service;
    return [subject, `${subject}.nbd-7`].flatMap((one): Attempt[] => [
      { operation: 'publish', subject: one, isAllowed: mayAsk },
      { operation: 'subscription', subject: one, isAllowed: mayServe },
    ]);
  }),
  ...eventTypes().flatMap((type): Attempt[] => {
    const subject = eventFilter(type).replace('*', 'any');
    return [
      {
        ...{ operation: 'publish', subject },
        isAllowed: (role) => isAdministrator(role) || eventPublishers[type].some((one) => one === role),
      },
      { operation: 'subscription', subject, isAllowed: (role) => isPerson(role) || role === CONSOLE_ROLE },
    ];
  }),
  ...ROLES.map(
    (owner): Attempt => ({
      ...{ operation: 'subscription', subject: `${inboxOf(owner)}.any` },
      isAllowed: (role) => isAdministrator(role) || (role === owner && !isPerson(role)),
    }),
  ),
  ...['salvor.>', '>', '$JS.API.>', 'other.subject'].map(
    (subject): Attempt => ({ operation: 'subscription', subject, isAllowed: isAdministrator }),
  ),
  { operation: 'publish', subject: 'other.subject', isAllowed: isAdministrator },
  ...SERVICE_ROLES.map(
    (service): Attempt => ({
      ...{ operation: 'publish', subject: `$SRV.INFO.${service}` },
      isAllowed: (role) =>
        isPerson(role) || (role === 'health-analyzer' && ['health-analyzer', 'nbd-server'].includes(service)),
    }),
  ),
  ...['SALVOR_EVT', 'TLOG_0', 'SALVOR_DLQ'].flatMap((stream): Attempt[] =>
    ['CREATE', 'UPDATE', 'DELETE'].map((verb) => ({
      ...{ operation: 'publish', subject: `$JS.API.STREAM.${verb}.${stream}` },
      isAllowed: (role) => MAKES_TIER1.includes(role),
    })),
  ),
  ...['SALVOR_EVT', 'SALVOR_DLQ', 'TLOG_4'].map(
    (stream): Attempt => ({
      ...{ operation: 'publish', subject: `$JS.API.STREAM.PURGE.${stream}` },
      isAllowed: (role) => MAKES_TIER1.includes(role),
    }),
  ),
  {
    ...{ operation: 'publish', subject: '$JS.API.STREAM.PURGE.TLOG_3' },
    isAllowed: (role) => PURGES_LOGS.includes(role),
  },
  {
    ...{ operation: 'publish', subject: 'salvor.tlog.v1.0.v1' },
    isAllowed: (role) => WRITES_LOGS.includes(role),
  },
  {
    ...{ operation: 'publish', subject: '$KV.salvor_schemas.0000000000000000' },
    isAllowed: (role) => MAKES_TIER1.includes(role),
  },
  {
    ...{ operation: 'publish', subject: '$JS.ACK.SALVOR_EVT.repair-coordinator.1.1.1.1.0' },
    isAllowed: (role) => role === 'repair-coordinator' || isAdministrator(role),
  },
];

describe('users of NATS, as the configuration for the server has them', () => {
  let server: NatsProcess;
  let users: readonly NatsUser[];
  let people: readonly NatsUser[];
  before(async () => {
    users = ROLES.map((role) => natsUser(role));
    people = [natsUser('operator', undefined, 'anna'), natsUser('reader', undefined, 'bob')];
    server = await NatsProcess.started(natsUsersConfig([...users, ...people]));
  });
  after(() => server?.remove());

  for (const role of ROLES)
    it(`${role}: may do what it has to, and nothing else`, async () => {
      const user = users.find((one) => one.role === role) ?? assert.fail();
      const authenticator = nkeyAuthenticator(Buffer.from(user.seed));
      const nc = await connect({ servers: server.address, authenticator });
      try {
        const wanted = attempts.filter(({ isAllowed }) => !isAllowed(role)).map(nameOf);
        assert.deepEqual([...(await refusedTo(nc))].sort(), wanted.sort());
        assert.ok(role === 'administrator' ? wanted.length === 0 : wanted.length > attempts.length / 3);
      } finally {
        await nc.close();
      }
    });

  it('people by name may do with zones, archives, plans and the loss of Tier-1 what their role may', async (t) => {
    const ofDisasters = commandNames().filter((name) =>
      ['volume', 'archive', 'plan', 'instance', 'dr'].includes(name.split('.')[0] ?? ''),
    );
    const tried = ofDisasters.map(
      (name) => ({ operation: 'publish', subject: commands[name].subject }) as const,
    );
    for (const { name, role, seed } of people) {
      const authenticator = nkeyAuthenticator(Buffer.from(seed));
      const nc = await connect({ servers: server.address, authenticator });
      const refused = await refusedTo(nc, tried);
      const wanted = ofDisasters.filter((each) => role === 'reader' && commands[each].mutating);
      assert.deepEqual(
        [...refused].sort(),
        wanted.map((each) => `publish ${commands[each].subject}`).sort(),
        name,
      );
      t.diagnostic(
        `${name}, ${role}: ${tried.length - refused.size} commands allowed, ${refused.size} refused`,
      );
      assert.equal(role === 'reader', refused.size > 20);
    }
  });

  it('says how many were tried', (t) => {
    const allowed = ROLES.flatMap((role) => attempts.filter(({ isAllowed }) => isAllowed(role))).length;
    const all = ROLES.length * attempts.length;
    t.diagnostic(`${all} permissions of ${ROLES.length} roles: ${allowed} allowed, ${all - allowed} refused`);
    assert.ok(allowed > 0 && allowed < all);
  });

  it('a stranger, and who has no seed, is not let in', async () => {
    const seed = Buffer.from(natsUser('operator').seed);
    for (const authenticator of [nkeyAuthenticator(seed), undefined])
      await assert.rejects(
        connect({ servers: server.address, ...(authenticator === undefined ? {} : { authenticator }) }),
        { code: 'AUTHORIZATION_VIOLATION' },
      );
  });
});

it('a seed is taken again, and what is none is refused without being shown', () => {
  const user = natsUser('reader');
  assert.deepEqual(natsUser('reader', user.seed), user);
  for (const seed of ['', 'secret-of-something-else', user.publicKey, `${user.seed}A`])
    assert.throws(
      () => natsUser('reader', seed),
      (error: Error & { code?: string }) =>
        error.code === 'bad-seed' && (seed === '' || !error.message.includes(seed)),
    );
});

function nameOf({ operation, subject }: Pick<Attempt, 'operation' | 'subject'>): string {
  return `${operation} ${subject}`;
}

/** Everything at once: the server answers in order, so behind its PONG every refusal is known. */
async function refusedTo(
  nc: NatsConnection,
  tried: readonly Pick<Attempt, 'operation' | 'subject'>[] = attempts,
): Promise<ReadonlySet<string>> {
  const refused = new Set<string>();
  const status = nc.status();
  const following = (async () => {
    for await (const { permissionContext } of status)
      if (permissionContext !== undefined)
        refused.add(
          nameOf({
            operation: permissionContext.operation === 'publish' ? 'publish' : 'subscription',
            subject: permissionContext.subject,
          }),
        );
  })();
  for (const { operation, subject } of tried)
    if (operation === 'publish') nc.publish(subject, '');
    else nc.subscribe(subject, { callback: () => undefined });
  await nc.flush();
  await nc.flush();
  (status as { stop?: () => void }).stop?.();
  await nc.close();
  await following;
  return refused;
}
