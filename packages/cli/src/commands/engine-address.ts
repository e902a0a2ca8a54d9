import type { EngineAddressInit } from '@salvor/contracts';
import { usageError } from '../failure.ts';

/** Reads `host:port` or `host:port/db`. */
export function engineAddress(text: string): EngineAddressInit {
  const match = /^(.+:\d{1,5})(?:\/(\d{1,5}))?$/.exec(text);
  if (match?.[1] === undefined) {
    throw usageError(`expected an engine as host:port or host:port/db, found '${text}'`);
  }
  return { address: match[1], db: Number(match[2] ?? 0) };
}
