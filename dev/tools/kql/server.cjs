'use strict';
// Answers requests on standard input, one JSON object a line, on standard
// output, in order. A request has id, op, query, and for the ops:
//
//   check  tables, functions, bare    {errors, warnings, columns}
//   run    tables, functions, rows, now, watchlists   {columns, rows}
//   open   tables, functions, bare, resident, now   {}: a workspace that stays, see resident.cjs
//   add    rows                                     {}: into it
//   play   query, every, from, to, …                {calls, runs, alerts}: a rule's runs in it
//   parts  tables, bare               {operators, functions}: what the query uses
//
// A reply is {id, result} or {id, error}.

const readline = require('node:readline');
const K = require('./kusto.cjs');
const { Library } = require('./library.cjs');
const { run } = require('./interpreter.cjs');
const { Resident } = require('./resident.cjs');

const library = ({ tables, functions, bare }) => new Library(tables ?? {}, functions ?? [], bare);

function check(request) {
  const { errors, warnings, columns } = library(request).analyse(request.query);
  return { errors, warnings, columns };
}

function parts(request) {
  const { syntax } = library(request).analyse(request.query);
  const operators = new Set();
  const functions = new Set();
  const expressions = new Set();
  K.visit(syntax, (n) => {
    const kind = K.kindOf(n);
    if (kind.endsWith('Operator')) operators.add(kind);
    if (kind === 'FunctionCallExpression') functions.add(n.Name.SimpleName);
    if (kind.endsWith('Expression') && typeof n.Operator?.Text === 'string') expressions.add(n.Operator.Text.trim().replace(/\s+/g, ' '));
    else if (kind === 'DynamicExpression') expressions.add('dynamic');
  });
  return { operators: [...operators], functions: [...functions], expressions: [...expressions].filter((e) => e) };
}

let resident = null;

const OPS = {
  check, parts, run: (request) => run(library(request), request),
  open: (request) => { resident = new Resident(library(request), request); return {}; },
  add: (request) => { resident.add(request.rows); return {}; },
  play: (request) => resident.play(request),
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line);
  let reply;
  try {
    reply = { id: request.id, result: OPS[request.op](request) };
  } catch (err) {
    reply = { id: request.id, error: err.message };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
