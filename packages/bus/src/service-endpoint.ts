import {
  type CommandDefinition,
  type CommandName,
  type CommandShapes,
  commandSubject,
  commands,
} from '@salvor/contracts';
import { EndpointCounter, type EndpointInfo } from './service-protocol.ts';

const QUEUE_GROUP = 'q';

export interface CommandContext {
  readonly command: CommandName;
  /** The request's operationId, else the `Nats-Msg-Id` header, else generated. The key for answering once. */
  readonly operationId: string;
  /** Of this call: a child of the caller's, or a new one. */
  readonly traceparent: string;
  readonly subject: string;
  /** Aborts when the caller has been told that it took too long. */
  readonly signal: AbortSignal;
}

export type CommandHandlers = {
  readonly [C in CommandName]?: (
    request: CommandShapes[C]['request'],
    context: CommandContext,
  ) => Promise<CommandShapes[C]['replyInit']>;
};

/** One command on one subject. */
export interface Endpoint {
  readonly info: EndpointInfo;
  readonly definition: CommandDefinition;
  readonly handler: (request: unknown, context: CommandContext) => Promise<unknown>;
  readonly counter: EndpointCounter;
}

/** With `instance`, every command has a second subject that this instance alone serves. */
export function endpointsOf(handlers: CommandHandlers, instance: string | undefined): Endpoint[] {
  const names = Object.keys(handlers) as CommandName[];
  return names.flatMap((name) => {
    const definition = commands[name];
    const handler = handlers[name] as Endpoint['handler'] | undefined;
    if (handler === undefined) return [];
    const made = (suffix: string, subject: string): Endpoint => ({
      definition,
      // Wrapped so that a handler that throws before its first await answers with an error like any other.
      handler: async (request, context) => handler(request, context),
      counter: new EndpointCounter(),
      info: {
        name: `${name.replaceAll('.', '-')}${suffix}`,
        subject,
        queue_group: QUEUE_GROUP,
        metadata: metadataOf(definition),
      },
    });
    return instance === undefined
      ? [made('', definition.subject)]
      : [
          made('', definition.subject),
          made(`-${instance.replace(/[^A-Za-z0-9_-]/g, '_')}`, commandSubject(name, instance)),
        ];
  });
}

function metadataOf(definition: CommandDefinition): Record<string, string> {
  return {
    description: definition.description,
    request_schema: definition.request,
    request_fingerprint: definition.requestFingerprint,
    reply_schema: definition.reply,
    reply_fingerprint: definition.replyFingerprint,
    request_example: JSON.stringify(definition.example),
    reply_example: JSON.stringify(definition.replyExample),
    idempotency: definition.idempotency,
  };
}
