import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type CommandName, commandNames, commands, decode, toPlainJson } from '@salvor/contracts';
import { type ManagedProcess, type RawMessage, RawNats, until } from '@salvor/testkit';
import { runSalvor } from '../../packages/cli/test/salvor-process.ts';
import { documentedRequests } from './documented-requests.ts';
import { HealingStack } from './healing-stack.ts';
import { startOtherServices } from './other-services.ts';

const ANSWER_TIMEOUT_MS = 20_000;
let healing: HealingStack;
let nats: RawNats;
let others: readonly ManagedProcess[] = [];
before(async () => {
  healing = await HealingStack.start({ primaries: 2, slaves: 2, spares: 1 });
  others = await startOtherServices(healing);
  nats = await RawNats.connect(healing.stack.natsUrl);
});
after(async () => {
  nats.close();
  await Promise.all(others.map((service) => service.stop()));
  await healing[Symbol.asyncDispose]();
});

for (const name of commandNames()) {
  test(`${name} answers a plain JSON request as the nats CLI sends it`, async () => {
    const { subject, example } = commands[name];
    const reply = await nats.request(subject, JSON.stringify(example));
    const body: unknown = JSON.parse(reply.body.toString());
    const code = reply.headers['Nats-Service-Error-Code']?.[0];
    if (code === undefined) {
      assert.ok(typeof body === 'object' && body !== null);
      return;
    }
    // The example names things that are not here: a clear error, in headers and body.
    assert.match(code, /^\d+$/);
    assert.ok(typeof body === 'object' && body !== null && 'code' in body && 'message' in body);
    assert.equal(reply.headers['Nats-Service-Error']?.length, 1);
    assert.match(String(body.message), /^\S.{5,}/);
  });

  test(`${name} names every wrong field of a request`, async () => {
    const reply = await nats.request(commands[name].subject, '{"nonsense":{"a":1}}');
    const body = JSON.parse(reply.body.toString()) as {
      code: string;
      details: { path: string; expected: string }[];
    };
    assert.ok(reply.headers['Nats-Service-Error-Code'] !== undefined);
    assert.ok(body.details.some(({ path }) => path.includes('nonsense')));
    for (const bad of ['', '{', '[]', 'null', '\xc3\x01', '{"vdisk":']) {
      const answer = await nats.request(commands[name].subject, bad);
      const isEmptyRequest = answer.headers['Nats-Service-Error-Code'] === undefined;
      assert.ok(!isEmptyRequest || bad === '', `${name} took ${JSON.stringify(bad)}`);
    }
  });
}

test('every request line of the documentation is answered', async () => {
  const lines = documentedRequests('docs/nats-cli.md');
  for (const { subject, body } of lines) {
    // The second server of the examples is not here.
    const reply = await nats.request(subject.replace(/\.nbd-2$/, '.nbd-1'), body, {}, ANSWER_TIMEOUT_MS);
    assert.equal(reply.status, null, subject);
    const answer = JSON.parse(reply.body.toString()) as { code?: string };
    assert.notEqual(reply.headers['Nats-Service-Error-Code']?.[0], '500', `${subject}: ${answer.code}`);
  }
  const sent = new Set(lines.map(({ subject }) => subject));
  assert.deepEqual(
    commandNames().filter(
      (name) => !sent.has(commands[name].subject) && !sent.has(`${commands[name].subject}.nbd-1`),
    ),
    [],
  );
});

test('every command that changes something does it once for one Nats-Msg-Id', async () => {
  const outcomes = new Map<string, string[]>();
  const changing = commandNames().filter((name) => commands[name].mutating);
  const early = changing.filter((name) => madeFirst.includes(name));
  early.sort((a, b) => madeFirst.indexOf(a) - madeFirst.indexOf(b));
  for (const name of [...early, ...changing.filter((each) => !madeFirst.includes(each))]) {
    const { operationId: _, ...example } = commands[name].example;
    const body = asIfHere(JSON.stringify(example));
    const id = `twice-${name.replaceAll('.', '-')}`;
    const send = async (): Promise<Record<string, unknown>> => {
      const reply = await nats.request(
        commands[name].subject,
        body,
        { 'Nats-Msg-Id': id },
        ANSWER_TIMEOUT_MS,
      );
      return JSON.parse(reply.body.toString()) as Record<string, unknown>;
    };
    const [one, two] = [await send(), await send()];
    const said = `${name}: ${JSON.stringify([one, two])}`;
    if (one.code === undefined) {
      assert.equal(two.code, undefined, said);
      assert.equal(two.operation, one.operation, said);
      if (one.outcome !== undefined) assert.equal(two.outcome, 'already', said);
    } else if (two.code !== one.code) {
      // What was refused was not done: it may be in the meantime, once.
      assert.equal(two.outcome, 'applied', said);
    }
    const outcome = String(one.code ?? one.outcome ?? 'answered');
    outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), name]);
  }
  const applied = outcomes.get('applied') ?? [];
  assert.ok(applied.length >= 15, JSON.stringify([...outcomes]));
});

/** What the examples of others are about. */
const madeFirst: readonly CommandName[] = [
  ...(['vdisk.create', 'tlog.enable', 'vdisk.snapshot.create', 'volume.enable', 'instance.set'] as const),
  'plan.apply',
];

/** An example with the names of what is here. */
function asIfHere(example: string): string {
  const { stack } = healing;
  return example
    .replaceAll('primary-1', 'p1')
    .replaceAll('slave-1', 's1')
    .replaceAll('10.100.0.1:22005', stack.engine('primary', 0).address)
    .replaceAll('10.100.0.9:22005', stack.engines.spares[0]?.address ?? '');
}

test('what nats sub hands to a translation, a body alone, is read as JSON and as a sentence', async () => {
  const heard: RawMessage[] = [];
  const end = nats.subscribe('salvor.evt.v1.vdisk.created.>', (arrived) => heard.push(arrived));
  await nats.ping();
  const body = JSON.stringify({ vdisk: 'heard', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' });
  await nats.request('salvor.cmd.v1.vdisk.create', body);
  await until(() => heard.length > 0, { what: 'the event arrives', timeoutMs: 5_000 });
  end();
  const stdin = heard[0]?.body ?? assert.fail('no event');
  const { at, ...told } = JSON.parse(await translated('salvor decode', stdin)) as Record<string, unknown>;
  assert.equal(typeof at, 'number');
  assert.deepEqual(
    [told.vdisk, told.type, told.sizeGiB, told.cluster, told.slaveCluster],
    ['heard', 'db', 1, 'p1', 's1'],
  );
  assert.match(
    await translated('salvor decode --sentence', stdin),
    /^\d\d:\d\d:\d\d\.\d{3}Z {2}vdisk heard \(db, 1 GiB\) was created on p1 and s1 by \S+\n$/,
  );
});

/** As `nats sub --translate` runs a command: the body on its standard input; what it prints, errors too, is shown. */
async function translated(command: string, body: Buffer): Promise<string> {
  const [, ...words] = command.split(' ');
  const { code, stdout, stderr } = await runSalvor(words, { stdin: body });
  assert.equal(code, 0, stderr);
  return `${stdout}${stderr}`;
}

test('the same operation id is one effect and the same answer, from a header as from the body', async () => {
  const body = JSON.stringify({ vdisk: 'once', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' });
  const send = async (): Promise<{ operation: string; outcome: string }> => {
    const reply = await nats.request('salvor.cmd.v1.vdisk.create', body, { 'nats-msg-id': 'create-once' });
    return JSON.parse(reply.body.toString()) as { operation: string; outcome: string };
  };
  assert.deepEqual(
    [(await send()).outcome, (await send()).outcome, (await send()).operation],
    ['applied', 'already', 'create-once'],
  );
});

test('$SRV answers decode by the rules of ADR-32', async () => {
  const wanted = [
    ...['health-analyzer', 'log-watcher', 'nbd-server', 'repair-coordinator'],
    ...['replication-manager', 'segment-recovery'],
  ];
  for (const verb of ['PING', 'INFO', 'STATS'] as const) {
    const answers = await answersTo(`$SRV.${verb}`, wanted.length);
    const bodies = answers.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>);
    assert.deepEqual(bodies.map(({ name }) => name).sort(), wanted);
    for (const body of bodies) checkService(verb, body);
  }
  assert.equal((await answersTo('$SRV.STATS.repair-coordinator', 1)).length, 1);
});

/** Everything that answers, until so many have. */
async function answersTo(subject: string, count: number): Promise<RawMessage[]> {
  const answers: RawMessage[] = [];
  const inbox = `_INBOX.test.${subject.replaceAll(/[$.]/g, '_')}`;
  const end = nats.subscribe(inbox, (message) => answers.push(message));
  nats.publish(subject, '', {}, inbox);
  await until(() => answers.length >= count, { what: `${count} answers to ${subject}`, timeoutMs: 5_000 });
  end();
  return answers;
}

function checkService(verb: 'PING' | 'INFO' | 'STATS', body: Record<string, unknown>): void {
  assert.equal(body.type, `io.nats.micro.v1.${verb.toLowerCase()}_response`);
  assert.match(String(body.version), /^\d+\.\d+\.\d+$/);
  assert.match(String(body.id), /^[A-Za-z0-9]{10,}$/);
  if (verb === 'PING') return;
  const endpoints = body.endpoints as Record<string, unknown>[];
  assert.ok(endpoints.length > 0);
  for (const endpoint of endpoints) {
    assert.match(String(endpoint.subject), /^salvor\.cmd\.v1\./);
    assert.equal(typeof endpoint.queue_group, 'string');
    if (verb === 'INFO') {
      for (const value of Object.values(endpoint.metadata as object)) assert.equal(typeof value, 'string');
      continue;
    }
    for (const count of ['num_requests', 'num_errors', 'processing_time', 'average_processing_time']) {
      assert.ok(
        Number.isSafeInteger(endpoint[count]),
        `${count} of ${String(endpoint.name)} is ${String(endpoint[count])}`,
      );
    }
    assert.equal(typeof endpoint.last_error, 'string');
  }
  if (verb === 'STATS') assert.ok(!Number.isNaN(Date.parse(String(body.started))));
}

test('what passes on the bus is readable by its bytes alone', async () => {
  const heard: RawMessage[] = [];
  const end = nats.subscribe('salvor.evt.v1.engine.failure-reported.>', (arrived) => heard.push(arrived));
  await nats.ping();
  const payload = {
    address: '10.9.8.7:1',
    reporter: 'nobody',
    reason: 'a test',
    source: 'operator',
    detectedAt: 1,
    at: 2,
  };
  await healing.bus.publishEvent('engine.failure-reported', payload);
  await until(() => heard.length > 0, { what: 'the event arrives', timeoutMs: 5_000 });
  end();
  const [message] = heard;
  assert.ok(message !== undefined);
  assert.deepEqual(toPlainJson(decode(message.body)), payload);
  assert.equal(message.headers['ce-type']?.[0], 'salvor.engine.failure-reported.v1');
  assert.equal(message.headers['ce-id']?.[0], message.headers['Nats-Msg-Id']?.[0]);
});
