import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';

/** W3C Trace Context: the header that ties the messages of one story together. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Null for anything that is not a version 00 `traceparent` with ids other than all zeros. */
export function parseTraceparent(header: string | undefined): TraceContext | null {
  const match = TRACEPARENT.exec(header ?? '');
  const [, traceId = '', spanId = '', flags = ''] = match ?? [];
  if (match === null || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

const current = new AsyncLocalStorage<string>();

/** Does the work as a part of a trace: what it logs, tells and asks, also later, belongs to it. */
export function inTrace<T>(traceparent: string, work: () => T): T {
  return current.run(traceparent, work);
}

/** The `traceparent` of the work that is being done; undefined outside of any. */
export function currentTraceparent(): string | undefined {
  return current.getStore();
}

/** A `traceparent` for work caused by `parent`, by default what is being done now; or the start of a new trace. */
export function childTraceparent(parent: string | undefined = currentTraceparent()): string {
  const context = parseTraceparent(parent);
  const traceId = context?.traceId ?? randomBytes(16).toString('hex');
  const flags = context === null || context.sampled ? '01' : '00';
  return `00-${traceId}-${randomBytes(8).toString('hex')}-${flags}`;
}
