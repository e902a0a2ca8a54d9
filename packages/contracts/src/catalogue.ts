/** The catalogue: every event and command, with its subject, records, meaning and an example. */
import { commandExamples } from './command-examples.ts';
import { eventExamples } from './event-examples.ts';
import { commandRecords, eventRecords, generatedSchemas } from './generated/schemas.ts';
import type { CommandName, EventRecords, EventType, RecordName } from './generated/types.ts';
import { commandServices, IDEMPOTENT_BY_OPERATION, READ_ONLY, tokenFields } from './routing.ts';
import { commandSubject, EVENT_SUBJECT_PREFIX, engineToken, eventFilter, requireId } from './subjects.ts';
import type { CommandDefinition, EventDefinition, EventInits, EventPayloads } from './types.ts';

export const events: { readonly [T in EventType]: EventDefinition<T> } = eventTable();

export const commands: { readonly [C in CommandName]: CommandDefinition<C> } = commandTable();

/** Every event type, in alphabetical order. */
export function eventTypes(): EventType[] {
  return Object.keys(eventRecords) as EventType[];
}

/** Every command, in alphabetical order. */
export function commandNames(): CommandName[] {
  return Object.keys(commandRecords) as CommandName[];
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventRecords, type);
}

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commandRecords, name);
}

/** The record that carries an event: `vdisk.mounted` -> `VdiskMounted`. */
export function eventRecord<T extends EventType>(type: T): EventRecords[T] {
  return eventRecords[type];
}

/** The event type a record is published as; undefined for other records. */
export function eventTypeOfRecord(record: string): EventType | undefined {
  return eventTypes().find((type) => eventRecords[type] === record);
}

/** The subject an event is published on. Throws InvalidIdError when its token cannot be part of a subject. */
export function eventSubject<T extends EventType>(
  type: T,
  payload: EventInits[T] | EventPayloads[T],
): string {
  const value = Object.entries(payload).find(([field]) => field === tokenFields[type])?.[1];
  return `${EVENT_SUBJECT_PREFIX}.${type}.${tokenOf(type, typeof value === 'string' ? value : '')}`;
}

/** The event type and token of a subject; undefined when it is not the subject of a known event. */
export function parseEventSubject(subject: string): { type: EventType; token: string } | undefined {
  if (!subject.startsWith(`${EVENT_SUBJECT_PREFIX}.`)) return undefined;
  const rest = subject.slice(EVENT_SUBJECT_PREFIX.length + 1);
  const dot = rest.lastIndexOf('.');
  const type = rest.slice(0, dot);
  return dot > 0 && isEventType(type) ? { type, token: rest.slice(dot + 1) } : undefined;
}

function defineEvent<T extends EventType>(type: T): EventDefinition<T> {
  const record = eventRecords[type];
  const token = tokenFields[type] === 'address' ? 'engine' : tokenFields[type];
  return {
    type,
    record,
    fingerprint: generatedSchemas[record].fingerprint,
    subject: `${EVENT_SUBJECT_PREFIX}.${type}.<${token}>`,
    filter: eventFilter(type),
    cloudEventType: `salvor.${type}.v1`,
    description: docOf(record),
    example: eventExamples[type],
  };
}

function defineCommand<C extends CommandName>(name: C): CommandDefinition<C> {
  const { request, reply } = commandRecords[name];
  const { service, mutating } = commandServices[name];
  return {
    name,
    service,
    subject: commandSubject(name),
    request,
    requestFingerprint: generatedSchemas[request].fingerprint,
    reply,
    replyFingerprint: generatedSchemas[reply].fingerprint,
    mutating,
    idempotency: mutating ? IDEMPOTENT_BY_OPERATION : READ_ONLY,
    description: docOf(request),
    example: commandExamples[name].request,
    replyExample: commandExamples[name].reply,
  };
}

function tokenOf(type: EventType, value: string): string {
  return tokenFields[type] === 'address'
    ? engineToken(value)
    : requireId(value, `${type}: ${tokenFields[type]}`);
}

function docOf(record: RecordName): string {
  const { schema } = generatedSchemas[record];
  return 'doc' in schema && typeof schema.doc === 'string' ? schema.doc : '';
}

function eventTable(): typeof events {
  return Object.fromEntries(eventTypes().map((type) => [type, defineEvent(type)])) as typeof events;
}

function commandTable(): typeof commands {
  return Object.fromEntries(commandNames().map((name) => [name, defineCommand(name)])) as typeof commands;
}
