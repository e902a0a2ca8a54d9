import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Bus, LogMessage, LogPublication } from '@salvor/bus';
import type { NatsConnection } from 'nats';
import { BusFixture } from './bus-fixture.ts';
import { eventually } from './nats-process.ts';

const STREAM = 'TLOG_0';
const MIB = 1024 * 1024;
let made = 0;

/** A subject that no other test uses. */
function freshSubject(): string {
  made += 1;
  return `salvor.tlog.v1.0.v${made}`;
}

function message(subject: string, number: number, data = Buffer.from(`segment ${number}`)): LogPublication {
  return { subject, id: `${subject}:${number}`, data };
}

async function readAll(bus: Bus, subject: string, maxBytes: number, upTo?: number): Promise<LogMessage[]> {
  const found: LogMessage[] = [];
  let from = 1;
  for (;;) {
    const window = await bus.logStreams.readWindow({
      stream: STREAM,
      subject,
      from,
      maxBytes,
      ...(upTo === undefined ? {} : { upTo }),
    });
    found.push(...window.messages);
    if (window.end) return found;
    assert.ok(window.next > from, 'a window that is not the end goes on');
    from = window.next;
  }
}

describe('the streams of the transaction log', () => {
  let fixture: BusFixture;
  let bus: Bus;
  let client: NatsConnection;

  before(async () => {
    fixture = await BusFixture.create();
    bus = await fixture.bus();
    client = await fixture.client();
  });
  after(() => fixture.close());

  it('store a message once under one id, whatever the second publisher expects', async () => {
    const subject = freshSubject();
    const { publish } = boundStreams(bus);
    const first = await publish({ ...message(subject, 1), expectedLastSequence: 0 });
    assert.deepEqual({ ...first, seq: 0 }, { stream: STREAM, seq: 0, duplicate: false });
    const again = await publish({ ...message(subject, 1), expectedLastSequence: 0 });
    assert.deepEqual(again, { ...first, duplicate: true });
  });

  it('refuse a publisher that does not know the newest message of its subject', async () => {
    const [mine, other] = [freshSubject(), freshSubject()];
    const { publish } = boundStreams(bus);
    const first = await publish({ ...message(mine, 1), expectedLastSequence: 0 });
    await publish(message(other, 1));
    const second = await publish({ ...message(mine, 2), expectedLastSequence: first.seq });
    await assert.rejects(publish({ ...message(mine, 3), expectedLastSequence: first.seq }), {
      code: 'wrong-last-sequence',
    });
    await assert.rejects(publish({ ...message(mine, 3), expectedLastSequence: 0 }), {
      code: 'wrong-last-sequence',
    });
    assert.equal((await bus.logStreams.last(STREAM, mine))?.sequence, second.seq);
  });

  it('tell the newest message and any message, byte for byte, or that there is none', async () => {
    const subject = freshSubject();
    assert.equal(await bus.logStreams.last(STREAM, subject), null);
    const data = Buffer.alloc(512 * 1024, 'x\u0000\u00ff');
    const { seq } = await bus.logStreams.publish(message(subject, 1, data));
    const last = await bus.logStreams.last(STREAM, subject);
    assert.deepEqual(last, { sequence: seq, data });
    assert.deepEqual(await bus.logStreams.message(STREAM, seq), { sequence: seq, data });
    assert.equal(await bus.logStreams.message(STREAM, seq + 1_000_000), null);
    const empty = await bus.logStreams.publish(message(subject, 2, Buffer.alloc(0)));
    assert.equal((await bus.logStreams.last(STREAM, subject))?.data.length, 0);
    assert.equal((await bus.logStreams.message(STREAM, empty.seq))?.data.length, 0);
  });

  it('are read in windows of bounded bytes, in order, without what others wrote', async () => {
    const [mine, other] = [freshSubject(), freshSubject()];
    const written: number[] = [];
    for (let number = 1; number <= 40; number++) {
      const { seq } = await bus.logStreams.publish(message(mine, number, Buffer.alloc(100_000, number)));
      written.push(seq);
      await bus.logStreams.publish(message(other, number));
    }
    const found = await readAll(bus, mine, MIB);
    assert.deepEqual(
      found.map(({ sequence }) => sequence),
      written,
    );
    assert.ok(found.every(({ data }, at) => data.equals(Buffer.alloc(100_000, at + 1))));
    const window = await bus.logStreams.readWindow({ stream: STREAM, subject: mine, from: 1, maxBytes: MIB });
    assert.ok(window.messages.length >= 5 && window.messages.length <= 11, `${window.messages.length}`);
    assert.equal(window.end, false);
  });

  it('are read from the middle, up to a sequence, and not more messages than wanted', async () => {
    const subject = freshSubject();
    const written: number[] = [];
    for (let number = 1; number <= 20; number++)
      written.push((await bus.logStreams.publish(message(subject, number))).seq);
    const [from = 0, upTo = 0] = [written[5], written[14]];
    let told = 0;
    const window = await bus.logStreams.readWindow({
      stream: STREAM,
      subject,
      from,
      upTo,
      maxBytes: MIB,
      atMost: (pending) => {
        told = pending;
        return 4;
      },
    });
    assert.equal(told, 15);
    assert.deepEqual(
      window.messages.map(({ sequence }) => sequence),
      written.slice(5, 9),
    );
    assert.equal(window.end, false);
    const rest = await bus.logStreams.readWindow({
      stream: STREAM,
      subject,
      from: window.next,
      upTo,
      maxBytes: MIB,
    });
    assert.deepEqual(
      rest.messages.map(({ sequence }) => sequence),
      written.slice(9, 15),
    );
    assert.equal(rest.end, true);
    const behind = await bus.logStreams.readWindow({ stream: STREAM, subject, from: 1e9, maxBytes: MIB });
    assert.deepEqual([behind.messages.length, behind.end], [0, true]);
  });

  it('lose the messages of one subject below a sequence, and keep all others', async () => {
    const [mine, other] = [freshSubject(), freshSubject()];
    const written: number[] = [];
    for (let number = 1; number <= 6; number++) {
      written.push((await bus.logStreams.publish(message(mine, number))).seq);
      await bus.logStreams.publish(message(other, number));
    }
    assert.equal(await bus.logStreams.purge(STREAM, mine, written[4] ?? 0), 4);
    const facts = await bus.logStreams.facts(STREAM, mine);
    assert.deepEqual([facts.subjectMessages, facts.replicas, facts.discard], [2, 1, 'new']);
    assert.ok(facts.bytes > 0 && facts.bytes < facts.maxBytes && facts.maxMessageBytes > 512 * 1024);
    assert.equal((await bus.logStreams.facts(STREAM, other)).subjectMessages, 6);
    assert.deepEqual(
      (await readAll(bus, mine, MIB)).map(({ sequence }) => sequence),
      written.slice(4),
    );
    const next = { ...message(mine, 7), expectedLastSequence: written[5] ?? 0 };
    assert.equal((await bus.logStreams.publish(next)).duplicate, false);
  });

  it('lose nothing below the first sequence there is, where nothing is', async () => {
    const mine = freshSubject();
    for (let number = 1; number <= 3; number++) await bus.logStreams.publish(message(mine, number));
    assert.equal(await bus.logStreams.purge(STREAM, mine, 1), 0);
    assert.equal((await bus.logStreams.facts(STREAM, mine)).subjectMessages, 3);
  });

  it('say that they are not there', async () => {
    const subject = 'salvor.tlog.v1.99.v1';
    const gone = { code: 'no-stream' };
    await assert.rejects(bus.logStreams.publish(message(subject, 1)), gone);
    await assert.rejects(bus.logStreams.last('TLOG_99', subject), gone);
    await assert.rejects(bus.logStreams.message('TLOG_99', 1), gone);
    await assert.rejects(bus.logStreams.facts('TLOG_99'), gone);
    await assert.rejects(bus.logStreams.purge('TLOG_99', subject, 5), gone);
    await assert.rejects(
      bus.logStreams.readWindow({ stream: 'TLOG_99', subject, from: 1, maxBytes: MIB }),
      gone,
    );
  });

  it('refuse a message that is larger than they take', async () => {
    const subject = freshSubject();
    const large = { code: 'payload-too-large' };
    await assert.rejects(bus.logStreams.publish(message(subject, 1, Buffer.alloc(700 * 1024))), large);
    await assert.rejects(bus.logStreams.publish(message(subject, 1, Buffer.alloc(2 * MIB))), large);
    assert.equal(bus.connected(), true);
  });

  it('are not confused by acknowledgements that make no sense', async () => {
    const subject = freshSubject();
    const junk = ['', '{', 'null', '[]', '7', '{"stream":1}', '{"seq":4}', '\u0000\u00ff'];
    const meddler = client.subscribe(subject, {
      callback: (_error, sent) => sent.respond(junk.shift() ?? '?'),
    });
    await client.flush();
    // The stream may be faster than the meddler: as many as it takes until all was said.
    let published = 0;
    while (junk.length > 0) await bus.logStreams.publish(message(subject, ++published));
    meddler.unsubscribe();
    assert.equal((await bus.logStreams.facts(STREAM, subject)).subjectMessages, published);
  });

  it('tell every subject that has messages', async () => {
    const [one, two] = [freshSubject(), freshSubject()];
    for (const number of [1, 2]) await bus.logStreams.publish(message(one, number));
    await bus.logStreams.publish(message(two, 1));
    const subjects = await bus.logStreams.subjects(STREAM);
    assert.deepEqual([subjects.get(one), subjects.get(two)], [2, 1]);
    await assert.rejects(bus.logStreams.subjects('TLOG_99'), { code: 'no-stream' });
  });

  it('hold no more unacknowledged bytes than the window, and take all that waits', async () => {
    const narrow = await fixture.bus({ logPublisher: { windowMessages: 2, windowBytes: 300_000 } });
    const subject = freshSubject();
    const numbers = Array.from({ length: 30 }, (_, at) => at + 1);
    const stored = await Promise.all(
      numbers.map((number) =>
        narrow.logStreams.publish(
          message(subject, number, Buffer.alloc(number % 7 === 0 ? 400_000 : 50_000)),
        ),
      ),
    );
    assert.equal(new Set(stored.map(({ seq }) => seq)).size, 30);
  });
});

describe('the streams of the transaction log in trouble', () => {
  let fixture: BusFixture;
  let bus: Bus;

  beforeEach(async () => {
    fixture = await BusFixture.create({ manifest: false });
    bus = await fixture.bus({ logPublisher: { ackTimeoutMs: 400 } });
    await bus.applyManifest({ containers: 1, containerBytes: 2 * MIB });
  });
  afterEach(() => fixture.close());

  it('refuse when they are full, keep what they have, and take again when something was let go', async () => {
    const subject = freshSubject();
    const taken: number[] = [];
    const fill = async (number: number) => {
      taken.push((await bus.logStreams.publish(message(subject, number, Buffer.alloc(500_000)))).seq);
    };
    await assert.rejects(
      async () => {
        for (let number = 1; number < 20; number++) await fill(number);
      },
      { code: 'stream-full' },
    );
    assert.equal(taken.length, 4);
    assert.equal((await bus.logStreams.facts(STREAM, subject)).subjectMessages, 4);
    await bus.logStreams.purge(STREAM, subject, taken[1] ?? 0);
    // The refused id was not stored: it is no duplicate.
    const expectedLastSequence = taken[3] ?? 0;
    const again = await bus.logStreams.publish({
      ...message(subject, 5, Buffer.alloc(500_000)),
      expectedLastSequence,
    });
    assert.equal(again.duplicate, false);
  });

  it('tell of an acknowledgement that does not come, and answer the same sequence when the message is sent again', async () => {
    const subject = freshSubject();
    const first = await bus.logStreams.publish(message(subject, 1));
    await fixture.server.pause();
    const second = { ...message(subject, 2), expectedLastSequence: first.seq };
    await assert.rejects(bus.logStreams.publish(second), { code: 'publish-deadline' });
    fixture.server.resume();
    await eventually('the paused server took the message', async () => {
      const last = await bus.logStreams.last(STREAM, subject);
      return last !== null && last.sequence > first.seq;
    });
    const again = await bus.logStreams.publish(second);
    assert.equal(again.duplicate, true);
    assert.equal((await bus.logStreams.facts(STREAM, subject)).subjectMessages, 2);
  });

  it('have everything they acknowledged after the server was killed, and fail what they had not', async () => {
    const subject = freshSubject();
    const acknowledged = new Map<number, number>();
    let number = 0;
    let failed: unknown;
    const writing = (async () => {
      while (failed === undefined) {
        number += 1;
        try {
          acknowledged.set(number, (await bus.logStreams.publish(message(subject, number))).seq);
        } catch (error) {
          failed = error;
        }
      }
    })();
    await eventually('some are acknowledged', () => acknowledged.size > 200);
    await fixture.server.kill();
    await writing;
    assert.ok(
      ['disconnected', 'publish-deadline'].includes((failed as { code: string }).code),
      String(failed),
    );
    await eventually('the client sees it', () => !bus.connected());
    await assert.rejects(bus.logStreams.publish(message(subject, number + 1)), { code: 'disconnected' });
    await fixture.server.start();
    await eventually('the stream answers again', () =>
      bus.logStreams.facts(STREAM).then(
        () => true,
        () => false,
      ),
    );
    const found = new Map((await readAll(bus, subject, MIB)).map(({ sequence, data }) => [sequence, data]));
    for (const [sent, sequence] of acknowledged)
      assert.equal(found.get(sequence)?.toString(), `segment ${sent}`);
    // What was under way is stored or not; under its id it is stored once.
    await bus.logStreams.publish(message(subject, number));
    assert.equal((await bus.logStreams.facts(STREAM, subject)).subjectMessages, number);
  });

  it('fail what waits for the window when the bus is closed', async () => {
    const subject = freshSubject();
    await fixture.server.pause();
    const narrow = await bus;
    const waiting = Array.from({ length: 100 }, (_, at) => narrow.logStreams.publish(message(subject, at)));
    const ends = Promise.allSettled(waiting);
    await bus.close({ deadlineMs: 100 });
    fixture.server.resume();
    assert.ok((await ends).every(({ status }) => status === 'rejected'));
    await assert.rejects(bus.logStreams.publish(message(subject, 1)), { code: 'bus-closed' });
  });
});

function boundStreams(bus: Bus) {
  return { publish: (sent: LogPublication) => bus.logStreams.publish(sent) };
}
