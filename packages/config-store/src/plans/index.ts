export * from './apply-plan.ts';
export * from './plan-document.ts';
export * from './plan-records.ts';
