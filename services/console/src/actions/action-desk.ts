import type { IncomingHttpHeaders } from 'node:http';
import { type Bus, CommandError } from '@salvor/bus';
import { type CommandName, commands, fromPlainJson, isId, ValidationError } from '@salvor/contracts';
import { codeOf, type Logger, messageOf } from '@salvor/service-kit';
import { z } from 'zod';
import type { Answer } from '../http/request-body.ts';
import { type AllowedAction, allowedActions } from './allowed-actions.ts';
import { type Operator, operatorOf } from './tokens.ts';

export interface ActionDeskOptions {
  readonly operators: readonly Operator[];
  /** Null until there is a connection. */
  readonly bus: () => Bus | null;
  readonly log: Logger;
  readonly now: () => number;
  readonly acted: (command: string, outcome: 'done' | 'refused') => void;
}

const ACTION_TIMEOUT_MS = 15_000;
/** Wrong tokens are taken so often a minute; then nobody's is, for the rest of it. */
const FAILURES_MAX = 20;
const FAILURES_WINDOW_MS = 60_000;

const order = z.strictObject({
  command: z.string(),
  request: z.record(z.string(), z.unknown()),
  /** The same id again is the same action. */
  operationId: z.string(),
  confirm: z.string().optional(),
});

/** Gives commands for those who have a token. The token comes in a header, which no other site's page can set. */
export class ActionDesk {
  readonly #options: ActionDeskOptions;
  #failures: number[] = [];

  constructor(options: ActionDeskOptions) {
    this.#options = options;
  }

  async act(headers: IncomingHttpHeaders, body: unknown): Promise<Answer> {
    const operator = this.#operator(headers);
    if ('status' in operator) return operator;
    const parsed = order.safeParse(body);
    if (!parsed.success)
      return refused(400, 'malformed-request', 'expected command, request and operationId');
    const { command, request, operationId, confirm } = parsed.data;
    const action = Object.hasOwn(allowedActions, command)
      ? allowedActions[command as CommandName]
      : undefined;
    if (action === undefined) return refused(403, 'not-allowed', `'${command}' cannot be done here`);
    const wrong = wrongOrder(action, request, operationId, confirm);
    if (wrong !== null) return wrong;
    return this.#give(
      command as CommandName,
      { ...request, ...(action.by ? { by: operator.name } : {}) },
      operationId,
      operator,
    );
  }

  #operator(headers: IncomingHttpHeaders): Operator | Answer {
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin')
      return refused(403, 'other-site', 'actions are taken from the own page only');
    const { now } = this.#options;
    this.#failures = this.#failures.filter((at) => now() - at < FAILURES_WINDOW_MS);
    if (this.#failures.length >= FAILURES_MAX)
      return refused(429, 'too-many-attempts', 'too many wrong tokens; wait a minute');
    const [, token = ''] = /^Bearer (\S{1,512})$/.exec(headers.authorization ?? '') ?? [];
    const operator = operatorOf(this.#options.operators, token);
    if (operator !== null) return operator;
    this.#failures.push(now());
    return refused(401, 'wrong-token', 'this needs a token of the console');
  }

  async #give(
    command: CommandName,
    request: Readonly<Record<string, unknown>>,
    operationId: string,
    operator: Operator,
  ): Promise<Answer> {
    const { log, acted } = this.#options;
    const about = { command, operator: operator.name, operation: operationId };
    try {
      const bus = this.#options.bus();
      if (bus === null) return refused(503, 'bus-away', 'the console has no connection to NATS');
      const typed = fromPlainJson(commands[command].request, { ...request, operationId });
      const reply = await bus.request(command, typed as never, { operationId, timeoutMs: ACTION_TIMEOUT_MS });
      log.info(about, 'action given');
      acted(command, 'done');
      return { status: 200, body: { reply } };
    } catch (error) {
      log.warn({ ...about, code: codeOf(error), error: messageOf(error) }, 'action refused');
      acted(command, 'refused');
      return refused(statusOf(error), codeOf(error), messageOf(error));
    }
  }
}

function wrongOrder(
  { fields, confirm: wanted }: AllowedAction,
  request: Readonly<Record<string, unknown>>,
  operationId: string,
  confirm: string | undefined,
): Answer | null {
  const strange = Object.keys(request).filter((field) => !fields.includes(field));
  if (strange.length > 0)
    return refused(400, 'malformed-request', `there are ${fields.join(', ')}; not ${strange.join(', ')}`);
  if (!isId(operationId)) return refused(400, 'malformed-request', 'operationId is no id');
  if (wanted !== null && confirm !== wanted(request))
    return refused(409, 'not-confirmed', `to confirm it, type ${String(wanted(request))}`);
  return null;
}

function statusOf(error: unknown): number {
  if (error instanceof CommandError) return error.status;
  return error instanceof ValidationError ? 400 : 503;
}

function refused(status: number, code: string, message: string): Answer {
  return { status, body: { code, message } };
}
