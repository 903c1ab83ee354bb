'use strict';
// Runs a query on rows that a test gives. The tables are exactly those that
// exist in the test; saved functions are those of the library.

const V = require('./values.cjs');
const K = require('./kusto.cjs');
const { child } = require('./expressions.cjs');
const { Tables } = require('./operators.cjs');

/** load makes the tables of the workspace from a test's rows. $ingested is a row's ingestion_time(). */
function load({ tables, bare }, rows = {}) {
  for (const name of Object.keys(rows)) if (!Object.hasOwn(tables, name)) throw new Error(`rows for ${name}, which is not declared`);
  return Object.fromEntries(Object.entries(tables).map(([name, declared]) => {
    const columns = Object.entries(bare ? declared : K.completeTable(declared)).map(([n, type]) => ({ name: n, type }));
    const known = new Set([...columns.map((c) => c.name), '$ingested']);
    return [name, { columns, rows: (rows[name] ?? []).map((r, i) => {
      const where = `${name} row ${i + 1}`;
      for (const k of Object.keys(r)) if (!known.has(k)) throw new Error(`${where}: no column ${k}`);
      const cells = columns.map((c) => (c.name === 'Type' && !('Type' in r) ? name : V.readCell(r[c.name], c.type, `${where} ${c.name}`)));
      const time = r.$ingested ?? r.TimeGenerated ?? null;
      return { cells, ingested: V.readCell(time, 'datetime', `${where} $ingested`) };
    }) }];
  }));
}

/** declare puts compiled functions into a scope. Each sees those it calls. */
function declare(functions, context) {
  const scope = { vars: new Map(), parent: null, run: context };
  for (const f of functions) scope.vars.set(f.name, { kind: 'function', name: f.name, node: f.node, scope: declare(f.callees, context) });
  return scope;
}

/** evaluate gives {columns, rows} with the cells as values of KQL. */
function evaluate(library, { query, rows, now, watchlists }) {
  const a = library.analyse(query);
  if (a.errors.length > 0) throw new Error(a.errors.join('\n'));
  if (!a.columns) throw new Error('the query gives no table');
  const context = { now: V.readCell(now, 'datetime', 'now'), watchlists: watchlists ?? {} };
  const tabular = new Tables(load(library, rows), context);
  const scope = child(declare(a.used, context));
  const expression = tabular.scalar.statements(K.elements(a.syntax.Statements), scope);
  return tabular.eval(expression, scope);
}

/** run gives {columns, rows} with the rows as arrays of JSON values. */
function run(library, request) {
  const result = evaluate(library, request);
  return { columns: result.columns, rows: result.rows.map((r) => r.cells.map(V.writeCell)) };
}

module.exports = { run, evaluate, declare, load };
