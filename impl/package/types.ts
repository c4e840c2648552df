/**
 * Makes the types that are shipped, one file for each export: `node dist/impl/package/types.js`. With it come a
 * model of each export's API (`dist/api`), and an error for everything exported that has no comment.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { EXPORTS, ROOT, SHIPPED } from './places.ts';

/** As the library has them; api-extractor brings a compiler of its own. */
const COMPILER_OPTIONS = {
  target: 'es2022',
  module: 'nodenext',
  moduleResolution: 'nodenext',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  strict: true,
  skipLibCheck: true,
};
const API = join(ROOT, 'dist', 'api');

mkdirSync(API, { recursive: true });
for (const { name, source } of EXPORTS) {
  const rolledUp = join(SHIPPED, `${name}.d.ts`);
  const declarations = join(ROOT, 'dist', source.replace(/\.ts$/, '.d.ts'));
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: join(ROOT, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: ROOT,
      mainEntryPointFilePath: declarations,
      compiler: { overrideTsconfig: { compilerOptions: COMPILER_OPTIONS, files: [declarations] } },
      dtsRollup: { enabled: true, untrimmedFilePath: rolledUp },
      docModel: { enabled: true, apiJsonFilePath: join(API, `${name}.json`) },
      apiReport: { enabled: false, reportFileName: 'unused' },
      tsdocMetadata: { enabled: false },
      messages: {
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Error },
          // Everything that is exported is public; tags would say the same thing everywhere.
          'ae-missing-release-tag': { logLevel: ExtractorLogLevel.None },
        },
      },
    },
  });
  const { succeeded } = Extractor.invoke(config, { localBuild: false });
  if (!succeeded) process.exitCode = 1;
  copyFileSync(rolledUp, rolledUp.replace(/\.d\.ts$/, '.d.cts'));
}
