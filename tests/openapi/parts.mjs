// Where the pinned packages are: parts/openapi of the checkout, or what SLUICE_OPENAPI_PARTS names. `npm ci --ignore-scripts` fills it.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const dir = process.env.SLUICE_OPENAPI_PARTS ?? path.join(here, '..', '..', 'parts', 'openapi');

if (!fs.existsSync(path.join(dir, 'node_modules'))) {
	console.error(`${dir} has no packages: run make parts, or npm ci --ignore-scripts there with tests/openapi/package*.json`);
	process.exit(3);
}
export const require = createRequire(path.join(dir, 'package.json'));

// The lines of a record of `sluice sim --record`, of one kind.
export function records(file, kind) {
	return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line, i) => ({ line: i + 1, ...JSON.parse(line) }))
		.filter((r) => r.kind === kind);
}

export function validator() {
	const Ajv = require('ajv').default;
	const formats = require('ajv-formats').default ?? require('ajv-formats');
	const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: true });
	formats(ajv);
	return ajv;
}
