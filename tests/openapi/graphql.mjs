// GraphQL against GitHub's published schema.
//
//   node tests/openapi/graphql.mjs queries FILE.c...   the texts of constants QUERY_* and MUTATION_* are valid
//   node tests/openapi/graphql.mjs check RECORD...     what was answered was a valid question, and the answer has just the shape it asked for
import fs from 'node:fs';
import path from 'node:path';
import { dir, records, require } from './parts.mjs';

const g = require('graphql');
const text = fs.readFileSync(path.join(dir, 'node_modules', '@octokit', 'graphql-schema', 'schema.graphql'), 'utf8');
const schema = g.buildSchema(text, { assumeValidSDL: true });

function parse(text) {
	try {
		const doc = g.parse(text);
		return { doc, problems: g.validate(schema, doc).map((e) => e.message) };
	} catch (e) {
		return { problems: [e.message] };
	}
}

// ---- the product's own texts

function textsOf(file) {
	const constant = /static const char ((?:QUERY|MUTATION)_\w+)\[\]\s*=\s*((?:"(?:[^"\\]|\\.)*"\s*)+);/g;
	return [...fs.readFileSync(file, 'utf8').matchAll(constant)].map(([, name, parts]) => ({
		name, text: [...parts.matchAll(/"(?:[^"\\]|\\.)*"/g)].map((m) => JSON.parse(m[0])).join(''),
	}));
}

function queries(files) {
	let n = 0;
	let bad = 0;
	for (const file of files)
		for (const { name, text } of textsOf(file)) {
			n++;
			for (const problem of parse(text).problems) {
				bad++;
				console.error(`${file}: ${name}: ${problem}`);
			}
		}
	if (n === 0)
		console.error('no QUERY_ or MUTATION_ constant was found: nothing was checked');
	console.log(`${n} queries: ${bad === 0 ? 'all valid' : `${bad} problems`}`);
	return n > 0 && bad === 0 ? 0 : 1;
}

// ---- recorded answers

function leaf(type, value, at, problems) {
	try {
		type.parseValue(value);
	} catch (e) {
		problems.push(`${at}: ${e.message}`);
	}
	const wanted = { Int: 'number', Float: 'number', Boolean: 'boolean' }[type.name];
	if (typeof value !== (wanted ?? 'string'))
		problems.push(`${at}: ${type.name} is told as ${typeof value}`);
	if (type.name === 'DateTime' && Number.isNaN(Date.parse(value)))
		problems.push(`${at}: "${value}" is no time`);
}

// Selected fields of an object type, fragments that apply to it put in.
function fieldsOf(selections, typeName) {
	return selections.flatMap((s) => (s.kind === 'Field' ? [s] : s.typeCondition.name.value === typeName ? fieldsOf(s.selectionSet.selections, typeName) : []));
}

function object(type, value, selections, at, problems) {
	const actual = g.isAbstractType(type) ? schema.getType(value.__typename) : type;
	if (actual === undefined || (g.isAbstractType(type) && !schema.isSubType(type, actual))) {
		if (value.__typename !== undefined)
			problems.push(`${at}: ${value.__typename} is no ${type.name}`);
		return; // the question did not ask for __typename: nothing more to say
	}
	const fields = fieldsOf(selections, actual.name);
	const keys = new Set(fields.map((f) => (f.alias ?? f.name).value));
	for (const key of Object.keys(value))
		if (!keys.has(key))
			problems.push(`${at}.${key} was not asked for`);
	for (const f of fields) {
		const key = (f.alias ?? f.name).value;
		if (!(key in value))
			problems.push(`${at}.${key} is missing`);
		else if (f.name.value === '__typename' && value[key] !== actual.name)
			problems.push(`${at}.${key}: ${value[key]} is not ${actual.name}`);
		else if (f.name.value === 'databaseId' && Number.isSafeInteger(value[key]))
			continue; // GitHub's own have outgrown the Int that its schema says
		else if (f.name.value !== '__typename')
			check(actual.getFields()[f.name.value].type, value[key], f.selectionSet?.selections, `${at}.${key}`, problems);
	}
}

function check(type, value, selections, at, problems) {
	if (g.isNonNullType(type)) {
		if (value === null)
			problems.push(`${at}: null where there must be a value`);
		else
			check(type.ofType, value, selections, at, problems);
	} else if (value === null) {
		return;
	} else if (g.isListType(type)) {
		if (!Array.isArray(value))
			problems.push(`${at}: no list`);
		else
			value.forEach((v, i) => check(type.ofType, v, selections, `${at}[${i}]`, problems));
	} else if (g.isLeafType(type)) {
		leaf(type, value, at, problems);
	} else {
		object(type, value, selections, at, problems);
	}
}

function problemsOf(r) {
	const answer = JSON.parse(r.answer);
	const question = JSON.parse(r.body);
	if (answer.data === undefined)
		return Array.isArray(answer.errors) && answer.errors.length > 0 && answer.errors.every((e) => typeof e.message === 'string')
			? [] : ['neither data nor errors'];
	const { doc, problems } = parse(question.query);
	if (problems.length > 0)
		return problems.map((p) => `answered, although ${p}`);
	const operation = doc.definitions[0];
	const variables = g.getVariableValues(schema, operation.variableDefinitions ?? [], question.variables ?? {});
	if (variables.errors)
		return variables.errors.map((e) => `answered, although ${e.message}`);
	const root = operation.operation === 'mutation' ? schema.getMutationType() : schema.getQueryType();
	const found = [];
	object(root, answer.data, operation.selectionSet.selections, 'data', found);
	return found;
}

function checkRecords(files) {
	let n = 0;
	let bad = 0;
	for (const file of files)
		for (const r of records(file, 'rest')) {
			if (r.path !== '/graphql' || r.fault || r.status !== 200)
				continue;
			n++;
			for (const problem of problemsOf(r)) {
				bad++;
				console.error(`${file}:${r.line}: ${problem}`);
			}
		}
	if (n === 0)
		console.error('no GraphQL request was recorded: nothing was checked');
	console.log(`${n} GraphQL answers: ${bad === 0 ? 'all as the schema has them' : `${bad} violations`}`);
	return n > 0 && bad === 0 ? 0 : 1;
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'queries' && rest.length > 0)
	process.exit(queries(rest));
if (command === 'check' && rest.length > 0)
	process.exit(checkRecords(rest));
console.error('usage: graphql.mjs queries FILE.c... | check RECORD...');
process.exit(2);
