export * from './apply-plan.ts';
export * from './left-tests.ts';
export * from './plan-document.ts';
export * from './plan-records.ts';
export * from './plan-run-size.ts';
