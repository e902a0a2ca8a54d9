/** Names the wrong fields of a value that avsc refused. */
import { describeFound, type FieldProblem, MAX_FIELD_PROBLEMS, ValidationError } from './errors.ts';
import { branchNameOf } from './plain-value.ts';
import type { KnownRecord } from './registry.ts';

/** The typed error for it; the refusal itself when it was about something else. */
export function invalidValueError(record: KnownRecord, value: unknown, refusal: unknown): unknown {
  const details: FieldProblem[] = [];
  record.type.isValid(value, {
    errorHook(path, found, type) {
      if (details.length >= MAX_FIELD_PROBLEMS) return;
      details.push({ path: pathOf(path), expected: branchNameOf(type), found: describeFound(found) });
    },
  });
  return details.length === 0 ? refusal : new ValidationError('invalid-value', record.name, details);
}

function pathOf(steps: readonly string[]): string {
  const path = steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join('');
  return path === '' ? '$' : path.replace(/^\./, '');
}
