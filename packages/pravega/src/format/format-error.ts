import { SalvorError } from '@salvor/service-kit';

/** Bytes that are not what the format says. Readers turn it into a finding and go on with the rest of the tree. */
export class FormatError extends SalvorError {
  constructor(message: string) {
    super('damaged-record', message);
  }
}
