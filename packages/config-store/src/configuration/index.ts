export {
  type ConfigurationFile,
  ConfigurationFileError,
  formatConfiguration,
  parseConfiguration,
} from './configuration-file.ts';
export { exportConfiguration } from './export-configuration.ts';
export { type ImportOutcome, importConfiguration, planImport } from './import-configuration.ts';
