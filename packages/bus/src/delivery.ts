/** What the reply subject of a message delivered by JetStream says about it. */
export interface Delivery {
  stream: string;
  consumer: string;
  /** 1 on the first delivery. */
  deliveries: number;
  streamSeq: number;
  storedAtMs: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanos>.<pending>`, and since server 2.10
 * optionally `$JS.ACK.<domain>.<account hash>.<stream>…<pending>.<random>` (NATS ADR-15).
 * @returns undefined when the message did not come from a consumer
 */
export function parseDelivery(reply: string | undefined): Delivery | undefined {
  const tokens = (reply ?? '').split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  const rest = tokens.length === 9 ? tokens.slice(2) : tokens.length >= 11 ? tokens.slice(4) : [];
  const [stream, consumer, deliveries, streamSeq, , nanoseconds] = rest;
  if (stream === undefined || consumer === undefined || nanoseconds === undefined) return undefined;
  const delivery = {
    stream,
    consumer,
    deliveries: Number(deliveries),
    streamSeq: Number(streamSeq),
    storedAtMs: Math.floor(Number(nanoseconds) / 1e6),
  };
  const numbers = [delivery.deliveries, delivery.streamSeq, delivery.storedAtMs];
  return numbers.every((value) => Number.isSafeInteger(value) && value > 0) ? delivery : undefined;
}
