/** Ids and subjects: `salvor.<kind>.v1.<domain>.<fact or verb>[.<token>]`. */
import { InvalidIdError } from './errors.ts';
import type { CommandName, EventType } from './generated/types.ts';

export const EVENT_SUBJECT_PREFIX = 'salvor.evt.v1';
export const COMMAND_SUBJECT_PREFIX = 'salvor.cmd.v1';
export const MAX_ID_LENGTH = 64;

const ID = /^[A-Za-z0-9_:-]{1,64}$/;

/** Whether a string can be an id, and so a token of a subject. */
export function isId(value: string): boolean {
  return ID.test(value);
}

/** Gives the id back, or throws InvalidIdError. `what` names it in the message, such as `vdisk`. */
export function requireId(value: string, what: string): string {
  if (isId(value)) return value;
  throw new InvalidIdError(
    `${what}: expected 1 to ${MAX_ID_LENGTH} of A-Z a-z 0-9 _ : -, found ${JSON.stringify(value.slice(0, 100))}`,
  );
}

/**
 * `10.100.0.1:22005` -> `10_100_0_1:22005`, `[::1]:6379` -> `::1:6379`. Throws InvalidIdError when the address
 * is not host:port or the token would not be an id.
 */
export function engineToken(address: string): string {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3];
  if (host === undefined || port === undefined || Number(port) < 1 || Number(port) > 65535) {
    throw new InvalidIdError(
      `engine address: expected host:port, such as 10.100.0.1:22005, found ${JSON.stringify(address.slice(0, 100))}`,
    );
  }
  return requireId(`${host.replaceAll('.', '_')}:${port}`, 'engine address as a subject token');
}

/** Whether a string is an engine address that can be announced. */
export function isEngineAddress(address: string): boolean {
  try {
    engineToken(address);
    return true;
  } catch {
    return false;
  }
}

/** Subject of all events of a type, or of all types: for subscriptions and stream filters. */
export function eventFilter(type: EventType | 'all'): string {
  return type === 'all' ? `${EVENT_SUBJECT_PREFIX}.>` : `${EVENT_SUBJECT_PREFIX}.${type}.*`;
}

/** Subject of a command; with an instance id, of the one instance that serves it. */
export function commandSubject(name: CommandName, instance?: string): string {
  const subject = `${COMMAND_SUBJECT_PREFIX}.${name}`;
  return instance === undefined ? subject : `${subject}.${requireId(instance, 'instance')}`;
}
