'use strict';
// Answers requests on standard input, one JSON object a line, on standard
// output, in order. A request has id, op, query, and for the ops:
//
//   check  tables, functions, bare    {errors, warnings, columns}
//   run    tables, functions, rows, now   {columns, rows}
//   parts  tables, bare               {operators, functions}: what the query uses
//
// A reply is {id, result} or {id, error}.

const readline = require('node:readline');
const K = require('./kusto.cjs');
const { run } = require('./interpreter.cjs');

const states = new Map(); // analysis state by workspace: making one costs more than using it

function state({ tables, functions, bare }) {
  const key = JSON.stringify([tables, functions, bare]);
  if (!states.has(key)) states.set(key, K.workspace({ tables, functions, bare }));
  return states.get(key);
}

function check(request) {
  const { errors, warnings, columns } = K.analyse(request.query, state(request));
  return { errors, warnings, columns };
}

function parts(request) {
  const { syntax } = K.analyse(request.query, state(request));
  const operators = new Set();
  const functions = new Set();
  const expressions = new Set();
  K.visit(syntax, (n) => {
    const kind = K.kindOf(n);
    if (kind.endsWith('Operator')) operators.add(kind);
    if (kind === 'FunctionCallExpression') functions.add(n.Name.SimpleName);
    if (kind.endsWith('Expression') && n.Operator) expressions.add(n.Operator.Text.trim().replace(/\s+/g, ' '));
    else if (kind === 'DynamicExpression') expressions.add('dynamic');
  });
  return { operators: [...operators], functions: [...functions], expressions: [...expressions].filter((e) => e) };
}

const OPS = { check, run, parts };

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
