export * from './apply-archive.ts';
export * from './archive-brought-back.ts';
export * from './archive-claim.ts';
export * from './archive-decision.ts';
export * from './archive-history.ts';
export * from './archive-orders.ts';
export * from './archive-outcome.ts';
export * from './archive-records.ts';
