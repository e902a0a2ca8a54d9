/** The manifest in the words of the JetStream API. */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  nanos,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import type { BucketManifest, ConsumerManifest, StreamManifest } from './manifest.ts';

export function streamSettings(manifest: StreamManifest, replicas: number): Partial<StreamConfig> {
  return {
    name: manifest.name,
    description: manifest.description,
    subjects: [...manifest.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: manifest.discard === 'old' ? DiscardPolicy.Old : DiscardPolicy.New,
    max_age: nanos(manifest.maxAgeMs),
    max_bytes: manifest.maxBytes,
    duplicate_window: nanos(manifest.duplicateWindowMs),
    num_replicas: replicas,
    allow_direct: true,
    ...(manifest.maxMessageBytes === undefined ? {} : { max_msg_size: manifest.maxMessageBytes }),
    ...(manifest.denyDelete === undefined ? {} : { deny_delete: manifest.denyDelete }),
  };
}

/** A key-value bucket is a stream by convention (NATS ADR-8): history 1, and no key is ever rolled up or purged. */
export function bucketSettings(manifest: BucketManifest, replicas: number): Partial<StreamConfig> {
  return {
    name: `KV_${manifest.name}`,
    description: manifest.description,
    subjects: [`$KV.${manifest.name}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_msgs_per_subject: 1,
    max_bytes: manifest.maxBytes,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
    num_replicas: replicas,
  };
}

export function consumerSettings(manifest: ConsumerManifest): Partial<ConsumerConfig> {
  return {
    durable_name: manifest.durable,
    description: manifest.description,
    filter_subject: manifest.filterSubject,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(manifest.ackWaitMs),
    max_ack_pending: manifest.maxAckPending,
    // The server never gives up: it would do so in silence. The reader counts, and stores a dead letter.
    max_deliver: -1,
    // What was reported before the service's first start must be handled as well.
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
  };
}
