/** The answers of the NATS service protocol (ADR-32). Go clients decode them: integers are integers, maps are maps. */

export interface ServiceIdentity {
  name: string;
  id: string;
  version: string;
  metadata: Record<string, string>;
}

export interface EndpointInfo {
  name: string;
  subject: string;
  queue_group: string;
  metadata: Record<string, string>;
}

export interface ServiceInfo extends ServiceIdentity {
  type: 'io.nats.micro.v1.info_response';
  description: string;
  endpoints: EndpointInfo[];
}

/** Header of every `$SRV` answer: the clock of who answers, milliseconds since 1970 UTC. */
export const CLOCK_HEADER = 'Salvor-Clock';

/** A service instance that answered. */
export interface DiscoveredService extends ServiceInfo {
  /**
   * How far its clock is ahead of ours, in milliseconds: the least that the time of asking and answering allows, 0 when the
   * clocks may agree; null when it did not tell.
   */
  clockAheadMs: number | null;
}

export interface EndpointStats {
  name: string;
  subject: string;
  queue_group: string;
  num_requests: number;
  num_errors: number;
  last_error: string;
  /** Integer nanoseconds. */
  processing_time: number;
  average_processing_time: number;
}

export interface ServiceStats extends ServiceIdentity {
  type: 'io.nats.micro.v1.stats_response';
  started: string;
  endpoints: EndpointStats[];
}

const NAME = /^[A-Za-z0-9_-]+$/;
/** semver.org, section "Is there a suggested regular expression". */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const MAX_LAST_ERROR_LENGTH = 500;

/** @returns what is wrong with the identity, as a sentence */
export function identityProblem(name: string, version: string): string | undefined {
  if (!NAME.test(name))
    return `service name: expected one or more of A-Z a-z 0-9 _ -, found ${JSON.stringify(name)}`;
  if (!SEMVER.test(version))
    return `service version: expected SemVer such as 1.2.3, found ${JSON.stringify(version)}`;
  return undefined;
}

/** Counts of one endpoint. Requests count at receipt; time is that of the awaited handler. */
export class EndpointCounter {
  #requests = 0;
  #errors = 0;
  #lastError = '';
  #nanos = 0n;

  received(): void {
    this.#requests += 1;
  }

  failed(code: number, message: string): void {
    this.#errors += 1;
    this.#lastError = `${code}:${message}`.slice(0, MAX_LAST_ERROR_LENGTH);
  }

  took(nanos: bigint): void {
    this.#nanos += nanos;
  }

  stats(endpoint: EndpointInfo): EndpointStats {
    const { name, subject, queue_group } = endpoint;
    const average = this.#requests === 0 ? 0n : this.#nanos / BigInt(this.#requests);
    return {
      name,
      subject,
      queue_group,
      num_requests: this.#requests,
      num_errors: this.#errors,
      last_error: this.#lastError,
      processing_time: Number(this.#nanos),
      average_processing_time: Number(average),
    };
  }
}
