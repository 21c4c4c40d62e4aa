// GitHub's published webhooks.
//
//   node tests/openapi/webhooks.mjs examples DIR      writes the example payloads as DIR/<event>-<i>.json
//   node tests/openapi/webhooks.mjs check RECORD...   holds the recorded webhooks against the published schemas
import fs from 'node:fs';
import path from 'node:path';
import { description } from './description.mjs';
import { records, require, validator } from './parts.mjs';

function examples(dir) {
	fs.mkdirSync(dir, { recursive: true });
	let n = 0;
	for (const event of require('@octokit/webhooks-examples'))
		event.examples.forEach((payload, i) => {
			fs.writeFileSync(path.join(dir, `${event.name}-${i}.json`), JSON.stringify(payload));
			n++;
		});
	console.log(`${n} payloads`);
	return n === 329 ? 0 : 1;
}

function schemaName(definitions, r) {
	const names = [`${r.event}$${r.payload.action}`, `${r.event}$event`, `${r.event}_event`];
	return names.find((name) => definitions[name] !== undefined);
}

// Events that are younger than the published webhook schemas: their object is the one of the REST description.
const YOUNGER = { repository_ruleset: ['repository_ruleset', 'repository-ruleset', ['created', 'edited', 'deleted']] };

function younger(ajv, definitions) {
	for (const [event, [key, component, actions]] of Object.entries(YOUNGER))
		definitions[`${event}_event`] = {
			type: 'object', required: ['action', key, 'repository', 'sender'], additionalProperties: false,
			properties: { action: { enum: actions }, changes: { type: 'object' }, [key]: { $ref: `rest#/components/schemas/${component}` },
				repository: { $ref: '#/definitions/repository' }, sender: { $ref: '#/definitions/user' } },
		};
	const rest = JSON.stringify({ components: description().components }).replaceAll('"#/components', '"rest#/components');
	ajv.addSchema({ $id: 'rest', ...JSON.parse(rest) }, 'rest');
}

function check(files) {
	const ajv = validator();
	const schema = structuredClone(require('@octokit/webhooks-schemas'));
	younger(ajv, schema.definitions);
	for (const name of ['app', 'installation']) // younger than the schemas, too
		schema.definitions[name].properties.client_id = { type: 'string' };
	ajv.addSchema(schema, 'gh');
	let n = 0;
	let bad = 0;
	const seen = new Set();
	for (const file of files)
		for (const r of records(file, 'webhook')) {
			const name = schemaName(schema.definitions, r);
			const run = name && ajv.getSchema(`gh#/definitions/${name.replaceAll('$', '%24')}`);
			n++;
			seen.add(name);
			if (run && run(r.payload))
				continue;
			bad++;
			const why = run ? run.errors.map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`).slice(0, 3).join('; ') : 'no schema';
			console.error(`${file}:${r.line}: ${r.event} ${r.payload.action ?? ''}: ${why}`);
		}
	if (n === 0)
		console.error('no webhook was recorded: nothing was checked');
	console.log(`${n} webhooks of ${seen.size} kinds: ${bad === 0 ? 'all as GitHub describes them' : `${bad} violations`}`);
	return n > 0 && bad === 0 ? 0 : 1;
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'examples' && rest.length === 1)
	process.exit(examples(rest[0]));
if (command === 'check' && rest.length > 0)
	process.exit(check(rest));
console.error('usage: webhooks.mjs examples DIR | check RECORD...');
process.exit(2);
