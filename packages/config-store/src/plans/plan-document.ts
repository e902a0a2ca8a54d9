/** What an operator writes down of a recovery plan: which volumes and instances go to the other zone, and in which order. */
import { type ErrorDetail, SalvorError } from '@salvor/service-kit';
import { parseDocument } from 'yaml';
import { z } from 'zod';

/** Bounds of one plan. */
export const planDocumentCharsMax = 512 * 1024;
const GROUPS_MAX = 32;
const MEMBERS_MAX = 32;
const RECORDS_MAX = 16;
const RECORD_CHARS_MAX = 64 * 1024;
const CUT_EVERY_SECONDS_MAX = 3_600;
const STEP_TIMEOUT_SECONDS = 300;
const STEP_TIMEOUT_SECONDS_MAX = 86_400;

const id = z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 _ : -');
/** Something is made of it whose id has `-test` at its end. */
const shortId = z.string().regex(/^[A-Za-z0-9_:-]{1,59}$/, '1 to 59 of A-Z a-z 0-9 _ : -');

/** @param object whether members are refused that this version does not know, or kept */
function documentSchema(object: typeof z.strictObject) {
  const instance = z.union(
    [
      shortId.transform((instance) => ({ instance, test: null })),
      object({
        instance: shortId,
        /** Hooks of the test instance; without it, a test starts no instance in its place. */
        test: object({ startHook: id, stopHook: id }).nullable().default(null),
      }),
    ],
    'the id of an instance, or {instance, test: {startHook, stopHook}}',
  );
  const group = object({
    name: id,
    volumes: z.array(id).max(MEMBERS_MAX).default([]),
    /** Ids that are the same in both zones. */
    instances: z.array(instance).max(MEMBERS_MAX).default([]),
    /** Groups that are there before this one. */
    after: z.array(id).max(GROUPS_MAX).default([]),
    /** Its volumes are a consistency group: what a failover or a test brings is one moment of all of them. */
    consistent: z.boolean().optional(),
    /** How often such a moment is made; default 1. */
    cutEverySeconds: z.int().min(1).max(CUT_EVERY_SECONDS_MAX).optional(),
  });
  const record = object({
    name: id,
    /** Hook of the target zone that is given the content. */
    hook: id,
    content: z.string().max(RECORD_CHARS_MAX, `at most ${RECORD_CHARS_MAX} characters`),
  });
  return object({
    plan: id,
    zones: z.tuple([id, id], 'two zones'),
    groups: z.array(group).min(1, 'at least one group').max(GROUPS_MAX),
    /** The operator's own scripts and files, replayed in the target zone before instances start. */
    records: z.array(record).max(RECORDS_MAX).default([]),
    /** After this long a step that does not come about is given up. */
    stepTimeoutSeconds: z.int().min(1).max(STEP_TIMEOUT_SECONDS_MAX).default(STEP_TIMEOUT_SECONDS),
  });
}

/** As an operator writes it: what is not known is a mistake. */
export const planDocumentSchema = documentSchema(z.strictObject);
export type PlanDocument = z.output<typeof planDocumentSchema>;
export type PlanGroup = PlanDocument['groups'][number];

/** As etcd has it: a newer version may have written it, and what is not known of it stays. */
export const storedPlanDocumentSchema: typeof planDocumentSchema = documentSchema(
  z.looseObject as unknown as typeof z.strictObject,
);

/** The plan cannot be used; `details` name every wrong place. */
export class PlanError extends SalvorError {
  constructor(problems: readonly (ErrorDetail & { readonly found?: string })[]) {
    const sentences = problems.map(
      ({ path, expected, found }) =>
        `${path === '' ? 'the plan' : path}: expected ${expected}${found === undefined ? '' : `, found ${found}`}`,
    );
    super(
      'invalid-plan',
      `the plan cannot be used: ${sentences.join('; ')}`,
      problems.map(({ path, expected }) => ({ path, expected })),
    );
  }
}

/** Reads a plan from YAML, of which JSON is a part. @throws PlanError that names every wrong place */
export function parsePlan(text: string): PlanDocument {
  if (text.length > planDocumentCharsMax)
    throw new PlanError([
      { path: '', expected: `at most ${planDocumentCharsMax} characters`, found: `${text.length}` },
    ]);
  const yaml = parseDocument(text, { uniqueKeys: true });
  if (yaml.errors.length > 0)
    throw new PlanError(
      yaml.errors.map(({ message }) => ({
        path: '',
        expected: 'YAML or JSON',
        found: (message.split('\n')[0] ?? '').replace(/:$/, ''),
      })),
    );
  const parsed = planDocumentSchema.safeParse(jsonOf(yaml));
  if (!parsed.success)
    throw new PlanError(
      parsed.error.issues.map((issue) => ({ path: pathText(issue.path), expected: issue.message })),
    );
  const problems = faultsOf(parsed.data);
  if (problems.length > 0) throw new PlanError(problems);
  return parsed.data;
}

/** An alias that stands for more than it may is an error of the text. */
function jsonOf(yaml: ReturnType<typeof parseDocument>): unknown {
  try {
    return yaml.toJS();
  } catch (error) {
    throw new PlanError([{ path: '', expected: 'YAML or JSON', found: String(error) }]);
  }
}

/** Its groups in the order in which they start: each after those that it names, else as they are written. */
export function planOrder({ groups }: Pick<PlanDocument, 'groups'>): PlanGroup[] {
  const ordered: PlanGroup[] = [];
  const isThere = (name: string): boolean => ordered.some((group) => group.name === name);
  while (ordered.length < groups.length) {
    const next = groups.find(({ name, after }) => !isThere(name) && after.every(isThere));
    if (next === undefined) break;
    ordered.push(next);
  }
  return ordered;
}

function faultsOf({ zones, groups, records }: PlanDocument): ErrorDetail[] {
  const problems: ErrorDetail[] = [];
  const names = groups.map(({ name }) => name);
  if (zones[0] === zones[1]) problems.push({ path: 'zones', expected: 'two different zones' });
  problems.push(...repeats(names, 'a name that no other group has', (index) => `groups[${index}].name`));
  problems.push(
    ...repeats(
      records.map(({ name }) => name),
      'a name that no other record has',
      (index) => `records[${index}].name`,
    ),
  );
  const volumes = groups.flatMap((group, at) =>
    group.volumes.map((volume, index) => ({ id: volume, path: `groups[${at}].volumes[${index}]` })),
  );
  const instances = groups.flatMap((group, at) =>
    group.instances.map(({ instance }, index) => ({
      id: instance,
      path: `groups[${at}].instances[${index}]`,
    })),
  );
  for (const members of [volumes, instances])
    problems.push(
      ...repeats(
        members.map((member) => member.id),
        'an id that is named once in the plan',
        (index) => members[index]?.path ?? '',
      ),
    );
  for (const [
    at,
    { name, volumes: own, instances: users, after, consistent, cutEverySeconds },
  ] of groups.entries()) {
    if (consistent === true && own.length < 2)
      problems.push({ path: `groups[${at}].consistent`, expected: 'a group of two volumes or more' });
    if (cutEverySeconds !== undefined && consistent !== true)
      problems.push({ path: `groups[${at}].cutEverySeconds`, expected: 'none without consistent: true' });
    if (own.length + users.length === 0)
      problems.push({ path: `groups[${at}]`, expected: 'a volume or an instance' });
    for (const [index, earlier] of after.entries())
      if (!names.includes(earlier) || earlier === name)
        problems.push({
          path: `groups[${at}].after[${index}]`,
          expected: `the name of another group, found ${JSON.stringify(earlier)}`,
        });
  }
  if (problems.length > 0) return problems;
  const ordered = planOrder({ groups });
  if (ordered.length === groups.length) return [];
  const circle = names.filter((name) => !ordered.some((group) => group.name === name));
  return [{ path: 'groups', expected: `an order: ${circle.join(', ')} wait for each other (after)` }];
}

function repeats(ids: readonly string[], expected: string, pathOf: (index: number) => string): ErrorDetail[] {
  return ids.flatMap((own, index) =>
    ids.indexOf(own) === index
      ? []
      : [{ path: pathOf(index), expected: `${expected}, found ${JSON.stringify(own)} again` }],
  );
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}
