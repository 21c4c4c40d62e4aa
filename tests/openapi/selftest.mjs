// The checkers must be able to fail: each of these changes to a good record has to be found.
//
//   node tests/openapi/selftest.mjs RECORD
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const lines = fs.readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-openapi-'));

const answerOf = (r, change) => {
	const value = JSON.parse(r.answer);
	change(value);
	return { ...r, answer: JSON.stringify(value) };
};
const find = (kind, test) => lines.find((r) => r.kind === kind && test(r));
const rest = (name) => find('rest', (r) => r.class === name && r.status < 300);
const hook = (event) => find('webhook', (r) => r.event === event);

const graph = (text) => find('rest', (r) => r.class === 'graphql' && r.status === 200 && r.body.includes(text) && r.answer.includes('"data":{"'));

const changes = [
	['graphql.mjs', 'a member that was not asked for', answerOf(graph('pageInfo'), (v) => { v.data.repository.extra = 1; })],
	['graphql.mjs', 'a missing member', answerOf(graph('pageInfo'), (v) => { delete v.data.repository.pullRequest; })],
	['graphql.mjs', 'null where there must be a value', answerOf(graph('reviewThreads'), (v) => { v.data.repository.pullRequest.reviewThreads = null; })],
	['graphql.mjs', 'a number as text', answerOf(graph('totalCount'), (v) => { v.data.repository.pullRequest.reviewThreads.totalCount = '3'; })],
	['graphql.mjs', 'an unknown field', { ...graph('isOutdated'), body: graph('isOutdated').body.replace('isOutdated', 'isOld') }],
	['graphql.mjs', 'a variable of another type', { ...graph('$number:Int!'), body: graph('$number:Int!').body.replace('"number":1', '"number":"1"') }],
	['check.mjs', 'a number as text', answerOf(rest('pull'), (v) => { v.number = '1'; })],
	['check.mjs', 'a missing member', answerOf(rest('pull'), (v) => { delete v.head.sha; })],
	['check.mjs', 'null where there must be a value', answerOf(rest('pull'), (v) => { v.title = null; })],
	['check.mjs', 'a state that does not exist', { ...rest('status_create'), body: '{"state":"in_progress"}' }],
	['check.mjs', 'a request without its member', { ...rest('comment_create'), body: '{"text":"x"}' }],
	['check.mjs', 'an unknown path', { ...rest('pull'), path: '/repos/a/b/pullz/1', status: 404, answer: '{"message":"Not Found"}' }],
	['check.mjs', 'an unknown path above', { ...rest('pull'), path: '/repo/a/b', status: 404, answer: '{"message":"Not Found"}' }],
	['check.mjs', 'an unknown method', { ...rest('pull'), method: 'PUT' }],
	['check.mjs', 'an undescribed status', { ...rest('pull'), status: 299 }],
	['check.mjs', 'half an answer', { ...rest('pull'), answer: rest('pull').answer.slice(0, 100) }],
	['webhooks.mjs', 'a webhook without its action', { ...hook('issue_comment'), payload: { ...hook('issue_comment').payload, action: undefined } }],
	['webhooks.mjs', 'a member too many', { ...hook('push'), payload: { ...hook('push').payload, extra: 1 } }],
	['webhooks.mjs', 'a sender without id', { ...hook('push'), payload: { ...hook('push').payload, sender: {} } }],
];

let missed = 0;
for (const [script, what, record] of changes) {
	const file = path.join(scratch, 'record');
	fs.writeFileSync(file, `${JSON.stringify(record)}\n`);
	const args = [path.join(here, script), ...(script === 'check.mjs' ? [] : ['check']), file];
	const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
	if (run.status !== 1 || !run.stderr.includes(file)) {
		missed++;
		console.error(`not found: ${what}: exit ${run.status}: ${run.stderr}`);
	}
}
fs.rmSync(scratch, { recursive: true });
console.log(`${changes.length - missed} of ${changes.length} changes found`);
process.exit(missed === 0 ? 0 : 1);
