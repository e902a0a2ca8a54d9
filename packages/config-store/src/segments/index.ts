export * from './segment-claim.ts';
export * from './segment-records.ts';
