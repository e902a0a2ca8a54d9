/**
 * The contracts of Salvor: records, codec, catalogue, subjects. Start at `types.ts`; the schemas themselves are in
 * `schemas/`.
 */
export {
  commandNames,
  commands,
  eventRecord,
  eventSubject,
  events,
  eventTypeOfRecord,
  eventTypes,
  isCommandName,
  isEventType,
  parseEventSubject,
} from './catalogue.ts';
export { containerOf } from './container.ts';
export {
  DecodeError,
  type DecodeErrorCode,
  type FieldProblem,
  InvalidIdError,
  MAX_FIELD_PROBLEMS,
  SchemaError,
  ValidationError,
} from './errors.ts';
export type * from './generated/types.ts';
export { fromPlainJson, toPlainJson } from './plain-json.ts';
export { hasField, type RegisteredSchema, registerWriterSchema } from './registry.ts';
export { repeatedMember } from './repeated-member.ts';
export { eventPublishers } from './routing.ts';
export { fingerprintOf, type PublishedSchema, recordNames, schemaList } from './schema-list.ts';
export {
  type Decoded,
  decode,
  decodeAs,
  encode,
  fingerprintOfMessage,
  isSingleObject,
} from './single-object.ts';
export {
  COMMAND_SUBJECT_PREFIX,
  commandSubject,
  EVENT_SUBJECT_PREFIX,
  engineToken,
  eventFilter,
  isEngineAddress,
  isId,
  MAX_ID_LENGTH,
  requireId,
} from './subjects.ts';
export type {
  CommandDefinition,
  CommandShapes,
  EventDefinition,
  EventInits,
  EventPayloads,
  PlainJsonObject,
  ServiceName,
} from './types.ts';
