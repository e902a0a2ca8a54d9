import { SalvorError } from '@salvor/service-kit';

/** Folder of Tier-2 in which exported vdisks are. */
const EXPORTS_FOLDER = 'exports/';
const NAME = /^[A-Za-z0-9_:%=-][A-Za-z0-9_:%=.-]{0,199}$/;

/** Path in Tier-2 of the file of an exported vdisk. @throws SalvorError `bad-request` for what is no plain name */
export function exportPath(file: string): string {
  if (NAME.test(file)) return `${EXPORTS_FOLDER}${file}`;
  throw new SalvorError(
    'bad-request',
    `file: expected a plain name, up to 200 of A-Z a-z 0-9 _ : % = - and dots inside, found ${JSON.stringify(file)}: files are in the folder ${EXPORTS_FOLDER} of Tier-2`,
  );
}
