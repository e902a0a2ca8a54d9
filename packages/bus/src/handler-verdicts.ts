/** What a handler may throw to say what becomes of its event; any other error is retried, then a dead letter. */

/** The event can never be handled: it becomes a dead letter at once. */
export class RejectEvent extends Error {
  override readonly name = 'RejectEvent';
}

/**
 * Something else is missing (etcd is away): the event is held and tried again, without counting as a failure of the
 * event. Nothing is lost during a long outage.
 */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly delayMs: number | undefined;

  constructor(message: string, delayMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.delayMs = delayMs;
  }
}
