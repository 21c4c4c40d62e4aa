// GitHub's OpenAPI description, cut to the paths that we use and turned into JSON schema, kept beside the packages: reading and cutting the
// 13 MB takes longer than all the checks.
import fs from 'node:fs';
import path from 'node:path';
import { dir, require } from './parts.mjs';

const REPO = '/repos/{owner}/{repo}';
const PATHS = [
	'/user', '/users/{username}', '/app', '/app/installations', '/app/installations/{installation_id}',
	'/app/installations/{installation_id}/access_tokens', '/app/hook/deliveries', '/app/hook/deliveries/{delivery_id}',
	'/app/hook/deliveries/{delivery_id}/attempts', '/installation/token', '/installation/repositories', '/orgs/{org}/installation',
	'/users/{username}/installation', '/app-manifests/{code}/conversions',
	'/orgs/{org}/teams/{team_slug}/memberships/{username}',
	'/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}',
	REPO,
	...['/pulls', '/pulls/{pull_number}', '/pulls/{pull_number}/reviews', '/pulls/{pull_number}/merge', '/issues/{issue_number}/comments',
		'/issues/comments/{comment_id}', '/collaborators/{username}/permission', '/branches/{branch}', '/branches/{branch}/protection',
		'/rules/branches/{branch}', '/commits/{ref}/status', '/commits/{ref}/check-runs', '/statuses/{sha}', '/check-runs',
		'/check-runs/{check_run_id}', '/pulls/{pull_number}/commits', '/commits/{commit_sha}/pulls', '/commits/{ref}/statuses',
		'/commits/{ref}/check-suites', '/issues/{issue_number}/labels', '/contents/{path}', '/codeowners/errors', '/deployments',
		'/deployments/{deployment_id}/statuses', '/rulesets/{ruleset_id}', '/installation'].map((p) => REPO + p),
];

const DROPPED = new Set(['nullable', 'example', 'examples', 'discriminator', 'description', 'externalDocs', 'x-github']);

// OpenAPI 3.0 says "nullable" where JSON schema has a type of its own, and keeps words that a schema does not know.
function toSchema(node) {
	if (Array.isArray(node))
		return node.map(toSchema);
	if (node === null || typeof node !== 'object')
		return node;
	const out = {};
	for (const [key, value] of Object.entries(node))
		if (!DROPPED.has(key) || (key === 'description' && typeof value === 'object')) // a property may be called that
			out[key] = toSchema(value);
	if (node.nullable !== true)
		return out;
	if (typeof out.type === 'string') {
		out.type = [out.type, 'null'];
		if (Array.isArray(out.enum))
			out.enum = [...out.enum, null];
		return out;
	}
	return { anyOf: [out, { type: 'null' }] };
}

function at(doc, ref) {
	return ref.slice(2).split('/').reduce((o, k) => o[k.replaceAll('~1', '/').replaceAll('~0', '~')], doc);
}

function reach(doc, node, seen) {
	if (node === null || typeof node !== 'object')
		return;
	if (typeof node.$ref === 'string' && !seen.has(node.$ref)) {
		seen.add(node.$ref);
		reach(doc, at(doc, node.$ref), seen);
	}
	for (const value of Object.values(node))
		reach(doc, value, seen);
}

// GitHub says null for the author, the reviewer's and the head's repository of what was deleted; its description has forgotten it.
function forgetful(schemas) {
	for (const name of ['pull-request', 'pull-request-simple']) {
		const pull = schemas[name].properties;
		for (const [owner, key] of [[pull, 'user'], [pull.head.properties, 'repo'], [pull.head.properties, 'user']])
			owner[key] = { nullable: true, allOf: [owner[key]] };
	}
}

function cut(doc) {
	forgetful(doc.components.schemas);
	// In the list an account would have to be a user and an enterprise at once; alone it is either.
	doc.paths['/app/installations'].get.responses['200'].content['application/json'].schema.items = { $ref: '#/components/schemas/installation' };
	const paths = {};
	for (const p of PATHS) {
		if (doc.paths[p] === undefined)
			throw new Error(`GitHub's description has no path ${p} any more`);
		paths[p] = doc.paths[p];
	}
	const seen = new Set();
	reach(doc, paths, seen);
	reach(doc, { $ref: '#/components/schemas/basic-error' }, seen);
	const components = {};
	for (const ref of seen) {
		const [, , section, name] = ref.split('/');
		(components[section] ??= {})[name] = doc.components[section][name];
	}
	return { paths: toSchema(paths), components: toSchema(components) };
}

export function description() {
	const version = require('@octokit/openapi/package.json').version;
	const cache = path.join(dir, `description-${version}.json`);
	const self = fs.statSync(new URL(import.meta.url)).mtimeMs;
	if (fs.existsSync(cache) && fs.statSync(cache).mtimeMs >= self)
		return JSON.parse(fs.readFileSync(cache));
	const source = path.join(path.dirname(require.resolve('@octokit/openapi/package.json')), 'generated', 'api.github.com.json');
	const out = cut(JSON.parse(fs.readFileSync(source)));
	fs.writeFileSync(`${cache}.new`, JSON.stringify(out));
	fs.renameSync(`${cache}.new`, cache);
	return out;
}
