export { ArchiveClaim, ArchiveLostError } from './archive-claim.ts';
export * from './archive-keys.ts';
export * from './archive-records.ts';
export { readArchivedPlace } from './archived-place.ts';
