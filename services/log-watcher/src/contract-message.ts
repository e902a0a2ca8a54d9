import { isEngineAddress, isId } from '@salvor/contracts';
import { z } from 'zod';

/** A line of Salvor's own stderr contract. Members that are not understood are left out, never a reason to refuse it. */
export type ContractMessage = EngineFailureMessage | RepairCompleteMessage;

export interface EngineFailureMessage {
  readonly type: 'storageengine-failure';
  readonly address: string;
  readonly cluster?: string | undefined;
  readonly vdisk?: string | undefined;
  readonly reason?: string | undefined;
  /** Milliseconds since 1970 UTC. */
  readonly at?: number | undefined;
}

export interface RepairCompleteMessage {
  readonly type: 'repair-complete';
  readonly repair: 'repair-tmp-outage' | 'repair-final-outage';
  readonly address: string;
  readonly vdisk: string;
  readonly server?: string | undefined;
  readonly incident?: string | undefined;
  readonly attempt?: number | undefined;
  readonly dirtyBlocks?: number | undefined;
  readonly copiedBlocks?: number | undefined;
  readonly storedBlocks?: number | undefined;
  readonly repairMs?: number | undefined;
  readonly at?: number | undefined;
}

/** @returns a sentence when the line is no message of the contract */
export function readContractMessage(line: string): ContractMessage | string {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return 'expected one JSON object a line, found what is no JSON';
  }
  const type = z.object({ type: z.string() }).safeParse(json);
  if (!type.success) return `expected a member type, one of ${TYPES}`;
  switch (type.data.type) {
    case 'storageengine-failure':
      return read(engineFailure, json);
    case 'repair-tmp-outage-complete':
      return read(repairComplete('repair-tmp-outage'), json);
    case 'repair-final-outage-complete':
      return read(repairComplete('repair-final-outage'), json);
    default:
      return `expected type to be one of ${TYPES}, found ${JSON.stringify(type.data.type.slice(0, 100))}`;
  }
}

const TYPES = 'storageengine-failure, repair-tmp-outage-complete, repair-final-outage-complete';
const MAX_TEXT_CHARS = 1_024;
const MAX_INT = 2 ** 31 - 1;

export const engineAddress: z.ZodType<string> = z
  .string('expected host:port')
  .refine(isEngineAddress, 'expected host:port');
/** Any short text, or nothing. */
export const maybeText: z.ZodType<string | undefined> = z
  .string()
  .transform((text) => text.slice(0, MAX_TEXT_CHARS))
  .optional()
  .catch(undefined);
export const vdiskId: z.ZodType<string> = z
  .string('expected a vdisk id')
  .refine(isId, 'expected 1 to 64 of A-Z a-z 0-9 _ : -');
const maybeId = z.string().refine(isId).optional().catch(undefined);
const maybeCount = z.int().min(0).optional().catch(undefined);
const maybeTime = z.int().min(0).max(8.64e15).optional().catch(undefined);
const maybeMs = z
  .number()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .transform(Math.round)
  .optional()
  .catch(undefined);

const engineFailure = z
  .object({
    data: engineAddress,
    cluster: maybeText,
    vdisk: maybeText,
    reason: maybeText,
    at: maybeTime,
  })
  .transform(
    ({ data, ...more }): EngineFailureMessage => ({
      type: 'storageengine-failure',
      address: data,
      ...more,
    }),
  );

function repairComplete(repair: RepairCompleteMessage['repair']): z.ZodType<RepairCompleteMessage> {
  return z
    .object({
      data: z.object(
        {
          address: engineAddress,
          vdiskid: vdiskId,
          server: maybeId,
          incident: maybeText,
          attempt: z.int().min(0).max(MAX_INT).optional().catch(undefined),
          dirtyBlocks: maybeCount,
          copiedBlocks: maybeCount,
          storedBlocks: maybeCount,
          repairMs: maybeMs,
          at: maybeTime,
        },
        'expected an object with address and vdiskid',
      ),
    })
    .transform(({ data: { vdiskid, ...more } }) => ({
      type: 'repair-complete' as const,
      repair,
      vdisk: vdiskid,
      ...more,
    }));
}

function read<T>(schema: z.ZodType<T>, json: unknown): T | string {
  const parsed = schema.safeParse(json);
  return parsed.success ? parsed.data : whatIsWrong(parsed.error);
}

export function whatIsWrong(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}
