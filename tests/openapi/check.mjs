// Holds every recorded request and answer against GitHub's published OpenAPI description.
//
//   node tests/openapi/check.mjs RECORD...      exit 0: all fine; 1: each violation is printed
//
// An unknown path or method, a body that the description refuses, a status that it does not know: each is a violation.
import { description } from './description.mjs';
import { records, validator } from './parts.mjs';

// What GitHub answers although its description does not list it: to a missing token, to a missing permission, over a limit, to what is
// hidden, to broken JSON, and 422 for statuses (a description that is too long, an unknown commit).
const UNLISTED = new Set([301, 307, 400, 401, 403, 404, 422]);

const doc = description();
const ajv = validator();
ajv.addSchema({ $id: 'gh', components: doc.components }, 'gh');

const compiled = new Map();
function check(schema, value) {
	const text = JSON.stringify(schema).replaceAll('"#/components', '"gh#/components');
	if (!compiled.has(text))
		compiled.set(text, ajv.compile(JSON.parse(text)));
	const run = compiled.get(text);
	if (run(value))
		return null;
	return run.errors.slice(0, 3).map((e) => `${e.instancePath || '/'} ${e.message}`).join('; ');
}

// A branch may have slashes; every other parameter is one segment. The template with fewer parameters wins: it is the more exact one.
const patterns = Object.keys(doc.paths).map((template) => ({
	template, params: template.split('{').length,
	regex: new RegExp(`^${template.replace(/\{(\w+)\}/g, (all, name) => (name === 'branch' || name === 'ref' ? '.+' : name === 'path' ? '.*' : '[^/]+'))}$`),
})).sort((a, b) => a.params - b.params || b.template.length - a.template.length);
const templateOf = (path) => patterns.find((p) => p.regex.test(path.endsWith('/contents') ? `${path}/` : path))?.template;

const deref = (node) => (node?.$ref ? node.$ref.slice(2).split('/').reduce((o, k) => o[k], doc) : node);
const jsonOf = (node) => deref(node)?.content?.['application/json']?.schema;

function parse(text, what, problems) {
	try {
		return JSON.parse(text);
	} catch (e) {
		problems.push(`${what} is no JSON: ${e.message}`);
		return undefined;
	}
}

function checkRequest(op, r, problems) {
	const schema = jsonOf(op.requestBody);
	if (r.body === '') {
		if (deref(op.requestBody)?.required)
			problems.push('the request has no body, and needs one');
		return;
	}
	const value = parse(r.body, 'the request', problems);
	if (value === undefined)
		return;
	const why = schema ? check(schema, value) : 'the description knows no body here';
	if (why !== null)
		problems.push(`request: ${why}`);
}

function checkAnswer(op, r, problems) {
	const listed = op.responses[r.status];
	if (listed === undefined && !UNLISTED.has(r.status)) {
		problems.push(`answer: status ${r.status} is not in the description`);
		return;
	}
	const schema = listed ? jsonOf(listed) : { $ref: '#/components/schemas/basic-error' };
	if (schema === undefined) {
		if (r.answer !== '' && r.status === 204)
			problems.push('answer: 204 has a body');
		return;
	}
	const value = parse(r.answer, 'the answer', problems);
	const why = value === undefined ? null : check(schema, value);
	if (why !== null)
		problems.push(`answer ${r.status}: ${why}`);
}

// Requests that a test sent wrong on purpose, and that were refused, are no violation of ours.
function problemsOf(r) {
	const template = templateOf(r.path.replace(/^\/repositories\/\d+/, '/repos/o/r'));
	const op = doc.paths[template]?.[r.method.toLowerCase()];
	if (op === undefined)
		return [`${r.method} ${r.path} is not in GitHub's description (or not in our cut of it: description.mjs)`];
	const problems = [];
	if (!(r.status >= 300 && r.status < 500))
		checkRequest(op, r, problems);
	if (!r.fault)
		checkAnswer(op, r, problems);
	return problems;
}

let requests = 0;
let bad = 0;
const seen = new Set();
for (const file of process.argv.slice(2))
	for (const r of records(file, 'rest')) {
		if (r.path === '/graphql') // graphql.mjs looks at these
			continue;
		requests++;
		seen.add(r.class);
		for (const problem of problemsOf(r)) {
			bad++;
			console.error(`${file}:${r.line}: ${r.method} ${r.path}: ${problem}`);
		}
	}
if (requests === 0) {
	console.error('no request was recorded: nothing was checked');
	process.exit(1);
}
console.log(`${requests} requests and answers of ${seen.size} kinds: ${bad === 0 ? 'all as GitHub describes them' : `${bad} violations`}`);
process.exit(bad === 0 ? 0 : 1);
