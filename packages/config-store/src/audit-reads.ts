/** Questions of audits, many in one call: a process may have thousands of watches, most of them of the same few keys. */
import type { IResponseOp, ITxnResponse } from 'etcd3';
import type { EtcdCalls } from './etcd-calls.ts';
import type { ByteRange } from './ranges.ts';
import { MAX_OPERATIONS } from './transaction.ts';

/** What etcd has in a range. */
export interface RangeNews {
  readonly revision: string;
  /** Keys in the range. */
  readonly count: number;
  /** Whether one of them was changed after the revision that was asked about. */
  readonly isChanged: boolean;
}

interface Asker {
  readonly since: bigint;
  readonly resolve: (news: RangeNews) => void;
  readonly reject: (error: unknown) => void;
}

interface Question {
  readonly range: ByteRange;
  /** The least revision that an asker wants news since. */
  since: bigint;
  readonly askers: Asker[];
}

const TIMEOUT_MS = 2_000;
/** How long questions are gathered for one call. */
const GATHER_MS = 50;

const gathering = new WeakMap<EtcdCalls, Map<string, Question>>();

/** Asks, without values, for what changed in a range after revision `since`. Rejects as `EtcdCalls.call` does. */
export function askForNews(etcd: EtcdCalls, range: ByteRange, since: bigint): Promise<RangeNews> {
  return new Promise((resolve, reject) => {
    let questions = gathering.get(etcd);
    if (questions === undefined) {
      questions = new Map();
      gathering.set(etcd, questions);
      setTimeout(() => sendGathered(etcd), GATHER_MS);
    }
    const id = `${range.start.toString('hex')} ${range.end?.toString('hex') ?? ''}`;
    const question = questions.get(id) ?? { range, since, askers: [] };
    if (since < question.since) question.since = since;
    question.askers.push({ since, resolve, reject });
    questions.set(id, question);
  });
}

function sendGathered(etcd: EtcdCalls): void {
  const questions = [...(gathering.get(etcd)?.values() ?? [])];
  gathering.delete(etcd);
  for (let from = 0; from < questions.length; from += MAX_OPERATIONS) {
    const part = questions.slice(from, from + MAX_OPERATIONS);
    const request = { success: part.map(operationOf) };
    etcd
      .call('audit of watches', (options) => etcd.kv.txn(request, options), TIMEOUT_MS)
      .then((answer) => tell(part, answer))
      .catch((error: unknown) => {
        for (const { askers } of part) for (const { reject } of askers) reject(error);
      });
  }
}

function operationOf({ range: { start, end }, since }: Question) {
  return {
    request_range: {
      key: start,
      ...(end === null ? {} : { range_end: end }),
      keys_only: true,
      min_mod_revision: String(since + 1n),
    },
  };
}

function tell(questions: readonly Question[], answer: ITxnResponse): void {
  const responses: readonly IResponseOp[] = answer.responses;
  for (const [i, { askers }] of questions.entries()) {
    const found = responses[i]?.response_range;
    for (const { since, resolve, reject } of askers) {
      if (!found) reject(new Error(`etcd answered ${responses.length} of ${questions.length} questions`));
      else
        resolve({
          revision: answer.header.revision,
          count: Number(found.count),
          isChanged: found.kvs.some((kv) => BigInt(kv.mod_revision) > since),
        });
    }
  }
}
