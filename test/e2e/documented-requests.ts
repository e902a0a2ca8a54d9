/** The `nats req` lines of a page of the documentation, sent as the nats CLI sends them. */
import assert from 'node:assert/strict';
import { type RawNats, until } from '@salvor/testkit';
import { fencedBlocks, pages } from '../docs/markdown.ts';
import { shellCommands } from '../docs/shell-commands.ts';

const ANSWER_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 120_000;

type Body = Readonly<Record<string, unknown>>;

export interface DocumentedRequest {
  /** `--context` of the line; empty without one. */
  readonly context: string;
  readonly subject: string;
  readonly body: string;
}

/** In the order of the page. */
export function documentedRequests(path: string): DocumentedRequest[] {
  const page = pages().find((each) => each.path === path) ?? assert.fail(`there is no page ${path}`);
  return fencedBlocks(page)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ lines }) => shellCommands(lines.join('\n')))
    .filter((words) => words[0] === 'nats' && words.includes('req'))
    .map((words) => {
      const at = words.indexOf('--context');
      const subject = words.findIndex((word) => word.startsWith('salvor.cmd.'));
      return {
        context: at < 0 ? '' : (words[at + 1] ?? ''),
        subject: words[subject] ?? '',
        body: words[subject + 1] ?? '',
      };
    });
}

/** Sends the lines of a page one after the other; none may be left out. */
export class DocumentedProcedure {
  readonly #left: DocumentedRequest[];
  readonly #zones: Readonly<Record<string, RawNats>>;

  /** `zones` by context of the nats CLI; '' where a line names none. */
  constructor(path: string, zones: Readonly<Record<string, RawNats>>) {
    this.#left = documentedRequests(path);
    this.#zones = zones;
  }

  /** The answer to the next line, which is of this command. `instead` replaces what an example cannot know. */
  async next(command: string, instead: readonly [string, string] = ['', '']): Promise<Body> {
    return this.#send(this.#take(command, instead));
  }

  /** Types the next line again and again until its answer is as wanted. */
  async nextUntil(command: string, is: (body: Body) => boolean): Promise<Body> {
    const line = this.#take(command, ['', '']);
    let last: Body = {};
    await until(
      async () => {
        last = await this.#send(line);
        return is(last);
      },
      { what: `${line.subject} as wanted`, timeoutMs: END_TIMEOUT_MS, intervalMs: 100 },
    ).catch((error: unknown) => assert.fail(`${String(error)}; last: ${JSON.stringify(last)}`));
    return last;
  }

  allSent(): void {
    assert.deepEqual(this.#left, []);
  }

  #take(command: string, [from, to]: readonly [string, string]): DocumentedRequest {
    const line = this.#left.shift() ?? assert.fail(`no line is left for ${command}`);
    assert.equal(line.subject, `salvor.cmd.v1.${command}`);
    assert.ok(line.body.includes(from), `${line.body} says ${from}`);
    return { ...line, body: line.body.replace(from, to) };
  }

  async #send({ context, subject, body }: DocumentedRequest): Promise<Body> {
    const nats = this.#zones[context] ?? assert.fail(`no zone is meant by ${context}`);
    const reply = await nats.request(subject, body, {}, ANSWER_TIMEOUT_MS);
    const text = reply.body.toString();
    assert.equal(reply.headers['Nats-Service-Error-Code'], undefined, `${subject} ${body}: ${text}`);
    return JSON.parse(text) as Body;
  }
}
