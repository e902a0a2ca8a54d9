export * from './unavailable-shard.ts';
