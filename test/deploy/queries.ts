import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const DEPLOY = resolve(import.meta.dirname, '../../deploy');

const rulesSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Salvor[A-Za-z]+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smh]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
});
export type Rule = z.infer<typeof rulesSchema>['groups'][number]['rules'][number];

export function readRules(): Rule[] {
  const text = readFileSync(join(DEPLOY, 'prometheus/salvor.rules.yaml'), 'utf8');
  return rulesSchema.parse(parse(text)).groups.flatMap(({ rules }) => rules);
}

const dashboardSchema = z.object({
  uid: z.string(),
  title: z.string(),
  panels: z.array(
    z.object({
      id: z.number(),
      type: z.enum(['row', 'timeseries', 'stat']),
      title: z.string(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z
        .array(z.object({ refId: z.string(), expr: z.string(), datasource: z.object({ uid: z.string() }) }))
        .default([]),
    }),
  ),
});
export type Dashboard = z.infer<typeof dashboardSchema>;

/** By file name. */
export function readDashboards(): Map<string, Dashboard> {
  const folder = join(DEPLOY, 'grafana');
  return new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => [file, dashboardSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')))]),
  );
}

/** Every expression of the rules and dashboards, with where it stands. */
export function allQueries(): { readonly where: string; readonly expr: string }[] {
  return [
    ...readRules().map(({ alert, expr }) => ({ where: `alert ${alert}`, expr })),
    ...[...readDashboards()].flatMap(([file, { panels }]) =>
      panels.flatMap(({ title, targets }) =>
        targets.map(({ expr }) => ({ where: `${file}: ${title}`, expr })),
      ),
    ),
  ];
}
