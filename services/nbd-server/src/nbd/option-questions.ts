import { ExportError } from './block-device.ts';
import { allocationContext, maxStringBytes, option, optionReply } from './constants.ts';
import { metaContext, optionReplyBytes } from './option-replies.ts';

/** What an option asks that only the exports can answer. */
export type Question =
  | { kind: 'list' }
  | { kind: 'info' | 'go'; name: string; wanted: number[] }
  | { kind: 'list-contexts' | 'set-contexts'; name: string; queries: string[] }
  | { kind: 'export-name'; name: string };

/** The most data of each option understood here. */
export const maxDataBytes: ReadonlyMap<number, number> = new Map([
  [option.exportName, maxStringBytes],
  [option.abort, maxStringBytes],
  [option.list, maxStringBytes],
  [option.startTls, maxStringBytes],
  [option.structuredReply, maxStringBytes],
  // A name, its length, and a list of information types.
  [option.info, maxStringBytes + 6 + 2 * 64],
  [option.go, maxStringBytes + 6 + 2 * 64],
  // A name and queries.
  [option.listMetaContext, 16 * maxStringBytes],
  [option.setMetaContext, 16 * maxStringBytes],
]);

/** All that is answered in the clear where TLS is required. */
export const allowedBeforeTls: ReadonlySet<number> = new Set([option.startTls, option.abort]);

/** The option that is answered when a question is refused. */
export const codeOf: Record<Exclude<Question['kind'], 'export-name'>, number> = {
  list: option.list,
  info: option.info,
  go: option.go,
  'list-contexts': option.listMetaContext,
  'set-contexts': option.setMetaContext,
};

export function nameOf(question: Question): string | undefined {
  return question.kind === 'list' ? undefined : question.name;
}

/** No query asks for every context, a namespace alone for all of its own (proto.md, NBD_OPT_LIST_META_CONTEXT). */
export function isAllocationListed(queries: readonly string[]): boolean {
  return queries.length === 0 || queries.includes('base:') || queries.includes(allocationContext.name);
}

/** The answer to LIST_ or SET_META_CONTEXT. */
export function contextAnswer(code: number, hasAllocation: boolean): Buffer {
  const ack = optionReplyBytes(code, optionReply.ack);
  if (!hasAllocation) return ack;
  // In a list the id means nothing.
  const id = code === option.setMetaContext ? allocationContext.id : 0;
  return Buffer.concat([metaContext(code, id, allocationContext.name), ack]);
}

/** How a question is refused, and what a person is told. */
export function refusal(error: unknown): { type: number; message: string } {
  if (!(error instanceof ExportError)) {
    return {
      type: optionReply.errUnknown,
      message: 'the export is not available now; see the log of the server',
    };
  }
  const types = {
    unknown: optionReply.errUnknown,
    policy: optionReply.errPolicy,
    shutdown: optionReply.errShutdown,
  };
  return { type: types[error.code], message: error.message };
}
