import {
  type Decoded,
  DecodeError,
  decode,
  type EventPayloads,
  events,
  eventTypes,
  isSingleObject,
  registerWriterSchema,
  toPlainJson,
} from '@salvor/contracts';
import { eventSentence } from '@salvor/story';
import type { Call, Command } from '../command.ts';
import { CliError, exitCodes, failureOf } from '../failure.ts';
import { clockText } from '../rendering/time.ts';

export const decodeCommand: Command = {
  name: 'decode',
  description:
    'Reads one message from stdin and prints it as plain JSON. What is no Avro message (JSON, error bodies, text) passes through unchanged, so that it can translate whatever the nats CLI shows.',
  options: {
    record: { type: 'boolean', help: 'print {record, fingerprint, value}' },
    sentence: { type: 'boolean', help: 'print an event as its time and a sentence, on one line' },
  },
  examples: [
    'nats stream view SALVOR_EVT --translate "salvor decode"',
    'nats sub "salvor.evt.>" --translate "salvor decode --sentence"',
    'nats req salvor.cmd.v1.vdisk.list {} --translate "salvor decode"',
  ],
  async run(call) {
    const bytes = await call.terminal.readStdin();
    if (!isSingleObject(bytes)) {
      call.terminal.out(bytes);
      return;
    }
    const decoded = await decodeWithRegistry(bytes, call);
    const { name: record, fingerprint } = decoded;
    const type = call.args.flag('sentence')
      ? eventTypes().find((each) => events[each].record === record)
      : undefined;
    if (type !== undefined) {
      const payload = decoded.value as EventPayloads[typeof type];
      call.terminal.out(`${clockText(payload.at)}Z  ${eventSentence(type, payload)}\n`);
      return;
    }
    const value = toPlainJson(decoded);
    const shown = call.args.flag('record') ? { record, fingerprint, value } : value;
    call.terminal.out(`${JSON.stringify(shown, null, 2)}\n`);
  },
};

/** The schemas of this version first; then, when a bus is named and answers, those its registry has. */
async function decodeWithRegistry(bytes: Buffer, call: Call): Promise<Decoded> {
  try {
    return decode(bytes);
  } catch (error) {
    const unknown =
      error instanceof DecodeError && error.code === 'unknown-schema' ? error.fingerprint : undefined;
    if (unknown === undefined) throw error;
    registerWriterSchema(await publishedSchema(unknown, call));
    return decode(bytes);
  }
}

async function publishedSchema(fingerprint: string, { withBus }: Call): Promise<string> {
  const found = await withBus(({ bus }) => bus.lookUpSchema(fingerprint)).catch((error: unknown) => {
    throw unknownSchema(
      fingerprint,
      `the schema registry could not be asked: ${failureOf(error).message}`,
      error,
    );
  });
  if (found === undefined) throw unknownSchema(fingerprint, 'the schema registry of the bus has none either');
  return found;
}

function unknownSchema(fingerprint: string, rest: string, cause?: unknown): CliError {
  return new CliError(
    exitCodes.failed,
    'unknown-schema',
    `no schema with fingerprint ${fingerprint} is known to this version, and ${rest}`,
    { cause },
  );
}
