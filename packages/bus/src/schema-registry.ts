import { registerWriterSchema } from '@salvor/contracts';
import type { Logger } from '@salvor/service-kit';
import { BusError } from './bus-error.ts';
import { statusCode } from './message-headers.ts';
import type { Requester } from './requester.ts';

/** Bucket of all schemas ever published: key = fingerprint (16 hex digits, wire order), value = canonical JSON. */
export const SCHEMA_BUCKET = 'salvor_schemas';
const LOOKUP_TIMEOUT_MS = 2_000;
const FINGERPRINT = /^[0-9a-f]{16}$/;

/** Looks up the schemas of other writers, so that a message of a newer version can be read. */
export class SchemaRegistry {
  readonly #requester: Requester;
  readonly #log: Logger;

  constructor(requester: Requester, log: Logger) {
    this.#requester = requester;
    this.#log = log;
  }

  /** The published schema as JSON, undefined when the bucket has none. @throws BusError when it cannot be asked */
  async lookUp(fingerprint: string): Promise<string | undefined> {
    if (!FINGERPRINT.test(fingerprint)) return undefined;
    const subject = `$JS.API.DIRECT.GET.KV_${SCHEMA_BUCKET}.$KV.${SCHEMA_BUCKET}.${fingerprint}`;
    const reply = await this.#requester.request({ subject, data: '', timeoutMs: LOOKUP_TIMEOUT_MS });
    const { code, description } = statusCode(reply);
    if (code === 404) return undefined;
    if (code >= 400)
      throw new BusError('registry-unavailable', `schema ${fingerprint}: ${code} ${description}`);
    return reply.string();
  }

  /** Makes a foreign schema readable. @returns false when nobody published it, or it cannot be used */
  async learn(fingerprint: string): Promise<boolean> {
    const json = await this.lookUp(fingerprint);
    if (json === undefined) return false;
    try {
      const { name } = registerWriterSchema(json);
      this.#log.info({ fingerprint, name }, 'schema of another version learned from the registry');
      return true;
    } catch (error) {
      this.#log.error({ err: error, fingerprint }, 'schema in the registry cannot be used');
      return false;
    }
  }
}
